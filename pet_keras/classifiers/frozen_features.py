"""A linear classifier on what a frozen model makes of a text."""
import numpy as np

from pet_keras.backend import keras
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.answering import in_parts
from pet_keras.classifiers.at_once import AtOnce
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.scorer import Scorer
from pet_keras.classifiers.softmax_regression import best_regression, one_hot
from pet_keras.cloze.batching import question_batches
from pet_keras.cloze.windows import mean_of_parts
from pet_keras.errors import UserError
from pet_keras.networks.tuning import Frozen


class FrozenFeaturesClassifier(AtOnce, FineTuningClassifier):
    """FineTuningClassifier with its new layer alone to learn: the feature-based way of arXiv 1810.04805, section 5.3.

    The vectors of all texts are computed once; on them the layer is solved for, see `softmax_regression`. The
    checkpoint stays as it is, so only the layer is saved, some kilobytes. Arguments as in FineTuningClassifier, but for
    `train` and `dropout_rate`, and `penalty`, on the layer's squares: None takes the best of PENALTIES on dev, without
    dev the first.
    """
    kind = 'frozen-features'
    PENALTIES = (1., 3., .3, .1, .01)  # the first was the likeliest on dev texts of the sentiment set

    def __init__(self, task='sentiment', checkpoint=DEFAULT, maxlen=128, seed=0, precision='float32', penalty=None,
                 long='head'):
        if not (penalty is None or penalty > 0):
            raise UserError('penalty is above 0.')
        super(FrozenFeaturesClassifier, self).__init__(task, checkpoint, maxlen, Frozen(), None, seed, precision,
                                                       long)
        self.penalty = penalty

    def features(self, examples, batch_size=32):
        """The vectors that the new layer reads, float64 `[len(examples), hidden_size]`; of a text in windows their
        mean."""
        network = keras.models.Model(self.transformer.inputs, self.transformer.encoded)
        scorer, found = Scorer(network, None, None), np.zeros((len(examples), network.output.shape[-1]))
        for start, texts in in_parts(examples):
            questions, owner = self.questions_of(texts)
            vectors = np.zeros((len(questions), found.shape[1]))
            for batch, *inputs in question_batches(questions, batch_size):
                vectors[batch] = scorer.score(inputs, self.precision)[:, 0]
            found[start:start + len(texts)] = mean_of_parts(vectors, owner, len(texts))
        return found

    def learn(self, labelled, dev, seed):
        features = self.features(labelled)
        mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6  # one penalty suits all features
        on_dev = dev and ((self.features(dev) - mean) / scale, [self._target(e.label) for e in dev])
        targets = one_hot([self._target(e.label) for e in labelled], len(self.labels))
        kernel, bias, penalty = best_regression(
            (features - mean) / scale, targets, [self.penalty] if self.penalty else self.PENALTIES, on_dev)
        kernel = kernel / scale[:, None]
        self.head.set_weights([kernel, bias - mean @ kernel])
        return {'penalty': penalty}

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        return cls(task, checkpoint, fields['maxlen'], long=fields.get('long', 'head'))
