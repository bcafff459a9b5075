"""The scorer: token ids → scores of the labels, in one graph.

ClozeClassifier, FineTuningClassifier and PromptServer share its last step, LabelScores; what stands before
it gives log-probabilities of a few columns (label words' tokens, or classes) at the asked positions.
"""
import numpy as np

from pet_keras.backend import Input, Layer, keras, tf
from pet_keras.cloze.verbalizer import ExampleWords
from pet_keras.errors import UserError
from pet_keras.networks.layers import WordLogits, WordLogProbs


class LabelScores(Layer):
    """Log-probabilities at the blanks → a score a label, not yet normalised over the labels.

    The log-probability of a word is the sum over its tokens (arXiv 2009.07118, section 3) or their mean, a
    label's is merged from its words' as the verbalizer says, and the label's offset is added (calibration).

    Input: float `[batch * questions, n, columns]`, the questions of one example one after the other; where
    there are several tasks, also the task of each example, int `[batch]`.
    Output: float64 `[batch, labels]`, -inf for labels that a task has not.

    Arguments:
        tasks: a list of (answers, aggregation, word_score), see `Cloze.answers` and Verbalizer.
        questions: sequences that an example is asked in, see `Cloze.questions`; equal for all of a batch.
    """
    def __init__(self, tasks, **kwargs):
        super(LabelScores, self).__init__(dtype='float64', **kwargs)
        every = [answers for answers, *_ in tasks]
        labels = max(map(len, every))
        words = max(len(label) for task in every for label in task)
        tokens = max(len(columns) for task in every for label in task for _, columns in label)
        self.questions = 1 + max(question for task in every for label in task for question, _ in label)
        # where each token's log-probability stands: (question, position, column)
        self._places = np.zeros((len(tasks), labels, words, tokens, 3), 'int32')
        self._tokens = np.zeros((len(tasks), labels, words, tokens))  # the weight of each; 0: padding
        self._weights = np.full((len(tasks), labels, words), -np.inf)  # a word's log-weight within its label
        self._is_max = np.array([aggregation == 'max' for _, aggregation, _ in tasks])
        for t, (answers, aggregation, word_score) in enumerate(tasks):
            if word_score == 'stepwise':
                raise UserError("word_score 'stepwise' asks the model once a token, which one graph does not: neither "
                                "export nor prompts that share a model can; 'product' is its one-pass form.")
            lengths = {len(columns) for label in answers for _, columns in label}
            per_token = word_score == 'per_token' or (word_score is None and len(lengths) > 1)
            for k, label in enumerate(answers):
                for w, (question, columns) in enumerate(label):
                    self._places[t, k, w, :len(columns)] = [(question, n, c) for n, c in enumerate(columns)]
                    self._tokens[t, k, w, :len(columns)] = 1. / len(columns) if per_token else 1.
                counted = 1 if aggregation == 'first' else len(label)
                self._weights[t, k, :counted] = -np.log(counted) if aggregation == 'mean' else 0.

    def build(self, input_shape):
        self.offset = self.add_weight(name='offset', shape=self._weights.shape[:2], initializer='zeros',
                                      trainable=False)
        super(LabelScores, self).build(input_shape)

    def call(self, log_probs, task=None):
        if task is None:
            task = tf.zeros([tf.shape(log_probs)[0] // self.questions], 'int32')
        _, n, columns = tf.unstack(tf.shape(log_probs))
        places, tokens, weights, is_max = [tf.gather(part, task) for part in (
            self._places, self._tokens, self._weights, self._is_max)]
        question, position, column = tf.unstack(places, axis=-1)
        found = tf.gather(tf.reshape(tf.cast(log_probs, 'float64'), [tf.shape(task)[0], -1]),
                          (question * n + position) * columns + column, batch_dims=1)
        words = tf.reduce_sum(tf.where(tokens > 0, tokens * found, tf.zeros_like(found)), -1) + weights
        merged = tf.where(is_max[:, None], tf.reduce_max(words, -1), tf.reduce_logsumexp(words, -1))
        return merged + tf.gather(self.offset, task)


class OwnWordScores(Layer):
    """Log-probabilities over the vocabulary at the blanks → a score for each of the example's own words.

    The log-probability of a word is the sum over its tokens, or their mean, as LabelScores has it.

    Input: float `[batch * questions, n, vocab_size]`, the questions of one example one after the other, and the words'
    token ids, int `[batch, questions, labels, n]`, -1 where there is none: each word stands with the one question that
    asks about it.
    Output: float64 `[batch, labels]`, -inf for labels that the example has no word for.

    Arguments: `labels`, how many; `word_score`, see Verbalizer.
    """
    def __init__(self, labels, word_score=None, **kwargs):
        super(OwnWordScores, self).__init__(dtype='float64', **kwargs)
        self.labels, self.word_score = labels, word_score

    def build(self, input_shape):
        self.offset = self.add_weight(name='offset', shape=(1, self.labels), initializer='zeros', trainable=False)
        super(OwnWordScores, self).build(input_shape)

    def call(self, inputs):
        logits, words = inputs
        words = tf.transpose(words, [0, 1, 3, 2])  # by place, as the logits are
        batch, questions, n, _ = tf.unstack(tf.shape(words))
        logits = tf.reshape(tf.cast(logits, 'float64'), [batch, questions, n, logits.shape[-1]])
        asked = words >= 0
        found = tf.gather(logits, tf.maximum(words, 0), batch_dims=3) - tf.reduce_logsumexp(logits, -1, keepdims=True)
        total = tf.reduce_sum(tf.where(asked, found, tf.zeros_like(found)), 2)
        tokens = tf.reduce_sum(tf.cast(asked, 'float64'), 2)
        if self.word_score != 'product':
            longest = tf.reduce_max(tokens, [1, 2], keepdims=True)
            uneven = tf.reduce_any((tokens > 0) & (tokens < longest), [1, 2], keepdims=True)
            share = tf.maximum(tokens, 1.)
            total /= share if self.word_score == 'per_token' else tf.where(uneven, share, tf.ones_like(share))
        minus_infinity = tf.fill(tf.shape(total), tf.constant(-np.inf, 'float64'))
        return tf.reduce_max(tf.where(tokens > 0, total, minus_infinity), 1) + self.offset


def label_scorer(transformer, cloze, verbalizer):
    """`(the network of a cloze with scores of the labels as its output, its LabelScores layer)`."""
    if isinstance(verbalizer, ExampleWords):  # the words are one more input
        words = Input(shape=(None, len(verbalizer.labels), None), dtype='int32', name='Input-Words')
        scores = OwnWordScores(len(verbalizer.labels), verbalizer.word_score, name='Label-Scores')
        return keras.models.Model(transformer.inputs + [words], scores([transformer.model.output, words])), scores
    if cloze.needs_whole_vocabulary:
        x = WordLogProbs(cloze.columns, name='Label-Word-Log-Probs')(transformer.model.output)
    else:
        x = label_word_logits(transformer, cloze.columns)
    scores = LabelScores([(cloze.answers, verbalizer.aggregation, verbalizer.word_score)], name='Label-Scores')
    return keras.models.Model(transformer.inputs, scores(x)), scores


def label_word_logits(transformer, token_ids):
    """Logits `[batch, n, len(token_ids)]` of a few words only, as the output of a network of `build_mlm`."""
    return WordLogits(transformer.layers['Embedding-Token'], transformer.layers.get('MLM-Bias'), token_ids,
                      name='Label-Word-Logits')(transformer.features)
