import numpy as np
import pytest
from scripted import LABELLED, UNLABELLED

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.pet.ensemble import Ensemble
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TEXTS = ['房间很干净', '又吵又脏再也不来了', '味道好吃']


def _scores(member, texts):
    """Its log-probabilities; what the mean of scores does not depend on is their constant."""
    return member.predict_log_proba(texts)


def _normalised(scores):
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def test_untrained_it_is_the_mean_of_the_patterns_and_each_asks_with_its_own_words(task, still):
    ensemble = Ensemble(task, still, ['P1', 'P3'])
    ensemble.run_eagerly = True
    alone = [_scores(ClozeClassifier(task, still, name), TEXTS) for name in ('P1', 'P3')]
    np.testing.assert_allclose(ensemble.predict_proba(TEXTS), _normalised(np.mean(alone, axis=0)), rtol=1e-5)
    assert ensemble.members[0].words != ensemble.members[1].words
    two = Ensemble(task, still, ['P3', '{text}很[MASK]'])
    assert list(two.patterns) == ['P3', 'pattern2']


def test_trained_it_is_the_mean_weighted_by_the_accuracy_before_training(task, still, epochs, tmp_path):
    ensemble = Ensemble(task, still, ['P1', 'P3'], seeds=2, weights='accuracy')
    before = [100. * np.mean([label == e.label for label, e in zip(
        ClozeClassifier(task, still, name).predict([e.text for e in LABELLED]), LABELLED)]) for name in ('P1', 'P3')]
    ensemble.fit(LABELLED, epochs=1, out=str(tmp_path / 'out'))
    assert epochs == ['cloze'] * 4
    assert ensemble.member_weights.tolist() == pytest.approx([before[0]] * 2 + [before[1]] * 2)
    assert before[0] != before[1]
    scores = np.array([_scores(member, TEXTS) for member in ensemble.members])
    assert len({row.tobytes() for row in scores}) == 4  # the seeds are others too
    mean = np.einsum('m,mtl->tl', ensemble.member_weights / ensemble.member_weights.sum(), scores)
    np.testing.assert_allclose(ensemble.predict_proba(TEXTS), _normalised(mean), rtol=1e-6)


def test_an_ensemble_is_saved_and_loaded_and_found_where_it_was_trained(task, still, epochs, tmp_path):
    out, copy = str(tmp_path / 'out'), str(tmp_path / 'copy')
    ensemble = Ensemble(task, still, ['P2', 'P3']).fit(LABELLED, dev=LABELLED[::4], out=out, epochs=1)
    ensemble.calibrate(TEXTS).save(copy)
    for folder, offset in ((out, np.zeros(2)), (copy, ensemble.offset)):
        found = load(folder)
        assert isinstance(found, Ensemble) and list(found.patterns) == ['P2', 'P3']
        assert found.report == ensemble.report and found.offset.tolist() == offset.tolist()
        np.testing.assert_allclose(found.label_scores(TEXTS) - offset,
                                   ensemble.label_scores(TEXTS) - ensemble.offset, rtol=1e-12)
    with pytest.raises(UserError, match='trained already'):
        found.fit(LABELLED)
    with pytest.raises(UserError, match='holds another model'):
        ClozeClassifier(task, still).save(copy)
    with pytest.raises(UserError, match='holds another model'):
        ensemble.save(str(tmp_path / 'out' / 'generation0' / 'P2-seed0' / 'model'))


def test_the_report_has_each_model_their_mean_and_the_ensemble(task, still, epochs):
    dev = LABELLED[::3]
    ensemble = Ensemble(task, still, ['P1', 'P3']).fit(LABELLED, dev=dev, epochs=1)
    rows = {row['name']: row for row in ensemble.report}
    assert list(rows) == ['P1', 'P3', 'mean', 'ensemble']
    for name, member in zip(('P1', 'P3'), ensemble.members):
        assert rows[name]['accuracy'] == member.evaluate(dev)['accuracy']
    assert rows['ensemble']['auc'] == pytest.approx(ensemble.evaluate(dev)['auc'])
    assert rows['mean']['auc'] == pytest.approx((rows['P1']['auc'] + rows['P3']['auc']) / 2)


@pytest.mark.parametrize('arguments,says', [
    ({'patterns': ['P1', 'P1']}, 'one pattern twice: P1, P1'), ({'patterns': 'P1'}, 'patterns is a list'),
    ({'patterns': ['P9']}, "no pattern 'P9'"), ({'patterns': []}, 'There is no pattern'),
    ({'weights': 'best'}, 'one of uniform, accuracy'), ({'seeds': 0}, 'seeds is from 1 to 100')])
def test_what_cannot_be_an_ensemble_is_said(arguments, says, task, still):
    with pytest.raises(UserError, match=says):
        Ensemble(task, still, **arguments)


@pytest.mark.parametrize('arguments,data,settings,says', [
    ({}, {}, {}, 'Nothing to learn from'),
    ({}, {'labelled': LABELLED}, {'generations': 1}, 'learn from unlabelled texts'),
    ({}, {'labelled': LABELLED}, {'generations': -1}, 'generations is 0 or more'),
    ({}, {'labelled': LABELLED}, {'epochs': 0}, 'at least 1'),
    ({}, {'labelled': LABELLED}, {'seed': -1}, 'seed is 0 or more'),
    ({'patterns': ['P1']}, {'labelled': LABELLED, 'unlabelled': UNLABELLED}, {'generations': 1}, 'two models or more'),
    ({'weights': 'accuracy'}, {'unlabelled': UNLABELLED}, {}, "take 'uniform'"),
    ({}, {'unlabelled': UNLABELLED[:1]}, {'generations': 1}, '1 unlabelled texts are too few for 2 labels'),
    ({}, {'labelled': [Example('好', label={'正面': 1.})]}, {}, 'not a soft one')])
def test_what_cannot_be_done_is_said_before_any_training(arguments, data, settings, says, task, still, tmp_path):
    with pytest.raises(UserError, match=says):
        Ensemble(task, still, **arguments).fit(**data, **settings, out=str(tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()


def test_a_causal_model_takes_the_patterns_whose_blank_comes_last(causal):
    assert list(Ensemble('sentiment', causal).patterns) == ['P6']
    with pytest.raises(UserError, match='reads from left to right'):
        Ensemble('sentiment', causal, ['P1']).predict(TEXTS)
    with pytest.raises(UserError, match='no pattern whose blank comes last'):
        Ensemble('nli_binary', causal, [])
