import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.streams import Stream, Texts, epoch_of
from pet_keras.cloze.cloze import Lesson
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})


def _rng(*numbers):
    return np.random.default_rng((7,) + numbers)


def _lesson(tokens, target, rng):
    """One whose token ids are the text's number, as many times as the text is long; its target a random number."""
    return Lesson(tokens[0], [0] * len(tokens[0]), [0], [int(rng.integers(1000))], [1.], 1)


def _stream(numbers, **kwargs):
    return Stream([([[n] * (1 + n % 5)], None) for n in numbers], **kwargs)


def _epochs(streams, count, batch_size=4):
    """For each epoch its batches, each a list of (number of the text, weight)."""
    found = []
    for epoch in range(count):
        batches = epoch_of(streams, epoch, batch_size, _lesson, _rng)
        found.append([[(lesson.token_ids[0], lesson.weights[0]) for lesson in batch] for batch in batches])
    return found


def test_one_stream_is_shown_once_an_epoch_in_another_order_each_time():
    epochs = _epochs([_stream(range(10))], 2)
    for batches in epochs:
        assert sorted(map(len, batches)) == [2, 4, 4]
        assert sorted(n for batch in batches for n, _ in batch) == list(range(10))
    assert epochs[0] != epochs[1]
    assert epochs == _epochs([_stream(range(10))], 2)


def test_each_stream_has_its_share_of_every_batch_and_its_weight():
    streams = [_stream(range(12), share=.25), _stream(range(100, 150), share=.75, weight=.5)]
    for batches in _epochs(streams, 2, batch_size=8):
        assert len(batches) == 6
        for batch in batches:
            assert [w for n, w in batch if n < 100] == [1., 1.] and [w for n, w in batch if n >= 100] == [.5] * 6
        assert sorted(n for batch in batches for n, _ in batch if n < 100) == list(range(12))


def test_the_streams_together_fill_the_batch():
    for batch_size, sizes in ((3, (2, 1)), (5, (2, 3)), (8, (4, 4)), (1, (1, 1))):
        for batches in _epochs([_stream(range(8), share=.5), _stream(range(100, 150), share=.5)], 1, batch_size):
            assert tuple(sum(n < 100 for n, _ in batch) for batch in batches)[0] in sizes[:1]
            assert all(sum(n >= 100 for n, _ in batch) == sizes[1] for batch in batches)


def test_a_share_too_small_for_the_batch_is_still_one_text():
    for batches in _epochs([_stream(range(3), share=.01), _stream(range(100, 200), share=.99)], 1, batch_size=8):
        assert [sum(n < 100 for n, _ in batch) for batch in batches] == [1, 1, 1]


def test_the_second_stream_goes_round_evenly_over_the_epochs():
    streams = [_stream(range(6), share=.5), _stream(range(100, 109), share=.5)]
    seen = [n for batches in _epochs(streams, 6) for batch in batches for n, _ in batch if n >= 100]
    assert len(seen) == 36
    assert {n: seen.count(n) for n in set(seen)} == {n: 4 for n in range(100, 109)}  # four rounds of nine
    rounds = [sorted(seen[i:i + 6]) for i in range(0, 36, 6)]
    assert len({tuple(r) for r in rounds}) > 1


def test_a_text_shown_twice_in_an_epoch_has_other_masks_each_time():
    batches = epoch_of([_stream(range(6), share=.5), _stream([100], share=.5)], 0, 2, _lesson, _rng)
    masks = [lesson.targets[0] for batch in batches for lesson in batch if lesson.token_ids[0] == 100]
    assert len(masks) == 6 and len(set(masks)) == 6


# --- lengths ----------------------------------------------------------------------------------------------

LENGTHS = np.random.default_rng(0).integers(5, 128, 2003)


def _batches(lengths, batch_size, epoch=0):
    """The texts' numbers in the batches of an epoch."""
    stream = Stream([([[n] * length], None) for n, length in enumerate(lengths)])
    return [[lesson.token_ids[0] for lesson in batch] for batch in epoch_of([stream], epoch, batch_size, _lesson, _rng)]


def test_of_many_texts_those_of_similar_length_share_a_batch():
    batches = _batches(LENGTHS, 8)
    assert sorted(n for batch in batches for n in batch) == list(range(2003)) and len(batches) == 251
    padded = sum(len(batch) * max(LENGTHS[n] for n in batch) for batch in batches)
    assert LENGTHS.sum() / padded > .9


def test_the_batches_do_not_come_in_the_order_of_their_lengths():
    means = [LENGTHS[batch].mean() for batch in _batches(LENGTHS, 8)]
    assert 0.3 < (np.diff(means) < 0).mean() < 0.7


def _met_again(lengths, batch_size, epochs=12):
    """How often two texts that share a batch share one in the next epoch as well."""
    again, before = [], None
    for epoch in range(epochs):
        batch_of = np.empty(len(lengths), int)
        for k, batch in enumerate(_batches(lengths, batch_size, epoch)):
            batch_of[batch] = k
        together = (batch_of[:, None] == batch_of) & ~np.eye(len(lengths), dtype=bool)
        if before is not None:
            again.append((together & before).sum() / before.sum())
        before = together
    return np.mean(again)


def test_168_texts_in_batches_of_8_meet_others_in_every_epoch():
    """As in the posts' few-shot runs: at random 4 % of the batchmates meet again, in one sorted pool most do."""
    assert _met_again(LENGTHS[:168], 8) < 0.12
    assert _met_again(LENGTHS[:24], 8) < 0.4  # of 24 texts: 30 % at random


def test_batches_of_168_texts_do_not_sort_them_by_length():
    within = [np.ptp(LENGTHS[batch]) for batch in _batches(LENGTHS[:168], 8)]
    assert np.median(within) > 0.3 * np.ptp(LENGTHS[:168])


def test_texts_are_tokenized_and_masked_when_it_is_their_turn():
    seen = []
    texts = Texts([Example('好')] * 2000, [None] * 2000, lambda example: seen.append(example) or [[1, 2]])
    assert not seen
    next(epoch_of([Stream(texts)], 0, 8, _lesson, _rng))
    assert len(seen) == 8 * 31  # one pool of batches: an eighth of them


# --- from fit ---------------------------------------------------------------------------------------------

LABELLED = [Example('房间很%s' % c, label='正面') for c in '大好新美'] + [
    Example('味道太%s' % c, label='负面') for c in '差坏苦烂']


def test_fit_mixes_both_as_they_come_or_by_the_share_asked_for(still):
    classifier = ClozeClassifier(TASK, still)
    texts = classifier.examples(LABELLED, labelled=True), classifier.examples(['天气好'] * 30)
    stream, = classifier.streams(*texts, labelled_share=None)
    assert len(stream.texts) == 38 and stream[1:] == (1., 1.)
    assert [(len(s.texts), s.share, s.weight) for s in classifier.streams(*texts)] == [(8, .5, 1.), (30, .5, 1.)]
    assert [len(s.texts) for s in classifier.streams(texts[0], [])] == [8]
    one, two = classifier.streams(*texts, labelled_share=.25, unlabelled_weight=.1)
    assert (len(one.texts), one.share, one.weight) == (8, .25, 1.)
    assert (len(two.texts), two.share, two.weight) == (30, .75, .1)
    assert [target for _, target in one.texts] == [0] * 4 + [1] * 4 and two.texts[0][1] is None


def test_a_share_of_labelled_texts_counts_the_passes_on_them(still):
    classifier = ClozeClassifier(TASK, still)
    classifier.fit(LABELLED, ['天气好', '下雨了'] * 50, labelled_share=.5, batch_size=4, epochs=3, learning_rate=1e-2)
    assert [h['epoch'] for h in classifier.history] == [1, 2, 3]
    assert classifier.history[-1]['loss'] < classifier.history[0]['loss']


@pytest.mark.parametrize('settings,message', [
    ({'labelled_share': 0.}, 'labelled_share is between 0 and 1'), ({'labelled_share': 1.}, 'between 0 and 1'),
    ({'labelled_share': -1}, 'between 0 and 1'), ({'unlabelled_weight': 0}, 'unlabelled_weight is above 0'),
    ({'labelled_share': None, 'unlabelled_weight': .5}, 'unlabelled_weight needs')], ids=str)
def test_a_share_or_weight_that_cannot_be_is_refused(settings, message, still):
    with pytest.raises(UserError, match=message):
        ClozeClassifier(TASK, still).fit(LABELLED, ['天'], epochs=1, **settings)
