import os

import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.networks.adapters import Adapters
from pet_keras.networks.models import build, model_inputs
from pet_keras.networks.prefix import PrefixTuning
from pet_keras.networks.ways import SHIPPED, named_way

FAMILIES = ['albert', 'roformer', 'nezha-gpt', 'gpt2']
TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})


def _logits(model):
    ids = np.array([[5, 9, 7, 11, 6], [8, 6, 0, 0, 0]], 'int32')
    return model(model_inputs(model, ids, np.zeros_like(ids), np.array([[3, 0], [1, 0]], 'int32'))).numpy()


@pytest.mark.parametrize('name', FAMILIES)
def test_in_any_family_nothing_added_is_the_model_itself_and_what_is_added_is_found_again(name, data_folder):
    checkpoint = Checkpoint(os.path.join(data_folder, 'golden', name), 'lm' if name == 'nezha-gpt' else None)
    plain, rng = _logits(build(checkpoint)), np.random.default_rng(0)
    np.testing.assert_allclose(_logits(build(checkpoint, tuning=PrefixTuning(0))), plain, atol=1e-5)
    for way in (PrefixTuning(2), Adapters(3)):
        model = build(checkpoint, tuning=way)
        if isinstance(way, Adapters):
            np.testing.assert_allclose(_logits(model), plain, atol=1e-5)
        tensors = {key: rng.normal(size=value.shape).astype('float32') for key, value in way.tensors().items()}
        way.set_tensors(tensors)
        for key, value in way.tensors().items():
            np.testing.assert_array_equal(value, tensors[key])
        assert np.abs(_logits(model) - plain).max() > 1e-2


def test_a_name_stands_for_an_object_of_its_own_and_others_stay():
    for name, way in (('prefix', PrefixTuning), ('adapters', Adapters)):
        assert type(named_way(name)) is way and named_way(name) is not named_way(name) and way in SHIPPED
    assert named_way('all') == 'all' and named_way('prompt') == 'prompt' and named_way('lora') == 'lora'


def test_both_classifiers_take_the_names_and_refuse_others(still):
    for make in (ClozeClassifier, FineTuningClassifier):
        for name in ('prefix', 'adapters'):
            assert make(TASK, still, train=name).train == name
        with pytest.raises(UserError, match="'prefix'.*'adapters'"):
            make(TASK, still, train='lora')
