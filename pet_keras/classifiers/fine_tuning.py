"""What the cloze is compared with: plain fine-tuning."""
from pet_keras.backend import keras, seeded
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.cloze.cloze import Lesson, Question
from pet_keras.cloze.pattern import plain_pattern
from pet_keras.errors import UserError
from pet_keras.networks.label_scores import LabelScores
from pet_keras.networks.models import build
from pet_keras.networks.tuning import AllWeights, Prompt, way_of
from pet_keras.networks.ways import named_way


class FineTuningClassifier(TextClassifier):
    """A dense layer on the `[CLS]` vector, all weights trained: arXiv 1810.04805, section 4.

    A causal model is read at its last token instead. `seed` starts the new layer's weights, which always train;
    `train` says which others do: 'all', 'prefix', 'adapters', or an object as in ClozeClassifier. Arguments as there.
    """
    kind = 'fine-tuning'
    least_texts = 960  # a new layer starts from nothing: 120 steps of 8 texts (arXiv 2006.05987: recipes stop too early)
    without = ('prompt_learning_rate', 'mask_rate', 'whole_words', 'auxiliary', 'auxiliary_weight', 'labelled_share',
               'unlabelled_weight')

    def __init__(self, task='sentiment', checkpoint=DEFAULT, maxlen=128, train='all', dropout_rate=None,
                 seed=0, precision='float32', long='head'):
        super(FineTuningClassifier, self).__init__(task, checkpoint, maxlen, dropout_rate, precision, long)
        self.check_columns()
        self.tuning = AllWeights() if train == 'all' else named_way(train)
        self._plain = plain_pattern(self.task.slots)
        self.frame = self._plain, self._plain.room(self.tokenizer, maxlen=self.maxlen)
        if not isinstance(self.tuning, AllWeights) or isinstance(self.tuning, Prompt):
            raise UserError("train=%r: 'all', 'prefix', 'adapters', or a way of tuning that is no prompt." % (train,))
        with seeded(seed):
            self.transformer = build(self.checkpoint, return_keras_model=False, tuning=self.tuning, **self.dropout)
        initializer = keras.initializers.TruncatedNormal(stddev=0.02, seed=seed)
        self.head = keras.layers.Dense(len(self.labels), kernel_initializer=initializer, name='Classifier')
        self.model = keras.models.Model(self.transformer.inputs, self.head(self.transformer.encoded))

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """See TextClassifier.fit; there is nothing to learn from unlabelled texts."""
        if unlabelled:
            raise UserError('Plain fine-tuning cannot learn from unlabelled texts.')
        return super(FineTuningClassifier, self).fit(labelled, None, dev, **settings)

    def questions(self, texts):
        """The plain text, read at one token."""
        encoded = self._plain.encode(self.tokenizer, *texts, maxlen=self.maxlen)
        where = len(encoded.token_ids) - 1 if self.checkpoint.is_causal else 0
        return [Question(encoded.token_ids, encoded.segment_ids, [where])]

    def build_scorer(self):
        """The labels are the columns of the new layer."""
        scores = LabelScores([([[(0, [k])] for k in range(len(self.labels))], 'first', 'product')], name='Label-Scores')
        return keras.models.Model(self.model.inputs, scores(self.head(self.transformer.encoded))), scores

    def lesson(self, texts, label, rng=None, *_):
        """The plain text and its label, or each label and its share of a soft one; there is nothing to mask."""
        question, = self.questions(self.part(texts, rng))
        targets, weights = ([label], [1.]) if isinstance(label, int) else (list(range(len(label))), list(label))
        return Lesson(question.token_ids, question.segment_ids, question.positions * len(targets), targets, weights,
                      len(targets))

    def added_tensors(self):
        return dict(super(FineTuningClassifier, self).added_tensors(), **{
            'classifier/kernel': self.head.kernel.numpy(), 'classifier/bias': self.head.bias.numpy()})

    def set_added_tensors(self, tensors):
        super(FineTuningClassifier, self).set_added_tensors(tensors)
        self.head.set_weights([tensors['classifier/kernel'], tensors['classifier/bias']])

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        """The untrained classifier that a saved one was, from what `settings` gave."""
        return cls(task, checkpoint, fields['maxlen'], way_of(fields['tuning']), long=fields.get('long', 'head'))
