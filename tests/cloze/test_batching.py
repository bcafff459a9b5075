import numpy as np
import pytest

from pet_keras.cloze.batching import batches_by_length, pad


@pytest.fixture
def lengths():
    return np.random.default_rng(0).integers(5, 128, 1003)


def waste(lengths, batches):
    """Padding as a share of all tokens computed."""
    computed = sum(len(b) * lengths[b].max() for b in batches)
    return 1 - lengths.sum() / computed


@pytest.mark.parametrize('seed', [None, 0])
@pytest.mark.parametrize('batch_size', [1, 16, 64, 2000])
def test_each_index_comes_exactly_once_in_batches_of_at_most_batch_size(lengths, seed, batch_size):
    batches = batches_by_length(lengths, batch_size, None if seed is None else np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= batch_size and min(map(len, batches)) > 0
    assert len(batches) == -(-len(lengths) // batch_size)


def test_with_several_pools_each_index_still_comes_exactly_once(lengths):
    batches = batches_by_length(lengths, 10, np.random.default_rng(0), pool=7)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) == 10


def test_batches_hold_sequences_of_similar_length(lengths):
    in_order = [np.arange(len(lengths))[i:i + 16] for i in range(0, len(lengths), 16)]
    assert waste(lengths, in_order) > 0.4
    assert waste(lengths, batches_by_length(lengths, 16)) < 0.02
    assert waste(lengths, batches_by_length(lengths, 16, np.random.default_rng(0))) < 0.05


def test_scoring_goes_from_the_longest_to_the_shortest_and_keeps_ties_in_order(lengths):
    order = np.concatenate(batches_by_length(lengths, 16))
    assert (np.diff(lengths[order]) <= 0).all()
    assert [b.tolist() for b in batches_by_length([4, 9, 4, 9, 1], 2)] == [[1, 3], [0, 2], [4]]


def test_the_same_rng_gives_the_same_batches_and_another_rng_others(lengths):
    first, again, other = (np.concatenate(batches_by_length(lengths, 16, np.random.default_rng(seed)))
                           for seed in (5, 5, 6))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_training_batches_do_not_come_in_the_order_of_their_lengths(lengths):
    batches = batches_by_length(lengths, 16, np.random.default_rng(0), pool=100)  # all in one pool
    shorter_than_the_last = np.diff([lengths[b].mean() for b in batches]) < 0
    assert 0.3 < shorter_than_the_last.mean() < 0.7


def test_the_next_epoch_mixes_the_sequences_anew(lengths):
    rng = np.random.default_rng(0)
    one, two = (batches_by_length(lengths, 16, rng, pool=8) for _ in range(2))
    assert not {frozenset(b.tolist()) for b in one} & {frozenset(b.tolist()) for b in two}


def test_no_sequences_give_no_batches():
    assert batches_by_length([], 16) == []
    assert batches_by_length([], 16, np.random.default_rng(0)) == []


def test_pad_fills_up_with_0_to_the_longest():
    padded = pad([[1, 2, 3], [4], []])
    assert padded.tolist() == [[1, 2, 3], [4, 0, 0], [0, 0, 0]]
    assert padded.dtype == np.int32


def test_pad_fills_up_to_a_given_length():
    assert pad([[1], [2, 3]], 4).tolist() == [[1, 0, 0, 0], [2, 3, 0, 0]]
