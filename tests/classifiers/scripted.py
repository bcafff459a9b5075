"""Runs whose epochs and dev results are made up, and what tells one run's weights from another's."""
import numpy as np

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
LABELLED = [Example(a + b, label=label) for label, words in (('正面', ['干净', '好吃', '安静', '舒服']),
                                                              ('负面', ['很脏', '难吃', '吵人', '难受']))
            for a in ('房间', '味道', '早餐') for b in words]
UNLABELLED = ['今天天气很好我们去吃饭', '这本书纸张不错字也大', '又吵又脏再也不来了'] * 3


def fit_new(checkpoint, *data, **settings):
    settings = dict({'learning_rate': 1e-2, 'schedule': 'constant'}, **settings)
    return ClozeClassifier(TASK, checkpoint).fit(*data, **settings)


def same_bits(a, b):
    """Whether two lists of weights are the same to the bit."""
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


def saved_weights(folder):
    """The weights of a saved model."""
    return ClozeClassifier.load(folder).model.get_weights()


def noise(weights, epoch):
    rng = np.random.default_rng(epoch)
    return [w + rng.normal(0, 0.1, w.shape).astype('float32') for w in weights]


def noisy(weights, epochs):
    """The weights that `script` gives after so many epochs."""
    for epoch in range(epochs):
        weights = noise(weights, epoch)
    return weights


def script(monkeypatch, accuracies, likelihoods=None, stop_in=None):
    """Epochs that cost nothing (noise on the weights) and dev results as given, one an epoch from 0 on."""
    reached = {'epoch': 0}

    def train_epoch(self, epoch, streams):
        if epoch + 1 == stop_in:
            raise KeyboardInterrupt
        self.classifier.model.set_weights(noise(self.classifier.model.get_weights(), epoch))
        reached['epoch'] = epoch + 1
        return 1.

    def evaluate(self, examples, *args, **kwargs):
        epoch = reached['epoch']
        return {'accuracy': accuracies[epoch], 'auc': .5,
                'log_likelihood': likelihoods[epoch] if likelihoods else -1. - epoch}

    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    monkeypatch.setattr(ClozeClassifier, 'evaluate', evaluate)
