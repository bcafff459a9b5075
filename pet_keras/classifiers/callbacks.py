"""Keras callbacks in a run whose epochs are a Keras `fit` each: they see one training, as in Keras."""
from pet_keras.backend import keras
from pet_keras.errors import UserError

_REFUSED = {
    keras.callbacks.LearningRateScheduler: 'give learning_rate and schedule',
    keras.callbacks.ReduceLROnPlateau: 'give learning_rate and schedule',
    keras.callbacks.BackupAndRestore: 'give out, and resume=True to go on',
}


class Callbacks(object):
    """The callbacks of one run. `on_train_begin` and `on_train_end` come once, epochs count from 0 over the whole run,
    a resumed one too, and `logs` at the end of an epoch have the dev figures.

    Arguments: `callbacks`, a list, one, or None; `step`, the Step, which is their `model`; `epochs`; `steps` an epoch.

    Raises: UserError for what is none, and for one that sets the learning rate (the Step's is a function of its steps,
    and would stay) or the state.
    """
    def __init__(self, callbacks, step, epochs, steps):
        callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks or [])
        for callback in callbacks:
            if not isinstance(callback, keras.callbacks.Callback):
                raise UserError('%r is no Keras callback.' % (callback,))
            for kind, instead in _REFUSED.items():
                if isinstance(callback, kind):
                    raise UserError('%s does not work here: %s.' % (type(callback).__name__, instead))
        self.step, self.steps = step, steps
        self._list = keras.callbacks.CallbackList(callbacks, model=step, epochs=epochs, steps=steps, verbose=0)
        self.any = bool(callbacks)

    def on_train_begin(self):
        self.step.stop_training = False
        self._list.on_train_begin()

    def within(self, epoch):
        """The callbacks of the `fit` that is this epoch, a list: they pass its batches on."""
        self._list.on_epoch_begin(epoch)
        return [_Batches(self._list, epoch * self.steps)] if self.any else []

    def on_epoch_end(self, epoch, record):
        """Ends an epoch; returns whether one of them stops the training.

        Arguments: `record`, that of the epoch in `history`. `logs` have its figures, and those on dev by Keras' names
        as well: `val_accuracy` (a share, 0 to 1) and `val_loss` (minus the log-likelihood).
        """
        logs = {name: value for name, value in record.items() if name not in ('epoch', 'tasks') and value is not None}
        if 'dev_accuracy' in record:
            logs.update(val_accuracy=record['dev_accuracy'] / 100., val_loss=-record['dev_log_likelihood'])
        self._list.on_epoch_end(epoch, logs)
        return self.step.stop_training

    def on_train_end(self):
        self._list.on_train_end()


class _Batches(keras.callbacks.Callback):
    """Passes batches on to others. Arguments: `others`, a CallbackList; `before`, the steps of the epochs before."""
    def __init__(self, others, before):
        super(_Batches, self).__init__()
        self.others, self.before = others, before

    def on_train_begin(self, logs=None):
        self.model._train_counter.assign(self.before)  # by which TensorBoard counts; each fit sets it to 0

    def on_train_batch_begin(self, batch, logs=None):
        self.others.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        self.others.on_train_batch_end(batch, logs)
