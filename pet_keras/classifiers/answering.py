"""What a classifier says of texts, made of their scores: probabilities, labels, figures."""
import numpy as np

from pet_keras.classifiers.items import check_hard, examples_of
from pet_keras.classifiers.metrics import classification_report, log_softmax
from pet_keras.errors import UserError

_AT_ONCE = 10000  # texts whose tokens are in memory


def in_parts(examples):
    """Yields (index of the first, list of Example) of parts that are in memory as tokens, one at a time."""
    for start in range(0, len(examples), _AT_ONCE):
        yield start, examples[start:start + _AT_ONCE]


class Answering(object):
    """The part of every classifier that answers; it has `task`, `labels` and `label_scores`, see TextClassifier."""

    def examples(self, items, labelled=False):
        """Items as Examples, with the task's spelling of their labels; UserError for what does not fit."""
        return examples_of(self.task, items, labelled)

    def predict_log_proba(self, examples, batch_size=32, verbose=0):
        """Log-probabilities of the labels, float64 `[len(examples), len(labels)]`.

        Arguments: `examples` as in `predict`; `verbose` 1 shows a progress bar.
        """
        return log_softmax(self.label_scores(examples, batch_size, verbose))

    def predict_proba(self, examples, batch_size=32, verbose=0):
        """Probabilities of the labels, float64 `[len(examples), len(labels)]`; rows sum to 1."""
        return np.exp(self.predict_log_proba(examples, batch_size, verbose))

    def predict(self, examples, batch_size=32, verbose=0):
        """The likeliest label of each example, a list of str.

        Arguments:
            examples: list of str, of (text, text) pairs, or of Example.
        """
        return [self.labels[i] for i in self.predict_log_proba(examples, batch_size, verbose).argmax(axis=1)]

    def evaluate(self, examples, batch_size=32, verbose=0):
        """Accuracy and more on labelled examples; see `metrics.classification_report` for the keys."""
        examples = self.examples(examples, labelled=True)
        if not examples:
            raise UserError('Nothing to evaluate: the list of examples is empty.')
        check_hard(examples)
        same = {label: label for label in self.labels}  # of millions of labels as many strings as there are labels
        return classification_report([same[e.label] for e in examples],
                                     self.predict_log_proba(examples, batch_size, verbose), self.labels)
