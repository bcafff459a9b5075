"""The error a user can mend: its message says what is wrong, where, and what to do."""


class UserError(ValueError):
    """A file, pattern, task, checkpoint or setting that cannot be used as it is."""
