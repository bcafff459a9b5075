"""Verbalizers: label words, their tokens, and how words' probabilities become a label's."""
import re

from pet_keras.cloze.pattern import tokenize
from pet_keras.errors import UserError

_SPECIAL = re.compile(r'\[unused\d+\]')


# How the words of one label are merged; networks.label_scores computes it
AGGREGATIONS = {
    'mean': "the mean of the words' probabilities", 'sum': 'the probability that any of the words stands there',
    'max': 'the likeliest word', 'first': 'the first word alone; the others serve in training only',
}


# How the log-probabilities of a word's tokens become the word's
WORD_SCORES = {
    'product': 'the probability of the word, a product over its tokens (arXiv 2009.07118, section 3)',
    'stepwise': 'the same product, each token given those put in before it, the surest first (section 3.1 there); one '
                'pass a token, and no export',
    'per_token': "the mean of its tokens' log-probabilities, so that a longer word is not the less likely",
}


class Verbalizer(object):
    """Labels and the words that say them: v of arXiv 2001.07676, section 3.

    Arguments:
        words: dict, label → a word or a list of words, e.g. `{'正面': ['很', '挺'], '负面': '不'}`.
        aggregation: how the words of one label are merged: 'mean' (default), 'sum', 'max' or 'first'.
        word_score: how the tokens of a word are: 'product', 'stepwise' or 'per_token'. None takes the product where all
            words have equally many tokens, as they should, and else 'per_token': by the product every text
            would get the shorter word.

    Raises: UserError for no label, a label without a word, a word of two labels, an unknown aggregation.
    """
    def __init__(self, words, aggregation='mean', word_score=None):
        self.words = {label: [w] if isinstance(w, str) else list(w) for label, w in words.items()}
        self.aggregation, self.word_score = aggregation, word_score
        if len(self.words) < 2:
            raise UserError('A verbalizer needs two labels or more; this one has %d.' % len(self.words))
        if aggregation not in AGGREGATIONS:
            raise UserError('No aggregation %r; choose one of %s.' % (aggregation, ', '.join(AGGREGATIONS)))
        if word_score not in (None, *WORD_SCORES):
            raise UserError('No word_score %r; choose one of %s.' % (word_score, ', '.join(WORD_SCORES)))
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
                tokens = word_tokens(word, tokenizer)
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


class ExampleWords(object):
    """The labels of a task whose words belong to each example, its candidates: the first, the second, ….

    Arguments: `labels`, of as many as an example has at most; `aggregation` has no use, as a candidate is one word;
    `word_score` as of Verbalizer, None deciding by the words of each example.

    Attributes: `words`, without a word for any label; `shown`, those of the task's example.
    """
    shown = ()

    def __init__(self, labels, aggregation='mean', word_score=None):
        self.labels, self.aggregation, self.word_score = list(labels), aggregation, word_score
        self.words = {label: [] for label in self.labels}
        if len(self.labels) < 2 or word_score not in (None, *WORD_SCORES):
            raise UserError('Candidates need two labels or more, and a word_score of %s.' % ', '.join(WORD_SCORES))

    def token_ids(self, _):
        """No word is known before the example."""
        return []


def word_tokens(word, tokenizer):
    """The tokens of a label word, a list of str, whether the vocabulary has them or not; an `[unused]` token is one."""
    return [token for part in re.split(r'(\[unused\d+\])', word)
            for token in ([part] if _SPECIAL.match(part) else tokenize(tokenizer, part))]
