"""The scorer: token ids → scores of the labels, in one graph.

ClozeClassifier, FineTuningClassifier and PromptServer share its last step, LabelScores; what stands before
it gives log-probabilities of a few columns (label words' tokens, or classes) at the asked positions.
"""
import numpy as np

from pet_keras.backend import Layer, keras, tf
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


def label_scorer(transformer, cloze, verbalizer):
    """`(the network of a cloze with scores of the labels as its output, its LabelScores layer)`."""
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
