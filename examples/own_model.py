#! -*- coding: utf-8 -*-
"""PtuningEmbedding in a Keras model of your own: a frozen table of which two rows train.

    python examples/own_model.py
"""
import numpy as np

import pet_keras  # noqa: F401  before TensorFlow: it chooses Keras 2
from pet_keras import PtuningEmbedding
from tensorflow import keras

vocab_size, label_ids = 100, [1, 2]

# The mean of the text's vectors, compared with the rows of two label tokens by the tied output head
embedding = PtuningEmbedding(vocab_size, 64, trainable_token_ids=label_ids, name='tokens',
                            embeddings_initializer=keras.initializers.RandomUniform(-0.05, 0.05, seed=0))
token_ids = keras.Input((None,), dtype='int32')
x = keras.layers.Lambda(lambda z: keras.backend.mean(z, axis=1, keepdims=True))(embedding(token_ids))
logits = embedding(x, mode='dense')
logits = keras.layers.Lambda(lambda z: 20. * z[:, 0, 1:3])(logits)
model = keras.Model(token_ids, logits)
print('trainable:', [(w.name, tuple(w.shape)) for w in model.trainable_weights])

# Texts of random tokens; the label says whether most of them are above 50
rng = np.random.default_rng(0)
texts = rng.integers(4, vocab_size, (512, 5))
labels = ((texts > 50).mean(axis=1) > 0.5).astype(int)

table = embedding.embeddings.numpy()
model.compile(keras.optimizers.AdamW(0.05, weight_decay=0.1),
              keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=['accuracy'])
before = model.evaluate(texts, labels, verbose=0)
model.fit(texts, labels, epochs=30, verbose=0)
after = model.evaluate(texts, labels, verbose=0)
print('accuracy: %.2f → %.2f' % (before[1], after[1]))
print('the table is as it was:', bool((embedding.embeddings.numpy() == table).all()))

# The layer saves and loads by itself, with no custom_objects
config = keras.layers.serialize(embedding)
again = keras.layers.deserialize(config)
again.build((None, None))
again.set_weights(embedding.get_weights())
print('loaded and equal:', bool((again(texts).numpy() == embedding(texts).numpy()).all()))
