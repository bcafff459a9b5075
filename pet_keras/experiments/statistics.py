"""Whether two rows of a table differ: paired bootstrap over test texts and runs; McNemar's test of two runs."""
import math

import numpy as np


def paired_bootstrap(a, b, samples=10000, seed=0):
    """Difference of two rows' mean accuracies, in points, and its 95 % interval (percentiles).

    Texts are drawn with replacement, each with what both rows did on it (Efron and Tibshirani 1993; for classifiers
    Berg-Kirkpatrick et al. 2012), and so are the runs of a row, because another seed is another result: pairs of runs
    where both rows have the same seeds, else each row's by themselves. A row of one run says nothing of how much its
    seed matters: its interval is that of the texts alone.

    Arguments: `a`, `b`, a dict seed → (name of the texts, right): right is bool `[texts]`. Runs of one name are on the
    same texts in the same order.

    Returns: (difference a - b, lower end, upper end), or None where the rows are not on the same texts.
    """
    if {name for name, _ in a.values()} != {name for name, _ in b.values()}:
        return None
    sizes, rng, means = {name: len(right) for name, right in a.values()}, np.random.default_rng(seed), []
    for start in range(0, samples, 1000):  # a thousand at a time: memory stays flat
        n = min(1000, samples - start)
        drawn = {name: _counts(rng, n, size) / size for name, size in sorted(sizes.items())}
        of_a, of_b = ({run: drawn[name] @ right.astype('float32') for run, (name, right) in row.items()}
                      for row in (a, b))
        if set(a) == set(b):
            means.append(_mean(rng, np.array([of_a[run] - of_b[run] for run in a])))
        else:
            means.append(_mean(rng, np.array(list(of_a.values()))) - _mean(rng, np.array(list(of_b.values()))))
    low, high = np.percentile(100. * np.concatenate(means), [2.5, 97.5])
    whole = [np.mean([right.mean() for _, right in row.values()]) for row in (a, b)]
    return float(100. * (whole[0] - whole[1])), float(low), float(high)


def _counts(rng, samples, size):
    """How often each of `size` texts was drawn in each sample, float32 `[samples, size]`."""
    drawn = rng.integers(size, size=(samples, size)) + size * np.arange(samples)[:, None]
    return np.bincount(drawn.ravel(), minlength=samples * size).reshape(samples, size).astype('float32')


def _mean(rng, values):
    """Of `[runs, samples]`: the mean over as many runs, drawn with replacement in each sample."""
    drawn = rng.integers(len(values), size=values.shape)
    return np.take_along_axis(values, drawn, 0).mean(axis=0)


def mcnemar(right_a, right_b):
    """Two-sided exact p-value that two single runs are equally often right where they differ (McNemar 1947).

    Arguments: bool `[texts]` each, on the same texts.
    """
    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    n, k = int((a != b).sum()), int((a & ~b).sum())
    tail = sum(math.comb(n, i) for i in range(min(k, n - k) + 1))
    return min(1., 2 * tail / 2 ** n)  # whole numbers: 2. ** n overflows
