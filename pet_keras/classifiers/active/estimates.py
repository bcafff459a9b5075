"""How good the model is, and whether more labels would change it: folds, an interval, agreement of two models."""
import math

import numpy as np

STABLE = .99  # kappa of two models in a row; three in a row are enough: Bloodgood and Vijay-Shanker 2009, section 3


def folds(targets, k=5, seed=0):
    """The fold of each text, int `[texts]`, from 0; each label is spread evenly over them.

    Arguments: `targets`, int `[texts]`.
    """
    targets, rng = np.asarray(targets), np.random.default_rng(seed)
    order = np.argsort(targets + rng.random(len(targets)) / 2.)  # by label, within a label at random
    fold = np.zeros(len(targets), int)
    fold[order] = np.arange(len(targets)) % k
    return fold


def wilson(hits, n, z=1.96):
    """The 95 % interval of a share, (low, high): Wilson 1927. It stays within 0 and 1, and is no point at either."""
    if n == 0:
        return 0., 1.
    share, extra = hits / n, z * z / n
    centre, half = share + extra / 2, z * math.sqrt(share * (1 - share) / n + extra / (4 * n))
    return (centre - half) / (1 + extra), (centre + half) / (1 + extra)


def kappa(a, b, labels):
    """Cohen's kappa of two models' answers on the same texts: their agreement beyond chance, at most 1.

    Arguments: `a`, `b`, int `[texts]`; `labels`, how many there are.
    """
    counts = np.zeros((labels, labels))
    np.add.at(counts, (a, b), 1)
    counts /= counts.sum()
    chance = float(counts.sum(axis=0) @ counts.sum(axis=1))
    return 1. if chance == 1. else (float(np.trace(counts)) - chance) / (1. - chance)


def is_stable(kappas, window=3):
    """Whether the last models agree so well that more labels of the kind change little."""
    return len(kappas) >= window and min(kappas[-window:]) >= STABLE
