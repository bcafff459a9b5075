"""What every text classifier here shares: predict, evaluate, fit, save and load over Examples."""
import numbers

import numpy as np

from pet_keras.backend import PRECISIONS, keras
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers import model_folder
from pet_keras.classifiers.calibration import match_prior, prior_of
from pet_keras.classifiers.metrics import classification_report
from pet_keras.classifiers.scorer import Scorer
from pet_keras.classifiers.streams import Texts, streams_of
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.batching import lesson_batches, question_batches
from pet_keras.cloze.pattern import tokenize
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example, as_example
from pet_keras.errors import UserError
from pet_keras.networks.losses import weighted_crossentropy
from pet_keras.networks.models import model_inputs
from pet_keras.networks.tuning import AllWeights, Prompt


def _check_hard(examples):
    if any(isinstance(example.label, dict) for example in examples):
        raise UserError('A text to evaluate or calibrate on needs one label, not a soft one.')


class TextClassifier(object):
    """Base class of the classifiers.

    A subclass has `tuning`, `transformer` and `model` (inputs `token_ids, segment_ids, positions`; logits at
    the positions) and defines `questions` (the sequences that score one example), `build_scorer` (the
    network whose output is the labels' scores) and `lesson` (the training sequence of one example). It may
    override `objective`, what a training step computes.
    """
    kind = None  # its name in files

    def __init__(self, task, checkpoint, maxlen, dropout_rate, precision='float32'):
        self.task = task if isinstance(task, Task) else Task.load(task)
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.tokenizer = self.checkpoint.tokenizer()
        self.maxlen = min(maxlen, self.checkpoint.max_position or maxlen)
        if dropout_rate is not None and not 0 <= dropout_rate < 1:
            raise UserError('dropout_rate is 0 or more, and below 1.')
        rates = ('dropout_rate', 'attention_dropout_rate')
        self.dropout = {} if dropout_rate is None else dict.fromkeys(rates, dropout_rate)
        if precision not in PRECISIONS:
            raise UserError('precision=%r: choose %s.' % (precision, ', '.join(PRECISIONS)))
        self.precision, self._scorer, self._offset = precision, None, np.zeros(len(self.labels))
        self.history, self.trained_on, self.step_seconds = [], {}, None  # of the last training
        self.step = None  # what it traced, which keeps the optimizer's variables
        self.run_eagerly = False  # scoring, as in Keras: a text or two are answered before a graph would be traced

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
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights)

    @property
    def offset(self):
        """What is added to each label's score, float `[labels]`: 0, unless calibration set it. Read-only: assign it."""
        return self._offset

    @offset.setter
    def offset(self, offset):
        offset = np.array(offset, 'float64')
        if offset.shape != (len(self.labels),) or not np.isfinite(offset).all():
            raise UserError('offset is a finite number for each of the %d labels.' % len(self.labels))
        offset.flags.writeable = False
        self._offset = offset
        if self._scorer:
            self._scorer.layer.offset.assign(self._offset[None])

    def dropout_rates(self):
        """[after layers, of attention]: the rates in training."""
        config = self.checkpoint.config
        return list(self.dropout.values()) or [config['hidden_dropout_prob'], config['attention_probs_dropout_prob']]

    @property
    def draws(self):
        """Whether a training step may hold what was drawn for one training: it is then traced for each."""
        return type(self).objective is not TextClassifier.objective or type(self.tuning) not in (AllWeights, Prompt)

    def tokenize(self, example):
        """Token ids of each of the example's texts: a list of one or two lists."""
        return [self.tokenizer.tokens_to_ids(tokenize(self.tokenizer, text))
                for text in (example.text, example.text_b) if text is not None]

    # --- scoring --------------------------------------------------------------------------------------

    def label_scores(self, examples, batch_size=32, verbose=0):
        """Scores of the labels, float64 `[len(examples), len(labels)]`: log-probabilities up to a constant an
        example, not normalised over the labels, with the offset. Arguments as in `predict`."""
        if self._scorer is None or self._scorer.aggregation != self.task.verbalizer.aggregation:
            self._scorer = Scorer(*self.build_scorer(), self.task.verbalizer.aggregation)
            self._scorer.layer.offset.assign(self._offset[None])
        examples = [self.questions(self.tokenize(e)) for e in self.examples(examples)]
        bar = keras.utils.Progbar(len(examples), unit_name='text') if verbose else None
        scores = np.zeros((len(examples), len(self.labels)))
        for batch, *inputs in question_batches(examples, batch_size):
            scores[batch] = self._scorer.score(*inputs, self.precision, self.run_eagerly)
            if bar:
                bar.add(len(batch))
        return scores

    def predict_log_proba(self, examples, batch_size=32, verbose=0):
        """Log-probabilities of the labels, float64 `[len(examples), len(labels)]`.

        Arguments: `examples` as in `predict`; `verbose` 1 shows a progress bar.
        """
        scores = self.label_scores(examples, batch_size, verbose)
        return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)

    def predict_proba(self, examples, batch_size=32, verbose=0):
        """Probabilities of the labels, float64 `[len(examples), len(labels)]`; rows sum to 1."""
        return np.exp(self.predict_log_proba(examples, batch_size, verbose))

    def predict(self, examples, batch_size=32, verbose=0):
        """The likeliest label of each example, a list of str.

        Arguments:
            examples: list of str, of (text, text) pairs, or of Example.
        """
        return [self.labels[i] for i in self.predict_log_proba(examples, batch_size, verbose).argmax(axis=1)]

    def evaluate(self, examples, batch_size=32, verbose=0):
        """Accuracy and more on labelled examples; see `metrics.classification_report` for the keys."""
        examples = self.examples(examples, labelled=True)
        if not examples:
            raise UserError('Nothing to evaluate: the list of examples is empty.')
        _check_hard(examples)
        return classification_report([e.label for e in examples],
                                     self.predict_log_proba(examples, batch_size, verbose), self.labels)

    def calibrate(self, examples, prior=None, batch_size=32):
        """Sets `offset` so that the labels' mean probabilities over these texts are their shares in `prior`.

        Arguments:
            examples: texts as in `predict`, of the kind that will be asked about; the more, the better.
            prior: dict label → share; None takes the shares of the examples' labels where all have one, else
                equal shares.

        Training and, in a cloze, another pattern set the offset to 0 again. Returns: self. See
        `calibration.match_prior`.
        """
        examples = self.examples(examples)
        if not examples:
            raise UserError('Nothing to calibrate on: the list of examples is empty.')
        _check_hard(examples)
        known = [self.task.label_of(e.label) for e in examples if e.label is not None]
        prior = prior_of(prior, self.labels, known if len(known) == len(examples) else [])
        self.offset = self.offset + match_prior(self.label_scores(examples, batch_size), prior)
        return self

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
                mask_rate, whole_words, auxiliary, auxiliary_weight, schedule, patience, seed, out, resume, workers,
                verbose.

        Returns: self. `history` holds a dict an epoch.

        Raises: UserError for no data, a label outside the task, an `out` that cannot be written.
        """
        if settings.get('workers') and type(self).objective is not TextClassifier.objective:
            raise UserError('Workers sum the loss of this library; an objective of your own trains in one process.')
        if not labelled and not unlabelled:
            raise UserError('Nothing to learn from: give labelled texts, unlabelled texts, or both.')
        labelled, unlabelled = self.examples(labelled or [], labelled=True), self.examples(unlabelled or [])
        dev = self.examples(dev or [], labelled=True)
        _check_hard(dev)
        trainer = Trainer(self, **settings)
        streams = self.streams(labelled, unlabelled, labelled_share, unlabelled_weight)
        self.offset = np.zeros(len(self.labels))  # one of before has no meaning for what is learned now
        trainer.run(streams, dev)
        self.tuning.finish()
        self._scorer = None  # it was traced with what served training alone
        return self

    def streams(self, labelled, unlabelled, labelled_share=.5, unlabelled_weight=1.):
        """The streams that a Trainer draws batches from; see `fit`."""
        return streams_of(*[Texts(examples, [self._target(e.label) for e in examples], self.tokenize)
                            for examples in (labelled, [e._replace(label=None) for e in unlabelled])],
                          labelled_share, unlabelled_weight)

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

    def examples(self, items, labelled=False):
        """Items as Examples, with the task's spelling of their labels; UserError for what does not fit."""
        if isinstance(items, (str, Example)):
            raise UserError('Give a list of texts, not one text.')
        examples = []
        for i, item in enumerate(items):
            example = as_example(item, i)
            self.task.pattern().texts(example.text, example.text_b)
            examples.append(example._replace(label=self._label(example.label)) if labelled else example)
        return examples

    def _label(self, label):
        """A label, hard or soft, in the task's spelling."""
        if not isinstance(label, dict):
            return self.task.label_of(label)
        shares = list(label.values())
        if not all(isinstance(p, numbers.Real) and p >= 0 for p in shares) or not abs(sum(shares) - 1) <= 1e-3:
            raise UserError('A soft label is a dict of label: probability, and they sum to 1; not %r.' % label)
        found = dict.fromkeys(self.labels, 0.)
        for name, share in label.items():
            found[self.task.label_of(name)] += float(share)
        return found

    # --- saving ---------------------------------------------------------------------------------------

    def settings(self):
        """What besides weights and task tells this classifier from another, as `load` needs it."""
        return {'tuning': self.tuning.settings(), 'maxlen': self.maxlen}

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
        except (KeyError, TypeError, ValueError) as e:
            raise model_folder.damaged(folder, e) from None
        classifier.history, classifier.trained_on = fields['history'], fields.get('trained_on', {})
        return classifier
