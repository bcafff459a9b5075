"""Streams of training texts: what of them an epoch shows, and in which batches."""
from collections import namedtuple

import numpy as np

from pet_keras.cloze.batching import batches_by_length

# texts: a list of ([token ids of each text], target), the target a label index, a soft label (an array of
# probabilities) or None. share: of a batch. weight: that its targets have in the loss.
Stream = namedtuple('Stream', 'texts share weight', defaults=(1., 1.))


def epoch_of(streams, epoch, batch_size, lesson, rng):
    """What one epoch shows: a list of lessons, and the batches of their indices.

    An epoch is one pass over the first stream. The others go round and round beside it, shuffled anew in
    each round, and go on in the next epoch where they stopped. Each stream has its share of every batch, at
    least one text; within a stream texts of similar length stand together.

    Arguments:
        lesson: function of (token ids, target, generator) that makes a Lesson.
        rng: function of numbers that makes a generator; equal numbers give the same one.
    """
    sizes, steps = sizes_of(streams, batch_size), steps_of(streams, batch_size)
    lessons, batches = [], [[] for _ in range(steps)]
    for s, (stream, size) in enumerate(zip(streams, sizes)):
        own = (s,) if s else ()
        indices = _go_round(len(stream.texts), epoch, steps * size, lambda turn: rng(turn, 0, s, 1)) if s else (
            range(len(stream.texts)))
        shown = [lesson(*stream.texts[i], rng(epoch, place, *own)) for place, i in enumerate(indices)]
        order = batches_by_length([len(one.token_ids) for one in shown], size, rng(epoch, len(shown), *own))
        for batch, part in zip(batches, order):
            batch.extend(len(lessons) + part)
        lessons += [one._replace(weights=[stream.weight * w for w in one.weights]) for one in shown]
    return lessons, batches


def steps_of(streams, batch_size):
    """How many batches an epoch has."""
    return -(-len(streams[0].texts) // sizes_of(streams, batch_size)[0])


def sizes_of(streams, batch_size):
    """How many texts of each stream a batch holds."""
    total = sum(stream.share for stream in streams)
    first = max(1, round(batch_size * streams[0].share / total))
    rest = total - streams[0].share
    return [first] + [max(1, round((batch_size - first) * stream.share / rest)) for stream in streams[1:]]


def _go_round(n, epoch, count, rng):
    """The `count` indices that come in `epoch` of an endless sequence of shuffled turns over `n`."""
    turn, place = np.divmod(np.arange(epoch * count, (epoch + 1) * count), n)
    shuffled = {k: rng(k).permutation(n) for k in np.unique(turn).tolist()}
    return [int(shuffled[k][i]) for k, i in zip(turn.tolist(), place)]
