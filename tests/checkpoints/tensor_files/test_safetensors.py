import json

import numpy as np
import pytest

from damage import cuts_are_refused, flips_are_survived, read_all
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.checkpoints.tensor_files.safetensors import DTYPES
from pet_keras.errors import UserError

ENTRY = {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}


@pytest.fixture
def write(tmp_path):
    """Writes a file of this header (a dict, or bytes of anything) and data; returns its path."""
    def _write(header, data=bytes(8), length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        length = len(text) if length is None else length
        (tmp_path / 'm.safetensors').write_bytes(length.to_bytes(8, 'little') + text + data)
        return str(tmp_path / 'm.safetensors')
    return _write


@pytest.fixture
def small(write):
    return write({'a': {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24]}, '__metadata__': {'format': 'pt'},
                  'b': {'dtype': 'I64', 'shape': [1], 'data_offsets': [24, 32]}},
                 np.arange(6, dtype='<f4').tobytes() + np.array([-5], '<i8').tobytes())


def test_tensors_are_read_one_at_a_time(small):
    file = open_tensors(small)
    assert file.path == small and file.metadata == {'format': 'pt'}
    assert file.shapes == {'a': (2, 3), 'b': (1,)} and file.dtypes == {'a': 'float32', 'b': 'int64'}
    np.testing.assert_array_equal(file.read('a'), np.arange(6.).reshape(2, 3))
    assert file.read('b').tolist() == [-5] and file.read('b').dtype == 'int64'


@pytest.mark.parametrize('code', DTYPES)
def test_every_type_is_read(write, code):
    dtype = DTYPES[code]
    numbers = np.array([1, 0, 1], {'bfloat16': 'float32', 'bool': 'uint8'}.get(dtype, dtype))
    data = (numbers.view('uint32') >> 16).astype('uint16') if dtype == 'bfloat16' else numbers
    file = open_tensors(write({'x': {'dtype': code, 'shape': [3], 'data_offsets': [0, data.nbytes]}}, data.tobytes()))
    assert file.dtypes == {'x': dtype} and file.read('x').tolist() == [1, 0, 1]


def test_a_number_and_an_empty_tensor_are_read(write):
    file = open_tensors(write({'n': {'dtype': 'F32', 'shape': [], 'data_offsets': [0, 4]},
                               'empty': {'dtype': 'F32', 'shape': [0, 7], 'data_offsets': [4, 4]}}, bytes(4)))
    assert file.read('n').shape == () and file.read('empty').shape == (0, 7)


def test_a_header_of_any_length_leaves_numbers_that_stand_at_a_multiple_of_their_size(write):
    for padding in range(8):
        text = json.dumps({'x': ENTRY}).encode() + b' ' * padding
        read = open_tensors(write(text, np.array([1, 2], '<f4').tobytes())).read('x')
        assert read.flags.aligned and read.tolist() == [1, 2]


def test_what_the_format_s_own_library_writes_is_read(tmp_path):
    library = pytest.importorskip('safetensors.numpy')
    arrays = {'h': np.arange(5, dtype='float16'), 'k': np.random.default_rng(0).normal(size=(3, 4)).astype('float32')}
    library.save_file(arrays, str(tmp_path / 'l.safetensors'))
    read = read_all(str(tmp_path / 'l.safetensors'))
    assert sorted(read) == sorted(arrays)
    for name in arrays:
        np.testing.assert_array_equal(read[name], arrays[name])


WRONG = {
    'not JSON': (b'{"x": ', 'not JSON'),
    'not text': (b'{"\xff": 1}', 'not JSON'),
    'deep': (b'{"x":' * 100000, 'not JSON'),
    'no object': (b'[{"x": 1}]', 'not a JSON object'),
    'a name twice': (json.dumps({'x': ENTRY}).encode()[:-1] + b', ' + json.dumps({'x': ENTRY}).encode()[1:], 'twice'),
    'metadata of numbers': ({'x': ENTRY, '__metadata__': {'step': 1}}, '__metadata__'),
    'entry of no object': ({'x': [0, 8]}, 'no dtype, shape and data_offsets for x'),
    'no shape': ({'x': {'dtype': 'F32', 'data_offsets': [0, 8]}}, 'no dtype, shape and data_offsets for x'),
    'unknown type': ({'x': dict(ENTRY, dtype='F8_E4M3')}, 'x is of type F8_E4M3'),
    'type of no text': ({'x': dict(ENTRY, dtype=[])}, 'dtype of x'),
    'negative': ({'x': dict(ENTRY, shape=[-2])}, 'shape of x'),
    'not whole': ({'x': dict(ENTRY, shape=[2.0])}, 'shape of x'),
    'beyond numbers': ({'x': dict(ENTRY, shape=[2 ** 62, 4])}, 'shape of x'),
    'too few bytes': ({'x': dict(ENTRY, shape=[3])}, 'takes 12 bytes'),
    'type too small': ({'x': dict(ENTRY, dtype='F16')}, 'takes 4 bytes'),
    'offsets the wrong way': ({'x': dict(ENTRY, data_offsets=[8, 0])}, 'takes 8 bytes'),
    'negative offset': ({'x': dict(ENTRY, data_offsets=[-8, 0])}, 'data_offsets of x'),
    'three offsets': ({'x': dict(ENTRY, data_offsets=[0, 8, 16])}, 'data_offsets of x'),
    'beyond the file': ({'x': dict(ENTRY, data_offsets=[8, 16])}, 'at byte 8'),
    'overlap': ({'x': ENTRY, 'y': ENTRY}, 'at byte 0 of the data, but the one before it ends at 8'),
    'gap': ({'x': dict(ENTRY, shape=[1], data_offsets=[4, 8])}, 'at byte 4'),
    'bytes left over': ({'x': dict(ENTRY, shape=[1], data_offsets=[0, 4])}, 'bytes long'),
    'longer than the file': ({'x': dict(ENTRY, shape=[4], data_offsets=[0, 16])}, 'bytes long'),
}


@pytest.mark.parametrize('what', WRONG)
def test_a_header_that_lies_is_refused_and_the_lie_named(what, write):
    header, said = WRONG[what]
    with pytest.raises(UserError, match='m.safetensors') as e:
        open_tensors(write(header))
    assert said in str(e.value)


@pytest.mark.parametrize('length', [10 ** 6, 2 ** 63, 2 ** 64 - 1])
def test_a_header_longer_than_the_file_is_refused(write, length):
    with pytest.raises(UserError, match='does not fit'):
        open_tensors(write({'x': ENTRY}, length=length))


def test_a_file_that_ends_anywhere_is_refused(small):
    cuts_are_refused(small)


def test_changed_bytes_are_refused_or_read(small):
    assert 100 < flips_are_survived(small, 300) < 300
