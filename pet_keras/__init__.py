"""pet_keras: few-shot and zero-shot Chinese text classification with a pretrained language model.

Every name below is loaded on first use, so that `import pet_keras` and `pet-keras --help` cost
nothing; the Keras switches are set at once, so that TensorFlow may be imported after this line.
"""
import importlib
import os

os.environ['TF_USE_LEGACY_KERAS'] = '1'  # tf.keras is then tf-keras, the Keras 2 that bert4keras needs
os.environ['TF_KERAS'] = '1'  # bert4keras' own switch: take tf.keras, not keras
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

__version__ = '0.2.0'

_MODULES = {
    'data.checking': ['check'],
    'data.example': ['Example', 'without'],
    'data.reading': ['read_examples'],
    'data.spool': ['Spool'],
    'data.sampling': ['sample'],
    'data.shipped': ['shipped_texts'],
    'cloze.pattern': ['Pattern'],
    'cloze.prompt_pattern': ['prompt_pattern'],
    'cloze.verbalizer': ['Verbalizer'],
    'cloze.task': ['Task'],
    'checkpoints.checkpoint': ['Checkpoint'],
    'checkpoints.conversion': ['convert'],
    'networks.diagnosis': ['diagnose_mlm_head'],
    'networks.fill': ['fill_mask'],
    'networks.models': ['build_lm', 'build_mlm'],
    'networks.tuning': ['AllWeights'],
    'networks.prefix': ['PrefixTuning'],
    'networks.adapters': ['Adapters'],
    'networks.prompt_encoder': ['PromptEncoder'],
    'networks.ptuning_embedding': ['PtuningEmbedding'],
    'classifiers.active.learner': ['ActiveLearner'],
    'classifiers.bag_of_words': ['BagOfWordsClassifier'],
    'classifiers.cloze_classifier': ['ClozeClassifier'],
    'classifiers.estimator': ['PetClassifier'],
    'classifiers.fine_tuning': ['FineTuningClassifier'],
    'classifiers.frozen_features': ['FrozenFeaturesClassifier'],
    'classifiers.loading': ['load'],
    'classifiers.metrics': ['classification_report'],
    'classifiers.multi_task': ['MultiTaskClassifier'],
    'classifiers.pet.ensemble': ['Ensemble'],
    'classifiers.pet.pet': ['IPet', 'Pet'],
    'classifiers.priming': ['PrimingClassifier'],
    'classifiers.search.autoprompt': ['AutoPromptClassifier'],
    'classifiers.search.lm_bff': ['LmBffClassifier'],
    'classifiers.search.triggers': ['search_triggers'],
    'classifiers.search.words': ['search_words'],
    'classifiers.vat': ['VatClassifier'],
    'classifiers.workers': ['Workers'],
    'experiments.linting': ['lint'],
    'experiments.ranking': ['rank_patterns'],
    'serving.export': ['export'],
    'serving.onnx_classifier': ['OnnxClassifier'],
    'serving.prompt_server': ['PromptServer'],
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_NAMES) + ['__version__']


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError("module 'pet_keras' has no attribute %r" % name)
    return getattr(importlib.import_module('pet_keras.' + _NAMES[name]), name)


def __dir__():
    return __all__
