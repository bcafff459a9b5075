"""Each strategy against a slow, independent computation, and what all of them keep."""
import itertools

import numpy as np
import pytest

from pet_keras.classifiers.active.strategies import STRATEGIES

UNCERTAINTY = {
    'margin': lambda p: sorted(p)[-1] - sorted(p)[-2],
    'entropy': lambda p: sum(x * np.log(x) for x in p),
    'least-confidence': max,
}


@pytest.fixture
def pile():
    """(probabilities [60, 3], features [60, 5], labelled [60]), of which the first seven are labelled."""
    rng = np.random.default_rng(3)
    return rng.dirichlet(np.ones(3), 60), rng.normal(size=(60, 5)), np.arange(60) < 7


def choose(name, pile, n, seed=0):
    return STRATEGIES[name](*pile, n, np.random.default_rng(seed)).tolist()


@pytest.mark.parametrize('name', STRATEGIES)
def test_so_many_different_texts_are_chosen_and_none_that_is_labelled(name, pile):
    chosen = choose(name, pile, 9)
    assert len(set(chosen)) == 9 and min(chosen) >= 7
    assert choose(name, pile, 9) == chosen  # the same generator, the same choice
    assert sorted(choose(name, pile, 100)) == list(range(7, 60))
    assert choose(name, (*pile[:2], np.ones(60, bool)), 3) == []


@pytest.mark.parametrize('name', STRATEGIES)
def test_texts_that_are_all_the_same_are_chosen_once_each(name):
    same = np.full((20, 2), .5), np.ones((20, 4)), np.arange(20) < 2
    assert sorted(choose(name, same, 18)) == list(range(2, 20))


@pytest.mark.parametrize('name', UNCERTAINTY)
def test_uncertain_texts_come_in_the_order_of_their_uncertainty(name, pile):
    proba, _, labelled = pile
    wanted = sorted(np.flatnonzero(~labelled).tolist(), key=lambda i: UNCERTAINTY[name](proba[i]))
    assert choose(name, pile, 12) == wanted[:12]


def test_uncertain_texts_do_not_depend_on_chance(pile):
    assert choose('margin', pile, 12, 0) == choose('margin', pile, 12, 1)
    assert choose('random', pile, 12, 0) != choose('random', pile, 12, 1)


def test_margin_reads_the_two_likeliest_alone_where_entropy_reads_all():
    proba = np.array([[.5, .45, .05], [.4, .3, .3]])
    pile = proba, np.ones((2, 2)), np.zeros(2, bool)
    assert choose('margin', pile, 1) == [0] and choose('entropy', pile, 1) == [1]


def test_k_centre_takes_what_is_farthest_from_all_that_is_known(pile):
    proba, features, labelled = pile
    unit, known, wanted = features / np.linalg.norm(features, axis=1)[:, None], list(range(7)), []
    for _ in range(8):
        far = {i: min(np.linalg.norm(unit[i] - unit[j]) for j in known) for i in range(60) if i not in known}
        known.append(max(far, key=far.get))
        wanted.append(known[-1])
    assert choose('k-centre', pile, 8) == wanted


def test_k_centre_begins_in_the_middle_where_nothing_is_labelled():
    features = np.array([[1., 0.], [1., 1.], [0., 1.]])
    assert choose('k-centre', (np.full((3, 2), .5), features, np.zeros(3, bool)), 1) == [1]


@pytest.fixture
def heaps():
    """Three heaps of 30, 20 and 10 texts far from each other, none labelled, the middle of each known."""
    rng, sizes = np.random.default_rng(0), (30, 20, 10)
    features = np.concatenate([np.eye(3)[k] + rng.normal(0, .02, (size, 3)) for k, size in enumerate(sizes)])
    heap = np.repeat(np.arange(3), sizes)
    return np.full((60, 2), .5), features, np.zeros(60, bool), heap


def test_cluster_takes_the_middle_of_each_heap_of_the_largest_first(heaps):
    *pile, heap = heaps
    chosen = choose('cluster', pile, 3)
    unit = pile[1] / np.linalg.norm(pile[1], axis=1)[:, None]
    for k, i in enumerate(chosen):
        middle = unit[heap == k].mean(axis=0)
        assert i == min(np.flatnonzero(heap == k), key=lambda j: np.linalg.norm(unit[j] - middle))


def test_clusters_are_as_tight_as_the_best_of_all(heaps):
    """Six points, two clusters: every way to divide them is tried."""
    points = np.random.default_rng(5).normal(size=(6, 3))
    unit = points / np.linalg.norm(points, axis=1)[:, None]

    def spread(parts):
        return sum(((unit[list(part)] - unit[list(part)].mean(axis=0)) ** 2).sum() for part in parts)
    divided = [(part, tuple(set(range(6)) - set(part))) for size in (1, 2, 3)
               for part in itertools.combinations(range(6), size)]
    best = min(divided, key=spread)
    found = {tuple(sorted(choose('cluster', (np.full((6, 2), .5), points, np.zeros(6, bool)), 2, seed)))
             for seed in range(20)}
    wanted = tuple(sorted(min(part, key=lambda i: ((unit[i] - unit[list(part)].mean(axis=0)) ** 2).sum())
                          for part in best))
    assert wanted in found


def test_mix_chooses_among_the_uncertain_from_different_heaps(heaps):
    _, features, labelled, heap = heaps
    sure = np.full(60, .95)
    unsure = np.concatenate([np.flatnonzero(heap == k)[:10] for k in range(3)])
    sure[unsure] = .55
    proba = np.stack([sure, 1 - sure], axis=1)
    chosen = choose('mix', (proba, features, labelled), 3)
    assert set(chosen) <= set(unsure.tolist()) and sorted(heap[chosen]) == [0, 1, 2]


def test_mix_leans_to_the_less_certain_of_a_heap():
    """One heap along a line: with equal weights its middle, 5, would be taken."""
    features = np.stack([np.ones(11), np.linspace(0, 1, 11)], axis=1)
    gap = np.linspace(0, .9, 11)
    proba = np.stack([.5 + gap / 2, .5 - gap / 2], axis=1)
    chosen, = choose('mix', (proba, features, np.zeros(11, bool)), 1)
    assert chosen < choose('cluster', (proba, features, np.zeros(11, bool)), 1)[0]
