"""ClozeClassifier: a text classifier that fills a blank."""
import json
import os

import numpy as np

from pet_keras.backend import keras, tf
from pet_keras.batching import batches_by_length, pad
from pet_keras.checkpoint import Checkpoint
from pet_keras.data import Example
from pet_keras.errors import UserError
from pet_keras.metrics import classification_report
from pet_keras.models import build_mlm, label_word_model
from pet_keras.pattern import tokenize
from pet_keras.task import Task
from pet_keras.training import Trainer


class ClozeClassifier(object):
    """Classifies a text by the word that a masked language model puts into the blank of a pattern.

    It works before any training (zero-shot) and learns from labelled texts, unlabelled texts, or both
    (`fit`). Source: kexue.fm 7764; arXiv 2001.07676, section 3.

    Arguments:
        task: a Task, a shipped task's name or a task's JSON file.
        checkpoint: a Checkpoint, a folder in Google's format, or a shipped model's name.
        pattern: a name in the task, or a pattern of your own; None takes the task's first.
        maxlen: longest sequence in tokens; at most what the checkpoint allows. Longer texts are cut.

    Raises: UserError where task and checkpoint do not fit: no MLM head, a label word outside the vocabulary.

    >>> ClozeClassifier('sentiment').predict(['房间很干净，服务也热情', '又吵又脏，再也不来了'])
    ['正面', '负面']
    """
    def __init__(self, task='sentiment', checkpoint='bert-mini-zh', pattern=None, maxlen=128):
        self.task = task if isinstance(task, Task) else Task.load(task)
        self.pattern = self.task.pattern(pattern)
        self.checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.tokenizer = self.checkpoint.tokenizer()
        self.maxlen = min(maxlen, self.checkpoint.max_position or maxlen)
        self.words = self.task.verbalizer.token_ids(self.tokenizer)
        self.pattern.encode(self.tokenizer, *[''] * (1 + self.task.is_pair),
                            word_length=max(len(ids) for _, ids in self.words), maxlen=self.maxlen)
        self.transformer = build_mlm(self.checkpoint, return_keras_model=False)
        self.model = self.transformer.model
        self.history = []
        self._scorer = self._score_words()

    @property
    def labels(self):
        return self.task.labels

    def _score_words(self):
        """A compiled function: `(token_ids, segment_ids, positions)` → log-probabilities up to a constant.

        Words of one length share the softmax' denominator at every position, which cancels between
        labels, so the label words' rows of the output embedding suffice. Words of different lengths
        need the whole vocabulary.
        """
        lengths = {len(ids) for _, ids in self.words}
        self._columns = sorted({i for _, ids in self.words for i in ids})
        whole = len(lengths) > 1
        model = self.model if whole else label_word_model(self.transformer, self._columns)

        @tf.function(input_signature=[tf.TensorSpec([None, None], 'int32')] * 3)
        def score(token_ids, segment_ids, positions):
            logits = tf.cast(model(self.inputs(token_ids, segment_ids, positions), training=False), 'float32')
            return tf.gather(tf.nn.log_softmax(logits), self._columns, axis=-1) if whole else logits
        return score

    def inputs(self, token_ids, segment_ids, positions):
        """The model's inputs: some checkpoints take no segment ids."""
        return [token_ids, segment_ids, positions] if len(self.model.inputs) == 3 else [token_ids, positions]

    def predict_log_proba(self, examples, batch_size=64, verbose=0):
        """Log-probabilities of the labels, float64 `[len(examples), len(labels)]`.

        Arguments: `examples` as in `predict`; `verbose` 1 shows a progress bar.
        """
        examples = self._examples(examples)
        lengths = sorted({len(ids) for _, ids in self.words})
        tokens = [self.tokenize(e) for e in examples]
        cases = [(row, length) for row in range(len(examples)) for length in lengths]
        encoded = [self.pattern.encode(self.tokenizer, *tokens[row], word_length=length, maxlen=self.maxlen)
                   for row, length in cases]
        scores = np.zeros((len(examples), len(self.words)))
        bar = keras.utils.Progbar(len(cases), unit_name='text') if verbose else None
        for batch in batches_by_length([len(e.token_ids) for e in encoded], batch_size):
            part = [encoded[i] for i in batch]
            logits = self._scorer(pad([e.token_ids for e in part]), pad([e.segment_ids for e in part]),
                                  pad([e.mask_positions for e in part])).numpy()
            for log_probs, (row, length) in zip(logits, [cases[i] for i in batch]):
                for k, (_, ids) in enumerate(self.words):
                    if len(ids) == length:
                        scores[row, k] = sum(log_probs[n, self._columns.index(i)] for n, i in enumerate(ids))
            if bar:
                bar.add(len(batch))
        return self.task.verbalizer.merge(scores, [label for label, _ in self.words])

    def tokenize(self, example):
        """Token ids of each of the example's texts: a list of one or two lists."""
        return [self.tokenizer.tokens_to_ids(tokenize(self.tokenizer, text))
                for text in (example.text, example.text_b) if text is not None]

    def predict_proba(self, examples, batch_size=64, verbose=0):
        """Probabilities of the labels, float64 `[len(examples), len(labels)]`; rows sum to 1."""
        return np.exp(self.predict_log_proba(examples, batch_size, verbose))

    def predict(self, examples, batch_size=64, verbose=0):
        """The likeliest label of each example, a list of str.

        Arguments:
            examples: list of str, of (text, text) pairs, or of Example.
        """
        return [self.labels[i] for i in self.predict_log_proba(examples, batch_size, verbose).argmax(axis=1)]

    def evaluate(self, examples, batch_size=64, verbose=0):
        """Accuracy and more on labelled examples; see `metrics.classification_report` for the keys."""
        examples = self._examples(examples, labelled=True)
        return classification_report([e.label for e in examples],
                                     self.predict_log_proba(examples, batch_size, verbose), self.labels)

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        """Continues the model's own training on the cloze; the data given decide the regime.

        unlabelled only: continued MLM pretraining. labelled only: few-shot. Both: semi-supervised.
        In a labelled text the blank and random masks carry the loss, in an unlabelled one random masks.

        Arguments:
            labelled, dev: lists of Example with labels. With `dev` the best epoch's weights are kept.
            unlabelled: list of str, pairs or Example.
            settings: see `training.Trainer`: epochs, batch_size, learning_rate, mask_rate, patience,
                seed, out, resume, verbose.

        Returns: self. `history` holds a dict an epoch.

        Raises: UserError for no data, a label outside the task, an `out` that cannot be written.
        """
        if not labelled and not unlabelled:
            raise UserError('Nothing to learn from: give labelled texts, unlabelled texts, or both.')
        trainer = Trainer(self, **settings)
        trainer.run(self._examples(labelled or [], labelled=True), self._examples(unlabelled or []),
                    self._examples(dev or [], labelled=True))
        return self

    def _examples(self, items, labelled=False):
        """Items as Examples, with the task's spelling of their labels."""
        if isinstance(items, (str, Example)):
            raise UserError('Give a list of texts, not one text.')
        examples = []
        for item in items:
            example = item if isinstance(item, Example) else Example(*([item] if isinstance(item, str) else item))
            self.pattern.texts(example.text, example.text_b)
            examples.append(example._replace(label=self.task.label_of(example.label)) if labelled else example)
        return examples

    def save(self, folder):
        """Writes a folder that `load` reads and that is itself a checkpoint in Google's format."""
        self.checkpoint.write(folder, self.transformer)
        self.task.save(os.path.join(folder, 'task.json'))
        settings = {'pattern': self.pattern.string, 'maxlen': self.maxlen, 'history': self.history}
        with open(os.path.join(folder, 'classifier.json'), 'w', encoding='utf-8') as writer:
            json.dump(settings, writer, ensure_ascii=False, indent=1)

    @classmethod
    def load(cls, folder):
        """The classifier that `save` wrote; UserError where the folder is not one."""
        path = os.path.join(folder, 'classifier.json')
        if not os.path.isfile(path):
            raise UserError('%s holds no classifier.json: it is not a model that pet_keras trained%s.' % (
                folder, '' if os.path.isdir(folder) else ' (there is no such folder)'))
        with open(path, encoding='utf-8') as reader:
            settings = json.load(reader)
        classifier = cls(Task.load(os.path.join(folder, 'task.json')), Checkpoint(folder),
                         settings['pattern'], settings['maxlen'])
        classifier.history = settings['history']
        return classifier
