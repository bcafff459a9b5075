"""Types of stored numbers, by name: 'float32', 'bfloat16', … NumPy has no bfloat16, so its bits are kept in a uint16."""
import numpy as np

from pet_keras.errors import UserError

FLOATS = ('float64', 'float32', 'float16', 'bfloat16')
# name → how NumPy keeps it; a bool is kept as the byte that stands in the file
_KEPT = {'float64': 'f8', 'float32': 'f4', 'float16': 'f2', 'bfloat16': 'u2', 'int64': 'i8', 'int32': 'i4',
         'int16': 'i2', 'int8': 'i1', 'uint64': 'u8', 'uint32': 'u4', 'uint16': 'u2', 'uint8': 'u1', 'bool': 'u1'}


def kept_as(name, order='='):
    """The NumPy dtype in which numbers of this type are kept; `order` is their byte order, '=' the machine's.

    >>> kept_as('bfloat16')
    dtype('uint16')
    """
    return np.dtype(order + _KEPT[name])


def widen(kept, name):
    """Numbers as they are kept, as numbers to compute with: any float as float32, integers and bool as they are.

    >>> print(widen(np.array([0x3fc0], 'uint16'), 'bfloat16'))
    [1.5]
    """
    if name == 'bfloat16':
        return (kept.astype('uint32') << 16).view('float32')
    if name == 'bool':
        return kept != 0
    with np.errstate(over='ignore'):  # a float64 beyond float32 becomes infinite
        return kept.astype('float32', copy=False) if name in FLOATS else kept


def narrow(array, name, what='The array'):
    """An array as numbers of this type are kept, the inverse of `widen`; rounds to the nearest, ties to even.

    For 'bfloat16' an array of uint16 is taken as the bits.

    Raises: UserError where `array`, called `what`, holds a finite number beyond the type's largest; TypeError for
    floats as integers.
    """
    array = np.asarray(array)
    with np.errstate(over='ignore'):
        if name == 'bfloat16' and array.dtype != np.uint16:
            kept, beyond = _round_to_bfloat16(array.astype('float32'))
        else:
            kept = array.astype(kept_as(name), order='C', casting='same_kind', copy=False)
            beyond = np.isinf(kept)
    if name in FLOATS and array.dtype.kind != 'u' and (beyond & np.isfinite(array)).any():
        raise UserError('%s holds numbers beyond the largest %s: write float32.' % (what, name))
    return kept


def _round_to_bfloat16(array):
    """A float32 array's bits as bfloat16, and where they are infinite."""
    bits = array.view('uint32')
    rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16
    kept = np.where(np.isnan(array), bits >> 16 | 0x40, rounded).astype('uint16')
    return kept, (kept & 0x7fff) == 0x7f80
