"""The training loop of ClozeClassifier: epochs, the best on dev, early stopping, resuming."""
import glob
import hashlib
import json
import math
import os
import shutil
import sys

import numpy as np

from pet_keras.backend import keras, set_seed, tf
from pet_keras.cloze.batching import batches_by_length
from pet_keras.errors import UserError


# A folder with one of these is not written over
_IN_USE = ['classifier.json', 'prompt.json', '*.index', 'resume/progress.json']
PROMPT_LEARNING_RATE = 1e-2  # where only the rows of a prompt train; a tenth of it for an encoder, which it upsets


def default_learning_rate(hidden_size, labelled=True):
    """2e-5 for a base model (768 wide), more for a narrower one: 1.8e-4 for 256.

    A quarter of it where there are no labels: with more, the shipped model's zero-shot accuracy fell.
    """
    return 2e-5 * (768. / hidden_size) ** 2 * (1 if labelled else .25)


class PromptAdam(keras.optimizers.Adam):
    """Adam whose steps for the prompt's weights are `ratio` times those for the others."""
    def __init__(self, learning_rate, prompt_weights, ratio):
        super(PromptAdam, self).__init__(learning_rate)
        self._prompt_weights, self._ratio = {w.ref() for w in prompt_weights}, ratio

    def update_step(self, gradient, variable):
        if variable.ref() not in self._prompt_weights:
            return super(PromptAdam, self).update_step(gradient, variable)
        start = tf.identity(variable)
        super(PromptAdam, self).update_step(gradient, variable)
        variable.assign(start + self._ratio * (variable - start))


class Trainer(object):
    """One training run of a ClozeClassifier.

    Arguments:
        classifier: the ClozeClassifier to train, in place.
        epochs: passes over all the data.
        batch_size: texts a step, labelled and unlabelled mixed as they come.
        learning_rate: of Adam; None takes `default_learning_rate`; where only a prompt trains 0.01, or
            0.001 through an encoder.
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
        if prompt_learning_rate and (classifier.train == 'prompt' or not classifier.prompt_tokens):
            raise UserError("prompt_learning_rate is for train='all' and a pattern with [unused] tokens; with "
                            "train='prompt' learning_rate is the prompt's.")
        if resume and not out:
            raise UserError('resume needs the out folder of the run to go on with.')
        self.classifier, self.out, self.resume, self.verbose = classifier, out, resume, verbose
        self.epochs, self.batch_size, self.patience = epochs, batch_size, patience
        self.mask_rate, self.whole_words = mask_rate, whole_words
        self.learning_rate, self.prompt_learning_rate, self.seed = learning_rate, prompt_learning_rate, seed

    def run(self, labelled, unlabelled, dev):
        """Trains; leaves the classifier with the best epoch's weights (the last one's without dev)."""
        model, texts = self.classifier.model, self.texts(labelled, unlabelled)
        if not self.learning_rate:
            self.learning_rate = self._default_learning_rate(bool(labelled))
        optimizer = keras.optimizers.Adam(self.learning_rate) if not self.prompt_learning_rate else PromptAdam(
            self.learning_rate, self.classifier.embedding.prompt_weights,
            self.prompt_learning_rate / self.learning_rate)
        model.compile(optimizer, loss=self.classifier.loss)
        optimizer.build(model.trainable_variables)
        state = tf.train.Checkpoint(weights=list(model.trainable_variables), optimizer=optimizer)
        history, best, best_weights = [], None, None
        if self.out:
            history = self._open_out(state, labelled, unlabelled, dev)
            scores = [(self._dev_score(h), h['epoch']) for h in history if 'dev_accuracy' in h]
            if scores:
                best, best_weights = max(scores), self._read_best()
        if dev and not history:
            history, best, best_weights = self._after_epoch(0, None, dev, history, best, best_weights)
        if self.out and not self.resume:
            self._save_state(state, history)
        done = history[-1]['epoch'] if history else 0
        set_seed((self.seed * 1000003 + done) % 2 ** 31)  # once a run: seeding anew rebuilds the graph's kernels
        try:
            for epoch in range(done, self.epochs):
                if self._waited(history, best):
                    break
                loss = self._train_epoch(epoch, texts)
                history, best, best_weights = self._after_epoch(epoch + 1, loss, dev, history, best, best_weights)
                if self.out:
                    self._save_state(state, history)
        except KeyboardInterrupt:
            if self.verbose:
                print('\nInterrupted in epoch %d.%s' % (
                    epoch + 1, ' What came before is in %s; --resume goes on.' % self.out if self.out else ''))
            raise
        if best_weights is not None:
            self._set_weights(best_weights)
        if self.prompt_learning_rate:
            model.compile(keras.optimizers.Adam(self.learning_rate), loss=self.classifier.loss)  # Keras can save it
        if self.out:
            shutil.rmtree(os.path.join(self.out, 'resume'), ignore_errors=True)

    def _default_learning_rate(self, labelled):
        if self.classifier.train == 'prompt':
            return PROMPT_LEARNING_RATE * (.1 if self.classifier.embedding.encoder else 1)
        return default_learning_rate(self.classifier.checkpoint.config['hidden_size'], labelled)

    def texts(self, labelled, unlabelled):
        """`([token ids of each text], label index or None)` of every example."""
        labels, tokenize = self.classifier.labels, self.classifier.tokenize
        return ([(tokenize(e), labels.index(e.label)) for e in labelled] + [(tokenize(e), None) for e in unlabelled])

    def _train_epoch(self, epoch, texts):
        """One pass; data order and masks depend on seed and epoch alone."""
        model = self.classifier.model
        lessons = [self.classifier.lesson(*text, self._rng(epoch, i), self.mask_rate, self.whole_words)
                   for i, text in enumerate(texts)]
        order = batches_by_length([len(lesson[0]) for lesson in lessons], self.batch_size,
                                  self._rng(epoch, len(texts)))
        if self.verbose:
            print('Epoch %d/%d' % (epoch + 1, self.epochs))
        result = model.fit(self.classifier.batches(lessons, order), steps_per_epoch=len(order), epochs=1,
                           shuffle=False, verbose=self.verbose if sys.stdout.isatty() else 2 * self.verbose)
        loss = result.history['loss'][0]
        if not math.isfinite(loss):
            raise UserError('The loss became %s in epoch %d: try a smaller learning rate than %g.' % (
                loss, epoch + 1, self.learning_rate))
        return loss

    def _rng(self, *numbers):
        return np.random.default_rng((self.seed,) + numbers)

    @staticmethod
    def _dev_score(record):
        """Accuracy first; among equals the likelier."""
        return record['dev_accuracy'], record['dev_log_likelihood']

    def _after_epoch(self, epoch, loss, dev, history, best, best_weights):
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
            if self.out:
                self.classifier.save(self.out)
                if dev:
                    self._write_best(best_weights)
        return history, best, best_weights

    def _set_weights(self, weights):
        for variable, value in zip(self.classifier.model.trainable_variables, weights):
            variable.assign(value)

    def _waited(self, history, best):
        return bool(self.patience and best and history[-1]['epoch'] - best[1] >= self.patience)

    # --- the out folder -----------------------------------------------------------------------------

    def _open_out(self, state, labelled, unlabelled, dev):
        """Makes the folder and, with resume, reads the state; returns the history so far."""
        self._settings = {
            'learning_rate': self.learning_rate, 'prompt_learning_rate': self.prompt_learning_rate,
            'batch_size': self.batch_size, 'mask_rate': self.mask_rate, 'whole_words': self.whole_words,
            'seed': self.seed, 'pattern': self.classifier.pattern.string, 'maxlen': self.classifier.maxlen,
            'checkpoint': self.classifier.checkpoint.fingerprint,
            'labelled': len(labelled), 'unlabelled': len(unlabelled), 'dev': len(dev),
            'train': self.classifier.train_settings,
            'digest of texts and label words': hashlib.sha256(json.dumps(
                [labelled, unlabelled, dev, self.classifier.words]).encode()).hexdigest()[:12]}
        progress = os.path.join(self.out, 'resume', 'progress.json')
        if self.resume:
            if not os.path.isfile(progress):
                raise UserError('%s holds no interrupted run to resume.' % self.out)
            with open(progress, encoding='utf-8') as reader:
                saved = json.load(reader)
            changed = ['%s was %s and is %s' % (k, saved['settings'].get(k), v) for k, v in self._settings.items()
                       if saved['settings'].get(k) != v]
            if changed:
                raise UserError('%s cannot be resumed with other settings: %s.' % (self.out, '; '.join(changed)))
            state.read(os.path.join(self.out, 'resume', saved['state'])).assert_existing_objects_matched()
            self.classifier.history = saved['history']
            return saved['history']
        if any(glob.glob(os.path.join(glob.escape(self.out), name)) for name in _IN_USE):
            raise UserError('%s already holds a model: choose another folder%s.' % (
                self.out, ', or resume the interrupted run in it' if os.path.exists(progress) else ''))
        try:
            os.makedirs(os.path.join(self.out, 'resume'), exist_ok=True)
            with open(os.path.join(self.out, 'resume', 'writable'), 'w'):
                pass
        except OSError as e:
            raise UserError('%s cannot be written: %s.' % (self.out, e.strerror)) from None
        return []

    def _write_best(self, weights):
        path = os.path.join(self.out, 'resume', 'best')
        np.savez(path + '.tmp.npz', *weights)
        os.replace(path + '.tmp.npz', path + '.npz')

    def _read_best(self):
        with np.load(os.path.join(self.out, 'resume', 'best.npz')) as saved:
            return [saved['arr_%d' % i] for i in range(len(saved.files))]

    def _save_state(self, state, history):
        """Two states by turns: the one that progress.json names is always whole."""
        folder, name = os.path.join(self.out, 'resume'), 'state%d' % (len(history) % 2)
        state.write(os.path.join(folder, name))
        partial = os.path.join(folder, 'progress.tmp')
        with open(partial, 'w', encoding='utf-8') as writer:
            json.dump({'settings': self._settings, 'history': history, 'state': name}, writer, ensure_ascii=False)
        os.replace(partial, os.path.join(folder, 'progress.json'))
