"""A file of texts that is too large for memory: looked through once, then read a part at a time."""
import contextlib
import hashlib
import itertools
import os
import tempfile

from pet_keras.data.reading import iterate_rows
from pet_keras.errors import UserError


class TextFile(object):
    """The texts of a file. What is wrong with any row of it is said here, before the work begins.

    What can be read only once, as standard input (`-`), is kept in a temporary file meanwhile.

    Attributes: `is_copied`, whether that is so; `path`, `format`; `count` of rows; `names`, the columns of all rows as
    they come; `sha256`.

    Arguments: `format_out` of the predictions, 'fewclue' or None: as the file's.

    Raises: UserError as `iterate_rows`.
    """
    def __init__(self, path, format, task, format_out=None):
        self.path, self.format, self.format_out, self.task, self.count, names = path, format, format_out, task, 0, {}
        self._place = os.path.abspath(path)  # a worker that reads it may stand in another folder
        self._copy = None if os.path.isfile(path) or not os.path.exists(path) and path != '-' else (
            tempfile.NamedTemporaryFile())
        sha256, self._stat = hashlib.sha256(), self._now()

        def each(number, raw):
            sha256.update(raw)
            if self._copy:
                self._copy.write(raw)
        try:
            for row in iterate_rows(path, task, False, format, each):
                self.count += 1
                names.update(dict.fromkeys(row.fields))
            if self._copy:
                self._copy.flush()
        except BaseException:
            if self._copy:
                with contextlib.suppress(OSError):  # a full disk, which was told already
                    self._copy.close()
            raise
        self.names, self.sha256 = list(names), sha256.hexdigest()

    def _now(self):
        """(size, time) of the file as it is now; None of a copy."""
        if self._copy or not os.path.exists(self._place):
            return None
        stat = os.stat(self._place)
        return stat.st_size, stat.st_mtime_ns

    @property
    def is_copied(self):
        return self._copy is not None

    def parts(self, size, start=0, stop=None):
        """Yields lists of at most `size` Rows: those from number `start` (from 0) on, before number `stop`."""
        path = self._copy.name if self._copy else self._place
        rows = itertools.islice(iterate_rows(path, self.task, False, self.format, quiet=True), start, stop)
        done, end = start, self.count if stop is None else min(stop, self.count)
        while done < end:
            part = list(itertools.islice(rows, size))
            done += len(part)
            if len(part) < size and done < end or self._now() != self._stat:
                raise UserError('%s has been changed since it was looked through: begin anew, into another folder.' % (
                    self.path))
            yield part
