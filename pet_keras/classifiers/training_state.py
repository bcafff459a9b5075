"""The state of a training run on disk, from which it goes on after an interrupt."""
import glob
import json
import os
import shutil

import numpy as np

from pet_keras.backend import tf
from pet_keras.errors import UserError

# A folder with one of these is not written over
_IN_USE = ['model.json', 'classifier.json', 'prompt.json', '*.index', 'resume/progress.json']


class RunFolder(object):
    """The folder that a run keeps its best model in; below it, until the run ends, `resume/` with its state.

    Arguments:
        folder: where the model goes.
        settings: dict of what a resumed run must have in common with the interrupted one.
        variables: list of the variables that train; `optimizer`, the Keras optimizer.
    """
    def __init__(self, folder, settings, variables, optimizer):
        self.folder, self.settings = folder, settings
        self._resume = os.path.join(folder, 'resume')
        self._progress = os.path.join(self._resume, 'progress.json')
        self._state = tf.train.Checkpoint(weights=variables, optimizer=optimizer)

    def create(self):
        """Makes the folder; UserError where it holds a model or cannot be written."""
        if any(glob.glob(os.path.join(glob.escape(self.folder), name)) for name in _IN_USE):
            raise UserError('%s already holds a model: choose another folder%s.' % (
                self.folder, ', or resume the interrupted run in it' if os.path.exists(self._progress) else ''))
        try:
            os.makedirs(self._resume, exist_ok=True)
            with open(os.path.join(self._resume, 'writable'), 'w'):
                pass
        except OSError as e:
            raise UserError('%s cannot be written: %s.' % (self.folder, e.strerror)) from None

    def restore(self):
        """Reads weights and optimizer as they were; returns the history. UserError where the run was another."""
        if not os.path.isfile(self._progress):
            raise UserError('%s holds no interrupted run to resume.' % self.folder)
        with open(self._progress, encoding='utf-8') as reader:
            saved = json.load(reader)
        changed = ['%s was %s and is %s' % (k, saved['settings'].get(k), v) for k, v in self.settings.items()
                   if saved['settings'].get(k) != v]
        if changed:
            raise UserError('%s cannot be resumed with other settings: %s.' % (self.folder, '; '.join(changed)))
        self._state.read(os.path.join(self._resume, saved['state'])).assert_existing_objects_matched()
        return saved['history']

    def save(self, history):
        """Two states by turns: the one that progress.json names is always whole."""
        name = 'state%d' % (len(history) % 2)
        self._state.write(os.path.join(self._resume, name))
        partial = os.path.join(self._resume, 'progress.tmp')
        with open(partial, 'w', encoding='utf-8') as writer:
            json.dump({'settings': self.settings, 'history': history, 'state': name}, writer, ensure_ascii=False)
        os.replace(partial, self._progress)

    def write_best(self, weights):
        """Keeps the best weights so far, a list of arrays."""
        path = os.path.join(self._resume, 'best')
        np.savez(path + '.tmp.npz', *weights)
        os.replace(path + '.tmp.npz', path + '.npz')

    def read_best(self):
        with np.load(os.path.join(self._resume, 'best.npz')) as saved:
            return [saved['arr_%d' % i] for i in range(len(saved.files))]

    def close(self):
        """The run has ended: its state goes, the model stays."""
        shutil.rmtree(self._resume, ignore_errors=True)
