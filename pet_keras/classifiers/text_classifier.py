"""What every text classifier here shares: predict, evaluate, fit, save and load over Examples."""
import numpy as np

from pet_keras.backend import PRECISIONS, tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers import model_folder
from pet_keras.classifiers.items import check_hard
from pet_keras.classifiers.predicting import Predicting
from pet_keras.classifiers.streams import Texts, streams_of, trained_on
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.batching import lesson_batches
from pet_keras.cloze.pattern import tokenize
from pet_keras.cloze.task import Task
from pet_keras.cloze.windows import check_long, parts
from pet_keras.errors import DAMAGED_FIELDS, UserError
from pet_keras.networks.losses import weighted_crossentropy
from pet_keras.networks.models import model_inputs
from pet_keras.networks.tuning import numbers_in
from pet_keras.networks.ways import SHIPPED


class TextClassifier(Predicting):
    """Base class of the classifiers.

    A subclass has `frame`, the Pattern in which texts stand and the tokens that it leaves for them, `tuning`,
    `transformer` and `model` (inputs `token_ids, segment_ids, positions`; logits at the positions) and defines
    `questions` (the sequences that score one example), `build_scorer` (the network whose output is the labels' scores)
    and `lesson` (the training sequence of one example). It may override `objective`, what a training step computes.

    Arguments: as in ClozeClassifier; `checkpoint` None is for a classifier without a network.
    """
    kind = None  # its name in files
    without = ()  # settings of a Trainer that mean nothing to it
    exports = True  # whether one graph can do what it does
    least_texts = 0  # that it reads where no number of passes is given

    def __init__(self, task, checkpoint, maxlen, dropout_rate, precision='float32', long='head'):
        self.task = task if isinstance(task, Task) else Task.load(task)
        self.checkpoint = checkpoint if checkpoint is None or isinstance(checkpoint, Checkpoint) else (
            Checkpoint(checkpoint))
        if self.checkpoint:
            self.checkpoint.check_vocabulary()
        self.tokenizer = self.checkpoint and self.checkpoint.tokenizer()
        self.maxlen = self.checkpoint and min(maxlen, self.checkpoint.max_position or maxlen)
        if dropout_rate is not None and not 0 <= dropout_rate < 1:
            raise UserError('dropout_rate is 0 or more, and below 1.')
        rates = ('dropout_rate', 'attention_dropout_rate')
        self.dropout = {} if dropout_rate is None else dict.fromkeys(rates, dropout_rate)
        if precision not in PRECISIONS:
            raise UserError('precision=%r: choose %s.' % (precision, ', '.join(PRECISIONS)))
        self.long = check_long(long)
        self.precision, self._scorer, self._offset = precision, None, np.zeros(len(self.labels))
        self.history, self.trained_on, self.trained_with = [], {}, {}  # of the last training
        self.step_seconds = self.step_processor_seconds = None  # of its last epoch, by the clock and of all processors
        self.step = None  # what it traced, which keeps the optimizer's variables
        self.run_eagerly = False  # scoring, as in Keras: a text or two are answered before a graph would be traced

    def check_columns(self):
        """Raises UserError for a task that a classifier with a column for each label cannot answer."""
        if self.task.candidates:
            raise UserError('Task %s has other label words for each text, and %s a column for each label: only a cloze '
                            'can answer it.' % (self.task.name, self.kind))

    @property
    def labels(self):
        return self.task.labels

    @property
    def train(self):
        """Which weights train: 'all', 'prompt', …"""
        return self.tuning.settings()['train']

    @property
    def parameters_trained(self):
        """How many numbers training changes."""
        return numbers_in(self.model.trainable_weights)

    def dropout_rates(self):
        """[after layers, of attention]: the rates in training."""
        config = self.checkpoint.config
        return list(self.dropout.values()) or [config['hidden_dropout_prob'], config['attention_probs_dropout_prob']]

    @property
    def draws(self):
        """Whether a training step may hold what was drawn for one training: it is then traced for each."""
        return type(self).objective is not TextClassifier.objective or type(self.tuning) not in SHIPPED

    def tokenize(self, example):
        """Token ids of each of the example's texts, a list of lists; last, where its label words are its own, a list of
        their token ids, in which a token that the vocabulary has not is `[UNK]`."""
        def ids(text):
            return self.tokenizer.tokens_to_ids(tokenize(self.tokenizer, text))
        own = [list(map(ids, example.words))] if self.task.candidates else []
        return list(map(ids, self.task.texts(example))) + own

    def parts(self, texts):
        """What is read of an example that is tokenized: see `windows.parts`."""
        return parts(texts, *self.frame, self.long)

    def part(self, texts, rng):
        """What is read of it at a time: one of its parts, drawn where there are several."""
        found = self.parts(texts)
        return found[rng.integers(len(found)) if len(found) > 1 else 0]

    # --- learning -------------------------------------------------------------------------------------

    def fit(self, labelled=None, unlabelled=None, dev=None, labelled_share=.5, unlabelled_weight=1., **settings):
        """Trains on labelled texts, unlabelled texts or both.

        Arguments:
            labelled, dev: lists of Example with labels. With `dev` the best epoch's weights are kept. A label of
                `labelled` may be soft, a dict label → probability.
            unlabelled: list of str, pairs or Example.
            labelled_share: of each batch where both kinds are given; an epoch is then one pass over the labelled
                texts. None mixes both as they come, one pass over all, as in the post.
            unlabelled_weight: of an unlabelled text's targets in the mean that is the loss; 1 for a labelled one's.
            settings: see `training.Trainer`: epochs, batch_size, learning_rate, prompt_learning_rate,
                mask_rate, whole_words, auxiliary, auxiliary_weight, schedule, patience, seed, out, resume, callbacks,
                accumulate, workers, finish, verbose.

        Returns: self. `history` holds a dict an epoch.

        Raises: UserError for no data, a label outside the task, an `out` that cannot be written.
        """
        if type(self).objective is not TextClassifier.objective and (
                settings.get('workers') or (settings.get('accumulate') or 1) > 1):
            raise UserError('Workers and accumulate sum the loss of parts of a batch, as that of a cloze or of plain '
                            'fine-tuning is; an objective of your own trains in one process, on whole batches.')
        if not labelled and not unlabelled:
            raise UserError('Nothing to learn from: give labelled texts, unlabelled texts, or both.')
        labelled, unlabelled = self.examples(labelled or [], labelled=True), self.examples(unlabelled or [])
        dev = self.examples(dev or [], labelled=True)
        check_hard(dev)
        trainer = Trainer(self, **settings)
        streams = self.streams(labelled, unlabelled, labelled_share, unlabelled_weight)
        self.offset = np.zeros(len(self.labels))  # one of before has no meaning for what is learned now
        trainer.run(streams, dev)
        self.tuning.finish()
        self._scorer = None  # it was traced with what served training alone
        return self

    def streams(self, labelled, unlabelled, labelled_share=.5, unlabelled_weight=1.):
        """The streams that a Trainer draws batches from; see `fit`."""
        return streams_of(Texts(labelled, [self._target(e.label) for e in labelled], self.tokenize),
                          Texts(unlabelled, [None] * len(unlabelled), self.tokenize), labelled_share, unlabelled_weight)

    def learns_from(self, streams, dev):
        """How many texts of each kind there are, and a digest, a dict: see `streams.trained_on`."""
        return trained_on(streams, dev, self.task)

    def _target(self, label):
        """A label's index, or a soft label's probabilities; None of none."""
        if isinstance(label, dict):
            return np.array([label.get(name, 0.) for name in self.labels])
        return None if label is None else self.labels.index(label)

    def objective(self, network, inputs, targets):
        """What a training step computes: the weighted cross-entropy of what is wanted at the positions."""
        return weighted_crossentropy(*targets, network(inputs, training=True))

    def batches(self, lessons, auxiliary_weight=None):
        """What training steps are fed, made of lists of lessons: `(the model's inputs, (targets, weights))` each."""
        return ((tuple(model_inputs(self.model, *inputs)), targets)
                for inputs, targets in lesson_batches(lessons, auxiliary_weight))

    # --- saving ---------------------------------------------------------------------------------------

    def settings(self):
        """What besides weights and task tells this classifier from another, as `load` needs it."""
        return dict({'tuning': self.tuning.settings(), 'maxlen': self.maxlen},
                    **{'long': self.long} if self.long != 'head' else {})

    def added_tensors(self):
        """The weights that no checkpoint holds, a dict name → array."""
        return self.tuning.tensors()

    def set_added_tensors(self, tensors):
        """Takes back what `added_tensors` gave."""
        self.tuning.set_tensors(tensors)

    def save(self, folder, dtype='float32'):
        """Writes a folder that `load` reads.

        Where the checkpoint's own weights trained it is itself a checkpoint in Google's format; where only a
        prompt did it holds the prompt's rows alone, a few kilobytes. A kill leaves the old model or the new one.

        Arguments: `dtype` 'float16' writes the checkpoint's own weights in half the bytes, to the nearest numbers.

        Raises: UserError where the folder holds a model of another kind or a pretrained checkpoint, or where a
            weight is beyond float16; OSError where it cannot be written.
        """
        model_folder.write(self, folder, dtype)

    @classmethod
    def load(cls, folder, checkpoint=None):
        """The classifier that `save` wrote; UserError where the folder is not one.

        Arguments: `checkpoint`, for a model that is saved without its checkpoint (a prompt): where that is now,
        if not where it was.
        """
        fields = model_folder.read_header(folder)
        if fields['kind'] != cls.kind:
            raise UserError('%s holds a model of the kind %r: open it with pet_keras.load.' % (folder, fields['kind']))
        task, added = model_folder.read_task(folder), model_folder.read_added(folder)
        checkpoint = model_folder.find_checkpoint(folder, fields, checkpoint)
        try:
            classifier = cls.from_settings(task, checkpoint, fields)
            classifier.set_added_tensors(added)
            classifier.offset = fields.get('offset', classifier.offset)
        except UserError:
            raise
        except DAMAGED_FIELDS as e:
            raise model_folder.damaged(folder, e) from None
        classifier.history, classifier.trained_on = fields['history'], fields.get('trained_on', {})
        weights = classifier.model.weights if checkpoint else []
        if not all(tf.reduce_all(tf.math.is_finite(w)) for w in weights):
            raise model_folder.damaged(folder, 'some of its weights are no numbers (NaN or infinite)')
        return classifier
