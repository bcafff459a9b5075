"""What every text classifier here shares: predict, evaluate and fit over Examples."""
import numpy as np

from pet_keras.classifiers.metrics import classification_report
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.pattern import tokenize
from pet_keras.data.example import Example
from pet_keras.errors import UserError


class TextClassifier(object):
    """Base class. A subclass has `task`, `tokenizer`, `model`, `loss`, and defines `predict_log_proba`,
    `lesson` (the training sequence of one example) and `batches` (what the model is fed)."""
    history, train, train_settings, prompt_tokens = (), 'all', ['all'], ()

    @property
    def labels(self):
        return self.task.labels

    def tokenize(self, example):
        """Token ids of each of the example's texts: a list of one or two lists."""
        return [self.tokenizer.tokens_to_ids(tokenize(self.tokenizer, text))
                for text in (example.text, example.text_b) if text is not None]

    def predict_proba(self, examples, batch_size=64, verbose=0):
        """Probabilities of the labels, float64 `[len(examples), len(labels)]`; rows sum to 1."""
        return np.exp(self.predict_log_proba(examples, batch_size, verbose))

    def predict(self, examples, batch_size=64, verbose=0):
        """The likeliest label of each example, a list of str.

        Arguments:
            examples: list of str, of (text, text) pairs, or of Example.
        """
        return [self.labels[i] for i in self.predict_log_proba(examples, batch_size, verbose).argmax(axis=1)]

    def evaluate(self, examples, batch_size=64, verbose=0):
        """Accuracy and more on labelled examples; see `metrics.classification_report` for the keys."""
        examples = self.examples(examples, labelled=True)
        if not examples:
            raise UserError('Nothing to evaluate: the list of examples is empty.')
        return classification_report([e.label for e in examples],
                                     self.predict_log_proba(examples, batch_size, verbose), self.labels)

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """Trains on labelled texts, unlabelled texts or both.

        Arguments:
            labelled, dev: lists of Example with labels. With `dev` the best epoch's weights are kept.
            unlabelled: list of str, pairs or Example.
            settings: see `training.Trainer`: epochs, batch_size, learning_rate, prompt_learning_rate,
                mask_rate, whole_words, patience, seed, out, resume, verbose.

        Returns: self. `history` holds a dict an epoch.

        Raises: UserError for no data, a label outside the task, an `out` that cannot be written.
        """
        if not labelled and not unlabelled:
            raise UserError('Nothing to learn from: give labelled texts, unlabelled texts, or both.')
        Trainer(self, **settings).run(self.examples(labelled or [], labelled=True),
                                      self.examples(unlabelled or []), self.examples(dev or [], labelled=True))
        return self

    def examples(self, items, labelled=False):
        """Items as Examples, with the task's spelling of their labels; UserError for what does not fit."""
        if isinstance(items, (str, Example)):
            raise UserError('Give a list of texts, not one text.')
        examples = []
        for item in items:
            example = item if isinstance(item, Example) else Example(*([item] if isinstance(item, str) else item))
            self.task.pattern().texts(example.text, example.text_b)
            examples.append(example._replace(label=self.task.label_of(example.label)) if labelled else example)
        return examples
