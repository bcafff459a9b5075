import numpy as np
import pytest

from pet_keras.cloze.batching import batches_by_length, lesson_batches, pad, question_batches
from pet_keras.cloze.cloze import Lesson, Question


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(5, 128, 1003)


def waste(lengths, batches):
    """Padding as a share of all tokens computed."""
    computed = sum(len(b) * lengths[b].max() for b in batches)
    return 1 - lengths.sum() / computed


@pytest.mark.parametrize('batch_size', [1, 16, 64, 2000])
def test_each_index_comes_exactly_once_in_batches_of_at_most_batch_size(lengths, batch_size):
    batches = batches_by_length(lengths, batch_size)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size and min(map(len, batches)) > 0
    assert len(batches) == -(-len(lengths) // batch_size)


def test_batches_hold_sequences_of_similar_length(lengths):
    in_order = [np.arange(len(lengths))[i:i + 16] for i in range(0, len(lengths), 16)]
    assert waste(lengths, in_order) > 0.4
    assert waste(lengths, batches_by_length(lengths, 16)) < 0.02


def test_they_go_from_the_longest_to_the_shortest_and_keep_ties_in_order(lengths):
    order = np.concatenate(batches_by_length(lengths, 16))
    assert (np.diff(lengths[order]) <= 0).all()
    assert [b.tolist() for b in batches_by_length([4, 9, 4, 9, 1], 2)] == [[1, 3], [0, 2], [4]]


def test_no_sequences_give_no_batches():
    assert batches_by_length([], 16) == []


def test_pad_fills_up_with_0_to_the_longest():
    padded = pad([[1, 2, 3], [4], []])
    assert padded.tolist() == [[1, 2, 3], [4, 0, 0], [0, 0, 0]]
    assert padded.dtype == np.int32


def test_pad_fills_up_to_a_given_length():
    assert pad([[1], [2, 3]], 4).tolist() == [[1, 0, 0, 0], [2, 3, 0, 0]]


# --- lessons and questions --------------------------------------------------------------------------------

def _lesson(n, answers, auxiliary, weight=1.):
    """A lesson of n tokens whose answers and auxiliary targets all weigh `weight`."""
    count = answers + auxiliary
    return Lesson([7] * n, [0] * n, list(range(count)), [3] * count, [weight] * count, answers)


def _weights(lessons, auxiliary_weight):
    (_, (targets, weights)), = lesson_batches([lessons], auxiliary_weight)
    assert targets.shape == weights.shape and not weights[targets == 0].any()
    return weights


def test_one_mean_gives_every_target_of_the_batch_the_same_weight():
    weights = _weights([_lesson(9, 1, 3), _lesson(5, 1, 0), _lesson(9, 0, 5)], None)
    np.testing.assert_allclose(weights[weights > 0], [.1] * 10, rtol=1e-6)


def test_answers_and_auxiliary_targets_have_their_own_means():
    weights = _weights([_lesson(9, 1, 3), _lesson(5, 1, 0), _lesson(9, 0, 5)], .4)
    np.testing.assert_allclose(weights, [[.5] + [.05] * 3 + [0], [.5, 0, 0, 0, 0], [.05] * 5], rtol=1e-6)


@pytest.mark.parametrize('auxiliary_weight', [None, .4])
def test_a_batch_with_targets_of_one_kind_weighs_1_in_sum(auxiliary_weight):
    np.testing.assert_allclose(_weights([_lesson(9, 0, 3), _lesson(9, 0, 1)], auxiliary_weight).sum(), 1., rtol=1e-6)
    np.testing.assert_allclose(_weights([_lesson(9, 2, 0), _lesson(9, 2, 0)], auxiliary_weight).sum(), 1., rtol=1e-6)
    assert not _weights([_lesson(9, 0, 0)], auxiliary_weight).any()


def test_the_weights_within_a_part_are_as_the_lessons_say():
    weights = _weights([_lesson(9, 1, 1), _lesson(9, 1, 1, weight=.25)], .5)
    np.testing.assert_allclose(weights, [[.8, .4], [.2, .1]], rtol=1e-6)


def test_the_questions_of_one_example_stand_side_by_side_in_one_batch():
    def example(*lengths):
        return [Question([n] * n, [0] * n, [1]) for n in lengths]
    examples = [example(3), example(5, 6), example(9), example(4, 4), example(2, 8)]
    found = list(question_batches(examples, 4))
    assert sorted(i for batch, *_ in found for i in batch) == [0, 1, 2, 3, 4]
    for batch, ids, segments, positions in found:
        assert len(ids) == len(segments) == len(positions) <= 4
        assert [row[0] for row in ids] == [q.token_ids[0] for i in batch for q in examples[i]]
    assert all(len(batch) == 1 for batch, *_ in question_batches(examples, 1))
