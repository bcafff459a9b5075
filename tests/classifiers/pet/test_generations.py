from collections import Counter

import numpy as np
import pytest

from pet_keras.classifiers.pet.generations import choose_teachers, draw, sizes


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize('generation', [1, 2, 3])
def test_a_generations_set_is_five_times_that_before_and_keeps_the_balance_of_the_labels(generation):
    labelled = np.array([30, 10, 0])
    drawn = sizes(labelled, generation, 10 ** 6)
    assert (drawn + labelled).tolist() == [30 * 5 ** generation, 10 * 5 ** generation, 0]


def test_a_set_takes_at_most_all_texts_and_keeps_the_balance():
    assert sizes([30, 10], 2, 400).tolist() == [300, 100]
    assert sizes([2, 1], 40, 10).tolist() == [6, 3]


def test_without_labelled_texts_the_first_set_has_ten_and_the_labels_have_equal_shares():
    assert [sizes([0, 0], generation, 10 ** 6).tolist() for generation in (1, 2, 3)] == [[5, 5], [25, 25], [125, 125]]
    assert sizes([0] * 15, 1, 100).tolist() == [1] * 15


def test_a_model_is_taught_by_a_quarter_of_the_others_and_never_by_itself():
    for models, teachers in ((2, 1), (3, 1), (6, 1), (9, 2), (15, 4)):
        chosen = [choose_teachers(models, 1, rng(seed)) for seed in range(50)]
        assert {len(set(some)) for some in chosen} == {teachers}
        assert {i for some in chosen for i in some} == set(range(models)) - {1}


def test_as_many_as_asked_are_drawn_of_each_label_and_they_are_the_models_own_labels():
    scores = rng().normal(0, 2, (300, 3))
    drawn = draw(scores, np.array([40, 20, 5]), rng())
    assert Counter(k for _, k in drawn) == {0: 40, 1: 20, 2: 5}
    assert len({i for i, _ in drawn}) == 65
    assert all(scores[i].argmax() == k for i, k in drawn)


def test_confident_texts_are_drawn_in_proportion_to_their_probability():
    proba = np.array([.9, .8, .6, .55, .2])  # of label 0; the last one is of label 1
    scores = np.log(np.stack([proba, 1 - proba], axis=1))
    counts, generator = Counter(), rng()
    for _ in range(4000):
        counts[draw(scores, np.array([1, 0]), generator)[0][0]] += 1
    assert counts[4] == 0
    np.testing.assert_allclose([counts[i] / 4000 for i in range(4)], proba[:4] / proba[:4].sum(), atol=.025)


def test_a_label_short_of_texts_takes_those_for_which_it_is_most_probable():
    proba = np.linspace(.99, .51, 10)  # no text is of label 1, and the last ones are the nearest to it
    scores = np.log(np.stack([proba, 1 - proba], axis=1))
    drawn = dict(draw(scores, np.array([7, 3]), rng()))
    assert [drawn[i] for i in range(10)] == [0] * 7 + [1] * 3


def test_the_first_set_of_zero_shot_comes_from_the_texts_for_which_a_label_is_most_probable():
    proba = rng().permutation(np.linspace(.99, .51, 400))
    scores, seen = np.log(np.stack([proba, 1 - proba], axis=1)), {0: set(), 1: set()}
    for seed in range(20):
        for i, k in draw(scores, np.array([5, 5]), rng(seed), likeliest=50):
            seen[k].add(i)
    rank = {int(i): place for place, i in enumerate(np.argsort(-proba))}
    assert max(rank[i] for i in seen[0]) < 101 and min(rank[i] for i in seen[1]) >= 350  # label 1, the scarcer, first
    assert len(seen[0]) > 30 and len(seen[1]) > 30


def test_texts_that_are_impossible_can_be_drawn_where_there_are_no_others():
    scores = np.array([[0., -2000.]] * 4)
    assert Counter(k for _, k in draw(scores, np.array([2, 2]), rng())) == {0: 2, 1: 2}
