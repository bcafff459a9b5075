"""Streams of training texts: what of them an epoch shows, and in which batches."""
import hashlib
import json
from collections import namedtuple
from collections.abc import Sequence

import numpy as np

from pet_keras.cloze.batching import batches_by_length
from pet_keras.data.example import as_list, json_of
from pet_keras.errors import UserError

# texts: a sequence of ([token ids of each text], target), the target a label index, a soft label (an array of
# probabilities) or None. share: of a batch. weight: that its targets have in the loss.
Stream = namedtuple('Stream', 'texts share weight', defaults=(1., 1.))


class Texts(Sequence):
    """The texts of a Stream, tokenized each time one is shown: a million of them take no more memory than they do.

    Arguments: `task`, the name of theirs, where there are several.
    """
    def __init__(self, examples, targets, tokenize, task=None):
        self.examples, self.targets, self._tokenize, self.task = examples, targets, tokenize, task

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, i):
        return self._tokenize(self.examples[i]), self.targets[i]

    def __add__(self, other):
        return Texts(_Both(self.examples, other.examples), self.targets + other.targets, self._tokenize, self.task)

    @property
    def kind(self):
        """What they are, for people."""
        return '%stexts%s' % ('' if any(target is not None for target in self.targets) else 'unlabelled ',
                              ' of task %s' % self.task if self.task else '')


class _Both(Sequence):
    """Two sequences, one after the other, of which nothing is copied."""
    def __init__(self, first, second):
        self._first, self._second = first, second

    def __len__(self):
        return len(self._first) + len(self._second)

    def __getitem__(self, i):
        return self._first[i] if i < len(self._first) else self._second[i - len(self._first)]


def streams_of(labelled, unlabelled, labelled_share=.5, unlabelled_weight=1.):
    """The Streams of labelled and unlabelled Texts; arguments as in `TextClassifier.fit`."""
    if labelled_share is not None and not 0 < labelled_share < 1:
        raise UserError('labelled_share is between 0 and 1.')
    if not unlabelled_weight > 0:
        raise UserError('unlabelled_weight is above 0.')
    if labelled_share is None or not labelled or not unlabelled:
        if unlabelled_weight != 1. and labelled:
            raise UserError('unlabelled_weight needs a labelled_share, and labelled and unlabelled texts.')
        return [Stream(labelled + unlabelled)]
    return [Stream(labelled, float(labelled_share)), Stream(unlabelled, 1. - labelled_share, float(unlabelled_weight))]


def trained_on(streams, dev, task):
    """How many texts of each kind there are, and a digest of them and of the label words, a dict."""
    labelled, unlabelled, digest = 0, 0, hashlib.sha256()
    for stream in streams:
        for example, target in zip(stream.texts.examples, stream.texts.targets):  # one by one: they may be many
            digest.update(json.dumps(as_list(example._replace(label=np.asarray(target).tolist()))).encode())
            labelled, unlabelled = labelled + (target is not None), unlabelled + (target is None)
    digest.update(b'[')
    for part in json_of(map(as_list, dev)):
        digest.update(part)
    digest.update((', %s]' % json.dumps(task.scoring())).encode())
    return {'labelled': labelled, 'unlabelled': unlabelled, 'dev': len(dev),
            'digest of texts and label words': digest.hexdigest()[:12]}


def epoch_of(streams, epoch, batch_size, lesson, rng):
    """The batches of one epoch, lists of lessons, each made when it is its turn.

    An epoch is one pass over the first stream. The others go round and round beside it, shuffled anew in
    each round, and go on in the next epoch where they stopped. Each stream has its share of every batch, at
    least one text; within a stream texts of similar length stand together.

    Arguments:
        lesson: function of (token ids, target, generator) that makes a Lesson.
        rng: function of numbers that makes a generator; equal numbers give the same one.
    """
    sizes, steps, parts = sizes_of(streams, batch_size), steps_of(streams, batch_size), []
    for s, (stream, size) in enumerate(zip(streams, sizes)):
        indices = range(len(stream.texts)) if not s else _go_round(
            len(stream.texts), epoch, steps * size, lambda turn, s=s: rng(turn, 0, s, 1))
        parts.append(_batches(stream, indices, size, lesson, lambda n, s=s: rng(epoch, n, *[s] * (s > 0))))
    for batch in zip(*parts):
        yield [one for part in batch for one in part]


def _batches(stream, indices, size, lesson, rng, most=32):
    """Lists of `size` lessons. The stream is shuffled and cut into pools, each sorted by length and cut into batches,
    which are shuffled again: little padding, and still a random mix. A pool is an eighth of the batches, at most
    `most` of them: in larger ones the same texts would meet in every epoch.
    """
    pool, shuffle = size * min(most, max(1, len(indices) // (8 * size))), rng(len(indices))
    order = shuffle.permutation(len(indices))
    for start in range(0, len(order), pool):
        shown = [lesson(*stream.texts[indices[place]], rng(place)) for place in order[start:start + pool].tolist()]
        shown = [one._replace(weights=[stream.weight * w for w in one.weights]) for one in shown]
        batches = batches_by_length([len(one.token_ids) for one in shown], size)
        for k in shuffle.permutation(len(batches)):
            yield [shown[i] for i in batches[k]]


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
