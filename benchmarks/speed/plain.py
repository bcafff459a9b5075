"""A way of `run.py`: plain bert4keras, as the posts describe it (kexue.fm 7764, 8295). Prints its figures as JSON.

Logits of the whole vocabulary at every place, batches padded to their longest text in the order of arrival, and for
P-tuning an embedding table whose gradient is masked.
"""
import json
import os
import sys
import time

import lessons
import numpy as np
from pet_keras.backend import BERT, Embedding, K, build_transformer_model, keras, tf

args = json.loads(sys.argv[1])
rows = list(range(1, 9))  # [unused1] to [unused8] of these vocabularies


class MaskedEmbedding(Embedding):
    def call(self, inputs, mode='embedding'):
        table, mask = self.embeddings, np.zeros((self.input_dim, 1), 'float32')
        mask[rows] = 1.
        self.embeddings = table * mask + K.stop_gradient(table) * (1. - mask)
        outputs = super(MaskedEmbedding, self).call(inputs, mode)
        self.embeddings = table
        return outputs


class PromptBERT(BERT):
    def apply(self, inputs=None, layer=None, arguments=None, **kwargs):
        if layer is Embedding and kwargs.get('name') == 'Embedding-Token':
            layer = MaskedEmbedding
        return super(PromptBERT, self).apply(inputs, layer, arguments, **kwargs)


def loss(targets, probabilities):
    mask = tf.cast(targets > 0, 'float32')
    return tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(targets, probabilities) * mask) / (
        tf.reduce_sum(mask))


model = build_transformer_model(os.path.join(args['folder'], 'bert_config.json'),
                                os.path.join(args['folder'], 'bert_model.ckpt'),
                                PromptBERT if args['work'] == 'P-tuning' else 'bert', with_mlm=True, dropout_rate=0.)
if args['work'] == 'P-tuning':
    for layer in model.layers:
        layer.trainable = layer.name == 'Embedding-Token'
loaded = lessons.memory()
batches = list(lessons.batches(args['lessons'], args['work']))
if args['work'] == 'scoring':
    def step(ids, targets):
        model.predict_on_batch([ids, np.zeros_like(ids)])
else:
    model.compile(keras.optimizers.Adam(1e-5), loss)

    def step(ids, targets):
        model.train_on_batch([ids, np.zeros_like(ids)], targets)
for batch in batches[:1] if args['epochs'] == 1 else batches:
    step(*batch)
begun = time.perf_counter()
for batch in batches:
    step(*batch)
seconds, peak = time.perf_counter() - begun, lessons.peak()
print(json.dumps({'rate': args['texts'] / seconds, 'memory': peak - loaded}))
