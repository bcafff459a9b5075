import numpy as np
import pytest

from pet_keras.classifiers.active.estimates import folds
from pet_keras.classifiers.active import learner as learner_module
from pet_keras.classifiers.active.learner import ActiveLearner
from pet_keras.classifiers.calibration import match_prior
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.prefix import PrefixTuning

TEXTS = ['房间很干净%d' % i if i % 2 else '又吵又脏%d' % i for i in range(24)]
ANSWERS = {i: '正面' if i % 2 else '负面' for i in range(12)}


@pytest.fixture(scope='module')
def classifier(still):
    return ClozeClassifier('sentiment', still)


@pytest.fixture(scope='module')
def untrained(classifier):
    """Its weights; the tests of this file share it, since its training takes seconds to trace."""
    return classifier.model.get_weights()


@pytest.fixture
def learner(classifier, untrained):
    classifier.model.set_weights(untrained)
    return ActiveLearner(classifier, TEXTS, epochs=4, learning_rate=.01)


@pytest.fixture(scope='module')
def other(still):
    """Another one, which the tests train as `fit` does."""
    return ClozeClassifier('sentiment', still)


@pytest.fixture
def fitted(other):
    """What it says of texts, once it has learned from these places alone."""
    weights = other.model.get_weights()

    def call(places, texts):
        other.fit([Example(TEXTS[i], None, ANSWERS[i]) for i in places], epochs=4, learning_rate=.01)
        return other.predict_proba(texts)
    yield call
    other.model.set_weights(weights)


def test_guesses_are_zero_shot_with_equal_shares(learner, still):
    assert learner.left == 24 and np.isnan(learner.proba).all()
    assert len(learner.score(10)) == 10 and learner.left == 14
    learner.score(100)
    assert learner.left == 0 and len(learner.score(10)) == 0
    scores = ClozeClassifier('sentiment', still).label_scores(TEXTS)
    scores = scores + match_prior(scores, np.array([.5, .5]))
    wanted = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
    np.testing.assert_allclose(learner.proba, wanted, atol=1e-5)
    np.testing.assert_allclose(learner.proba.mean(axis=0), [.5, .5], atol=1e-5)


def test_features_are_the_hidden_state_at_the_blank(learner, still):
    learner.score(24)
    classifier = ClozeClassifier('sentiment', still)
    encoded = classifier.pattern.encode(classifier.tokenizer, TEXTS[5])
    from pet_keras.backend import keras
    network = keras.models.Model(classifier.transformer.inputs, classifier.transformer.encoded)
    wanted = network([np.array([encoded.token_ids]), np.array([encoded.segment_ids]),
                      np.array([encoded.mask_positions])]).numpy()[0, 0]
    np.testing.assert_allclose(learner.features[5], wanted, atol=2e-3)


def test_it_learns_each_time_from_its_start_and_as_fit_does(learner, fitted):
    learner.score(24)
    scored = learner.train({2: '正面', 3: '负面'})
    assert learner.trainings == 1 and len(scored) == 24 and learner.left == 0
    learner.train(ANSWERS)
    np.testing.assert_allclose(learner.proba, fitted(ANSWERS, TEXTS), atol=1e-4)
    assert learner.agreement is not None and -1 <= learner.agreement <= 1


def test_cross_validation_asks_models_that_did_not_learn_the_text_and_leaves_the_learner_alone(learner, fitted):
    learner.score(24)
    learner.train(ANSWERS)
    before, seen = learner.proba.copy(), []
    fit, read = learner.learn, learner._read

    def noted(answers):
        seen.append(set(answers))
        return fit(answers)

    def reading(places):
        if seen:
            assert not seen[-1] & set(places.tolist()) and len(seen[-1]) in (9, 10)
        return read(places)
    learner.learn, learner._read = noted, reading
    found = learner.cross_validate(ANSWERS)
    assert len(seen) == 5 and found.shape == (12, 2)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1., atol=1e-6)
    learner._read, seen[:] = read, []
    learner._score(np.arange(24))
    np.testing.assert_allclose(learner.proba, before, atol=1e-6)
    others = seen_first(ANSWERS)
    held = [i for i in ANSWERS if i not in others]
    np.testing.assert_allclose(np.exp(found[held]), fitted(others, [TEXTS[i] for i in held]), atol=1e-4)


def seen_first(answers):
    """What the first of the five models learns from, in its order."""
    fold = folds([['正面', '负面'].index(label) for label in answers.values()])
    return [i for i, own in zip(answers, fold) if own != 0]


def test_chosen_texts_are_open_ones_the_most_wanted_first(learner):
    learner.strategy = lambda proba, features, labelled, n, rng: np.flatnonzero(~labelled)[::-1][:n]
    learner.score(24)
    assert learner.choose(6, [23, 20], batch=2).tolist() == [22, 21, 19, 18, 17, 16]
    assert learner.choose(50, range(22)).tolist() == [23, 22] and len(learner.choose(3, range(24))) == 0


def test_of_a_large_pile_a_strategy_looks_at_a_part_by_chance_and_at_all_that_is_labelled(learner, monkeypatch):
    seen = []
    monkeypatch.setattr(learner_module, '_MOST', 6)
    learner.strategy = lambda proba, features, labelled, n, rng: seen.append(labelled.copy()) or np.flatnonzero(
        ~labelled)[:n]
    learner.score(24)
    chosen = [learner.choose(6, [0, 1]).tolist()]
    learner.trainings, learner.scored_by[:] = 1, 1
    chosen.append(learner.choose(6, [0, 1]).tolist())
    assert [(len(labelled), labelled.sum()) for labelled in seen] == [(8, 2)] * 2
    assert set(chosen[0]) != set(chosen[1]) and not {0, 1} & set(sum(chosen, []))


def test_only_scored_texts_are_chosen(learner):
    some = learner.score(5)
    assert sorted(learner.choose(24)) == sorted(some)


def test_a_round_goes_on_where_the_last_one_stopped(learner):
    first = learner.score(8).tolist()
    learner.trainings = 1  # as after a training that scored none
    assert not set(first) & set(learner.score(16).tolist())
    assert learner.score(100).tolist() == first


def test_scores_are_kept_for_the_same_texts_and_model(learner, classifier, tmp_path):
    path = str(tmp_path / 'scores.npz')
    learner.score(10)
    learner.save_scores(path, 'this')
    other = ActiveLearner(classifier, TEXTS)
    other.read_scores(path, 'that')
    assert other.left == 24
    other.read_scores(path, 'this')
    assert other.left == 14
    np.testing.assert_allclose(other.proba, learner.proba)
    (tmp_path / 'scores.npz').write_bytes(b'PK damaged')
    other.read_scores(path, 'this')
    other.read_scores(str(tmp_path / 'none'), 'this')
    assert other.left == 14


def test_words_of_different_lengths_and_fine_tuning_are_scored_too(still):
    task = Task({'P1': '[MASK]：{text}'}, {'好': '好', '不好': '不好'}, word_score='per_token')
    for classifier in (ClozeClassifier(task, still), FineTuningClassifier('sentiment', still)):
        learner = ActiveLearner(classifier, TEXTS, 'k-centre')
        learner.score(24)
        scores = classifier.label_scores(TEXTS)
        scores = scores + match_prior(scores, np.array([.5, .5]))
        np.testing.assert_allclose(np.log(learner.proba[:, 0] / learner.proba[:, 1]), scores[:, 0] - scores[:, 1],
                                   atol=1e-3)
        assert len(learner.choose(5)) == 5


def test_an_unknown_strategy_is_named(classifier):
    with pytest.raises(UserError, match="No strategy 'best'; choose one of mix"):
        ActiveLearner(classifier, TEXTS, 'best')


@pytest.mark.parametrize('long', ['tail', 'windows'])
def test_of_a_long_text_it_reads_what_the_classifier_reads(long, still):
    classifier = ClozeClassifier('sentiment', still, maxlen=16, long=long)
    texts = ['房间很干净，' + '又吵又脏' * i for i in range(6)]
    learner = ActiveLearner(classifier, texts)
    learner.score(len(texts))
    assert np.abs(learner._scores - classifier.label_scores(texts)).max() < 1e-4


@pytest.mark.parametrize('given', [{'pattern': '[unused1][MASK]。{text}', 'train': 'prompt', 'prompt_encoder': 'lstm'},
                                   {'train': PrefixTuning(4, mlp=8)}], ids=['prompt', 'prefix'])
def test_an_encoder_that_is_gone_after_one_training_is_refused(given, still):
    with pytest.raises(UserError, match='gone after the first training'):
        ActiveLearner(ClozeClassifier('sentiment', still, **given), TEXTS)
