"""A run of several trainings in one folder: what is done is not done again, what was interrupted goes on."""
import hashlib
import json
import os
import time

import numpy as np

from pet_keras.checkpoints.atomic import present_files
from pet_keras.checkpoints.lock import RUN_LOCK, FolderLock
from pet_keras.classifiers.model_folder import HEADER, write_json
from pet_keras.data.example import json_of
from pet_keras.errors import DAMAGED_NPZ, UserError

_RUN, _DONE, _ARRAYS = 'run.json', 'stage.json', 'scores.npz'


class Run(object):
    """A folder and the settings of the run that works in it; a context, which keeps other runs out.

    A stage is a folder in it. `stage.json`, its result, is written last, in one rename; with it the stage is done.

    Arguments:
        folder: made if need be.
        settings: dict for JSON of all that the results depend on.
        stages: how many there are, for people.
        verbose: 1 says which stage begins.

    Raises: UserError where another run works in the folder, or where one of other settings has begun in it.
    """
    def __init__(self, folder, settings, stages, verbose=0):
        self.folder, self.stages, self.verbose = folder, stages, verbose
        self.settings, self._number, self._begun = json.loads(json.dumps(settings)), 0, None

    def __enter__(self):
        try:
            self._lock = FolderLock(self.folder, RUN_LOCK)
        except (FileExistsError, NotADirectoryError) as e:
            raise UserError('%s cannot be written: %s.' % (self.folder, e.strerror)) from None
        try:
            self._check()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind, *_):
        self._lock.close()
        if kind is KeyboardInterrupt and self.verbose:
            print('\nInterrupted in stage %d of %d. The same command with the same folder, %s, goes on from here.' % (
                self._number, self.stages, self.folder))

    def _check(self):
        path = os.path.join(self.folder, _RUN)
        if not os.path.exists(path):
            if os.path.exists(os.path.join(present_files(self.folder), HEADER)):
                raise UserError('%s already holds a model of another run: choose another folder.' % self.folder)
            return write_json(path, self.settings)
        was = _read(path)
        changed = ['%s was %s and is %s' % (name, was.get(name), self.settings.get(name))
                   for name in {**self.settings, **was} if was.get(name) != self.settings.get(name)]
        if changed:
            raise UserError('%s holds a run with other settings: %s. Go on with its settings, or choose another '
                            'folder.' % (self.folder, '; '.join(changed)))

    def place(self, stage):
        """The folder of a stage, which is there."""
        folder = os.path.join(self.folder, stage)
        os.makedirs(folder, exist_ok=True)
        return folder

    def begin(self, stage, title, shapes=None):
        """(result, arrays) of a stage that is done, else None.

        Arguments: `title`, for people; `shapes`, dict of name: shape of its arrays, or None for any. Raises: UserError
        where they are others.
        """
        self._number, self._begun, found = self._number + 1, time.perf_counter(), None
        path = os.path.join(self.place(stage), _DONE)
        if os.path.exists(path):
            found = _read(path), _read_arrays(os.path.join(self.place(stage), _ARRAYS), shapes)
        if self.verbose:
            print('Stage %d of %d, %s%s' % (self._number, self.stages, title, ': done before.' if found else ''),
                  flush=True)
        return found

    def finish(self, stage, result, **arrays):
        """Keeps the result, a dict for JSON, and the arrays; returns them as `begin` will."""
        folder = self.place(stage)
        path = os.path.join(folder, _ARRAYS)
        with open(path + '.tmp', 'wb') as writer:
            np.savez(writer, **arrays)
        os.replace(path + '.tmp', path)
        result = dict(result, seconds=round(time.perf_counter() - self._begun, 1))
        write_json(os.path.join(folder, _DONE), result)
        if self.verbose:
            print('  done in %.0f s' % result['seconds'], flush=True)
        return result, arrays


def _read(path):
    """The dict in a file of JSON; UserError where it is damaged."""
    try:
        with open(path, encoding='utf-8') as reader:
            return dict(json.load(reader))
    except (ValueError, TypeError, RecursionError) as e:
        raise _damaged(path, e) from None


def _read_arrays(path, shapes):
    """{name: array} of what `Run.finish` wrote; UserError where it is damaged."""
    try:
        with np.load(path) as file:
            found = dict(file)
        if shapes and {name: array.shape for name, array in found.items()} != shapes:
            raise ValueError('its scores are of other texts')
        return found
    except (OSError, *DAMAGED_NPZ) as e:
        raise _damaged(path, e) from None


def _damaged(path, e):
    return UserError('%s is damaged (%s): remove its folder, and what was done there is done anew.' % (path, e))


def fit_once(classifier, fit, folder):
    """Trains a classifier into a folder, goes on with an interrupted training, or takes what a whole one left there.

    Arguments: `fit`, a function of `out` and `resume` that trains `classifier` in place.
    """
    if os.path.exists(os.path.join(folder, 'resume', 'progress.json')):
        fit(out=folder, resume=True)
    elif os.path.exists(os.path.join(present_files(folder), HEADER)):
        saved = type(classifier).load(folder)
        classifier.model.set_weights(saved.model.get_weights())
        classifier.history, classifier.trained_on = saved.history, saved.trained_on
    else:
        fit(out=folder, resume=False)


def digest(examples):
    """Twelve hexadecimal digits that change with any of the examples."""
    found = hashlib.sha256(b'[')
    for part in json_of(examples):
        found.update(part)
    found.update(b']')
    return found.hexdigest()[:12]
