"""The training loop: epochs, the best on dev, early stopping, resuming."""
import contextlib
import itertools
import math
import sys

import numpy as np

from pet_keras.backend import precision, seeded, tf
from pet_keras.classifiers.callbacks import Callbacks
from pet_keras.classifiers.training_state import TrainingState
from pet_keras.classifiers.step import Step, clocks
from pet_keras.classifiers.streams import epoch_of, sizes_of, steps_of
from pet_keras.classifiers.workers import ALONE
from pet_keras.errors import UserError
from pet_keras.networks.optimizers import Decay
from pet_keras.networks.tuning import numbers_in

FIGURES = ('accuracy', 'log_likelihood', 'auc')  # on dev, in `history`


class Trainer(object):
    """One training run of a TextClassifier.

    Arguments:
        classifier: the classifier to train, in place.
        epochs: passes over the data, or over the first of several streams; None: 6, but 24 where only a prompt
            trains, 1 without labelled texts, and with a new output layer so many that it reads 960 texts or more.
        batch_size: texts a step, of all streams together, at least one of each; None: 8 of each stream, or 16 where
            the first has more than 1,000 texts.
        accumulate: so many batches make one step: their gradients are added up, at the memory of one. It is as if
            `batch_size` were so many times as large.
        learning_rate: of Adam; None takes the default of the way of tuning: 2e-5 for a base model and more for a
            smaller one, a quarter of it without labelled texts (`tuning.default_learning_rate`); where only a prompt
            trains 0.01, or 0.001 through an encoder.
        prompt_learning_rate: of the prompt's weights, where all others train as well; None: as theirs.
        mask_rate: share of the text's tokens that are masked for the auxiliary MLM loss (a causal model's
            auxiliary loss is on every token of the text); 0 leaves the auxiliary loss out.
        whole_words: masks whole words, as jieba segments them, instead of single characters.
        auxiliary: where the auxiliary loss falls: on the 'text', or on 'all' tokens but the blank, those of the
            pattern or prompt too, as in the author's scripts.
        auxiliary_weight: of the mean over auxiliary targets beside the mean over blanks; None takes one mean over
            both, as in the author's scripts (see `batching.lesson_batches`).
        schedule: of the learning rate: 'linear', falling to 0 over the run, or 'constant'; None: linear, but constant
            where only a prompt trains.
        patience: epochs without a better dev result before it stops; None never stops early.
        seed: decides data order, masks and dropout; the same seed gives the same bits on one machine.
        out: a folder to keep the best model in, and what `resume` needs; None keeps all in memory.
        resume: goes on where an interrupted run into `out` stopped; where one diverged, from its best epoch, with
            another learning rate if you like.
        callbacks: a list of Keras callbacks, or one; see docs/learning.md. With `dev` the best epoch's weights are kept
            all the same; without it the weights that the callbacks leave behind.
        workers: the Workers (`Workers.join`) that train together; each is given the same texts, and computes its part
            of every batch. None: this process alone.
        finish: a function without arguments, called with the best epoch's weights before the model is saved for the last
            time: to calibrate it. A run that was killed meanwhile can be resumed.
        verbose: 1 shows a progress bar and a line an epoch.

    Raises: UserError for a setting out of range, an `out` in use or not writable, a resume that does not fit.
    """
    def __init__(self, classifier, epochs=None, batch_size=None, learning_rate=None, prompt_learning_rate=None,
                 mask_rate=0.15, whole_words=False, auxiliary='text', auxiliary_weight=1., schedule=None,
                 patience=None, seed=0, out=None, resume=False, callbacks=(), accumulate=1, workers=None, finish=None,
                 verbose=0):
        if any(n is not None and n < 1 for n in (epochs, batch_size, patience, accumulate)) or not 0 <= mask_rate < 1:
            raise UserError('epochs, batch_size, accumulate and patience are at least 1, and mask_rate is in [0, 1).')
        if auxiliary not in ('text', 'all'):
            raise UserError("auxiliary=%r: choose 'text' or 'all'." % auxiliary)
        if schedule not in (None, 'constant', 'linear'):
            raise UserError("schedule=%r: choose 'constant' or 'linear'." % schedule)
        if auxiliary_weight is not None and not auxiliary_weight > 0:
            raise UserError('auxiliary_weight is above 0, or None; mask_rate=0 leaves the auxiliary loss out.')
        if seed < 0:
            raise UserError('seed is 0 or more.')
        if not all(rate is None or rate > 0 for rate in (learning_rate, prompt_learning_rate)):
            raise UserError('learning_rate and prompt_learning_rate must be above 0.')
        if resume and not out:
            raise UserError('resume needs the out folder of the run to go on with.')
        self.classifier, self.out, self.resume = classifier, out, resume
        self._given, self.accumulate, self.workers, self._finish = callbacks, accumulate, workers or ALONE, finish
        self.verbose = verbose if self.workers.is_chief else 0
        self.epochs, self.batch_size, self.patience = epochs, batch_size, patience
        self.mask_rate, self.whole_words, self.auxiliary = mask_rate, whole_words, auxiliary
        self.auxiliary_weight, self.schedule = auxiliary_weight, schedule
        self.learning_rate, self.prompt_learning_rate, self.seed = learning_rate, prompt_learning_rate, seed

    def run(self, streams, dev=()):
        """Trains; leaves the classifier with the best epoch's weights (the last one's without dev), also where an
        interrupt or another exception ends it early.

        Arguments: `streams`, a list of Stream; `dev`, labelled Examples to choose the epoch by (what the classifier's
        `evaluate` takes).

        Raises: UserError where the loss is no number any more.
        """
        self.step = self._compile(streams)
        self.callbacks = Callbacks(self._given, self.step, self.epochs, steps_of(streams, self.batch_size))
        self.step.seed.assign((self.seed + 2 ** 40 * self.workers.rank) % 2 ** 63)
        steps = self.epochs * steps_of(streams, self.batch_size)
        for stream, size in list(zip(streams, sizes_of(streams, self.batch_size)))[1:] * bool(self.verbose):
            print('%d %s are read in all, of %d given.' % (steps * size, stream.texts.kind, len(stream.texts)))
        self.classifier.trained_on = self.classifier.learns_from(streams, dev)
        self.classifier.trained_with = {  # now: a prompt's encoder is gone afterwards
            'learning_rate': self.learning_rate, 'epochs': self.epochs, 'schedule': self.schedule,
            'parameters_trained': numbers_in(self._variables())}
        self.folder = self.out and TrainingState(self.out, self._settings(streams), self._variables(),
                                                self.step.optimizer, self.workers.is_chief)
        with self.workers.watched(), self.folder or contextlib.nullcontext():
            self.workers.check_same([self._settings(streams), self.epochs, bool(self.resume), self.patience])
            self._begin(dev)
            self.workers.wait()  # until all have read what the chief will write over
            self._epochs(streams, dev)
            if self._finish:
                self._finish()
            if self.folder:
                self._save_model()  # again, for the whole history
                self.folder.close()

    def _epochs(self, streams, dev):
        """The epochs that are not done yet; whatever ends them, the weights are then the best epoch's."""
        done = self._epoch()
        try:
            self.callbacks.on_train_begin()
            with seeded((self.seed * 1000003 + done) % 2 ** 31):
                for epoch in range(done, self.epochs):
                    if self.patience and epoch - self.best['epoch'] >= self.patience:
                        break
                    loss = self._train_epoch(epoch, streams)
                    self._check(loss)
                    self._after_epoch(epoch + 1, loss, dev)
                    if self.callbacks.on_epoch_end(epoch, self.history[-1]):
                        break
            self.callbacks.on_train_end()
            if not dev and self.callbacks.any:
                self.best_weights = self._weights()  # EarlyStopping may have set those of an earlier epoch
        except KeyboardInterrupt:
            if self.verbose:
                print('\nInterrupted in epoch %d. %s' % (
                    self._epoch() + 1, 'What came before is in %s; --resume goes on.' % self.out if self.out else
                    'The weights are those of epoch %d.' % self.best['epoch']))
            raise
        finally:
            for variable, value in zip(self._variables(), self.best_weights):
                variable.assign(value)

    def _compile(self, streams):
        """The Step, with its optimizer; that of the training before, already traced, where it will do."""
        tuning, network = self.classifier.tuning, self.classifier.model
        labelled = any(target is not None for stream in streams for target in stream.texts.targets)
        self.learning_rate = self.learning_rate or tuning.learning_rate(labelled)
        self.epochs, self.schedule = self.epochs or max(tuning.epochs(labelled), math.ceil(
            self.classifier.least_texts / len(streams[0].texts))), self.schedule or tuning.schedule
        self.batch_size = self.accumulate * (self.batch_size or len(streams) * (
            8 if len(streams[0].texts) <= 1000 else 16))  # what a step sees
        rate, ratio = self.learning_rate, self.prompt_learning_rate and self.prompt_learning_rate / self.learning_rate
        steps = self.epochs * steps_of(streams, self.batch_size) if self.schedule == 'linear' else math.inf
        made_for = ratio, self.accumulate, [variable.ref() for variable in network.trainable_variables]
        step = self.classifier.step  # of the training before
        if step and step.made_for == made_for and step.workers is self.workers and not self.classifier.draws:
            step.optimizer.restart(rate, steps)
            return step
        optimizer = tuning.optimizer(Decay(rate, steps), ratio)
        optimizer.build(network.trainable_variables)
        self.classifier.step = step = Step(network, self.classifier.objective, self.accumulate, self.workers)
        step.compile(optimizer)
        step.made_for = made_for
        return step

    def _begin(self, dev):
        """The state before the first epoch, or the one to go on from.

        `history` holds a record an epoch, `best` the record of the epoch that is kept, `best_weights` its weights.
        """
        self.history, self.best, self.best_weights = [], {'epoch': 0}, self._weights()
        if self.resume:
            self.history = self.folder.restore()
            self.folder.read('best')
            self.best_weights = self._weights()
            if self.history:
                self.best = max(self.history, key=self._score)
                self.classifier.history = self.history
                self._save_model()  # the run may have been killed while it wrote it
            self.folder.read('last')
        elif self.folder:
            self.folder.create()
        if dev and not self.history:
            self._after_epoch(0, None, dev)
        elif self.folder and not self.history:
            self.folder.save([], is_best=True)

    def _train_epoch(self, epoch, streams):
        """One pass; data order and masks depend on seed and epoch alone."""
        steps, lessons = steps_of(streams, self.batch_size), epoch_of(
            streams, epoch, self.batch_size, self._lesson, self._rng)
        if self.verbose:
            print('Epoch %d/%d' % (epoch + 1, self.epochs))
        batches, begun = self.classifier.batches(lessons, self.auxiliary_weight), clocks()
        batches = map(self.workers.part, batches) if self.workers.count > 1 else batches
        with precision(self.classifier.precision):
            result = self.step.fit(_dataset(batches), steps_per_epoch=steps, epochs=1, shuffle=False,
                                   callbacks=self.callbacks.within(epoch),
                                   verbose=self.verbose if sys.stdout.isatty() else 2 * self.verbose)
        self.classifier.step_seconds, self.classifier.step_processor_seconds = ((clocks() - begun) / steps).tolist()
        return result.history['loss'][0]

    def _check(self, loss):
        """UserError where the loss or a weight is no number any more."""
        if math.isfinite(loss) and all(np.isfinite(v.numpy()).all() for v in self._variables()):
            return
        kept, then = self.best['epoch'], ''
        if self.folder:
            self.folder.go_back([record for record in self.history if record['epoch'] <= kept])
            then = ' Resume the run in %s with it (--resume): it goes on after epoch %d.' % (self.out, kept)
        raise UserError('The %s in epoch %d: try a smaller learning rate than %g.%s' % (
            'weights became infinite' if math.isfinite(loss) else 'loss became %s' % loss, self._epoch() + 1,
            self.learning_rate, then))

    def _lesson(self, tokens, target, rng):
        return self.classifier.lesson(tokens, target, rng, self.mask_rate, self.whole_words, self.auxiliary)

    def _rng(self, *numbers):
        return np.random.default_rng((self.seed,) + numbers)

    def _after_epoch(self, epoch, loss, dev):
        """Evaluates on dev; keeps and writes the state, and the model if it is the best."""
        record = {'epoch': epoch, 'loss': loss}
        if dev:
            report = self.classifier.evaluate(dev)
            record.update(dev_figures(report))
            if self.verbose:
                auc = '' if report['auc'] is None else ', AUC %.3f' % report['auc']
                each = ', '.join('%s %.2f%%' % (name, one['accuracy']) for name, one in report.get('tasks', {}).items())
                print('  dev accuracy %.2f%%%s%s%s' % (report['accuracy'], auc, each and ' (%s)' % each,
                                                       '  (before training)' if epoch == 0 else ''))
        is_best = not self.history or self._score(record) > self._score(self.best)
        if is_best:
            self.best, self.best_weights = record, self._weights()
        self.history = self.classifier.history = self.history + [record]
        if self.folder:
            self.folder.save(self.history, is_best)  # before the model: a resumed run writes that anew
            if is_best:
                self._save_model()

    def _save_model(self):
        if self.workers.is_chief:
            self.classifier.save(self.out)

    @staticmethod
    def _score(record):
        """Accuracy on dev first, among equals the likelier; without dev the last is the best."""
        return (record['dev_accuracy'], record['dev_log_likelihood']) if 'dev_accuracy' in record else record['epoch']

    def _epoch(self):
        """How many epochs are done."""
        return self.history[-1]['epoch'] if self.history else 0

    def _variables(self):
        return list(self.classifier.model.trainable_variables)

    def _weights(self):
        return [variable.numpy() for variable in self._variables()]

    def _settings(self, streams):
        """What a resumed run must have in common with the interrupted one."""
        return dict(
            {name: getattr(self, name) for name in (
                'learning_rate', 'prompt_learning_rate', 'batch_size', 'mask_rate', 'whole_words', 'auxiliary',
                'auxiliary_weight', 'seed')},
            **{'accumulate': self.accumulate} if self.accumulate > 1 else {},
            **{'workers': self.workers.count} if self.workers.count > 1 else {},  # each draws masks of its own
            schedule=self.schedule if self.schedule == 'constant' else 'linear over %d epochs' % self.epochs,
            kind=self.classifier.kind, checkpoint=self.classifier.checkpoint.fingerprint,
            dropout=self.classifier.dropout_rates(), precision=self.classifier.precision,
            streams=[[stream.share, stream.weight] for stream in streams], **self.classifier.settings(),
            **self.classifier.trained_on)


def dev_figures(report):
    """What of `evaluate` on dev stands in a line of `history`; of several tasks, in `tasks` that of each."""
    each = {name: dev_figures(one) for name, one in report.get('tasks', {}).items()}
    return dict({'dev_' + name: report[name] for name in FIGURES}, **{'tasks': each} if each else {})


def history_of(task, history):
    """What in the `history` of several tasks is of one of them, as if it were its own."""
    return [dict({'epoch': record['epoch'], 'loss': record['loss']}, **record.get('tasks', {}).get(task, {}))
            for record in history]


def _dataset(batches):
    """A generator of batches as Keras reads it: the next one is made while a step runs."""
    batches = iter(batches)
    first = next(batches)
    signature = tf.nest.map_structure(lambda part: tf.TensorSpec([None] * part.ndim, part.dtype), first)
    once = [itertools.chain([first], batches)]  # taken out when read: TensorFlow keeps what it reads by for good
    dataset = tf.data.Dataset.from_generator(once.pop, output_signature=signature)
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread sleeps for seconds, and the end of an epoch would wait for it
    return dataset.prefetch(2).with_options(options)
