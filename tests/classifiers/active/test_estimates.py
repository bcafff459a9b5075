import numpy as np
import pytest

from pet_keras.classifiers.active.estimates import folds, is_stable, kappa, wilson


def test_folds_are_even_and_so_is_each_label_over_them():
    targets = np.array([0] * 23 + [1] * 7 + [2] * 3)
    found = folds(targets)
    assert np.bincount(found).max() - np.bincount(found).min() <= 1
    for label in range(3):
        counts = np.bincount(found[targets == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert (folds(targets) == found).all() and (folds(targets, seed=1) != found).any()


def test_wilsons_interval_is_where_the_score_test_stops_doubting():
    for hits, n in ((0, 5), (3, 10), (45, 50), (20, 20)):
        shares = np.linspace(1e-6, 1 - 1e-6, 200001)
        kept = shares[np.abs(hits / n - shares) <= 1.96 * np.sqrt(shares * (1 - shares) / n)]
        assert wilson(hits, n) == pytest.approx((kept.min(), kept.max()), abs=1e-4)
    assert wilson(0, 0) == (0., 1.)


def test_kappa_is_agreement_beyond_that_of_answers_put_together_at_random():
    rng = np.random.default_rng(0)
    a = rng.integers(3, size=40)
    b = np.where(rng.random(40) < .7, a, rng.integers(3, size=40))
    chance = np.mean([x == y for x in a for y in b])
    assert kappa(a, b, 3) == pytest.approx((np.mean(a == b) - chance) / (1 - chance))
    assert kappa(a, a, 3) == 1. and kappa([1, 1], [1, 1], 2) == 1.


def test_three_models_in_a_row_have_to_agree():
    assert not is_stable([1., 1.]) and is_stable([.2, .99, 1., .995]) and not is_stable([1., 1., 1., .98])
