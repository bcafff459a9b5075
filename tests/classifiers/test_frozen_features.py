import os

import numpy as np
import pytest

pytest.importorskip('scipy')

from scripted import LABELLED, TASK  # noqa: E402

from pet_keras.classifiers.fine_tuning import FineTuningClassifier  # noqa: E402
from pet_keras.classifiers.frozen_features import FrozenFeaturesClassifier  # noqa: E402
from pet_keras.classifiers.loading import load  # noqa: E402
from pet_keras.classifiers.softmax_regression import softmax_regression  # noqa: E402
from pet_keras.data.example import Example  # noqa: E402
from pet_keras.errors import UserError  # noqa: E402
from pet_keras.networks.models import model_inputs  # noqa: E402

NEW = ['味道好吃', '房间很脏', '']


@pytest.fixture(scope='module')
def learned(still):
    return FrozenFeaturesClassifier(TASK, still, penalty=1e-4).fit(LABELLED)


def test_it_learns_its_layer_and_leaves_the_model_as_it_was(learned, still):
    assert learned.evaluate(LABELLED)['accuracy'] > 80. and learned.step_seconds is None
    before = dict(FineTuningClassifier(TASK, still).transformer.variables())
    for name, variable in learned.transformer.variables():
        np.testing.assert_array_equal(variable.numpy(), before[name].numpy())
    assert learned.parameters_trained == 16 * 2 + 2


def test_the_features_are_the_vectors_of_the_token_that_fine_tuning_reads(learned):
    """One text at a time, without batches or padding."""
    for example, found in zip(LABELLED[:3], learned.features(LABELLED[:3])):
        question, = learned.questions(learned.tokenize(example))
        inputs = [np.array([part]) for part in question[:3]]
        hidden = learned.model.layers[-1].input
        one = type(learned.model)(learned.model.inputs, hidden)(model_inputs(learned.model, *inputs))
        np.testing.assert_allclose(one.numpy()[0, 0], found, atol=1e-5)


def test_the_layer_is_the_regression_on_the_standardised_features(learned):
    features = learned.features(LABELLED)
    rows = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    targets = np.eye(2)[[TASK.labels.index(e.label) for e in LABELLED]]
    kernel, bias = softmax_regression(rows, targets, 1e-4)
    np.testing.assert_allclose(learned.label_scores(LABELLED), rows @ kernel + bias, atol=1e-3)


def test_of_a_text_in_windows_the_mean_of_their_vectors_is_read(still, tmp_path):
    classifier = FrozenFeaturesClassifier(TASK, still, maxlen=12, penalty=1., long='windows')
    text = '房间干净，早餐好吃，就是有点吵，下次还来'
    whole, = classifier.features([Example(text)])
    windows = [classifier.tokenizer.decode(part[0]) for part in classifier.parts(classifier.tokenize(Example(text)))]
    each = classifier.features([Example(window) for window in windows])
    assert len(windows) > 2
    np.testing.assert_allclose(whole, each.mean(axis=0), atol=1e-6)
    classifier.fit(LABELLED, out=str(tmp_path / 'out'))
    assert load(str(tmp_path / 'out')).long == 'windows'


def test_only_the_layer_is_saved_and_it_predicts_the_same(learned, tmp_path):
    folder = str(tmp_path / 'out')
    learned.save(folder)
    assert sorted(os.listdir(folder)) == ['added.safetensors', 'model.json', 'task.json']
    again = load(folder)
    assert type(again) is FrozenFeaturesClassifier and again.history == learned.history
    np.testing.assert_array_equal(again.predict_log_proba(NEW), learned.predict_log_proba(NEW))


def test_with_dev_its_penalty_is_the_best_there(still):
    classifier = FrozenFeaturesClassifier(TASK, still).fit(LABELLED, dev=LABELLED)
    record, = classifier.history
    assert record['penalty'] == min(classifier.PENALTIES) and record['dev_accuracy'] > 70.
    assert record['dev_log_likelihood'] == pytest.approx(classifier.evaluate(LABELLED)['log_likelihood'])


def test_a_causal_model_too_is_read_at_its_last_token(causal):
    classifier = FrozenFeaturesClassifier(TASK, causal, penalty=1e-3).fit(LABELLED)
    assert classifier.evaluate(LABELLED)['accuracy'] > 80.
    with pytest.raises(UserError, match='penalty'):
        FrozenFeaturesClassifier(TASK, causal, penalty=0)
