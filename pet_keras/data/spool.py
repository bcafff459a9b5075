"""Spool: the texts of a file too large for memory, in any order."""
import array
import json
import os
import tempfile
from collections.abc import Sequence

from pet_keras.data.example import Example
from pet_keras.data.reading import iterate_rows


class Spool(Sequence):
    """The texts of a file, without labels, as a sequence of Example, none of which is in memory until it is asked for.

    They are read once, checked, and kept in a temporary file (in `TMPDIR`, of about the size of the texts); in memory are
    8 bytes a text. `fit(unlabelled=Spool('million.txt'))` takes it as it takes a list.

    Arguments: as of `read_examples`.

    Raises: UserError as `read_examples`; OSError where the temporary file cannot be written.
    """
    def __init__(self, path, task=None, format=None):
        self._file, self._ends = tempfile.TemporaryFile(), array.array('q', [0])
        for row in iterate_rows(path, task, False, format):
            self._file.write(json.dumps(row.example).encode())
            self._ends.append(self._file.tell())
        self._file.flush()

    def __len__(self):
        return len(self._ends) - 1

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [self[k] for k in range(len(self))[i]]
        i = range(len(self))[i]
        start, end = self._ends[i], self._ends[i + 1]
        return Example(*json.loads(os.pread(self._file.fileno(), end - start, start)))  # by threads that read beside it
