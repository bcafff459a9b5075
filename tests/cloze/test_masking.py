import numpy as np
import pytest

from pet_keras.cloze.masking import random_masking

VOCAB, MASK, LENGTH = 1000, 103, 100000


@pytest.fixture
def ids():
    return np.random.default_rng(1).integers(200, VOCAB, LENGTH)


def mask(ids, maskable, seed=0, rate=0.15):
    return random_masking(ids, maskable, np.random.default_rng(seed), VOCAB, MASK, rate)


@pytest.mark.parametrize('rate', [0.15, 0.4])
def test_the_rate_is_the_share_of_maskable_positions_drawn(ids, rate):
    drawn = mask(ids, np.arange(0, LENGTH, 2), rate=rate)[1]
    assert abs(len(drawn) / (LENGTH / 2) - rate) < 0.01


def test_of_the_drawn_tokens_80_percent_are_masked_10_random_10_kept(ids):
    source, drawn, targets = mask(ids, range(LENGTH), rate=0.5)
    masked, kept = source[drawn] == MASK, source[drawn] == targets
    assert abs(masked.mean() - 0.8) < 0.01
    assert abs(kept.mean() - 0.1) < 0.01
    assert abs((~masked & ~kept).mean() - 0.1) < 0.01


def test_random_replacements_come_from_the_whole_vocabulary_but_padding(ids):
    source, drawn, targets = mask(ids, range(LENGTH), rate=1.)
    swapped = source[drawn][(source[drawn] != MASK) & (source[drawn] != targets)]
    assert swapped.min() == 1 and swapped.max() == VOCAB - 1
    assert abs(swapped.mean() - VOCAB / 2) < 20


def test_only_maskable_positions_are_drawn_and_all_other_tokens_stay(ids):
    maskable = np.arange(10, LENGTH, 7)
    source, drawn, _ = mask(ids, maskable, rate=0.9)
    assert set(drawn) <= set(maskable)
    others = np.setdiff1d(np.arange(LENGTH), drawn)
    np.testing.assert_array_equal(source[others], ids[others])


def test_targets_are_the_original_tokens_at_the_drawn_positions(ids):
    _, drawn, targets = mask(ids, range(LENGTH))
    np.testing.assert_array_equal(targets, ids[drawn])
    assert len(drawn) == len(set(drawn))


def test_rate_0_masks_nothing_and_rate_1_draws_every_maskable_position(ids):
    source, drawn, targets = mask(ids, range(LENGTH), rate=0.)
    np.testing.assert_array_equal(source, ids)
    assert len(drawn) == len(targets) == 0
    assert mask(ids, [3, 5, 8], rate=1.)[1].tolist() == [3, 5, 8]


def test_nothing_maskable_masks_nothing(ids):
    source, drawn, targets = mask(ids, [], rate=1.)
    np.testing.assert_array_equal(source, ids)
    assert len(drawn) == len(targets) == 0


def test_the_given_tokens_are_not_changed(ids):
    before, as_list = ids.copy(), [7, 8, 9]
    mask(ids, range(LENGTH), rate=1.)
    mask(as_list, [0, 1, 2], rate=1.)
    np.testing.assert_array_equal(ids, before)
    assert as_list == [7, 8, 9]


def test_the_same_seed_gives_the_same_masks_and_another_seed_others(ids):
    first, again, other = (mask(ids, range(LENGTH), seed) for seed in (3, 3, 4))
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_the_default_rate_is_15_percent(ids):
    drawn = random_masking(ids, range(LENGTH), np.random.default_rng(0), VOCAB, MASK)[1]
    assert abs(len(drawn) / LENGTH - 0.15) < 0.005
