import fractions
import random

import numpy as np
import pytest

from pet_keras.classifiers import metrics
from pet_keras.experiments.statistics import Run, accuracy, area_under_roc, mcnemar, mean_figure, paired_bootstrap


def _right(n, share, seed):
    return np.random.default_rng(seed).random(n) < share


def _run(right, texts='x'):
    return Run(texts, len(right), lambda weights: weights @ np.asarray(right, 'float32'))


def _row(*right, texts='x'):
    return {seed: _run(r, texts) for seed, r in enumerate(right)}


# --- McNemar ----------------------------------------------------------------------------------------------

def _sign_test(wins, losses):
    """The chance of a split at least as uneven, by counting every outcome of fair coins one after another."""
    chances = [fractions.Fraction(1)]
    for _ in range(wins + losses):
        chances = [(a + b) / 2 for a, b in zip(chances + [0], [0] + chances)]
    uneven = abs(wins - losses)
    return float(sum(p for k, p in enumerate(chances) if abs(2 * k - wins - losses) >= uneven))


@pytest.mark.parametrize('wins, losses', [(0, 0), (1, 0), (9, 1), (5, 5), (30, 12), (7, 20)])
def test_mcnemar_is_the_sign_test_of_the_texts_on_which_they_differ(wins, losses):
    a = np.array([True] * wins + [False] * losses + [True] * 11 + [False] * 4)
    b = np.array([False] * wins + [True] * losses + [True] * 11 + [False] * 4)
    assert mcnemar(a, b) == pytest.approx(_sign_test(wins, losses))
    assert mcnemar(a, b) == mcnemar(b, a)


def test_mcnemar_of_many_texts_is_a_number():
    a, b = _right(4000, .9, 1), _right(4000, .1, 2)
    assert 0 <= mcnemar(a, b) < 1e-100


# --- bootstrap --------------------------------------------------------------------------------------------

def _by_hand(a, b, samples=2000):
    """2.5 and 97.5 percentiles of the difference in points, texts drawn one by one: `a`, `b` `[texts]`."""
    draw, found, n = random.Random(3), [], len(a)
    for _ in range(samples):
        texts = [draw.randrange(n) for _ in range(n)]
        found.append(100. * sum(int(a[t]) - int(b[t]) for t in texts) / n)
    return sorted(found)[samples // 40], sorted(found)[-samples // 40 - 1]


def _flat(*figures, first=0):
    """A row of runs whose figures do not depend on which texts are drawn."""
    return {first + i: Run('x', 9, lambda weights, value=value: np.full(len(weights), value))
            for i, value in enumerate(figures)}


def test_the_interval_of_two_runs_is_that_of_drawing_texts():
    a, b = _right(150, .8, 1), _right(150, .7, 2)
    difference, low, high = paired_bootstrap(_row(a), _row(b))
    assert difference == pytest.approx(100. * (a.mean() - b.mean()))
    assert (low, high) == pytest.approx(_by_hand(a.tolist(), b.tolist()), abs=.8)


def test_it_is_as_wide_as_the_formula_says():
    a, b = _right(2000, .8, 1), _right(2000, .8, 2)
    _, low, high = paired_bootstrap(_row(a), _row(b))
    spread = 100. * np.std(a.astype(float) - b) / np.sqrt(2000)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=.05)


T = {1: 12.706, 2: 4.303, 4: 2.776}  # 97.5 % quantiles of Student's t, from a table


@pytest.mark.parametrize('a, b, first, error, freedom', [
    ((.5, .7, .9), (.6, .6, .6), 0, .2 / 3 ** .5, 2), ((.5, .7, .9), (.4, .6, .8), 0, 0., 1),
    ((.5, .7), (.4, .4), 0, .02 ** .5 / 2 ** .5, 1), ((.5, .7, .9), (.4, .6, .8), 9, (2 * .04 / 3) ** .5, 4),
    ((.5, .7, .9), (.6,), 0, .2 / 3 ** .5, 2), ((.8,), (.5,), 0, 0., 1)])
def test_what_seeds_add_is_students_t(a, b, first, error, freedom):
    difference, low, high = paired_bootstrap(_flat(*a), _flat(*b, first=first))
    expected = 100. * (np.mean(a) - np.mean(b))
    half = 100. * T[freedom] * error
    assert difference == pytest.approx(expected)
    assert (low, high) == pytest.approx((expected - half, expected + half), rel=.04, abs=1e-4)


def test_three_runs_that_differ_by_chance_alone_are_seldom_told_apart():
    told = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a, b = ([rng.random(200) < .8 + .05 * rng.normal() for _ in range(3)] for _ in range(2))
        _, low, high = paired_bootstrap(_row(*a), _row(*b), samples=200)
        told += low > 0 or high < 0
    assert told <= 10


def test_rows_of_the_same_seeds_are_compared_seed_by_seed():
    right = [_right(400, share, i) for i, share in enumerate([.3, .5, .9])]
    a, b = ([np.where(np.arange(400) < 40, first, r) for r in right] for first in (True, False))  # 10 points each
    paired = paired_bootstrap(_row(*a), _row(*b))
    others = paired_bootstrap(_row(*a), {7 + seed: run for seed, run in _row(*b).items()})
    assert paired[1] > 0 and others[1] < 0 and paired[0] == pytest.approx(others[0])


def test_a_row_is_not_distinguishable_from_itself():
    row = _row(_right(50, .5, 1), _right(50, .6, 2))
    assert paired_bootstrap(row, row) == (0., 0., 0.)


def test_seeds_may_have_texts_of_their_own_if_both_rows_have_them():
    a, b = ({seed: _run(_right(n, share, seed + int(10 * share)), name) for seed, (name, n) in enumerate(
        [('x', 30), ('y', 50), ('z', 40)])} for share in (.9, .2))
    difference, low, high = paired_bootstrap(a, b)
    assert low > 0
    assert difference == pytest.approx(100. * np.mean([mean_figure({0: a[s]}) - mean_figure({0: b[s]}) for s in a]))
    assert paired_bootstrap(a, {0: b[0]}) is None
    assert paired_bootstrap(_row(_right(9, .5, 1)), _row(_right(9, .5, 1), texts='z')) is None


def test_it_is_the_same_every_time():
    a, b = _row(_right(60, .8, 1)), _row(_right(60, .7, 2), _right(60, .7, 3))
    assert paired_bootstrap(a, b) == paired_bootstrap(a, b)


# --- figures ----------------------------------------------------------------------------------------------

def _scores(n, labels, seed, decimals=9):
    rng = np.random.default_rng(seed)
    truth = rng.integers(labels, size=n)
    scores = np.round(rng.normal(size=(n, labels)) + np.eye(labels)[truth], decimals)
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True), truth


@pytest.mark.parametrize('labels, decimals', [(2, 9), (5, 9), (2, 0)])
def test_a_weight_is_so_many_copies_of_a_text(labels, decimals):
    scores, truth = _scores(60, labels, 1, decimals)
    counts = np.random.default_rng(2).integers(3, size=(4, 60))
    areas = area_under_roc(scores, truth)(counts / counts.sum(axis=1, keepdims=True))
    shares = accuracy(scores, truth)(counts / counts.sum(axis=1, keepdims=True))
    for n, area, share in zip(counts, areas, shares):
        drawn = np.repeat(np.arange(60), n)
        assert area == pytest.approx(metrics.area_under_roc(truth[drawn], scores[drawn]))
        assert share == pytest.approx(np.mean(scores[drawn].argmax(axis=1) == truth[drawn]))


def test_a_sample_of_one_label_has_no_area():
    scores, _ = _scores(5, 2, 1)
    assert area_under_roc(scores, np.zeros(5, int))(np.full((1, 5), .2)) == [.5]
