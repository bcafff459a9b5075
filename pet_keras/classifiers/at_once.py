"""What classifiers share that learn in one go, without training steps."""
import contextlib

import numpy as np

from pet_keras.classifiers.streams import trained_on
from pet_keras.classifiers.items import check_hard
from pet_keras.classifiers.training import dev_figures
from pet_keras.classifiers.training_state import check_free, locked
from pet_keras.errors import UserError


class AtOnce(object):
    """Mixed into a TextClassifier that learns in seconds. A subclass defines `learn`.

    `learn(labelled, dev, seed)` takes lists of Example, sets what is learned, and returns a dict for the line in
    `history`.
    """
    def fit(self, labelled=None, unlabelled=None, dev=None, seed=0, out=None, resume=False, finish=None, verbose=0):
        """Learns from labelled texts.

        Arguments:
            labelled, dev: lists of Example with labels.
            unlabelled: there is nothing to learn from them.
            seed: of what is drawn, where anything is.
            out: a folder for the model.
            resume: nothing is kept of an interrupted run, so it begins anew; it takes the same seconds.
            finish: a function without arguments, called before the model is saved: to calibrate it.
            verbose: 1 prints how good it is on dev.

        Returns: self.

        Raises: UserError for no labelled texts or unlabelled ones, a label outside the task, an `out` in use.
        """
        if not labelled or unlabelled:
            raise UserError('The method %s learns from labelled texts, and from these alone.' % self.kind)
        if seed < 0:
            raise UserError('seed is 0 or more.')
        labelled, dev = self.examples(labelled, labelled=True), self.examples(dev or [], labelled=True)
        check_hard(dev)
        with self._folder(out):
            return self._fit(labelled, dev, seed, out, finish, verbose)

    @staticmethod
    @contextlib.contextmanager
    def _folder(out):
        """Within it no other process works in the folder, which holds no model."""
        if not out:
            yield
            return
        with locked(out):
            check_free(out)
            yield

    def _fit(self, labelled, dev, seed, out, finish, verbose):
        self.offset = np.zeros(len(self.labels))
        self.trained_on = trained_on(self.streams(labelled, []), dev, self.task)
        record = dict({'epoch': 1}, **self.learn(labelled, dev, seed))
        if dev:
            record.update(dev_figures(self.evaluate(dev)))
            if verbose:
                print('  dev accuracy %.2f%%' % record['dev_accuracy'])
        self.history = [record]
        if finish:
            finish()
        if out:
            self.save(out)
        return self
