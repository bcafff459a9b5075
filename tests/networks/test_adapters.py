import os

import numpy as np
import pytest

import numpy_bert
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.adapters import Adapters
from pet_keras.networks.models import build_mlm

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
LABELLED = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面')] * 2
TEXTS = ['房间很干净', '又吵又脏，再也不来了']


def test_logits_are_those_of_a_numpy_bert_with_these_adapters(tiny):
    tuning, rng = Adapters(3), np.random.default_rng(0)
    model, adapters = build_mlm(tiny, tuning=tuning), [[], []]
    tensors = tuning.tensors()
    for name in tensors:
        if 'adapter' in name:
            tensors[name] = rng.normal(size=tensors[name].shape).astype('float32')
    tuning.set_tensors(tensors)
    for i, own in enumerate(adapters):
        for layer in ('MultiHeadSelfAttention', 'FeedForward'):
            name = 'Transformer-%d-%s/adapter/' % (i, layer)
            own.append([tensors[name + part] for part in ('down/kernel', 'down/bias', 'up/kernel', 'up/bias')])
    ids = numpy_bert.token_ids(tiny, ['[CLS]', '房', '[MASK]', '很', '好', '[SEP]'])
    logits = model([np.array([ids]), np.zeros((1, 6), 'int32'), np.array([[2, 0]], 'int32')]).numpy()[0]
    np.testing.assert_allclose(logits, numpy_bert.mlm_logits(tiny, ids, adapters=adapters)[[2, 0]], atol=5e-4)
    assert np.abs(logits - numpy_bert.mlm_logits(tiny, ids)[[2, 0]]).max() > .1


def test_they_are_nothing_at_the_start_and_leave_the_checkpoints_names_right(still):
    plain, adapted = ClozeClassifier(TASK, still), ClozeClassifier(TASK, still, train='adapters')
    np.testing.assert_allclose(adapted.predict_proba(TEXTS), plain.predict_proba(TEXTS), atol=1e-6)
    assert [(name, w.shape) for name, w in adapted.transformer.variables()] == [
        (name, w.shape) for name, w in plain.transformer.variables()]


def test_adapters_and_layer_norms_alone_train_resume_to_the_same_bits_and_are_saved(still, interrupt, tmp_path):
    def run(**settings):
        way = Adapters(4)
        return ClozeClassifier(TASK, still, train=way).fit(LABELLED, epochs=2, batch_size=2, **settings)
    before, whole, out = ClozeClassifier(TASK, still), run(), str(tmp_path / 'out')
    trained = {w.name for w in whole.model.trainable_weights}
    assert len(trained) == 2 * 4 + 4 * 2 and all('adapter' in name or 'Norm' in name for name in trained)
    assert whole.parameters_trained == 2 * (16 * 4 + 4 + 4 * 16 + 16) + 4 * 2 * 16
    for (name, new), (_, old) in zip(whole.transformer.variables(), before.transformer.variables()):
        assert np.array_equal(new.numpy(), old.numpy()) == ('LayerNorm' not in name), name
    interrupt(1, lambda: run(out=out))
    resumed = run(out=out, resume=True)
    assert sorted(os.listdir(out)) == ['added.safetensors', 'model.json', 'task.json']
    loaded = load(out)
    assert loaded.train == 'adapters' and loaded.tuning.size == 4
    for other in (resumed, loaded):
        for name, value in whole.tuning.tensors().items():
            np.testing.assert_array_equal(other.tuning.tensors()[name], value)
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), whole.predict_proba(TEXTS), atol=1e-6)


def test_fine_tuning_with_adapters_trains_them_and_the_new_layer_and_is_traced_once(still):
    classifier = FineTuningClassifier(TASK, still, train='adapters')
    assert len(classifier.model.trainable_weights) == 2 * 4 + 3 * 2 + 2  # the head of the language model is not in it
    assert not classifier.draws


def test_weights_of_other_adapters_and_a_wrong_size_are_refused(still):
    with pytest.raises(UserError, match='at least 1'):
        Adapters(0)
    tuning = Adapters(2)
    build_mlm(still, tuning=tuning)
    with pytest.raises(KeyError):
        tuning.set_tensors({})
    with pytest.raises(ValueError):
        tuning.set_tensors({name: value[:1] for name, value in tuning.tensors().items()})

