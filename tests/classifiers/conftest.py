"""Fixtures of the tests of training: one tiny classifier, trained again and again from its untrained weights."""
import pytest

from scripted import LABELLED, TASK


@pytest.fixture(scope='module')
def classifier(still):
    from pet_keras.classifiers.cloze_classifier import ClozeClassifier
    return ClozeClassifier(TASK, still)


@pytest.fixture(scope='module')
def first(classifier):
    """The untrained weights."""
    return classifier.model.get_weights()


@pytest.fixture
def fit(classifier, first):
    """Trains `classifier` from the untrained weights on; returns the weights it keeps, and the history."""
    def run(labelled=LABELLED, **settings):
        classifier.model.set_weights(first)
        classifier.fit(labelled, **dict({'learning_rate': 1e-2, 'schedule': 'constant'}, **settings))
        return classifier.model.get_weights(), classifier.history
    return run
