"""Virtual adversarial training: fine-tuning on labelled texts, made smooth around all of them."""
from pet_keras.backend import keras, tf
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.cloze.cloze import Lesson
from pet_keras.errors import UserError


class VatClassifier(FineTuningClassifier):
    """Plain fine-tuning whose answer must not change where the word embeddings move a little: arXiv 1704.03976.

    Unlabelled texts take part: what must not change is the model's own answer. The worst small move is that of the
    paper's equations 5 to 9, with one power iteration, for each text of its own, on the embeddings as in kexue.fm 7466
    (which moves the table, by one step for a whole batch).

    Arguments: as in FineTuningClassifier, and
        epsilon: the length of the move, over all embeddings of a text (the paper's ε).
        xi: the length of the trial move that finds its direction (ξ).
        vat_weight: of the smoothness beside the cross-entropy (α).
    """
    kind = 'vat'
    without = ('prompt_learning_rate', 'mask_rate', 'whole_words', 'auxiliary', 'auxiliary_weight', 'unlabelled_weight')

    def __init__(self, task='sentiment', checkpoint=DEFAULT, maxlen=128, train='all', dropout_rate=None, seed=0,
                 precision='float32', epsilon=1., xi=.1, vat_weight=1., long='head'):
        super(VatClassifier, self).__init__(task, checkpoint, maxlen, train, dropout_rate, seed, precision, long)
        if not min(epsilon, xi, vat_weight) > 0:
            raise UserError('epsilon, xi and vat_weight are above 0.')
        self.epsilon, self.xi, self.vat_weight = epsilon, xi, vat_weight
        embeddings = self.transformer.layers['Embedding-Token'].get_output_at(0)
        self._embed = keras.models.Model(self.model.inputs, embeddings)
        self._rest = keras.models.Model([embeddings] + self.model.inputs, self.model.output)

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """See TextClassifier.fit; labelled texts are needed, unlabelled ones welcome."""
        if not labelled:
            raise UserError('Virtual adversarial training needs labelled texts; unlabelled ones help.')
        return TextClassifier.fit(self, labelled, unlabelled, dev, **settings)

    def lesson(self, texts, label, rng=None, *others):
        """As in fine-tuning; of an unlabelled text nothing is wanted at its one place."""
        if label is not None:
            return super(VatClassifier, self).lesson(texts, label, rng, *others)
        question, = self.questions(self.part(texts, rng))
        return Lesson(question.token_ids, question.segment_ids, question.positions, [0], [0.], 0)

    def objective(self, network, inputs, targets):
        """Cross-entropy + α × the mean over the batch's texts of KL(answer ‖ answer after the worst move)."""
        loss = super(VatClassifier, self).objective(network, inputs, targets)
        inputs = list(inputs[:-1]) + [inputs[-1][:, :1]]  # of a soft label the place stands there once for each label
        embeddings, answer = self._embed(inputs), tf.stop_gradient(tf.nn.log_softmax(self._logits(inputs)))
        move = self.move(inputs, tf.stop_gradient(embeddings), answer)
        return loss + self.vat_weight * tf.reduce_mean(_divergence(answer, self._logits(inputs, embeddings + move)))

    def move(self, inputs, embeddings, answer):
        """The move of length epsilon that changes each text's answer most; no gradient flows through it.

        Arguments: `inputs`, the network's, with one position a text; `embeddings` of its tokens, `[batch, length,
        embedding_size]`; `answer`, log-probabilities `[batch, labels]`.

        From a random direction d it takes the gradient of the divergence at ξd, which is that of ξ times its Hessian
        times d: one power iteration (equations 6 to 9).
        """
        is_text = tf.cast(inputs[0] > 0, embeddings.dtype)[:, :, None]  # padding is no part of a text
        trial = self.xi * _unit(is_text * tf.random.normal(tf.shape(embeddings)))
        with tf.GradientTape() as tape:
            tape.watch(trial)
            divergence = tf.reduce_sum(_divergence(answer, self._logits(inputs, embeddings + trial)))
        return tf.stop_gradient(self.epsilon * _unit(is_text * tape.gradient(divergence, trial)))

    def _logits(self, inputs, embeddings=None):
        """Of the labels, float `[batch, labels]`, without dropout, which is noise of another kind."""
        logits = self.model(inputs) if embeddings is None else self._rest([embeddings] + inputs)
        return tf.cast(logits[:, 0], 'float32')

    def settings(self):
        return dict(super(VatClassifier, self).settings(), epsilon=self.epsilon, xi=self.xi, vat_weight=self.vat_weight)

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        classifier = super(VatClassifier, cls).from_settings(task, checkpoint, fields)
        classifier.epsilon, classifier.xi, classifier.vat_weight = [fields[name] for name in (
            'epsilon', 'xi', 'vat_weight')]
        return classifier


def _divergence(log_p, logits):
    """KL(p ‖ softmax(logits)), float `[batch]`."""
    return tf.reduce_sum(tf.exp(log_p) * (log_p - tf.nn.log_softmax(logits)), axis=-1)


def _unit(x):
    """Each text's part of x `[batch, length, size]` at length 1; 0 stays 0."""
    return x / tf.maximum(tf.sqrt(tf.reduce_sum(x ** 2, axis=[1, 2], keepdims=True)), 1e-30)
