"""pet_keras: few-shot and zero-shot Chinese text classification with a pretrained language model.

Every name below is loaded on first use, so that `import pet_keras` and `pet-keras --help` cost
nothing; the Keras switches are set at once, so that TensorFlow may be imported after this line.
"""
import importlib
import os

os.environ['TF_USE_LEGACY_KERAS'] = '1'  # tf.keras is then tf-keras, the Keras 2 that bert4keras needs
os.environ['TF_KERAS'] = '1'  # bert4keras' own switch: take tf.keras, not keras
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

__version__ = '0.1.0'

_NAMES = {
    'Checkpoint': 'checkpoint', 'build_mlm': 'models', 'build_lm': 'models', 'Pattern': 'pattern',
    'Verbalizer': 'verbalizer', 'Task': 'task', 'Example': 'data', 'read_examples': 'data',
    'ClozeClassifier': 'classifier', 'FineTuningClassifier': 'baselines', 'PtuningEmbedding': 'layers',
    'PromptEncoder': 'layers', 'prompt_pattern': 'prompts', 'PromptServer': 'serving',
}
__all__ = sorted(_NAMES) + ['__version__']


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError("module 'pet_keras' has no attribute %r" % name)
    return getattr(importlib.import_module('pet_keras.' + _NAMES[name]), name)


def __dir__():
    return __all__
