"""Whether two rows of a table differ: paired bootstrap over test texts and runs; McNemar's test of two runs."""
import math
from collections import namedtuple

import numpy as np

# What a run did on its texts. texts: their name; runs of one name are on the same texts in the same order. size: how
# many. figure: a function of weights `[samples, size]`, each row's sum 1, that gives a figure in [0, 1] of each sample
Run = namedtuple('Run', 'texts size figure')
_ERRORS = 10  # errors of the runs that are drawn for each sample of texts


def paired_bootstrap(a, b, samples=10000, seed=0):
    """Difference of the mean figures of two rows of runs, times 100, and its 95 % interval (percentiles).

    Texts are drawn with replacement, each with what both rows did on it (Efron and Tibshirani 1993; for classifiers
    Berg-Kirkpatrick et al. 2012). To that comes the error of a mean over runs, because another seed is another result:
    Student's t of the differences seed by seed where both rows have the same seeds, else Welch's of the two rows (1947).
    A few runs drawn with replacement would pretend to know more: of three the mean never falls below the least. A row of
    one run says nothing of how much its seed matters.

    Arguments: `a`, `b`, a dict seed → Run.

    Returns: (difference a - b, lower end, upper end), or None where the rows are not on the same texts.
    """
    sizes = {run.texts: run.size for run in a.values()}
    if set(sizes) != {run.texts for run in b.values()}:
        return None
    rng, means = np.random.default_rng(seed), []
    for start in range(0, samples, 1000):  # a thousand at a time: memory stays flat
        n = min(1000, samples - start)
        drawn = {name: _counts(rng, n, size) / size for name, size in sorted(sizes.items())}
        of_a, of_b = (np.mean([run.figure(drawn[run.texts]) for run in row.values()], axis=0) for row in (a, b))
        means.append(of_a - of_b)
    error, freedom = _error_of_runs(a, b)
    drawn = np.concatenate(means) + error * rng.standard_t(freedom, (_ERRORS, samples))
    low, high = np.percentile(100. * drawn, [2.5, 97.5])
    return 100. * (mean_figure(a) - mean_figure(b)), float(low), float(high)


def _error_of_runs(a, b):
    """(standard error of the difference of two rows' means, as far as seeds make it; degrees of freedom)."""
    if set(a) == set(b):
        parts = [[_figure(a[key]) - _figure(b[key]) for key in a]]
    else:
        parts = [[_figure(run) for run in row.values()] for row in (a, b)]
    parts = [(np.var(values, ddof=1) / len(values), len(values) - 1) for values in parts if len(values) > 1]
    squared = sum(part for part, _ in parts)
    if not squared > 0:
        return 0., 1.
    return squared ** .5, squared ** 2 / sum(part ** 2 / freedom for part, freedom in parts)


def _figure(run):
    return float(run.figure(np.full((1, run.size), 1. / run.size))[0])


def mean_figure(row):
    """The mean over a row's runs of the figure on all their texts, in [0, 1]."""
    return float(np.mean([_figure(run) for run in row.values()]))


def accuracy(scores, truth):
    """The figure of Run that is accuracy. Arguments: `scores` float `[size, labels]`; `truth` int `[size]`."""
    right = (np.argmax(scores, axis=1) == truth).astype('float32')
    return lambda weights: weights @ right


def area_under_roc(scores, truth):
    """The figure of Run that is the area under the ROC curve: `metrics.area_under_roc`, of weighted texts.

    0.5 for a sample of one label alone. Arguments as of `accuracy`, the scores log-probabilities.
    """
    scores, truth = np.asarray(scores, 'float64'), np.asarray(truth)
    sorted_by_odds = []
    for k in range(1 if scores.shape[1] == 2 else scores.shape[1]):  # of two labels both areas are the same
        odds = scores[:, k] - np.logaddexp.reduce(np.delete(scores, k, axis=1), axis=1)
        order = np.argsort(odds, kind='stable')
        first = np.flatnonzero(np.diff(odds[order], prepend=-np.inf))  # where each group of equal odds begins
        sorted_by_odds.append((order, first, (truth == k)[order]))

    def figure(weights):
        areas, counted = np.zeros(len(weights)), np.zeros(len(weights))
        for order, first, is_label in sorted_by_odds:
            of_text = weights[:, order]
            positive = np.add.reduceat(of_text * is_label, first, axis=1)
            negative = np.add.reduceat(of_text, first, axis=1) - positive
            below = np.cumsum(negative, axis=1) - .5 * negative
            total = positive.sum(axis=1) * negative.sum(axis=1)
            there = total > 0
            areas[there] += (positive * below).sum(axis=1)[there] / total[there]
            counted += there
        return np.where(counted > 0, areas / np.maximum(counted, 1), .5)
    return figure


def _counts(rng, samples, size):
    """How often each of `size` texts was drawn in each sample, float32 `[samples, size]`."""
    drawn = rng.integers(size, size=(samples, size)) + size * np.arange(samples)[:, None]
    return np.bincount(drawn.ravel(), minlength=samples * size).reshape(samples, size).astype('float32')


def mcnemar(right_a, right_b):
    """Two-sided exact p-value that two single runs are equally often right where they differ (McNemar 1947).

    Arguments: bool `[texts]` each, on the same texts.
    """
    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    n, k = int((a != b).sum()), int((a & ~b).sum())
    tail = sum(math.comb(n, i) for i in range(min(k, n - k) + 1))
    return min(1., 2 * tail / 2 ** n)  # whole numbers: 2. ** n overflows
