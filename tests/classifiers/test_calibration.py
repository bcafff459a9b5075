import numpy as np
import pytest

from pet_keras.classifiers.calibration import match_prior, prior_of
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
TEXTS = ['房间很干净', '又吵又脏', '好', '这本书纸张不错字也大', '股市今日大涨', '再也不来了']


def _softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize('labels', [2, 3, 15])
def test_the_mean_probabilities_become_the_prior(labels):
    rng = np.random.default_rng(labels)
    scores, prior = rng.normal(0, 3, (200, labels)) + rng.normal(0, 4, labels), rng.dirichlet(np.ones(labels) * 3)
    offset = match_prior(scores, prior)
    np.testing.assert_allclose(_softmax(scores + offset).mean(axis=0), prior, atol=1e-6)
    assert offset.mean() == pytest.approx(0., abs=1e-9)


def test_a_bias_of_the_scores_is_taken_off_and_nothing_else():
    """Symmetric scores with a bias: the offset is the bias, so the threshold stands where it stood."""
    odds = np.random.default_rng(0).normal(0, 2, 500)
    scores = np.stack([np.r_[odds, -odds], np.zeros(1000)], axis=1)
    np.testing.assert_allclose(match_prior(scores + [1.5, -1.], [.5, .5]), [-1.25, 1.25], atol=1e-6)
    np.testing.assert_allclose(match_prior(scores, [.5, .5]), [0., 0.], atol=1e-6)


def test_a_prior_is_given_or_counted_or_equal():
    np.testing.assert_allclose(prior_of({'a': 3, 'b': 1}, ['a', 'b'], []), [.75, .25])
    np.testing.assert_allclose(prior_of(None, ['a', 'b'], ['a'] * 5 + ['b'] * 2), [5.5 / 8, 2.5 / 8])
    np.testing.assert_allclose(prior_of(None, ['a', 'b', 'c', 'd'], []), [.25] * 4)
    for shares in ({'a': 1.}, {'a': 1., 'b': 0.}, {'a': -1., 'b': 2.}):
        with pytest.raises(UserError, match='share above 0; b|share above 0; a'):
            prior_of(shares, ['a', 'b'], [])


def test_a_calibrated_classifier_ranks_as_before_and_has_the_prior(still):
    classifier = ClozeClassifier(TASK, still)
    before = classifier.predict_proba(TEXTS)
    classifier.calibrate(TEXTS)
    after = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(after.mean(axis=0), [.5, .5], atol=1e-6)
    assert (np.argsort(before[:, 0]) == np.argsort(after[:, 0])).all()
    offset = classifier.offset
    np.testing.assert_allclose(classifier.calibrate(TEXTS).offset, offset, atol=1e-6)  # twice is once
    classifier.calibrate([Example(text, label='正面' if i else '负面') for i, text in enumerate(TEXTS)])
    np.testing.assert_allclose(classifier.predict_proba(TEXTS).mean(axis=0), [5.5 / 7, 1.5 / 7], atol=1e-6)
    classifier.calibrate(TEXTS, prior={'正面': 1, '负面': 3})
    np.testing.assert_allclose(classifier.predict_proba(TEXTS).mean(axis=0), [.25, .75], atol=1e-6)


def test_training_starts_without_an_offset_of_before(still):
    classifier = ClozeClassifier(TASK, still).calibrate(TEXTS)
    assert np.abs(classifier.offset).max() > 0
    classifier.fit([Example('好', label='正面')], epochs=1)
    np.testing.assert_array_equal(classifier.offset, [0., 0.])


def test_nothing_to_calibrate_on_is_refused(still):
    with pytest.raises(UserError, match='Nothing to calibrate on'):
        ClozeClassifier(TASK, still).calibrate([])


def test_another_pattern_and_a_refused_training(still):
    task = Task({'P1': '[MASK]满意。{text}', 'P2': '[MASK]好。{text}'}, {'正面': '很', '负面': '不'})
    classifier = ClozeClassifier(task, still).calibrate(TEXTS)
    offset = classifier.offset
    with pytest.raises(UserError):
        classifier.fit([Example('好', label='正面')], epochs=0)
    with pytest.raises(UserError):
        classifier.pattern = '𠮷[MASK]。{text}'  # not in the vocabulary: the pattern stays, and so does its offset
    classifier.pattern = 'P1'
    np.testing.assert_array_equal(classifier.offset, offset)
    classifier.pattern = 'P2'  # the offset was that of P1's question
    np.testing.assert_array_equal(classifier.offset, [0., 0.])


def test_soft_labels_are_nothing_to_calibrate_on(still):
    with pytest.raises(UserError, match='not a soft one'):
        ClozeClassifier(TASK, still).calibrate([Example('好', label={'正面': .5, '负面': .5})])
