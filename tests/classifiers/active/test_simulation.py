import numpy as np
import pytest

from pet_keras.classifiers.active.learner import ActiveLearner
from pet_keras.classifiers.active.simulation import choose_labelled
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.data.example import Example

PILE = [Example('房间很干净%d' % i, label='正面') if i % 2 else Example('又吵又脏%d' % i, label='负面') for i in range(90)]


@pytest.fixture(scope='module')
def classifier(still):
    return ClozeClassifier('sentiment', still, maxlen=24)


@pytest.fixture
def taught(monkeypatch):
    """What the learner was taught, a list of dicts, place → label; it learns nothing from it but that the next choice is
    another one."""
    found = []
    monkeypatch.setattr(ActiveLearner, '_fit', lambda self, answers: found.append(dict(answers)) or [
        variable.assign(variable + .01 * len(found)) for variable in self.classifier.model.trainable_variables[:1]])
    return found


def test_it_learns_at_20_40_and_80_labels_each_time_from_the_right_answers(classifier, taught):
    before = classifier.model.get_weights()
    chosen = choose_labelled(classifier, PILE, 'margin', 85)
    assert [len(answers) for answers in taught] == [20, 40, 80] and len(set(chosen)) == 85
    assert all(PILE[i].label == label for answers in taught for i, label in answers.items())
    assert [PILE[i] for i in taught[-1]] == chosen[:80]  # what was labelled stays so
    assert set(taught[0]) < set(taught[1]) < set(taught[2])
    for one, other in zip(before, classifier.model.get_weights()):
        np.testing.assert_array_equal(one, other)  # untrained again


def test_what_is_chosen_first_is_what_the_untrained_model_is_least_sure_of(classifier, taught):
    learner = ActiveLearner(classifier, [e.text for e in PILE], 'margin')
    learner.score(len(PILE))
    unsure = np.argsort(learner.proba.max(axis=1), kind='stable')[:20]
    assert {e.text for e in choose_labelled(classifier, PILE, 'margin', 20)} == {PILE[i].text for i in unsure}
    assert not taught


def test_chance_asks_no_model_and_the_seed_decides(classifier, taught):
    first, same, other = (choose_labelled(classifier, PILE, 'random', 60, seed) for seed in (1, 1, 2))
    assert not taught and first == same and set(first) != set(other) and len(set(first)) == 60
