"""Texts too many for memory, in any order: Spool, those of a file."""
import array
import json
import os
import tempfile
from collections.abc import Sequence

from pet_keras.data.example import Example
from pet_keras.data.reading import iterate_rows


class Pile(Sequence):
    """Examples that are made when they are asked for, and were looked through before: there may be millions.

    `labels` is the list of those of the task that theirs are of, hard or soft; None where they have none.
    """
    labels = None

    def __getitem__(self, i):
        return [self.at(k) for k in range(len(self))[i]] if isinstance(i, slice) else self.at(range(len(self))[i])


class Spool(Pile):
    """The texts of a file as a sequence of Example, none of which is in memory until it is asked for.

    They are read once, checked, and kept in a temporary file (in `TMPDIR`, of about the size of the texts); in memory are
    8 bytes a text. `fit(unlabelled=Spool('million.txt'))` takes it as it takes a list, and so does
    `evaluate(Spool('million.tsv', classifier.task, labelled=True))`.

    Arguments: as of `read_examples`, but that labels are left out unless they are asked for; and `keep`, a function of
    an Example that says whether it is to be there.

    Raises: UserError as `read_examples`; OSError where the temporary file cannot be written.
    """
    def __init__(self, path, task=None, format=None, labelled=False, keep=lambda example: True):
        self._file, self._ends = tempfile.TemporaryFile(), array.array('q', [0])
        self.labels = task.labels if task and labelled else None
        for row in iterate_rows(path, task, labelled, format):
            if keep(row.example):
                self._file.write(json.dumps(row.example).encode())
                self._ends.append(self._file.tell())
        self._file.flush()

    def __len__(self):
        return len(self._ends) - 1

    def at(self, i):
        start, end = self._ends[i], self._ends[i + 1]
        return Example(*json.loads(os.pread(self._file.fileno(), end - start, start)))  # by threads that read beside it


class Relabelled(Pile):
    """Examples with other labels.

    Arguments: `examples`, a sequence; `labels`, those of the task; `label_of`, a function of an example's place that gives
    its label, hard or soft. Without them the examples have none.
    """
    def __init__(self, examples, labels=None, label_of=lambda i: None):
        self._examples, self.labels, self._label_of = examples, labels, label_of

    def __len__(self):
        return len(self._examples)

    def at(self, i):
        return self._examples[i]._replace(label=self._label_of(i))
