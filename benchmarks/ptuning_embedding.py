"""PtuningEmbedding against the author's masked layer and a plain Embedding: time and memory of a training step.

    python benchmarks/ptuning_embedding.py

A step is a lookup, a tied head on every position and Adam, at the size of a base model's table. Rounds alternate
between the layers; each figure is the median of the rounds, and its ratio to the author's layer.
"""
import argparse
import statistics
import time

import numpy as np

from pet_keras import PtuningEmbedding
from pet_keras.backend import Embedding, K, keras, tf

IDS = list(range(1, 9))


class AuthorsEmbedding(Embedding):
    """As kexue.fm 8295 describes it: the whole table, masked, with stop_gradient outside the mask."""
    def call(self, inputs, mode='embedding'):
        table, mask = self.embeddings, np.zeros((self.input_dim, 1), 'float32')
        mask[IDS] = 1.
        self.embeddings = table * mask + K.stop_gradient(table) * (1. - mask)
        outputs = super(AuthorsEmbedding, self).call(inputs, mode)
        self.embeddings = table
        return outputs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--vocab-size', type=int, default=21128)
    parser.add_argument('--width', type=int, default=768)
    parser.add_argument('--positions', type=int, default=64, help='places of a batch with logits')
    parser.add_argument('--rounds', type=int, default=9)
    args = parser.parse_args()
    rng, size = np.random.default_rng(0), (args.vocab_size, args.width)
    ids = rng.integers(0, args.vocab_size, (8, args.positions // 8))
    steps, slots = {}, {}
    for name, layer in (("the author's", AuthorsEmbedding(*size)), ('plain, all rows', Embedding(*size)),
                        ('PtuningEmbedding', PtuningEmbedding(*size, trainable_token_ids=IDS))):
        tokens = keras.Input((None,), dtype='int32')
        model = keras.Model(tokens, layer(layer(tokens), mode='dense'))
        optimizer = keras.optimizers.Adam(1e-3)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.train_on_batch(ids, ids)
        steps[name] = lambda model=model: model.train_on_batch(ids, ids)
        slots[name] = sum(v.shape.num_elements() * v.dtype.size for v in optimizer.variables) / 2. ** 20
    times = {name: [] for name in steps}
    for _ in range(args.rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(1000 * (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print('| layer | ms a step | ratio | optimizer, MiB |\n|---|---|---|---|')
    for name, value in medians.items():
        print('| %s | %.0f | %.2f | %.2f |' % (name, value, value / medians["the author's"], slots[name]))
    print('TensorFlow %s, %d × %d, %d positions' % (tf.__version__, args.vocab_size, args.width, args.positions))


main()
