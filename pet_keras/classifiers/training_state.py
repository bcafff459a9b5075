"""The state of a training run on disk, from which it goes on after an interrupt."""
import glob
import json
import os
import shutil

from pet_keras.backend import tf
from pet_keras.checkpoints.atomic import to_disk
from pet_keras.checkpoints.lock import RUN_LOCK, FolderLock, is_ours
from pet_keras.classifiers.model_folder import write_json
from pet_keras.errors import UserError

# A folder with one of these is not written over
_IN_USE = ['save.whole', 'model.json', 'classifier.json', 'prompt.json', '*.index', 'resume/progress.json']
_RATES = ('learning_rate', 'prompt_learning_rate')
_STATES = ('state0', 'state1', 'state2')


def check_free(folder, resumable=False):
    """Raises UserError where a folder holds a model, an interrupted run, or a run of several trainings but this one's."""
    if os.path.exists(os.path.join(folder, 'run.json')) and not is_ours(folder, RUN_LOCK):
        raise UserError('%s holds a run of pet-keras pet: choose another folder.' % folder)
    if any(glob.glob(os.path.join(glob.escape(folder), name)) for name in _IN_USE):
        raise UserError('%s already holds a model: choose another folder%s.' % (
            folder, ', or resume the interrupted run in it' if resumable else ''))


def locked(folder):
    """The FolderLock of a folder to write a model into; UserError where it cannot be written."""
    try:
        return FolderLock(folder)
    except OSError as e:
        raise UserError('%s cannot be written: %s.' % (folder, e.strerror)) from None


class TrainingState(object):
    """The folder that a run keeps its best model in; below it, until the run ends, `resume/` with its state.

    A state is weights and optimizer after an epoch. progress.json names two, the last and the best, and is
    replaced in one rename once a new one is whole: whenever a run is killed, it can go on. Used in a `with` block, at
    whose end other processes may work in the folder.

    Arguments:
        folder: where the model goes.
        settings: dict of what a resumed run must have in common with the interrupted one.
        variables: list of the variables that train; `optimizer`, the Keras optimizer.
        writes: False of a worker that is not the chief: it reads the folder and leaves all writing to the chief.
    """
    def __init__(self, folder, settings, variables, optimizer, writes=True):
        self.folder, self.settings, self._writes = folder, settings, writes
        self._resume = os.path.join(folder, 'resume')
        self._path, self._lock = os.path.join(self._resume, 'progress.json'), None
        self._state = tf.train.Checkpoint(weights=variables, optimizer=list(optimizer.variables))  # but for its rate

    def create(self):
        """Makes the folder; UserError where it holds a model, cannot be written, or another process works in it."""
        if not self._writes:
            return
        self._lock = locked(self.folder)
        check_free(self.folder, os.path.exists(self._path))
        try:
            os.makedirs(self._resume, exist_ok=True)
            self._commit([], None, None)
        except OSError as e:
            raise UserError('%s cannot be written: %s.' % (self.folder, e.strerror)) from None

    def restore(self):
        """Opens an interrupted run; returns its history. UserError where the run was another, or still goes on.

        One that diverged may go on with another learning rate.
        """
        if not os.path.isfile(self._path):
            raise UserError('%s holds no interrupted run to resume.' % self.folder)
        self._lock = FolderLock(self.folder) if self._writes else None
        self._progress = _progress(self._path)
        was, diverged = self._progress['settings'], self._progress['diverged']
        changed = ['%s was %s and is %s' % (k, was.get(k), self.settings.get(k)) for k in {**self.settings, **was}
                   if was.get(k) != self.settings.get(k) and not (k in _RATES and diverged)]
        if changed:
            raise UserError('%s cannot be resumed with other settings: %s.' % (self.folder, '; '.join(changed)))
        return self._progress['history']

    def read(self, which):
        """Sets weights and optimizer to those of the 'last' or the 'best' state, if there is one yet.

        Raises: UserError where it is damaged.
        """
        if self._progress[which]:
            path = os.path.join(self._resume, self._progress[which])
            try:
                self._state.read(path).assert_existing_objects_matched()
            except Exception as e:  # of a file that was cut short TensorFlow raises any type
                raise _damaged(path, e) from None

    def save(self, history, is_best):
        """Keeps weights and optimizer as the last state, and as the best one if they are.

        Raises: OSError where they cannot be written; the state before is then still there.
        """
        if not self._writes:
            return
        name = min(set(_STATES) - {self._progress['last'], self._progress['best']})
        path = os.path.join(self._resume, name)
        try:
            self._state.write(path)
        except tf.errors.OpError as e:
            raise OSError('%s cannot be written: %s' % (path, e.message.split('\n')[0])) from None
        for file in glob.glob(glob.escape(path) + '.*'):
            to_disk(file)
        self._commit(history, name, name if is_best else self._progress['best'])

    def go_back(self, history):
        """The run diverged: it will go on from the best state, whose history this is."""
        if self._writes:
            self._commit(history, self._progress['best'], self._progress['best'], diverged=True)

    def _commit(self, history, last, best, diverged=False):
        self._progress = {'settings': self.settings, 'history': history, 'last': last, 'best': best,
                          'diverged': diverged}
        write_json(self._path, self._progress)

    def close(self):
        """The run has ended: its state goes, the model stays."""
        if not self._writes:
            return
        os.remove(self._path)  # first: half a state is none
        shutil.rmtree(self._resume, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Lets other processes into the folder."""
        if self._lock:
            self._lock.close()


def _progress(path):
    """The fields of progress.json; UserError where it is damaged, or names a file that is no state."""
    try:
        with open(path, encoding='utf-8') as reader:
            fields = json.load(reader)
        history, states = fields['history'], {fields['last'], fields['best']}
        if not states <= {None, *_STATES} or not all(isinstance(record['epoch'], int) for record in history):
            raise ValueError('it names %s' % ', '.join(map(str, states)))
        return dict(fields, settings=dict(fields['settings']), diverged=bool(fields['diverged']))
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise _damaged(path, e) from None


def _damaged(path, error):
    return UserError('%s is damaged (%s), so this run cannot go on: train anew into another folder.' % (
        path, str(error).split('\n')[0]))
