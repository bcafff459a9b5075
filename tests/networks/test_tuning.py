import os

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.tuning import WAYS, AllWeights, Prompt, default_learning_rate

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
LABELLED = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面')] * 2


class NormsOnly(AllWeights):
    """Only the layer normalisations train: what a new way takes."""
    name, keeps_checkpoint = 'norms', True

    def __init__(self, rate=1e-2):
        self.rate = rate

    def attach(self, transformer):
        super(NormsOnly, self).attach(transformer)
        for layer in transformer.model.layers:
            layer.trainable = 'Norm' in layer.name

    def learning_rate(self, labelled):
        return self.rate

    def tensors(self):
        return {w.name: w.numpy() for w in self.transformer.model.trainable_weights}

    def set_tensors(self, tensors):
        for w in self.transformer.model.trainable_weights:
            w.assign(tensors[w.name])

    def settings(self):
        return {'train': self.name, 'rate': self.rate}


def test_a_way_of_ones_own_trains_what_it_names_resumes_and_is_loaded(still, monkeypatch, tmp_path):
    def run(**settings):
        return ClozeClassifier(TASK, still, train=NormsOnly(.05)).fit(LABELLED, epochs=3, batch_size=2, **settings)
    before, whole = ClozeClassifier(TASK, still).model, run()
    trained = {w.name for w in whole.model.trainable_variables}
    assert len(trained) == 8  # scale and shift after embeddings, attention, feed-forward and in the head
    for old, new in zip(before.weights, whole.model.weights):
        assert np.array_equal(old.numpy(), new.numpy()) == (new.name not in trained), new.name
    train_epoch, out = Trainer._train_epoch, str(tmp_path / 'out')

    def interrupted(self, epoch, streams):
        if epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(self, epoch, streams)
    monkeypatch.setattr(Trainer, '_train_epoch', interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(out=out)
    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    resumed = run(out=out, resume=True)
    assert sorted(os.listdir(out)) == ['added.safetensors', 'model.json', 'task.json']
    with pytest.raises(UserError, match="train='norms'"):
        ClozeClassifier.load(out)
    monkeypatch.setitem(WAYS, 'norms', NormsOnly)
    loaded = ClozeClassifier.load(out)
    assert loaded.train == 'norms' and loaded.tuning.rate == .05
    for classifier in (resumed, loaded):
        for a, b in zip(classifier.model.get_weights(), whole.model.get_weights()):
            np.testing.assert_array_equal(a, b)


def test_the_default_rate_is_the_ways_own(still):
    for options, labelled, rate in (({}, True, default_learning_rate(16)), ({}, False, default_learning_rate(16) / 4),
                                    ({'train': 'prompt'}, True, 1e-2),
                                    ({'train': 'prompt', 'prompt_encoder': 'mlp'}, True, 1e-3)):
        pattern = '[unused1][MASK]{text}' if options else None
        assert ClozeClassifier(TASK, still, pattern, **options).tuning.learning_rate(labelled) == pytest.approx(rate)


def test_each_way_says_what_trains():
    assert AllWeights().describe() == Prompt([1, 2], trainable_table=True).describe() == 'all weights train'
    assert Prompt([1, 2]).describe() == '2 rows train'


def test_a_prompts_own_rate_is_refused_where_there_is_no_use_for_it(still):
    for pattern, train in ((None, 'all'), ('[unused1][MASK]{text}', 'prompt')):
        with pytest.raises(UserError, match='prompt_learning_rate is for'):
            ClozeClassifier(TASK, still, pattern, train=train).fit(LABELLED, epochs=1, prompt_learning_rate=1e-3)
