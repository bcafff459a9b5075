import numpy as np
import pytest

from pet_keras.classifiers.calibration import less_mean_probability, less_mean_score, match_prior, prior_of
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TRACED = False  # it is not about training
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


def test_the_first_round_of_equal_shares_is_the_mean_probability_taken_off():
    """By hand: probabilities (.9, .1) and (.5, .5), whatever the texts' constants; their means are .7 and .3."""
    scores = np.log([[.9, .1], [.5, .5]]) + [[3.], [-7.]]
    np.testing.assert_allclose(less_mean_probability(scores), [-np.log(.7), -np.log(.3)])
    one = np.log([[.2, .3, .5]]) - 4.
    np.testing.assert_allclose(_softmax(one + less_mean_probability(one)), [[1 / 3] * 3])  # as W of the paper does


def test_the_mean_score_is_taken_off_whatever_constants_the_texts_have():
    rng = np.random.default_rng(1)
    scores, constants = rng.normal(0, 3, (50, 4)), rng.normal(0, 9, (50, 1))
    offset = less_mean_score(scores)
    np.testing.assert_allclose((scores + offset).mean(axis=0), np.zeros(4), atol=1e-12)
    other = less_mean_score(scores + constants)
    np.testing.assert_allclose(other - other.mean(), offset - offset.mean(), atol=1e-9)


def _asked(classifier, *texts):
    """Scores of a classifier of two labels for token ids in place of the text, by the whole vocabulary's softmax."""
    ids = [classifier.tokenizer.token_to_id(word) for word in '很不']
    rows = []
    for text in texts:
        tokens = ['[CLS]', '[MASK]', '满', '意', '。', *text, '[SEP]']
        token_ids = np.array([[classifier.tokenizer.token_to_id(token) for token in tokens]])
        logits = classifier.model.predict([token_ids, np.zeros_like(token_ids), np.array([[1]])], verbose=0)[0, 0]
        rows.append(np.log(_softmax(logits[None].astype('float64')))[0, ids])
    return np.array(rows)


@pytest.mark.parametrize('before', [[0., 0.], [2., -1.]])
def test_contextual_and_pmi_ask_the_pattern_without_a_text(still, before):
    classifier = ClozeClassifier(TASK, still)
    classifier.offset = before  # which does not count
    p = _softmax(_asked(classifier, '无', ['[MASK]'], '')).mean(axis=0)
    offset = classifier.calibrate(method='contextual').offset
    assert offset[0] - offset[1] == pytest.approx(np.log(p[1] / p[0]), abs=1e-5)
    text, = _asked(classifier, '好')
    log_odds = text[0] - text[1] + np.log(p[1] / p[0])
    assert classifier.predict_proba(['好'])[0, 0] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-5)
    for premise, given in ((None, ''), ('评论', '评论')):
        premised, = _asked(classifier, given)
        offset = classifier.calibrate(method='pmi', premise=premise).offset
        assert offset[0] - offset[1] == pytest.approx(premised[1] - premised[0], abs=1e-5)
        assert offset.sum() == pytest.approx(0., abs=1e-9)


def test_mean_takes_each_labels_mean_score_off_whatever_the_texts_labels_are(still):
    classifier = ClozeClassifier(TASK, still)
    offset = classifier.calibrate(TEXTS, 'mean').offset
    np.testing.assert_allclose(np.diff(classifier.label_scores(TEXTS).mean(axis=0)), [0.], atol=1e-6)
    np.testing.assert_allclose(classifier.calibrate(TEXTS, 'mean').offset, offset, atol=1e-6)
    labelled = [Example(text, label='正面') for text in TEXTS]
    np.testing.assert_allclose(classifier.calibrate(labelled, 'mean').offset, offset, atol=1e-6)


def test_a_task_of_pairs_and_a_causal_model_can_be_asked_without_texts(still, causal):
    pairs = Task({'P1': '{text_a}？[MASK]，{text_b}'}, {'是': '对', '否': '不'})
    for classifier, premise in ((ClozeClassifier(pairs, still), ('一句', '另一句')),
                                (ClozeClassifier('sentiment', causal), '评论')):
        for method, given in (('contextual', None), ('pmi', None), ('pmi', premise)):
            assert np.abs(classifier.calibrate(method=method, premise=given).offset).max() > 0
    for name in ('csl', 'cluewsc'):  # several holes
        for method in ('contextual', 'pmi'):
            assert np.abs(ClozeClassifier(name, still).calibrate(method=method).offset).max() > 0


def test_fine_tuning_has_no_pattern_to_ask_but_the_methods_of_texts(still):
    classifier = FineTuningClassifier(TASK, still)
    classifier.calibrate(TEXTS, 'mean')
    np.testing.assert_allclose(np.diff(classifier.label_scores(TEXTS).mean(axis=0)), [0.], atol=1e-6)
    np.testing.assert_allclose(classifier.calibrate(TEXTS).predict_proba(TEXTS).mean(axis=0), [.5, .5], atol=1e-6)
    with pytest.raises(UserError, match="fine-tuning has no pattern: take prior or mean"):
        classifier.calibrate(method='pmi')


@pytest.mark.parametrize('examples, settings, said', [
    (None, {}, "'prior' needs texts"), (None, {'method': 'mean'}, "'mean' needs texts"),
    ([], {'method': 'mean'}, "'mean' needs texts"), (TEXTS, {'method': 'pmi'}, 'no use for texts: leave them out'),
    (TEXTS, {'method': 'contextual'}, 'no use for texts'), (TEXTS, {'method': 'means'}, 'choose one of prior, mean'),
    (TEXTS, {'method': 'mean', 'prior': {'正面': .5, '负面': .5}}, "not to 'mean'"),
    (TEXTS, {'premise': '评论'}, "premise to 'pmi', not to 'prior'"),
    (None, {'method': 'pmi', 'premise': ('a', 'b')}, 'takes one text')])
def test_what_a_method_lacks_or_cannot_use_is_told(still, examples, settings, said):
    with pytest.raises(UserError, match=said):
        ClozeClassifier(TASK, still).calibrate(examples, **settings)


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
