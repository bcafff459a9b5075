import csv
import glob

import numpy as np
import pytest

from pet_keras.backend import keras, tf
from pet_keras.errors import UserError
from scripted import LABELLED, noisy, same_bits, script

BATCHES = 3  # of 8 texts
callbacks = keras.callbacks


class Recorder(callbacks.Callback):
    """Keeps the names of the hooks that were called, and the logs of each epoch."""
    def __init__(self):
        super(Recorder, self).__init__()
        self.called, self.logs = [], []

    def on_train_begin(self, logs=None):
        self.called.append('begin')

    def on_train_end(self, logs=None):
        self.called.append('end')

    def on_epoch_begin(self, epoch, logs=None):
        self.called.append(epoch)

    def on_epoch_end(self, epoch, logs=None):
        self.called.append(-epoch)
        self.logs.append(logs)

    def on_train_batch_begin(self, batch, logs=None):
        self.called.append('<%d' % batch)

    def on_train_batch_end(self, batch, logs=None):
        self.called.append('>%d' % batch)
        assert np.isfinite(logs['loss'])


def test_hooks_come_as_in_one_training_of_keras(fit, classifier):
    seen, batches = Recorder(), ['%s%d' % (mark, i) for i in range(BATCHES) for mark in '<>']
    _, history = fit(dev=LABELLED[::3], epochs=2, batch_size=8, callbacks=[seen])
    assert seen.called == ['begin', 0, *batches, 0, 1, *batches, -1, 'end']
    assert seen.model is classifier.step and seen.model.network is classifier.model
    assert {name: seen.params[name] for name in ('epochs', 'steps')} == {'epochs': 2, 'steps': BATCHES}
    for logs, record in zip(seen.logs, history[1:], strict=True):
        assert logs.pop('val_accuracy') == pytest.approx(record['dev_accuracy'] / 100.)
        assert logs.pop('val_loss') == -record['dev_log_likelihood']
        assert logs == {name: record[name] for name in ('loss', 'dev_accuracy', 'dev_log_likelihood', 'dev_auc')}


def test_callbacks_change_no_weight(fit):
    plain, _ = fit(epochs=2, mask_rate=.3)
    assert same_bits(plain, fit(epochs=2, mask_rate=.3, callbacks=[Recorder()])[0])


def test_a_resumed_run_counts_its_epochs_on(fit, interrupt, tmp_path):
    first, second, log = Recorder(), Recorder(), str(tmp_path / 'log.csv')
    settings = dict(epochs=3, out=str(tmp_path / 'out'))
    interrupt(2, lambda: fit(callbacks=[first, callbacks.CSVLogger(log)], **settings))
    assert 'end' not in first.called
    fit(callbacks=[second, callbacks.CSVLogger(log, append=True)], resume=True, **settings)
    assert [one for one in second.called if not isinstance(one, str)] == [2, -2] and second.called[-1] == 'end'
    with open(log) as reader:
        assert [row['epoch'] for row in csv.DictReader(reader)] == ['0', '1', '2']


def test_csv_logger_writes_the_history(fit, tmp_path):
    log = str(tmp_path / 'log.csv')
    _, history = fit(dev=LABELLED[::3], epochs=2, callbacks=[callbacks.CSVLogger(log)])
    with open(log) as reader:
        rows = list(csv.DictReader(reader))
    for row, record in zip(rows, history[1:], strict=True):
        assert float(row['loss']) == pytest.approx(record['loss'])
        assert float(row['dev_accuracy']) == record['dev_accuracy']


@pytest.mark.parametrize('monitor', ['val_accuracy', 'dev_accuracy'])
def test_early_stopping_on_dev_stops_and_the_best_epoch_is_kept(fit, first, monkeypatch, monitor):
    script(monkeypatch, [50., 60., 90., 60., 70., 99.])
    stop = callbacks.EarlyStopping(monitor, patience=2, mode='max')
    weights, history = fit(dev=LABELLED, epochs=5, callbacks=[stop])
    assert [record['epoch'] for record in history] == [0, 1, 2, 3, 4] and stop.stopped_epoch == 3
    assert same_bits(weights, noisy(first, 2))


def test_early_stopping_on_the_loss_keeps_what_it_restores(fit, monkeypatch, tmp_path):
    losses, seen = iter([3., 1., 2., 2.5, 0.]), []
    from pet_keras.classifiers.training import Trainer
    train_epoch = Trainer._train_epoch

    def scripted(self, epoch, streams):
        train_epoch(self, epoch, streams)
        seen.append(self._weights())
        return next(losses)
    monkeypatch.setattr(Trainer, '_train_epoch', scripted)
    stop = callbacks.EarlyStopping('loss', patience=2, restore_best_weights=True)
    weights, history = fit(epochs=5, callbacks=[stop], out=str(tmp_path / 'out'))
    assert [record['loss'] for record in history] == [3., 1., 2., 2.5]
    assert same_bits(weights, seen[1])


def test_stopping_within_an_epoch_ends_it_and_the_run(fit):
    class Stop(Recorder):
        def on_train_batch_end(self, batch, logs=None):
            super(Stop, self).on_train_batch_end(batch, logs)
            self.model.stop_training = batch == 1
    seen = Stop()
    assert len(fit(epochs=3, batch_size=8, callbacks=[seen])[1]) == 1
    assert seen.called == ['begin', 0, '<0', '>0', '<1', '>1', 0, 'end']
    assert len(fit(epochs=2)[1]) == 2  # the next training starts anew


def test_model_checkpoint_keeps_weights_that_are_read_again(fit, classifier, tmp_path):
    path, weights = str(tmp_path / 'of_{epoch}'), {}
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.update(
        {epoch + 1: classifier.model.get_weights()}))
    fit(epochs=2, callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True), keep])
    assert not same_bits(weights[1], weights[2])
    for epoch in (1, 2):
        classifier.step.load_weights(path.format(epoch=epoch)).expect_partial()
        assert same_bits(classifier.model.get_weights(), weights[epoch])


@pytest.mark.parametrize('callback', [callbacks.ReduceLROnPlateau('loss'),
                                      callbacks.LearningRateScheduler(lambda epoch: 1.)])
def test_what_would_set_the_learning_rate_is_refused(fit, callback, tmp_path):
    with pytest.raises(UserError, match='give learning_rate and schedule'):
        fit(callbacks=[callback], out=str(tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()


def test_tensorboard_counts_epochs_and_batches_over_the_whole_run(fit, tmp_path):
    pytest.importorskip('tensorboard', reason='TensorBoard is not installed')
    fit(dev=LABELLED[::3], epochs=2, batch_size=8, callbacks=[
        callbacks.TensorBoard(str(tmp_path), update_freq=1, write_steps_per_second=True)])

    def steps(part):
        found = {}
        for path in glob.glob(str(tmp_path / part / '*.tfevents*')):
            for event in tf.compat.v1.train.summary_iterator(path):
                for value in event.summary.value:
                    found.setdefault(value.tag, []).append(event.step)
        return found
    train, dev = steps('train'), steps('validation')
    assert train['epoch_loss'] == train['epoch_dev_accuracy'] == dev['epoch_accuracy'] == dev['epoch_loss'] == [0, 1]
    assert train['batch_steps_per_second'] == list(range(1, 2 * BATCHES + 1))


def test_what_keeps_a_state_of_its_own_is_refused_and_the_classifier_still_learns(fit, tmp_path):
    with pytest.raises(UserError, match='BackupAndRestore does not work here: give out, and resume=True'):
        fit(callbacks=[callbacks.BackupAndRestore(str(tmp_path / 'backup'))])
    fit(epochs=1)


def test_one_callback_or_none_is_taken_and_what_is_no_callback_is_named(fit, tmp_path):
    fit(epochs=1, callbacks=None)
    fit(epochs=1, callbacks=callbacks.CSVLogger(str(tmp_path / 'log.csv')))
    assert (tmp_path / 'log.csv').exists()
    with pytest.raises(UserError, match='is no Keras callback'):
        fit(callbacks=[len])
