"""Texts that are too long: which part of them is read, or how several are."""
import numpy as np

from pet_keras.cloze.pattern import fitting_lengths
from pet_keras.errors import UserError

LONG = {'head': 'the beginning', 'tail': 'the end', 'windows': 'all of it, in windows that overlap by half or more'}


def check_long(long):
    """The argument itself; UserError where it is none of LONG."""
    if long not in LONG:
        raise UserError('long=%r: choose %s.' % (long, ', '.join(LONG)))
    return long


def mean_of_parts(values, owner, n):
    """Of values `[parts, size]` the mean over the parts of each of `n` texts, float64 `[n, size]`.

    Arguments: `owner` int `[parts]`, whose part each is; every text has one.
    """
    found = np.zeros((n, values.shape[1]))
    np.add.at(found, owner, values)
    return found / np.bincount(owner, minlength=n)[:, None]


def parts(texts, pattern, room, long):
    """What is read of an example: a list of one or several versions of its texts, the longest one cut.

    Windows are of one length, as many as are needed at steps of half of it or less, and evenly spread: the first begins
    with the text, the last ends with it. A piece beside a span is cut by the pattern alone, at its outer end.

    Arguments:
        texts: token ids of each of the example's texts, and of its candidates if it has some.
        pattern: the Pattern that they will stand in; `room`, the tokens that it leaves for them.
        long: one of LONG. 'head' leaves the cutting to the pattern.
    """
    used = [i for i, name in enumerate(pattern.slots.names) if name in pattern.holes]
    lengths = [len(texts[i]) for i in used]
    if long == 'head' or sum(lengths) <= room:
        return [texts]
    kept = dict(zip(used, fitting_lengths(lengths, room)))
    free = [i for i in used if pattern.slots.names[i] not in pattern.slots.sides]
    if long == 'tail':
        return [[text[len(text) - kept[i]:] if i in free else text for i, text in enumerate(texts)]]
    longest = max(free, key=lambda i: len(texts[i]), default=None)
    if longest is None:
        return [texts]
    text, size = texts[longest], kept[longest]
    starts = np.linspace(0, len(text) - size, 1 + -(-(len(text) - size) // max(1, size // 2))).astype(int)
    return [texts[:longest] + [text[start:start + size]] + texts[longest + 1:] for start in starts]
