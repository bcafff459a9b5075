"""Session: what a person said about texts. It is on disk before it counts."""
import hashlib
import json
import os
import threading
import time
from collections import Counter

from pet_keras.checkpoints.lock import FolderLock
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.data.rows import parse_json
from pet_keras.errors import UserError

SKIPPED = ''  # no label is empty
MODEL = 'model'  # the folder of the model, in the session's
_ANSWERS, _TASK, _LOCK = 'answers.jsonl', 'task.json', 'lock'


class Conflict(Exception):
    """Someone else has said something about the text meanwhile."""


class Session(object):
    """The answers in a folder, and the texts they are about.

    An answer is a line of `answers.jsonl`, written and synced before `answer` returns; what a kill or a full disk cut
    short was never an answer. Lines hold the text itself, so they keep their meaning when the file of texts changes.

    Arguments: `folder`, made where it is missing; `examples`, list of Example, of which equal ones are one text. A
    label that one of them has is given: it counts as an answer that cannot be undone, only changed.

    Attributes: `examples`; `ids`, their names, a list of str; `index`, dict id → place; `task`, a Task or None.

    Raises: UserError where another process has the folder, where it holds something else, or a line is no answer.
    """
    def __init__(self, folder, examples):
        self.folder, self._guard = folder, threading.RLock()
        self._lock, self._file = _lock(folder), None
        try:
            self._open(examples)
        except BaseException:
            self.close()
            raise

    def _open(self, examples):
        self.examples, self.ids, self.index, self._given = [], [], {}, {}
        for example in examples:
            self._add(example)
        path = os.path.join(self.folder, _TASK)
        self.task, self._events = Task.load(path) if os.path.exists(path) else None, []  # (id, label)
        self._answers = {}  # id → the labels that it got, the last one valid
        self._file = open(os.path.join(self.folder, _ANSWERS), 'ab+', buffering=0)
        self._size = self._read()
        if self.task is not None:
            self.use(self.task)

    def _add(self, example):
        key = hashlib.sha256(json.dumps(example[:2]).encode()).hexdigest()[:16]
        if key not in self.index:
            self.index[key] = len(self.examples)
            self.ids.append(key)
            self.examples.append(example._replace(label=None))
        if example.label is not None:
            self._given[key] = example.label
        return key

    def use(self, task):
        """The task whose labels the answers have; it is kept in the folder.

        Raises: UserError where the folder's task, or an answer, has others.
        """
        known = self.task
        if known is not None and known.labels != task.labels:
            raise UserError('%s was begun with the labels %s, not %s: choose another --out.' % (
                self.folder, ', '.join(known.labels), ', '.join(task.labels)))
        for number, (key, label) in enumerate(self._events, 1):
            if label != SKIPPED and label not in task.labels:
                raise UserError('%s, answer %d: the label %r is not one of %s.' % (
                    os.path.join(self.folder, _ANSWERS), number, label, ', '.join(task.labels)))
        path = os.path.join(self.folder, _TASK)
        task.save(path + '.tmp')
        os.replace(path + '.tmp', path)
        self.task = task

    # --- what was said --------------------------------------------------------------------------------

    def said(self, key):
        """The label of a text, SKIPPED, or None."""
        return self._answers[key][-1] if self._answers.get(key) else self._given.get(key)

    def answer(self, key, label, before=None):
        """Keeps an answer. Arguments: `label`, one of the task's or SKIPPED; `before`, what the person saw it had.

        Raises: Conflict where it has another by now; UserError for a label that the task has not; KeyError for a text
        that is not there; OSError where it could not be written, and then it does not count.
        """
        with self._guard:
            if self.task is None or label != SKIPPED and label not in self.task.labels:
                raise UserError('The label %.60r is not one of this task.' % label)
            example = self.examples[self.index[key]]
            if self.said(key) != before:
                raise Conflict(key)
            texts = {'text': example.text, 'text_b': example.text_b}
            self._append(dict({'id': key, 'label': label}, **{k: v for k, v in texts.items() if v is not None}))
            self._note(key, label)

    def undo(self, key):
        """Takes the last answer of all back, which is about this text; Conflict where it is about another by now."""
        with self._guard:
            if not self._events or self._events[-1][0] != key:
                raise Conflict(key)
            self._append({'undo': key})
            self._forget()

    def last(self):
        """The text of the last answer, or None."""
        return self._events[-1][0] if self._events else None

    def labelled(self):
        """dict id → label, those given first, then by when they were answered last."""
        with self._guard:
            order = dict.fromkeys([*self._given, *reversed(dict.fromkeys(key for key, _ in reversed(self._events)))])
            return {key: label for key, label in ((key, self.said(key)) for key in order) if label}

    def skipped(self):
        """The ids of the texts that were skipped, a list."""
        with self._guard:
            return [key for key in self._answers if self.said(key) == SKIPPED]

    def balance(self):
        """dict label → how many texts have it, for every label of the task."""
        counts = Counter(self.labelled().values())
        return {label: counts[label] for label in (self.task.labels if self.task else ())}

    def write_table(self, name='labels.tsv'):
        """Writes the labelled texts as TSV that `read_examples` reads, whole or not at all; returns the path.

        A tab or a new line within a text becomes a space: TSV has no way to say them.
        """
        path, is_pair = os.path.join(self.folder, name), self.task is not None and self.task.is_pair
        with open(path + '.tmp', 'w', encoding='utf-8') as writer:
            writer.write('\t'.join((['text_a', 'text_b'] if is_pair else ['text']) + ['label']) + '\n')
            for key, label in self.labelled().items():
                texts = self.examples[self.index[key]][:1 + is_pair]
                writer.write('\t'.join([' '.join(text.split()) for text in texts] + [label]) + '\n')
        os.replace(path + '.tmp', path)
        return path

    def close(self):
        """Lets others have the folder."""
        if self._file:
            self._file.close()
        self._lock.close()

    # --- the file -------------------------------------------------------------------------------------

    def _note(self, key, label):
        self._events.append((key, label))
        self._answers.setdefault(key, []).append(label)

    def _forget(self):
        key, _ = self._events.pop()
        self._answers[key].pop()

    def _read(self):
        """Takes in the answers of before; returns how many bytes of the file they are."""
        self._file.seek(0)
        whole, path = self._file.read(), os.path.join(self.folder, _ANSWERS)
        size = whole.rfind(b'\n') + 1
        for number, line in enumerate(whole[:size].splitlines(), 1):
            place = '%s, line %d is no answer' % (path, number)
            try:
                fields = parse_json(line.decode('utf-8'), place)
                if 'undo' in fields and self._events[-1][0] == fields['undo']:
                    self._forget()
                    continue
                text, text_b, label = fields['text'], fields.get('text_b'), fields['label']
                if not all(isinstance(value, str) for value in (text, text_b or '', label)):
                    raise TypeError('not a string')
                key = self._add(Example(text, text_b))
            except (KeyError, IndexError, TypeError, AttributeError, UnicodeDecodeError):
                raise UserError(place + ': delete that line.') from None
            self._note(key, label)
        return size

    def _append(self, fields):
        """Adds a line, and has it on disk; where that fails there is no such line, and OSError."""
        line = json.dumps(dict(fields, time=int(time.time())), ensure_ascii=False).encode() + b'\n'
        number, left = self._file.fileno(), line
        if os.fstat(number).st_size != self._size:  # what a write that failed has left
            os.ftruncate(number, self._size)
        try:
            while left:
                left = left[os.write(number, left):]
            os.fsync(number)
        except OSError:
            os.ftruncate(number, self._size)
            raise
        self._size += len(line)


def _lock(folder):
    """The FolderLock of a session's folder; UserError where it holds something else."""
    there = os.listdir(folder) if os.path.isdir(folder) else []
    if set(there) - {_LOCK} and _ANSWERS not in there:
        raise UserError('%s holds other files: choose another --out.' % folder)
    return FolderLock(folder, _LOCK)
