"""TensorFile: what every file of named tensors looks like to its reader."""
import math

import numpy as np

from pet_keras.checkpoints.tensor_files.dtypes import kept_as, widen
from pet_keras.errors import UserError

MOST_AXES = 32  # NumPy 1 has no more
_MOST_COMPRESSED, _FROM = 100, 2 ** 20  # bytes made of one, where they are so many


def check_compression(size, stored, name, damaged):
    """Raises what `damaged` makes where `stored` bytes say that they are `size`: no weights can be compressed so far."""
    if size > max(_FROM, _MOST_COMPRESSED * stored):
        raise damaged('%d bytes of %s are compressed to %d, which no weights can be' % (size, name, stored))


class TensorFile(object):
    """Named tensors in a file, read one at a time.

    Attributes:
        path: the file's.
        shapes: dict name → tuple.
        dtypes: dict name → 'float32', 'float16', 'bfloat16', 'float64', 'int64', …, 'bool', as stored.
    """
    def __init__(self, path):
        self.path, self.shapes, self.dtypes = str(path), {}, {}

    def read(self, name):
        """One tensor as a NumPy array, which may be read-only: any float type as float32, others as they are.

        Raises: UserError where the file has no such tensor or it cannot be read.
        """
        return widen(self.raw(name), self.dtypes[name])

    def raw(self, name):
        """One tensor bit by bit: bfloat16 as uint16, bool as uint8, others in their own type. Raises as `read`."""
        if name not in self.shapes:
            raise UserError('%s has no tensor %s.' % (self.path, name))
        try:  # a file's numbers need not be in the machine's order, nor stand at a multiple of their size
            return np.require(self._raw(name), kept_as(self.dtypes[name]), ['C', 'A'])
        except MemoryError:
            raise UserError('%s: the tensor %s of shape %s does not fit into memory.' % (
                self.path, name, self.shapes[name])) from None

    def _raw(self, name):
        """The tensor as it stands in the file, of any byte order and layout."""
        raise NotImplementedError

    def damaged(self, why):
        """The UserError for a file that is not what it says it is."""
        return UserError('%s is damaged: %s. Is the download complete?' % (self.path, why))


def are_counts(numbers):
    """Whether this is a list or tuple of whole numbers, none negative, that a file's length could hold."""
    return type(numbers) in (list, tuple) and all(type(n) is int and 0 <= n < 2 ** 60 for n in numbers)


def is_shape(shape):
    """Whether something from a file can be an array's shape.

    >>> is_shape([2, 3]), is_shape([2, -3]), is_shape([True]), is_shape(2)
    (True, False, False, False)
    """
    return are_counts(shape) and len(shape) <= MOST_AXES and math.prod(n for n in shape if n) < 2 ** 60
