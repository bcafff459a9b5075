"""Verbalizers: label words, their tokens, and how words' probabilities become a label's."""
import re

import numpy as np

from pet_keras.cloze.pattern import tokenize
from pet_keras.errors import UserError

_SPECIAL = re.compile(r'\[unused\d+\]')


def _logsumexp(scores):
    top = scores.max(axis=-1, keepdims=True)
    return (top + np.log(np.exp(scores - top).sum(axis=-1, keepdims=True)))[..., 0]


# Each takes [batch, words of one label] of log-probabilities and gives [batch].
AGGREGATIONS = {
    'mean': lambda s: _logsumexp(s) - np.log(s.shape[-1]),  # the mean of the words' probabilities
    'sum': _logsumexp,  # the probability that any of the words stands there
    'max': lambda s: s.max(axis=-1),  # the likeliest word
    'first': lambda s: s[..., 0],  # the first word alone; the others serve in training only
}


class Verbalizer(object):
    """Labels and the words that say them: v of arXiv 2001.07676, section 3.

    A word may have several tokens; its probability is the product over its positions
    (arXiv 2009.07118, section 3), which is a sum of log-probabilities.

    Arguments:
        words: dict, label → a word or a list of words, e.g. `{'正面': ['很', '挺'], '负面': '不'}`.
        aggregation: how the words of one label are merged: 'mean' (default), 'sum', 'max' or 'first'.

    Raises: UserError for no label, a label without a word, a word of two labels, an unknown aggregation.
    """
    def __init__(self, words, aggregation='mean'):
        self.words = {label: [w] if isinstance(w, str) else list(w) for label, w in words.items()}
        self.aggregation = aggregation
        if len(self.words) < 2:
            raise UserError('A verbalizer needs two labels or more; this one has %d.' % len(self.words))
        if aggregation not in AGGREGATIONS:
            raise UserError('No aggregation %r; choose one of %s.' % (aggregation, ', '.join(AGGREGATIONS)))
        owner = {}
        for label, label_words in self.words.items():
            if not label_words or not all(isinstance(w, str) and w.strip() for w in label_words):
                raise UserError('Label %r needs at least one word, and no empty one.' % label)
            for word in label_words:
                if word in owner:
                    raise UserError('The word %r is given twice: for label %r and for label %r.' % (
                        word, owner[word], label))
                owner[word] = label

    @property
    def labels(self):
        return list(self.words)

    def token_ids(self, tokenizer):
        """Token ids of every word, in order: a list of (label index, [token id, …]).

        Raises: UserError naming each word with a token outside the vocabulary.
        """
        found, unknown = [], []
        for index, (label, words) in enumerate(self.words.items()):
            for word in words:
                tokens = []
                for part in re.split(r'(\[unused\d+\])', word):
                    tokens.extend([part] if _SPECIAL.match(part) else tokenize(tokenizer, part))
                missing = [t for t in tokens if t not in tokenizer._token_dict]
                if missing or not tokens:
                    unknown.append('%r of label %r (%s)' % (word, label, '、'.join(missing)))
                found.append((index, tokenizer.tokens_to_ids(tokens)))
        if unknown:
            raise UserError('Not in the vocabulary: %s. Choose other label words.' % '; '.join(unknown))
        owner = {}
        for index, ids in found:
            if owner.setdefault(tuple(ids), index) != index:
                raise UserError('Labels %r and %r have a word with the same tokens (%s).' % (
                    self.labels[owner[tuple(ids)]], self.labels[index],
                    ''.join(tokenizer.id_to_token(i) for i in ids)))
        return found

    def merge(self, word_scores, word_labels):
        """Label log-probabilities from word log-probabilities, normalised over the labels.

        Arguments: `word_scores` float `[batch, words]`; `word_labels` list of label indices, one a word.
        Returns: float `[batch, labels]`.
        """
        scores, word_labels = np.asarray(word_scores, 'float64'), np.asarray(word_labels)
        merge = AGGREGATIONS[self.aggregation]
        merged = np.stack([merge(scores[:, word_labels == k]) for k in range(len(self.words))], axis=-1)
        return merged - _logsumexp(merged)[:, None]
