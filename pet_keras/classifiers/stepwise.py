"""Label words of several tokens, scored step by step instead of in one pass."""
import numpy as np

from pet_keras.backend import keras
from pet_keras.classifiers.scorer import Scorer
from pet_keras.cloze.verbalizer import ExampleWords
from pet_keras.networks.label_scores import LabelScores, OwnWordScores
from pet_keras.networks.layers import WordLogProbs


class StepwiseScorer(Scorer):
    """Scores labels by words that are put into the blank token by token: arXiv 2009.07118, section 3.1.

    The blank has as many masks as the word has tokens. The token that the model finds likeliest at its place goes in
    first; then the model is asked about the others anew. A word's probability is the product of what was found; it
    takes as many passes as the word has tokens, the first of them shared by all words of one length.

    Arguments: `transformer`, of a masked model; its `cloze` and `verbalizer`.
    """
    def __init__(self, transformer, cloze, verbalizer):
        candidates = isinstance(verbalizer, ExampleWords)
        self.tokens = np.arange(transformer.vocab_size) if candidates else np.array(cloze.columns)
        log_probs = WordLogProbs(self.tokens, name='Label-Word-Log-Probs')(transformer.model.output)
        if candidates:
            layer = OwnWordScores(len(verbalizer.labels))
        else:
            self.words = [word for label in cloze.answers for word in label]  # (question, columns)
            self.questions, places = 1 + max(question for question, _ in self.words), iter(range(len(self.words)))
            answers = [[(0, [next(places)]) for _ in label] for label in cloze.answers]  # each word is one column
            layer = LabelScores([(answers, verbalizer.aggregation, 'product')])
        layer.build(None)
        super(StepwiseScorer, self).__init__(keras.models.Model(transformer.inputs, log_probs), layer,
                                             verbalizer.aggregation)

    def score(self, inputs, *how):
        """As Scorer's; what `how` says holds for each pass."""
        inputs, own = inputs[:3], inputs[3:]
        first = super(StepwiseScorer, self).score(inputs, *how)
        if own:
            return self._candidates(first, inputs, own[0], how)
        words = []
        for question, columns in self.words:
            rows = slice(question, None, self.questions)
            log_probs, *asked = [part[rows] for part in (first, *inputs)]
            words.append(self._word(log_probs, np.tile(columns, (len(log_probs), 1)), *asked, how))
        return self.layer(np.stack(words, -1)[:, None]).numpy()

    def _candidates(self, first, inputs, words, how):
        """Scores of each text's own words, int `[texts, questions, labels, tokens]`, -1 where there is none."""
        scores, questions = np.full(words.shape[::2], -np.inf), words.shape[1]
        for question, label in np.ndindex(words.shape[1:3]):
            asked = np.flatnonzero((words[:, question, label] >= 0).any(axis=1))
            if len(asked):
                scores[asked, label] = self._word(first[asked * questions + question], words[asked, question, label], *[
                    part[asked * questions + question] for part in inputs], how)
        return scores + self.layer.offset.numpy()

    def _word(self, log_probs, columns, token_ids, segment_ids, positions, how):
        """Log-probabilities of a word a text, float64 `[texts]`; `log_probs [texts, n, columns]` are of the first pass,
        `columns [texts, tokens]` those of its tokens, -1 behind its end."""
        token_ids, every, left = token_ids.copy(), np.arange(len(token_ids)), columns >= 0
        total, places = np.zeros(len(every)), np.arange(columns.shape[1])
        for step in range(left.sum(axis=1).max()):
            if step:
                log_probs = super(StepwiseScorer, self).score((token_ids, segment_ids, positions), *how)
            found = np.where(left, log_probs[every[:, None], places, columns], -np.inf)
            surest, more = found.argmax(axis=1), left.any(axis=1)
            total[more] += found[every, surest][more]
            token_ids[every[more], positions[every, surest][more]] = self.tokens[columns[every, surest]][more]
            left[every, surest] = False
        return total
