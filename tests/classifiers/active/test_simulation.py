import numpy as np
import pytest

from pet_keras.classifiers.active.learner import ActiveLearner
from pet_keras.classifiers.active.simulation import learn_as_asked
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

    def learn(self, answers):
        found.append(dict(answers))
        self.restart()
        variable = self.classifier.model.trainable_variables[0]
        variable.assign(variable + .01 * len(answers))
    monkeypatch.setattr(ActiveLearner, 'learn', learn)
    return found


@pytest.fixture
def asked(classifier, taught):
    """The texts at each of some counts, and the classifier as it was before."""
    def call(strategy, counts, seed=0):
        learner = ActiveLearner(classifier, PILE)
        found = list(learn_as_asked(classifier, PILE, strategy, counts, seed))
        learner.restart()
        return found
    return call


def test_it_learns_at_20_40_and_80_labels_each_time_from_the_right_answers(asked, taught):
    chosen, = asked('margin', [85])
    assert [len(answers) for answers in taught] == [20, 40, 80, 85] and len(set(chosen)) == 85
    assert all(PILE[i].label == label for answers in taught for i, label in answers.items())
    assert [PILE[i] for i in taught[-1]] == chosen
    for before, after in zip(taught, taught[1:]):
        assert list(after)[:len(before)] == list(before)  # what was labelled stays so


@pytest.mark.parametrize('strategy', ['margin', 'mix', 'cluster'])
def test_one_simulation_has_a_model_for_each_count_and_chooses_as_those_of_one_count_do(strategy, asked, taught):
    together = asked(strategy, [10, 40, 50, 85])
    assert [len(answers) for answers in taught] == [10, 20, 40, 50, 80, 85]
    assert [len(texts) for texts in together] == [10, 40, 50, 85]
    for texts in together:
        assert asked(strategy, [len(texts)]) == [texts]


def test_what_is_chosen_first_is_what_the_untrained_model_is_least_sure_of(classifier, asked):
    learner = ActiveLearner(classifier, [e.text for e in PILE], 'margin')
    learner.score(len(PILE))
    unsure = np.argsort(learner.proba.max(axis=1), kind='stable')[:20]
    texts, = asked('margin', [20])
    assert {e.text for e in texts} == {PILE[i].text for i in unsure}


def test_chance_asks_no_model_and_the_seed_decides(asked, taught):
    few, first = asked('random', [30, 60], 1)
    assert [len(answers) for answers in taught] == [30, 60] and few == first[:30]
    (same,), (other,) = (asked('random', [60], seed) for seed in (1, 2))
    assert first == same and set(first) != set(other) and len(set(first)) == 60
