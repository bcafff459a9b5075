"""What a classifier with a network does with texts: scores, and what Answering makes of them; calibration."""
import numpy as np

from pet_keras.backend import keras
from pet_keras.classifiers.answering import Answering, in_parts
from pet_keras.classifiers.calibration import NEED_TEXTS, check_method, offset_of
from pet_keras.classifiers.items import check_hard
from pet_keras.classifiers.scorer import Scorer
from pet_keras.cloze.batching import question_batches
from pet_keras.cloze.windows import mean_of_parts
from pet_keras.errors import UserError


class Predicting(Answering):
    """The part of TextClassifier that scores the labels.

    It has `task`, `labels`, `precision`, `run_eagerly`, `examples`, `tokenize`, `parts`, `questions` and
    `build_scorer`; see there.
    """
    calibrations = NEED_TEXTS  # those of calibration.METHODS that suit it

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

    def label_scores(self, examples, batch_size=32, verbose=0):
        """Scores of the labels, float64 `[len(examples), len(labels)]`: log-probabilities up to a constant an
        example, not normalised over the labels, with the offset. Arguments as in `predict`."""
        examples, found = self.examples(examples), [np.zeros((0, len(self.labels)))]
        bar = keras.utils.Progbar(len(examples), unit_name='text') if verbose else None
        for start, texts in in_parts(examples):
            questions, owner = self.questions_of(texts)
            scores = self.score_questions(questions, batch_size,
                                          lambda share: bar and bar.update(start + round(share * len(texts))))
            found.append(mean_of_parts(scores, owner, len(texts)))
        return np.concatenate(found)

    def questions_of(self, examples):
        """(the Questions of each part that is read of the examples, a list of lists; whose each part is, int
        `[parts]`)."""
        asked = [(i, self.questions(part)) for i, e in enumerate(examples) for part in self.parts(self.tokenize(e))]
        return [questions for _, questions in asked], np.array([i for i, _ in asked], int)

    def score_questions(self, examples, batch_size=32, done=lambda share: None):
        """What `label_scores` returns, of lists of Questions; `done` is called with the share of them that is done."""
        if self._scorer is None or self._scorer.aggregation != self.task.verbalizer.aggregation:
            self._scorer = self.scorer()
            self._scorer.layer.offset.assign(self._offset[None])
        scores, ready = np.zeros((len(examples), len(self.labels))), 0
        for batch, *inputs in question_batches(examples, batch_size):
            scores[batch] = self._scorer.score(inputs, self.precision, self.run_eagerly)
            ready += len(batch)
            done(ready / len(examples))
        return scores

    def calibrate(self, examples=None, method='prior', prior=None, batch_size=32, premise=None):
        """Sets `offset`, which takes off the model's taste for some labels, whatever the text says.

        Arguments:
            examples: of 'prior' and 'mean': texts as in `predict`, of the kind that will be asked about; the more,
                the better.
            method: 'prior', 'mean', 'contextual' or 'pmi', see `calibration.METHODS` and docs/calibration.md.
            prior: of 'prior': dict label → share; None takes the shares of the examples' labels where all have one,
                else equal shares.
            premise: of 'pmi': a text, or a pair, that says no more than the kind of text; None leaves the text out.

        Training and, in a cloze, another pattern set the offset to 0 again. Returns: self.

        Raises: UserError for a method that does not suit the classifier, or lacks texts, or has no use for them.
        """
        check_method(self, method)
        examples = None if examples is None else self.examples(examples)
        check_hard(examples or [])
        self.offset = offset_of(self, examples, method, prior, batch_size, premise)
        return self

    def scorer(self):
        """What runs the network that scores the labels."""
        return Scorer(*self.build_scorer(), self.task.verbalizer.aggregation)
