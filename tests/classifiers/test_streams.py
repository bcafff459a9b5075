import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.streams import Stream, epoch_of
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
        lessons, batches = epoch_of(streams, epoch, batch_size, _lesson, _rng)
        found.append([[(lessons[i].token_ids[0], lessons[i].weights[0]) for i in batch] for batch in batches])
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
    lessons, _ = epoch_of([_stream(range(6), share=.5), _stream([100], share=.5)], 0, 2, _lesson, _rng)
    masks = [lesson.targets[0] for lesson in lessons if lesson.token_ids[0] == 100]
    assert len(masks) == 6 and len(set(masks)) == 6


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
