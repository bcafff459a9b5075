"""Label words of several tokens, scored step by step instead of in one pass."""
import numpy as np

from pet_keras.backend import keras
from pet_keras.classifiers.scorer import Scorer
from pet_keras.networks.label_scores import LabelScores
from pet_keras.networks.layers import WordLogProbs


class StepwiseScorer(Scorer):
    """Scores labels by words that are put into the blank token by token: arXiv 2009.07118, section 3.1.

    The blank has as many masks as the word has tokens. The token that the model finds likeliest at its place goes in
    first; then the model is asked about the others anew. A word's probability is the product of what was found; it
    takes as many passes as the word has tokens, the first of them shared by all words of one length.

    Arguments: `transformer`, of a masked model; its `cloze` and `verbalizer`.
    """
    def __init__(self, transformer, cloze, verbalizer):
        log_probs = WordLogProbs(cloze.columns, name='Label-Word-Log-Probs')(transformer.model.output)
        self.tokens = np.array(cloze.columns)
        self.words = [word for label in cloze.answers for word in label]  # (question, columns)
        self.questions, places = 1 + max(question for question, _ in self.words), iter(range(len(self.words)))
        answers = [[(0, [next(places)]) for _ in label] for label in cloze.answers]  # each word is one column
        layer = LabelScores([(answers, verbalizer.aggregation, 'product')])
        layer.build(None)
        super(StepwiseScorer, self).__init__(keras.models.Model(transformer.inputs, log_probs), layer,
                                             verbalizer.aggregation)

    def score(self, inputs, *how):
        """As Scorer's; what `how` says holds for each pass."""
        first, words = super(StepwiseScorer, self).score(inputs, *how), []
        token_ids, segment_ids, positions = inputs
        for question, columns in self.words:
            rows = slice(question, None, self.questions)
            words.append(self._word(first[rows], columns, token_ids[rows], segment_ids[rows], positions[rows], how))
        return self.layer(np.stack(words, -1)[:, None]).numpy()

    def _word(self, log_probs, columns, token_ids, segment_ids, positions, how):
        """Log-probabilities of one word, float64 `[texts]`; `log_probs [texts, n, columns]` are of the first pass."""
        token_ids, every, length = token_ids.copy(), np.arange(len(token_ids)), len(columns)
        total, left = np.zeros(len(every)), np.ones((len(every), length), bool)
        for step in range(length):
            if step:
                log_probs = super(StepwiseScorer, self).score((token_ids, segment_ids, positions), *how)
            found = log_probs[:, np.arange(length), columns]
            surest = np.where(left, found, -np.inf).argmax(axis=1)
            total += found[every, surest]
            left[every, surest] = False
            token_ids[every, positions[every, surest]] = self.tokens[columns][surest]
        return total
