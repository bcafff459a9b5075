"""MappedFile: a file of which pieces are mapped into memory, each only where the file is long enough for it."""
import os
import weakref

import numpy as np

from pet_keras.errors import UserError


class MappedFile(object):
    """A file, held open so that it stays the same one when another takes its name.

    A mapping lives as long as the array over it: no tensor stays in memory because the file is open.

    Attributes: `path`; `file`, the open file; `size` in bytes.

    Raises: UserError where it is no file or cannot be read.
    """
    def __init__(self, path):
        self.path = str(path)
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise UserError('%s is not a file.' % self.path)
        try:
            self.file = open(self.path, 'rb')
        except (OSError, ValueError) as e:  # ValueError: a zero byte in the path
            raise self._unreadable(e) from None
        weakref.finalize(self, self.file.close)
        self.size = os.fstat(self.file.fileno()).st_size

    def array(self, start, dtype, count):
        """`count` numbers of a NumPy dtype from byte `start` on, as a flat read-only array over the file.

        Raises: UserError where the file ends before them.
        """
        dtype = np.dtype(dtype)
        end = start + count * dtype.itemsize
        # to touch a page beyond the end of a file that another process has cut would kill this one
        if start < 0 or end > min(self.size, os.fstat(self.file.fileno()).st_size):
            raise UserError('%s ends before byte %d: it is cut short. Is the download complete?' % (self.path, end))
        try:
            return np.asarray(np.memmap(self.file, dtype, 'r', start, (count,))) if count else np.empty(0, dtype)
        except (OSError, ValueError) as e:
            raise self._unreadable(e) from None

    def bytes(self, start, count):
        """`count` bytes from byte `start` on. Raises: UserError where the file ends before them."""
        return self.array(start, 'u1', count).tobytes()

    def _unreadable(self, e):
        return UserError('%s cannot be read: %s.' % (self.path, getattr(e, 'strerror', None) or e))
