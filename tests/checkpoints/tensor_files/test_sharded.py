import json
import os

import numpy as np
import pytest

from damage import read_all
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.checkpoints.tensor_files.writing import write_safetensors
from pet_keras.errors import UserError
from torch_files import A, B, write_small, write_zip


def shard(path, **arrays):
    write_safetensors(path, [(name, array.shape, array.dtype.name, lambda array=array: array)
                             for name, array in arrays.items()])


@pytest.fixture
def folder(tmp_path):
    shard(tmp_path / 'model-1.safetensors', a=np.arange(4, dtype='float32'))
    shard(tmp_path / 'model-2.safetensors', b=np.arange(3, dtype='int32'), extra=np.zeros(2))
    return tmp_path


@pytest.fixture
def index(folder):
    """Writes an index of this weight_map, or of this text; returns its path."""
    def write(weight_map, text=None):
        text = json.dumps({'metadata': {}, 'weight_map': weight_map}) if text is None else text
        (folder / 'model.safetensors.index.json').write_text(text, encoding='utf-8')
        return str(folder / 'model.safetensors.index.json')
    return write


RIGHT = {'a': 'model-1.safetensors', 'b': 'model-2.safetensors'}


def test_each_tensor_is_read_from_its_shard(index):
    file = open_tensors(index(RIGHT))
    assert file.shapes == {'a': (4,), 'b': (3,)} and file.dtypes == {'a': 'float32', 'b': 'int32'}
    assert file.read('a').tolist() == [0, 1, 2, 3] and file.read('b').tolist() == [0, 1, 2]


def test_shards_of_torch_are_read(folder, index):
    write_small(write_zip, folder / 'pytorch_model-1.bin')
    read = read_all(index({'a': 'pytorch_model-1.bin', 'b': 'pytorch_model-1.bin'}))
    np.testing.assert_array_equal(read['a'], A)
    np.testing.assert_array_equal(read['b'], B)


def test_shards_may_be_links_as_in_the_cache_of_the_hub(folder, index):
    (folder / 'blobs').mkdir()
    os.rename(str(folder / 'model-1.safetensors'), str(folder / 'blobs' / 'x'))
    os.symlink('blobs/x', str(folder / 'model-1.safetensors'))
    assert read_all(index(RIGHT))['a'].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize('weight_map, said', [
    ({'a': 'model-3.safetensors'}, "'model-3.safetensors', which is not beside it"),
    ({'b': 'model-1.safetensors'}, 'puts the tensor b into model-1.safetensors, where it is not'),
    ({'a': '../model-1.safetensors'}, 'not in its folder'),
    ({'a': 'x/../../model-1.safetensors'}, 'not in its folder'),
    ({'a': '/etc/passwd'}, 'not in its folder'),
    ({'a': 'C:\\model-1.safetensors'}, 'not in its folder'),
    ({'a': 'model.safetensors.index.json'}, 'not a file of weights'),  # no index of indexes, nor of itself
    ({'a': '.'}, 'is not a file'),
    ({'a': 3}, 'no weight_map'), ({'a': ''}, 'no weight_map'), ({}, 'no weight_map'), ([], 'no weight_map')])
def test_an_index_that_does_not_fit_its_shards_is_refused(index, weight_map, said):
    with pytest.raises(UserError) as e:
        open_tensors(index(weight_map))
    assert said in str(e.value)


@pytest.mark.parametrize('text, said', [
    ('{', 'not JSON'), ('', 'not JSON'), ('[1]', 'no weight_map'), ('{"weight_map": {"a": "x", "a": "y"}}', 'twice'),
    ('[' * 100000, 'not JSON')])
def test_an_index_that_is_none_is_named(index, text, said):
    with pytest.raises(UserError, match='model.safetensors.index.json') as e:
        open_tensors(index(None, text))
    assert said in str(e.value)


def test_a_damaged_shard_is_named_itself(folder, index):
    os.truncate(str(folder / 'model-2.safetensors'), 40)
    with pytest.raises(UserError, match='model-2.safetensors is damaged'):
        open_tensors(index(RIGHT))
