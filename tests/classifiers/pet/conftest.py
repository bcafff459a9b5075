"""Fixtures of PET's tests: a task, and trainings that cost little."""
import numpy as np
import pytest
from scripted import noise

from pet_keras.classifiers.pet.ensemble import Ensemble
from pet_keras.classifiers.scorer import Scorer
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.task import Task

TASK = {'patterns': {'P1': '[MASK]满意。{text}', 'P2': '{text}[MASK]好', 'P3': '{text}真的[MASK]行'},
        'labels': {'正面': '很', '负面': '不'}, 'words': {'P3': {'正面': '挺', '负面': '没'}}}


@pytest.fixture
def task():
    return Task(**TASK)


@pytest.fixture(scope='session')
def built():
    """Networks and their untrained weights: building one takes longer than all that is done with it."""
    return {}


@pytest.fixture
def epochs(monkeypatch, built):
    """Epochs only put noise on the weights, which depends on seed and epoch; scores come from the rows of a text's
    tokens alone; and an untrained model is the one of before with its first weights. A list of the kinds trained."""
    trained, new_member = [], Ensemble.new_member

    def train_epoch(self, epoch, streams):
        trained.append(self.classifier.kind)
        self.classifier.model.set_weights(noise(self.classifier.model.get_weights(), (self.seed, epoch)))
        return 1.

    def score(self, inputs, *_):
        token_ids = inputs[0]
        rows = self.network.get_layer('Embedding-Token').get_weights()[0]
        labels = np.random.default_rng(0).normal(0, 4, (rows.shape[1], 2))
        return 4 * np.sin(9 * (rows[token_ids] * (token_ids > 0)[..., None]).sum(axis=1) @ labels)

    def member(self, i):
        key = self.checkpoint.folder, self.roster[i], str(self.task.scoring())
        if key not in built:
            model = new_member(self, i)
            built[key] = model, model.model.get_weights()
        built[key][0].model.set_weights(built[key][1])
        return built[key][0]
    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    monkeypatch.setattr(Scorer, 'score', score)
    monkeypatch.setattr(Ensemble, 'new_member', member)
    return trained
