"""The error a user can mend: its message says what is wrong, where, and what to do."""
import zipfile
import zlib

_LINE = 2000  # characters
# What numpy.load raises of a damaged .npz: a zip file has many ways to be one
DAMAGED_NPZ = (ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError, OverflowError, zipfile.BadZipFile,
               zlib.error)
# What reading fields of JSON raises where they are not what they should be
DAMAGED_FIELDS = (LookupError, TypeError, ValueError, AttributeError, OverflowError, StopIteration)


class UserError(ValueError):
    """A file, pattern, task, checkpoint or setting that cannot be used as it is.

    A line of its message that is too long to be read, for it quotes what a file holds, loses its middle.
    """
    def __init__(self, message=''):
        super(UserError, self).__init__('\n'.join(
            line if len(line) <= _LINE else line[:_LINE * 3 // 4] + ' … ' + line[-_LINE // 4:]
            for line in str(message).split('\n')))
