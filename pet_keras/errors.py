"""The error a user can mend: its message says what is wrong, where, and what to do."""

_LINE = 2000  # characters


class UserError(ValueError):
    """A file, pattern, task, checkpoint or setting that cannot be used as it is.

    A line of its message that is too long to be read, for it quotes what a file holds, loses its middle.
    """
    def __init__(self, message=''):
        super(UserError, self).__init__('\n'.join(
            line if len(line) <= _LINE else line[:_LINE * 3 // 4] + ' … ' + line[-_LINE // 4:]
            for line in str(message).split('\n')))
