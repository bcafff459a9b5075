"""Records: one JSON line a run and pattern, and the log-probabilities that its figures come from."""
import fcntl
import glob
import hashlib
import json
import os

import numpy as np

from pet_keras.checkpoints.lock import FolderLock
from pet_keras.errors import DAMAGED_NPZ, UserError

_NOT_OF_THE_RUN = ('choose', 'name', 'checkpoint', 'place', 'causal', 'chosen')  # what it is called, or where from


def key_of(run, fingerprint, checksums):
    """Sixteen hexadecimal digits that change with anything a run depends on but the library's own version.

    Arguments: `run` as Grid makes it; `fingerprint` of its checkpoint; `checksums`, dict file → SHA-256 of its data
    and its task.
    """
    parts = [{name: value for name, value in run.items() if name not in _NOT_OF_THE_RUN}, fingerprint, checksums]
    if isinstance(run.get('labelled'), dict):
        parts.append('different texts')  # how so many a label are drawn: it was otherwise before
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def lock(folder):
    """The FolderLock that keeps other grids out of the folder while it is open.

    Raises: UserError where another process has it; OSError where the folder cannot be made or written.
    """
    os.makedirs(os.path.join(folder, 'scores'), exist_ok=True)
    lock = FolderLock(folder)
    for path in glob.glob(os.path.join(glob.escape(folder), 'scores', '*.part')):  # of a run that was killed
        os.remove(path)
    return lock


def read(folder):
    """The records in a folder, a list of dict; a last line that a kill cut short is left out."""
    path, found = os.path.join(folder, 'records.jsonl'), []
    if os.path.exists(path):
        with open(path, 'rb') as reader:
            for number, line in enumerate(reader, 1):
                if not line.endswith(b'\n'):
                    break
                try:
                    record = json.loads(line)
                    found.append(dict(record, key=record['key'], pattern=record['pattern'], tests=record['tests']))
                except (ValueError, TypeError, KeyError, RecursionError):
                    raise UserError('%s, line %d is no record: delete that line.' % (path, number)) from None
    return found


def add(folder, run, key, found):
    """Appends a run's records in one write, their scores first: a record that can be read has them.

    Arguments: `found`, a list of (record, scores), one a pattern; scores is a dict test → (log-probabilities
    `[texts, labels]`, true labels int `[texts]`).
    """
    os.makedirs(os.path.join(folder, 'scores'), exist_ok=True)
    lines = b''
    for record, scores in found:
        for test, (log_proba, truth) in scores.items():
            path = scores_path(folder, key, record['pattern'], test)
            with open(path + '.part', 'wb') as writer:
                np.savez(writer, log_proba=log_proba, truth=truth)
                _to_disk(writer)
            os.replace(path + '.part', path)
        fields = {k: v for k, v in run.items() if k not in ('choose', 'patterns', 'place')}
        lines += json.dumps({'key': key, **fields, **record}, ensure_ascii=False).encode() + b'\n'
    with open(os.path.join(folder, 'records.jsonl'), 'ab+') as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)  # several runs of a grid end at once
        writer.seek(0)
        there = writer.read()
        writer.truncate(there.rfind(b'\n') + 1)  # a line that a kill or a full disk cut short
        writer.write(lines)
        _to_disk(writer)


def _to_disk(writer):
    writer.flush()
    os.fsync(writer.fileno())


def scores_path(folder, key, pattern, test):
    """The file of a record's log-probabilities on a test."""
    name = hashlib.sha256(json.dumps([pattern, test]).encode()).hexdigest()[:8]
    return os.path.join(folder, 'scores', '%s-%s.npz' % (key, name))


def has_scores(folder, record):
    """Whether the files of a record's log-probabilities are there."""
    return all(os.path.exists(scores_path(folder, record['key'], record['pattern'], test)) for test in record['tests'])


def scores(folder, record, test):
    """(log-probabilities float32 `[texts, labels]`, true labels int `[texts]`) of a record on a test."""
    path = scores_path(folder, record['key'], record['pattern'], test)
    try:
        with np.load(path) as found:
            return found['log_proba'], found['truth']
    except DAMAGED_NPZ:
        raise UserError('%s is damaged: delete it, and the run is done again.' % path) from None
