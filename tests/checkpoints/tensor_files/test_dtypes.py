import numpy as np
import pytest

from pet_keras.checkpoints.tensor_files.dtypes import FLOATS, kept_as, narrow, widen
from pet_keras.errors import UserError


def test_a_bfloat16_is_the_upper_half_of_a_float32():
    bits = np.array([0x0000, 0x8000, 0x3f80, 0xc049, 0x7f80, 0x0001], 'uint16')
    wide = widen(bits, 'bfloat16')
    assert wide.dtype == 'float32'
    np.testing.assert_array_equal(wide, np.array([0, -0., 1, -3.140625, np.inf, 2. ** -133], 'float32'))


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_every_half_precision_number_comes_back_from_float32_bit_by_bit(dtype):
    bits = np.arange(2 ** 16, dtype='uint16').view(kept_as(dtype))
    wide = widen(bits, dtype)
    numbers = ~np.isnan(wide)
    again = narrow(wide, dtype)
    assert again[numbers].tobytes() == bits[numbers].tobytes()
    assert np.isnan(widen(again, dtype)[~numbers]).all()


def test_a_float_becomes_the_nearest_bfloat16_and_the_even_one_of_two():
    wide = np.array([0x3f808000, 0x3f818000, 0x3f808001, 0x3f817fff], 'uint32').view('float32')
    assert narrow(wide, 'bfloat16').tolist() == [0x3f80, 0x3f82, 0x3f81, 0x3f81]


def test_what_is_no_number_stays_none():
    for bits in (0x7fffffff, 0x7f800001, 0xffffffff, 0xff808000):
        assert np.isnan(widen(narrow(np.array([bits], 'uint32').view('float32'), 'bfloat16'), 'bfloat16')).all()


def test_bits_of_a_bfloat16_are_written_as_they_are():
    assert narrow(np.array([0x7f81, 1], 'uint16'), 'bfloat16').tolist() == [0x7f81, 1]


@pytest.mark.parametrize('dtype, most', [('float16', 65504.), ('bfloat16', 3.3895e38)])
def test_a_number_beyond_the_type_is_named_and_infinity_is_not(dtype, most):
    narrow(np.array([most, -most, np.inf, np.nan], 'float32'), dtype)
    with pytest.raises(UserError, match='kernel holds numbers beyond the largest ' + dtype):
        narrow(np.array([0., most * 1.003], 'float32'), dtype, 'kernel')


def test_floats_become_float32_and_other_types_stay():
    for dtype in ('float64', 'float32', 'float16'):
        assert widen(np.ones(2, dtype), dtype).dtype == 'float32'
    for dtype in ('int64', 'int32', 'int16', 'int8', 'uint8'):
        assert widen(np.ones(2, dtype), dtype).dtype == dtype and dtype not in FLOATS
    assert widen(np.array([0, 1, 255], 'uint8'), 'bool').tolist() == [False, True, True]


def test_floats_are_not_written_as_integers():
    with pytest.raises(TypeError):
        narrow(np.ones(2, 'float32'), 'int64')
