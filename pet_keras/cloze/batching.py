"""Encoded sequences → padded batches of similar length."""
import numpy as np


def pad(sequences, length=None):
    """Lists of int → int32 array `[batch, longest]`, padded with 0 (`[PAD]`)."""
    length = length or max(map(len, sequences))
    padded = np.zeros((len(sequences), length), 'int32')
    for row, sequence in zip(padded, sequences):
        row[:len(sequence)] = sequence
    return padded


def batches_by_length(lengths, batch_size, rng=None, pool=32):
    """Index arrays of at most `batch_size`, each of sequences of similar length.

    Without `rng` (scoring) the whole set is sorted, longest first. With it (training) the set is
    shuffled, sorted within pools of `pool` batches, and the batches are shuffled again: little
    padding, and still a random mix.
    """
    lengths = np.asarray(lengths)
    if rng is None:
        order = np.argsort(-lengths, kind='stable')
        return [order[i:i + batch_size] for i in range(0, len(order), batch_size)]
    order, size, batches = rng.permutation(len(lengths)), batch_size * pool, []
    for start in range(0, len(order), size):
        part = order[start:start + size]
        part = part[np.argsort(-lengths[part], kind='stable')]
        batches += [part[i:i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]
