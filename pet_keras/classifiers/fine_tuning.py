"""What the cloze is compared with: plain fine-tuning."""
import numpy as np

from pet_keras.backend import keras, set_seed, tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.cloze.batching import batches_by_length, pad
from pet_keras.cloze.cloze import Lesson
from pet_keras.cloze.pattern import plain_pattern
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.networks.models import build, model_inputs


class FineTuningClassifier(TextClassifier):
    """A dense layer on the `[CLS]` vector, all weights trained: arXiv 1810.04805, section 4.

    A causal model is read at its last token instead. `seed` starts the new layer's weights.
    Arguments as in ClozeClassifier.
    """
    def __init__(self, task='sentiment', checkpoint='bert-mini-zh', maxlen=128, seed=0):
        self.task = task if isinstance(task, Task) else Task.load(task)
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.tokenizer = self.checkpoint.tokenizer()
        self.maxlen = min(maxlen, self.checkpoint.max_position or maxlen)
        self._plain = plain_pattern(self.task.is_pair)
        transformer = build(self.checkpoint, return_keras_model=False)
        set_seed(seed)
        initializer = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
        logits = keras.layers.Dense(len(self.labels), kernel_initializer=initializer, name='Classifier')(
            transformer.layers['Gather-Positions'].output)
        self.model = keras.models.Model(transformer.inputs, logits)

    @staticmethod
    def loss(y_true, y_pred):
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)

    def lesson(self, texts, label, *_):
        """The plain text and its label; there is nothing to mask."""
        if label is None:
            raise UserError('Plain fine-tuning cannot learn from unlabelled texts.')
        return self._sequence(texts, [label])

    def _sequence(self, texts, targets=()):
        encoded = self._plain.encode(self.tokenizer, *texts, maxlen=self.maxlen)
        where = len(encoded.token_ids) - 1 if self.checkpoint.is_causal else 0
        return Lesson(encoded.token_ids, encoded.segment_ids, [where], targets)

    def batches(self, lessons, order):
        """`(token_ids, segment_ids, positions [batch, 1]), labels [batch, 1]`."""
        for batch in order:
            part = [lessons[i] for i in batch]
            yield self._inputs(part), np.array([lesson.targets for lesson in part])

    def _inputs(self, lessons):
        return tuple(model_inputs(self.model, *(pad([lesson[i] for lesson in lessons]) for i in range(3))))

    def predict_log_proba(self, examples, batch_size=64, verbose=0):
        """Log-probabilities of the labels, float `[len(examples), len(labels)]`."""
        lessons = [self._sequence(self.tokenize(e)) for e in self.examples(examples)]
        scores = np.zeros((len(lessons), len(self.labels)))
        for batch in batches_by_length([len(lesson.token_ids) for lesson in lessons], batch_size):
            logits = self.model(self._inputs([lessons[i] for i in batch]), training=False)
            scores[batch] = tf.nn.log_softmax(logits[:, 0]).numpy()
        return scores

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """See TextClassifier.fit; the baseline is for comparison and stays in memory, so it takes no `out`."""
        if settings.get('out'):
            raise UserError('The fine-tuning baseline is not saved: fit it without `out`.')
        return super(FineTuningClassifier, self).fit(labelled, unlabelled, dev, **settings)
