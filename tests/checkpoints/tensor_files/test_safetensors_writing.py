import json
import os
import resource
import weakref

import numpy as np
import pytest

from damage import read_all
from pet_keras.checkpoints.tensor_files.dtypes import kept_as
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.checkpoints.tensor_files.safetensors import DTYPES
from pet_keras.checkpoints.tensor_files.writing import write_safetensors
from pet_keras.errors import UserError


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'm.safetensors')


def entry(name, array, dtype=None):
    return name, array.shape, dtype or array.dtype.name, lambda: array


@pytest.mark.parametrize('dtype', DTYPES.values())
def test_what_is_written_is_read_bit_by_bit(path, dtype):
    bits = np.random.default_rng(0).integers(0, 2 if dtype == 'bool' else 256, 24 * 8, dtype='uint8')
    array = bits.view(kept_as(dtype)).reshape(4, -1)
    write_safetensors(path, [entry('x', array, dtype), entry('y', np.zeros(3, 'uint8'))])
    file = open_tensors(path)
    assert file.dtypes['x'] == dtype and file.raw('x').tobytes() == array.tobytes()


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_half_precision_comes_back_through_float32(path, dtype):
    halves = np.random.default_rng(0).integers(0, 0x7c00, 99, dtype='uint16').view(kept_as(dtype))
    write_safetensors(path, [entry('x', halves, dtype)])
    wide = open_tensors(path).read('x')
    write_safetensors(path, [entry('x', wide)], dtype=dtype)
    assert open_tensors(path).raw('x').tobytes() == halves.tobytes()


def test_dtype_is_that_of_every_float_and_of_no_integer(path):
    write_safetensors(path, [entry('f', np.ones(2, 'float32')), entry('d', np.ones(2)), entry('i', np.ones(2, 'int64'))],
                      dtype='float16')
    assert open_tensors(path).dtypes == {'f': 'float16', 'd': 'float16', 'i': 'int64'}


def test_the_format_s_own_library_reads_it(path):
    library = pytest.importorskip('safetensors.numpy')
    arrays = {'词': np.arange(6, dtype='float32').reshape(2, 3), 'h': np.ones(3, 'float16'),
              'n': np.array(3, 'int64'), 'empty': np.zeros((0, 4), 'float32')}
    write_safetensors(path, [entry(name, array) for name, array in arrays.items()], metadata={'a': 'b'})
    read = library.load_file(path)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_every_tensor_stands_at_a_multiple_of_its_size(path):
    write_safetensors(path, [entry('u', np.ones(3, 'uint8')), entry('h', np.ones(3, 'float16')), entry('d', np.ones(3))])
    with open(path, 'rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        header = json.loads(file.read(length))
    assert length % 8 == 0 and header.pop('__metadata__') == {'format': 'pt'}
    for name, size in (('u', 1), ('h', 2), ('d', 8)):
        assert header[name]['data_offsets'][0] % size == 0


def test_arrays_of_any_order_and_layout_are_written(path):
    array = np.arange(6, dtype='>f4').reshape(2, 3).T
    write_safetensors(path, [entry('x', array)])
    np.testing.assert_array_equal(open_tensors(path).read('x'), array)


def test_a_tensor_is_asked_for_when_its_turn_comes_and_let_go(path):
    given = []

    def read():
        assert not any(reference() is not None for reference in given)
        array = np.ones(1000, 'float32')
        given.append(weakref.ref(array))
        return array
    write_safetensors(path, [('x%d' % n, (1000,), 'float32', read) for n in range(5)])
    assert len(given) == len(open_tensors(path).shapes) == 5


def fails_part_way():
    raise UserError('the source is damaged')


@pytest.mark.parametrize('tensors, error', [
    ([entry('x', np.ones(2)), ('y', (2,), 'float32', fails_part_way)], UserError),
    ([entry('x', np.ones(2)), ('y', (3,), 'float32', lambda: np.ones(2, 'float32'))], ValueError),
    ([entry('x', np.ones(2)), entry('x', np.ones(2))], ValueError),
    ([('x', (1,), 'float16', lambda: np.array([1e6], 'float32'))], UserError)])
def test_after_an_error_the_file_that_was_there_is_there_and_no_other(path, tmp_path, tensors, error):
    write_safetensors(path, [entry('before', np.ones(2, 'float32'))])
    with pytest.raises(error):
        write_safetensors(path, tensors)
    assert os.listdir(str(tmp_path)) == ['m.safetensors'] and list(read_all(path)) == ['before']


def test_a_full_disk_leaves_nothing_behind(path, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100000, limits[1]))  # as a disk with no more room
    try:
        with pytest.raises(OSError):
            write_safetensors(path, [entry('x', np.ones(10 ** 6, 'float32'))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(str(tmp_path)) == []


def test_a_folder_that_cannot_be_written_is_an_oserror(tmp_path):
    with pytest.raises(OSError):
        write_safetensors(str(tmp_path / 'nothing' / 'm.safetensors'), [entry('x', np.ones(2))])
    assert os.listdir(str(tmp_path)) == []


def test_a_dtype_that_is_no_float_is_named(path):
    with pytest.raises(UserError, match="dtype='int8': choose one of float64, float32, float16, bfloat16"):
        write_safetensors(path, [], dtype='int8')
