"""Which reader a file gets; and every file of the reference outputs, opened whole."""
import glob
import os
import shutil
import warnings

import numpy as np
import pytest

from damage import read_all
from pet_keras.checkpoints.tensor_files.hdf5 import HDF5File
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.checkpoints.tensor_files.safetensors import SafetensorsFile
from pet_keras.checkpoints.tensor_files.sharded import ShardedFile
from pet_keras.checkpoints.tensor_files.torch_file import TorchFile
from pet_keras.checkpoints.tensor_files.writing import write_safetensors
from pet_keras.errors import UserError
from torch_files import write_plain, write_small, write_zip


@pytest.fixture(scope='module')
def golden(data_folder):
    """Path of a file among the reference outputs."""
    return lambda *names: os.path.join(data_folder, 'golden', *names)


def write_one(path):
    write_safetensors(path, [('a', (1,), 'float32', lambda: np.ones(1, 'float32'))])


@pytest.mark.parametrize('write, reader', [
    (write_one, SafetensorsFile), (lambda path: write_small(write_zip, path), TorchFile),
    (lambda path: write_small(write_plain, path), TorchFile)])
@pytest.mark.parametrize('name', ['m.safetensors', 'm.bin', 'm.pt', 'm.h5', 'm', '我的 模型.bin'])
def test_a_file_is_known_by_what_it_holds(tmp_path, write, reader, name):
    write(str(tmp_path / name))
    assert type(open_tensors(str(tmp_path / name))) is reader
    assert type(open_tensors(tmp_path / name)) is reader  # a path object


@pytest.mark.parametrize('content, said', [
    (b'', 'is empty'), (b'hello, this is a text', 'neither safetensors nor torch'),
    (b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n', 'git lfs pull'),
    (b'<!DOCTYPE html><html>', 'a web page')])
def test_what_is_no_weights_is_told(tmp_path, content, said):
    for name in ('pytorch_model.h5', 'model.weights') + (('m.bin', 'm.safetensors') if b'hello' not in content else ()):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name) as e:
            open_tensors(str(tmp_path / name))
        assert said in str(e.value)


@pytest.mark.parametrize('name, said', [('m.safetensors', 'header of'), ('m.bin', 'its pickle')])
def test_nonsense_under_a_known_name_is_damaged(tmp_path, name, said):
    (tmp_path / name).write_bytes(b'hello, this is a text')
    with pytest.raises(UserError, match='is damaged') as e:
        open_tensors(str(tmp_path / name))
    assert said in str(e.value)


# the reference outputs

@pytest.mark.parametrize('name, reader, count', [
    ('albert/model.safetensors', SafetensorsFile, 28), ('bert/model.safetensors', SafetensorsFile, 58),
    ('bert/pytorch_model.bin', TorchFile, 60), ('bert-bfloat16/model.safetensors', SafetensorsFile, 58),
    ('bert-sharded/model.safetensors.index.json', ShardedFile, 58), ('bert-tf-h5/tf_model.h5', HDF5File, 58),
    ('bert-uer/mixed_corpus_bert_model.bin', TorchFile, 63), ('bert-uer-new/pytorch_model.bin', TorchFile, 63),
    ('cdial-gpt/pytorch_model.bin', TorchFile, 39), ('electra-generator/model.safetensors', SafetensorsFile, 60),
    ('gpt2/model.safetensors', SafetensorsFile, 40), ('openai-gpt/model.safetensors', SafetensorsFile, 38),
    ('roformer/model.safetensors', SafetensorsFile, 58)])
def test_every_reference_file_is_read_whole(golden, name, reader, count):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        file = open_tensors(golden(*name.split('/')))
        assert type(file) is reader and len(file.shapes) == len(file.dtypes) == count
        for tensor in file.shapes:
            read = file.read(tensor)
            assert read.shape == file.shapes[tensor] and np.isfinite(read).all()
            assert read.dtype == ('float32' if 'float' in file.dtypes[tensor] else file.dtypes[tensor])


def test_no_reference_file_is_left_out(golden):
    found = [path for ending in ('*.safetensors', '*.bin', '*.h5') for path in glob.glob(golden('*', ending))]
    assert len(found) == 14  # the twelve above of one file, and two shards
    for path in found:
        open_tensors(path)


def test_safetensors_and_torch_hold_the_same_bits(golden):
    one, other = read_all(golden('bert', 'model.safetensors')), read_all(golden('bert', 'pytorch_model.bin'))
    assert set(other) - set(one) == {'cls.predictions.decoder.weight', 'cls.predictions.decoder.bias'}
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_the_layouts_of_uer_hold_the_same_tensors_but_for_names_and_shapes(golden):
    plain, zipped = (read_all(golden(*name)) for name in (
        ('bert-uer', 'mixed_corpus_bert_model.bin'), ('bert-uer-new', 'pytorch_model.bin')))
    assert sorted(array.shape for array in plain.values()) == sorted(array.shape for array in zipped.values())


def test_shards_together_have_the_names_of_the_whole(golden):
    whole, shards = open_tensors(golden('bert', 'model.safetensors')), open_tensors(
        golden('bert-sharded', 'model.safetensors.index.json'))
    assert whole.shapes == shards.shapes and whole.dtypes == shards.dtypes


def test_a_reference_file_without_a_shard_is_incomplete(golden, tmp_path):
    for name in ('model.safetensors.index.json', 'model-00001-of-00002.safetensors'):
        shutil.copy(golden('bert-sharded', name), str(tmp_path))
    with pytest.raises(UserError, match='model-00002-of-00002.safetensors.*incomplete'):
        open_tensors(str(tmp_path / 'model.safetensors.index.json'))


@pytest.mark.parametrize('name', ['bert', 'bert-bfloat16', 'albert', 'gpt2'])
def test_a_reference_file_written_again_has_the_same_bits(golden, tmp_path, name):
    file, copy = open_tensors(golden(name, 'model.safetensors')), str(tmp_path / 'copy.safetensors')
    write_safetensors(copy, [(tensor, file.shapes[tensor], file.dtypes[tensor],
                              lambda tensor=tensor: file.raw(tensor)) for tensor in file.shapes])
    again = open_tensors(copy)
    assert again.shapes == file.shapes and again.dtypes == file.dtypes
    assert all(again.raw(tensor).tobytes() == file.raw(tensor).tobytes() for tensor in file.shapes)
