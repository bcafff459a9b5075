"""PetClassifier: the classifiers as an estimator of scikit-learn."""
import os
import tempfile

import numpy as np

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.metrics import log_softmax
from pet_keras.data.example import as_example
from pet_keras.errors import UserError

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.validation import check_is_fitted, column_or_1d
    _BASES = (ClassifierMixin, BaseEstimator)
except ImportError:
    _BASES = (object,)
_METHODS = ('cloze', 'fine-tuning')


class PetClassifier(*_BASES):
    """A ClozeClassifier or FineTuningClassifier for scikit-learn's tools: `clone`, `Pipeline`, `GridSearchCV`, ….

    X is texts, as a list, an array or a Series of str, or a DataFrame or array of one column; or pairs, as a list of
    (text, text), or a DataFrame or array of two columns. y is labels of the task, or their aliases (1 and 0). What
    `predict` returns is spelled as y was, as a Series where X is one of pandas' (with its index), else an array.

    As anywhere in scikit-learn, `classes_` are the labels that stood in y, sorted: a label of the task that was not
    there is never predicted, and the probabilities of the others sum to 1.

    Arguments:
        method: 'cloze' or 'fine-tuning', which has no pattern and takes train='all' alone.
        task, checkpoint, pattern, maxlen, train, precision: see ClozeClassifier.
        epochs, batch_size, learning_rate, mask_rate, seed: see `TextClassifier.fit`; None leaves the choice to it. With
            epochs=0 nothing is trained (zero-shot), and y tells `classes_` alone.
        verbose: 1 prints each epoch.

    Fitted: `classes_`, `n_classes_`, and `classifier_`, the trained classifier itself. A pickle holds the folder that
    its `save` writes (of a prompt the kilobytes of the prompt: its checkpoint has to be where it was).

    Raises: UserError (a ValueError) in `fit` for settings that do not fit, texts that are none, and labels that the
    task has not.
    """
    def __init__(self, task='sentiment', checkpoint=DEFAULT, pattern=None, method='cloze', maxlen=128, train='all',
                 epochs=None, batch_size=None, learning_rate=None, mask_rate=None, seed=0, precision='float32',
                 verbose=0):
        if _BASES == (object,):
            raise UserError('PetClassifier needs scikit-learn. Type:  pip install "pet-keras[sklearn]"')
        self.task, self.checkpoint, self.pattern, self.method = task, checkpoint, pattern, method
        self.maxlen, self.train, self.epochs, self.batch_size = maxlen, train, epochs, batch_size
        self.learning_rate, self.mask_rate, self.seed = learning_rate, mask_rate, seed
        self.precision, self.verbose = precision, verbose

    def fit(self, X, y, unlabelled=None, dev=None):
        """Trains a new classifier.

        Arguments: `X`, `y`; `unlabelled`, texts as X, for method='cloze'; `dev`, a pair (X, y) by which the best epoch
        is kept.

        Returns: self.
        """
        if self.method not in _METHODS:
            raise UserError('method=%r: choose %s.' % (self.method, ' or '.join(_METHODS)))
        texts, labels = _texts(X), _labels(y)
        examples = _examples(texts, labels)
        if len(texts) != len(labels) or not texts:
            raise UserError('X has %d texts and y %d labels.' % (len(texts), len(labels)))
        classifier, classes = self._untrained(), np.unique(labels)
        columns = [classifier.labels.index(classifier.task.label_of(label)) for label in classes]
        if len(set(columns)) < len(columns):
            raise UserError('y spells one label in two ways: %s.' % ', '.join(map(str, classes)))
        if self.epochs != 0:
            given = {name: getattr(self, name) for name in ('epochs', 'batch_size', 'learning_rate', 'mask_rate')}
            given = {name: value for name, value in given.items() if value is not None}
            classifier.fit(examples, None if unlabelled is None else _examples(_texts(unlabelled)),
                           dev and _examples(_texts(dev[0]), _labels(dev[1])), seed=self.seed, verbose=self.verbose,
                           **given)
        self.classifier_, self.classes_, self._columns = classifier, classes, columns
        self.n_classes_ = len(classes)
        return self

    def _untrained(self):
        settings = dict(maxlen=self.maxlen, train=self.train, seed=self.seed, precision=self.precision)
        if self.method == 'cloze':
            return ClozeClassifier(self.task, self.checkpoint, self.pattern, **settings)
        if self.pattern is not None:
            raise UserError("method='fine-tuning' reads the text alone and takes no pattern.")
        return FineTuningClassifier(self.task, self.checkpoint, **settings)

    def predict_log_proba(self, X):
        """Log-probabilities of `classes_`, float64 `[len(X), len(classes_)]`."""
        check_is_fitted(self)
        scores = self.classifier_.predict_log_proba(_examples(_texts(X)), self.batch_size or 32)[:, self._columns]
        return log_softmax(scores)

    def predict_proba(self, X):
        """Probabilities of `classes_`, float64 `[len(X), len(classes_)]`; rows sum to 1."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X):
        """The likeliest of `classes_` for each text, an array, or a Series where X is one of pandas'."""
        best = self.predict_log_proba(X).argmax(axis=1)  # first: it says where nothing is fitted
        found = self.classes_[best]
        if not hasattr(X, 'iloc'):
            return found
        import pandas
        return pandas.Series(found, index=X.index)

    def __getstate__(self):
        state = dict(super(PetClassifier, self).__getstate__())
        if 'classifier_' in state:
            with tempfile.TemporaryDirectory() as folder:
                state.pop('classifier_').save(folder)
                state['_files'] = {name: _read(os.path.join(folder, name)) for name in os.listdir(folder)}
            state.pop('_folder', None)
        return state

    def __setstate__(self, state):
        files = state.pop('_files', None)
        super(PetClassifier, self).__setstate__(state)
        if files is not None:
            self._folder = tempfile.TemporaryDirectory()  # the classifier's checkpoint is read there again
            for name, content in files.items():
                with open(os.path.join(self._folder.name, name), 'wb') as file:
                    file.write(content)
            self.classifier_ = load(self._folder.name)
            self.classifier_.precision = self.precision

    def __sklearn_tags__(self):
        tags = super(PetClassifier, self).__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        tags.no_validation = True  # of numbers
        return tags


def _read(path):
    with open(path, 'rb') as file:
        return file.read()


def _texts(X):
    """X as a list of its rows, which `_examples` takes for texts or pairs."""
    if isinstance(X, (str, bytes)) or not hasattr(X, '__len__'):
        raise UserError('X is a list, array, Series or DataFrame of texts, not one %s.' % type(X).__name__)
    if hasattr(X, 'to_numpy'):
        X = X.to_numpy()
    if getattr(X, 'ndim', 1) > 2 or getattr(X, 'ndim', 1) == 2 and X.shape[1] not in (1, 2):
        raise UserError('X has the shape %s: texts are one column, pairs two.' % (X.shape,))
    if getattr(X, 'ndim', 1) == 2:
        X = X[:, 0] if X.shape[1] == 1 else map(tuple, X)
    return list(X)


def _labels(y):
    """y as an array of one dimension."""
    if y is None:
        raise UserError('This estimator requires y to be passed, but the target y is None.')
    y = column_or_1d(y, warn=True)
    for i, label in enumerate(y):
        if label is None or label != label:
            raise UserError('y has no label at index %d.' % i)
    return y


def _examples(texts, labels=None):
    """Examples, with labels where there are any; UserError, with its index, for what is no text."""
    examples = [as_example(text, i) for i, text in enumerate(texts)]
    return examples if labels is None else [e._replace(label=label) for e, label in zip(examples, labels)]
