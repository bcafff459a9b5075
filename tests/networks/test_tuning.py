import os

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.tuning import _WAYS, AllWeights, Prompt, default_learning_rate

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


def test_a_way_of_ones_own_trains_what_it_names_resumes_and_is_loaded(still, interrupt, tmp_path):
    def run(**settings):
        return ClozeClassifier(TASK, still, train=NormsOnly(.05)).fit(LABELLED, epochs=3, batch_size=2, **settings)
    before, whole = ClozeClassifier(TASK, still).model, run()
    trained = {w.name for w in whole.model.trainable_variables}
    assert len(trained) == 8  # scale and shift after embeddings, attention, feed-forward and in the head
    for old, new in zip(before.weights, whole.model.weights):
        assert np.array_equal(old.numpy(), new.numpy()) == (new.name not in trained), new.name
    out = str(tmp_path / 'out')
    interrupt(1, lambda: run(out=out))
    resumed = run(out=out, resume=True)
    assert sorted(os.listdir(out)) == ['added.safetensors', 'model.json', 'task.json']
    loaded = ClozeClassifier.load(out)
    assert loaded.train == 'norms' and loaded.tuning.rate == .05
    for classifier in (resumed, loaded):
        for a, b in zip(classifier.model.get_weights(), whole.model.get_weights()):
            np.testing.assert_array_equal(a, b)


def test_a_saved_way_that_is_not_defined_is_named(still, monkeypatch, tmp_path):
    ClozeClassifier(TASK, still, train=NormsOnly()).save(str(tmp_path))
    monkeypatch.delitem(_WAYS, 'norms')
    with pytest.raises(UserError, match="in the way 'norms': import the module that defines it"):
        ClozeClassifier.load(str(tmp_path))


def test_an_object_belongs_to_one_network_and_takes_no_prompt_arguments(still):
    way = NormsOnly()
    ClozeClassifier(TASK, still, train=way)
    with pytest.raises(UserError, match='an object for each'):
        ClozeClassifier(TASK, still, train=way)
    for settings in ({'prompt_encoder': 'lstm'}, {'prompt_init': 'words'}):
        with pytest.raises(UserError, match='asked for by train='):
            ClozeClassifier(TASK, still, train=NormsOnly(), **settings)
    with pytest.raises(UserError, match='asked for by train='):
        ClozeClassifier(TASK, still, train=Prompt([1]))


def test_fine_tuning_takes_a_way_of_ones_own_and_always_trains_its_new_layer(still, tmp_path):
    classifier = FineTuningClassifier(TASK, still, train=NormsOnly())
    classifier.fit(LABELLED, epochs=1, out=str(tmp_path / 'out'))
    assert len(classifier.model.trainable_weights) == 6 + 2  # the head of the language model is not in it
    again = FineTuningClassifier.load(str(tmp_path / 'out'))
    np.testing.assert_array_equal(again.predict_proba(['房间']), classifier.predict_proba(['房间']))
    for train in ('prompt', Prompt([1])):
        with pytest.raises(UserError, match='that is no prompt'):
            FineTuningClassifier(TASK, still, train=train)


def test_the_default_rate_is_the_ways_own(still):
    plain = default_learning_rate(16)
    for options, labelled, rate in (({}, True, plain), ({}, False, plain / 4),
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
