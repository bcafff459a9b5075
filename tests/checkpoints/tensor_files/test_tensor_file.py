import numpy as np
import pytest

from pet_keras.checkpoints.tensor_files.tensor_file import TensorFile, is_shape
from pet_keras.errors import UserError


class Held(TensorFile):
    """A file whose only tensor, x, is an array."""
    def __init__(self, array, dtype=None):
        super(Held, self).__init__('held.bin')
        self.array, self.shapes, self.dtypes = array, {'x': array.shape}, {'x': dtype or array.dtype.name}

    def _raw(self, name):
        return self.array


def test_an_array_is_given_in_the_machines_order_in_one_piece_at_a_multiple_of_its_size():
    odd = np.frombuffer(b'-' + np.arange(6, dtype='>f4').tobytes(), '>f4', 6, 1).reshape(2, 3).T
    read = Held(odd).read('x')
    np.testing.assert_array_equal(read, odd)
    assert read.dtype.isnative and read.flags.c_contiguous and read.flags.aligned


def test_raw_gives_the_bits_and_read_the_numbers():
    held = Held(np.array([0x3f80], 'uint16'), 'bfloat16')
    assert held.raw('x').tolist() == [0x3f80] and held.read('x').tolist() == [1.]


def test_a_tensor_that_is_not_there_is_named_with_its_file():
    with pytest.raises(UserError, match='held.bin has no tensor y'):
        Held(np.zeros(1)).read('y')


def test_a_tensor_beyond_the_memory_is_named(monkeypatch):
    def no_memory(self, name):
        raise MemoryError
    monkeypatch.setattr(Held, '_raw', no_memory)
    with pytest.raises(UserError, match=r'the tensor x of shape \(7,\) does not fit into memory'):
        Held(np.zeros(7)).read('x')


@pytest.mark.parametrize('shape', [[-1], [1.], ['1'], [True], [None], [[1]], 3, 'ab', {}, [1] * 33, [2 ** 60],
                                   [2 ** 31, 2 ** 31]])
def test_what_is_no_shape_is_told(shape):
    assert not is_shape(shape)


def test_shapes_are_told():
    assert is_shape([]) and is_shape((0, 5)) and is_shape([1] * 32)
