"""The training loop: epochs, the best on dev, early stopping, resuming."""
import hashlib
import json
import math
import sys

import numpy as np

from pet_keras.backend import set_seed
from pet_keras.classifiers.run_folder import RunFolder
from pet_keras.classifiers.step import Step
from pet_keras.classifiers.streams import epoch_of
from pet_keras.errors import UserError


class Trainer(object):
    """One training run of a TextClassifier.

    Arguments:
        classifier: the classifier to train, in place.
        epochs: passes over the data, or over the first of several streams.
        batch_size: texts a step, of all streams together.
        learning_rate: of Adam; None takes the default of the way of tuning: 2e-5 for a base model and more for a
            narrower one; where only a prompt trains 0.01, or 0.001 through an encoder.
        prompt_learning_rate: of the prompt's weights, where all others train as well; None: as theirs.
        mask_rate: share of the text's tokens that are masked for the auxiliary MLM loss (a causal model's
            auxiliary loss is on every token of the text); 0 leaves the auxiliary loss out.
        whole_words: masks whole words, as jieba segments them, instead of single characters.
        patience: epochs without a better dev result before it stops; None never stops early.
        seed: decides data order, masks and dropout; the same seed gives the same bits on one machine.
        out: a folder to keep the best model in, and what `resume` needs; None keeps all in memory.
        resume: goes on where an interrupted run into `out` stopped.
        verbose: 1 shows a progress bar and a line an epoch.

    Raises: UserError for a setting out of range, an `out` in use or not writable, a resume that does not fit.
    """
    def __init__(self, classifier, epochs=10, batch_size=16, learning_rate=None, prompt_learning_rate=None,
                 mask_rate=0.15, whole_words=False, patience=None, seed=0, out=None, resume=False, verbose=0):
        if epochs < 1 or batch_size < 1 or not 0 <= mask_rate < 1 or (patience is not None and patience < 1):
            raise UserError('epochs, batch_size and patience are at least 1, and mask_rate is in [0, 1).')
        if seed < 0:
            raise UserError('seed is 0 or more.')
        if not all(rate is None or rate > 0 for rate in (learning_rate, prompt_learning_rate)):
            raise UserError('learning_rate and prompt_learning_rate must be above 0.')
        if resume and not out:
            raise UserError('resume needs the out folder of the run to go on with.')
        self.classifier, self.out, self.resume, self.verbose = classifier, out, resume, verbose
        self.epochs, self.batch_size, self.patience = epochs, batch_size, patience
        self.mask_rate, self.whole_words = mask_rate, whole_words
        self.learning_rate, self.prompt_learning_rate, self.seed = learning_rate, prompt_learning_rate, seed

    def run(self, streams, dev=()):
        """Trains; leaves the classifier with the best epoch's weights (the last one's without dev).

        Arguments: `streams`, a list of Stream; `dev`, labelled Examples to choose the epoch by.
        """
        tuning, network = self.classifier.tuning, self.classifier.model
        if not self.learning_rate:
            self.learning_rate = tuning.learning_rate(any(t is not None for s in streams for _, t in s.texts))
        optimizer = tuning.optimizer(self.learning_rate, self.prompt_learning_rate)
        optimizer.build(network.trainable_variables)
        self.step = Step(network, self.classifier.objective)
        self.step.compile(optimizer)
        folder, history, best, best_weights = None, [], None, None
        if self.out:
            folder = RunFolder(self.out, self._settings(streams, dev), list(network.trainable_variables), optimizer)
            if self.resume:
                history = self.classifier.history = folder.restore()
            else:
                folder.create()
            scores = [(self._dev_score(h), h['epoch']) for h in history if 'dev_accuracy' in h]
            if scores:
                best, best_weights = max(scores), folder.read_best()
        if dev and not history:
            history, best, best_weights = self._after_epoch(0, None, dev, history, best, best_weights, folder)
        if folder and not self.resume:
            folder.save(history)
        done = history[-1]['epoch'] if history else 0
        set_seed((self.seed * 1000003 + done) % 2 ** 31)  # once a run: seeding anew rebuilds the graph's kernels
        try:
            for epoch in range(done, self.epochs):
                if self._waited(history, best):
                    break
                loss = self._train_epoch(epoch, streams)
                history, best, best_weights = self._after_epoch(epoch + 1, loss, dev, history, best, best_weights,
                                                                folder)
                if folder:
                    folder.save(history)
        except KeyboardInterrupt:
            if self.verbose:
                print('\nInterrupted in epoch %d.%s' % (
                    epoch + 1, ' What came before is in %s; --resume goes on.' % self.out if self.out else ''))
            raise
        if best_weights is not None:
            for variable, value in zip(network.trainable_variables, best_weights):
                variable.assign(value)
        if folder:
            folder.close()

    def _train_epoch(self, epoch, streams):
        """One pass; data order and masks depend on seed and epoch alone."""
        lessons, order = epoch_of(streams, epoch, self.batch_size, self._lesson, self._rng)
        if self.verbose:
            print('Epoch %d/%d' % (epoch + 1, self.epochs))
        result = self.step.fit(self.classifier.batches(lessons, order), steps_per_epoch=len(order), epochs=1,
                               shuffle=False, verbose=self.verbose if sys.stdout.isatty() else 2 * self.verbose)
        loss = result.history['loss'][0]
        if not math.isfinite(loss):
            raise UserError('The loss became %s in epoch %d: try a smaller learning rate than %g.' % (
                loss, epoch + 1, self.learning_rate))
        return loss

    def _lesson(self, tokens, target, rng):
        return self.classifier.lesson(tokens, target, rng, self.mask_rate, self.whole_words)

    def _rng(self, *numbers):
        return np.random.default_rng((self.seed,) + numbers)

    @staticmethod
    def _dev_score(record):
        """Accuracy first; among equals the likelier."""
        return record['dev_accuracy'], record['dev_log_likelihood']

    def _after_epoch(self, epoch, loss, dev, history, best, best_weights, folder):
        """Evaluates on dev, keeps and writes the best; without dev the last is the best."""
        record = {'epoch': epoch, 'loss': loss}
        if dev:
            report = self.classifier.evaluate(dev)
            record.update(dev_accuracy=report['accuracy'], dev_log_likelihood=report['log_likelihood'])
            if self.verbose:
                print('  dev accuracy %.2f%%' % report['accuracy'] + ('  (before training)' if epoch == 0 else ''))
        history = history + [record]
        better = not dev or best is None or self._dev_score(record) > best[0]
        self.classifier.history = history
        if better:
            if dev:
                best = self._dev_score(record), epoch
                best_weights = [w.numpy() for w in self.classifier.model.trainable_variables]
            if folder:
                self.classifier.save(self.out)
                if dev:
                    folder.write_best(best_weights)
        return history, best, best_weights

    def _waited(self, history, best):
        return bool(self.patience and best and history[-1]['epoch'] - best[1] >= self.patience)

    def _settings(self, streams, dev):
        """What a resumed run must have in common with the interrupted one."""
        texts = [text for stream in streams for text in stream.texts]
        labelled = sum(target is not None for _, target in texts)
        digest = hashlib.sha256(json.dumps([
            [[tokens, np.asarray(target).tolist()] for tokens, target in texts], list(dev),
            self.classifier.task.verbalizer.words]).encode()).hexdigest()[:12]
        return dict(
            {name: getattr(self, name) for name in ('learning_rate', 'prompt_learning_rate', 'batch_size', 'mask_rate',
                                                    'whole_words', 'seed')},
            checkpoint=self.classifier.checkpoint.fingerprint, labelled=labelled, unlabelled=len(texts) - labelled,
            dev=len(dev), streams=[[s.share, s.weight] for s in streams], **self.classifier.settings(),
            **{'digest of texts and label words': digest})
