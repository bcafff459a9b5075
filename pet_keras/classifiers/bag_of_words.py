"""The floor: a linear classifier on which words and characters a text has."""
import numpy as np

from pet_keras.classifiers.at_once import AtOnce
from pet_keras.classifiers.softmax_regression import INSTALL, best_regression, one_hot
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.cloze.masking import segment
from pet_keras.errors import UserError
from pet_keras.networks.tuning import Frozen


class BagOfWordsClassifier(AtOnce, TextClassifier):
    """Softmax regression on tf-idf of words (jieba's) and of runs of characters; it needs no checkpoint.

    What a model learned before must beat. Saved are the terms (in model.json) and their weights (safetensors): a folder
    from a stranger can run nothing.

    Arguments: `characters`, the longest run of characters that is a term; `penalty`, on the weights' squares, see
    `softmax_regression`: None takes the best of PENALTIES on dev, without dev the first.

    Raises: UserError where scikit-learn is missing.
    """
    kind, exports = 'bag-of-words', False
    PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)  # the first was the likeliest on dev texts of the sentiment set

    def __init__(self, task='sentiment', characters=2, penalty=None):
        super(BagOfWordsClassifier, self).__init__(task, None, None, None)
        self.check_columns()
        try:
            import sklearn  # noqa: F401
        except ImportError:
            raise UserError('Bag of words needs scikit-learn. ' + INSTALL) from None
        if not 1 <= characters <= 10 or not (penalty is None or penalty > 0):
            raise UserError('characters is from 1 to 10, and penalty above 0.')
        self.characters, self.penalty, self.tuning = characters, penalty, Frozen()
        self._vectorizer = self.kernel = self.bias = None

    @property
    def parameters_trained(self):
        return 0 if self.kernel is None else self.kernel.size + self.bias.size

    def tokenize(self, example):
        """The terms of an example: words and runs of characters, the second text's marked with a 2, and so on."""
        terms = []
        for place, text in enumerate(self.task.texts(example)):
            text, mark = text.lower(), '2' * place
            terms += [mark + 'w:' + word for word in segment(text)]
            terms += [mark + 'c:' + text[i:i + n] for n in range(1, self.characters + 1)
                      for i in range(len(text) - n + 1)]
        return terms

    def _of_terms(self, terms=None):
        """The vectorizer of these terms; of those that it will see, without any."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        return TfidfVectorizer(analyzer=self.tokenize, sublinear_tf=True, vocabulary=terms)

    def learn(self, labelled, dev, seed):
        self._vectorizer = self._of_terms()
        features = self._vectorizer.fit_transform(labelled)
        on_dev = dev and (self._vectorizer.transform(dev), [self._target(e.label) for e in dev])
        targets = one_hot([self._target(e.label) for e in labelled], len(self.labels))
        self.kernel, self.bias, penalty = best_regression(
            features, targets, [self.penalty] if self.penalty else self.PENALTIES, on_dev)
        return {'penalty': penalty}

    def label_scores(self, examples, batch_size=32, verbose=0):
        """See TextClassifier; `batch_size` and `verbose` have no effect: it takes no time."""
        if self.kernel is None:
            raise UserError('A bag of words has learned nothing before fit.')
        examples = self.examples(examples)
        if not examples:
            return np.zeros((0, len(self.labels)))
        return self._vectorizer.transform(examples) @ self.kernel + self.bias + self.offset

    def settings(self):
        terms = [] if self._vectorizer is None else self._vectorizer.get_feature_names_out().tolist()
        return dict(super(BagOfWordsClassifier, self).settings(), characters=self.characters, terms=terms)

    def added_tensors(self):
        return {} if self.kernel is None else {
            'idf': self._vectorizer.idf_, 'kernel': self.kernel, 'bias': self.bias}

    def set_added_tensors(self, tensors):
        if not tensors:
            return
        n, labels = len(self._terms), len(self.labels)
        shapes = [tensors[name].shape for name in ('idf', 'kernel', 'bias')]
        if shapes != [(n,), (n, labels), (labels,)]:
            raise ValueError('its weights have the shapes %s for %d terms and %d labels' % (shapes, n, labels))
        self._vectorizer = self._of_terms(self._terms)
        self._vectorizer.idf_, self.kernel, self.bias = tensors['idf'], tensors['kernel'], tensors['bias']

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        classifier = cls(task, fields['characters'])
        classifier._terms = fields['terms']
        return classifier
