"""Random and whole-word masks for the MLM loss."""
import logging
import warnings

import numpy as np


def random_masking(token_ids, maskable, rng, vocab_size, mask_id, rate=0.15, groups=None):
    """BERT's masking (arXiv 1810.04805, section 3.1): of the drawn tokens 80 % `[MASK]`, 10 % random, 10 % kept.

    Arguments:
        token_ids: int array `[length]`.
        maskable: positions that may be drawn.
        rng: numpy Generator.
        groups: None, or a number for each of `maskable`, equal within a word: then words are drawn, and
            share one fate (whole-word masking, arXiv 1906.08101).

    Returns: `(source ids [length], drawn positions, their original ids)`.
    """
    source, maskable = np.array(token_ids), np.asarray(maskable, dtype=int)
    groups = np.arange(len(maskable)) if groups is None else np.asarray(groups, dtype=int)
    chosen = rng.random(1 + groups.max(initial=-1)) < rate
    fate = np.ones(len(chosen))
    fate[chosen] = rng.random(chosen.sum())
    fate = fate[groups][chosen[groups]]
    drawn = maskable[chosen[groups]]
    targets = source[drawn]
    source[drawn[fate < 0.8]] = mask_id
    swapped = drawn[(fate >= 0.8) & (fate < 0.9)]
    source[swapped] = rng.integers(1, vocab_size, len(swapped))
    return source, drawn, targets


def word_groups(tokens):
    """The word that each token belongs to, by jieba's segmentation: a list of int.

    >>> word_groups(['北', '京', '很', '好'])
    [0, 0, 1, 2]
    """
    pieces = [token[2:] if token.startswith('##') else '□' if token.startswith('[') else token for token in tokens]
    ends, length = [], 0
    for word in segment(''.join(pieces)):
        length += len(word)
        ends.append(length)
    groups, start = [], 0
    for piece in pieces:
        groups.append(int(np.searchsorted(ends, start, side='right')))
        start += len(piece)
    return groups


def segment(text):
    """The words of a text, by jieba's segmentation: a list of str.

    >>> segment('北京很好')
    ['北京', '很', '好']
    """
    with warnings.catch_warnings():  # it imports a deprecated part of setuptools
        warnings.simplefilter('ignore')
        import jieba
    jieba.setLogLevel(logging.CRITICAL)  # of a cache that cannot be written too: it works without
    return jieba.lcut(text)
