"""Every kind of classifier by the name that its saved models bear."""
import importlib
from collections import namedtuple

# path: module and class in this folder; needs, takes: of 'labelled' and 'unlabelled' texts, what it cannot learn
# without and what it can learn from; patterns, checkpoint: whether it has any
Kind = namedtuple('Kind', 'path needs takes patterns checkpoint', defaults=(
    (), ('labelled', 'unlabelled'), False, True))

_LABELLED = ('labelled',)
KINDS = {
    'cloze': Kind('cloze_classifier.ClozeClassifier', patterns=True),
    'autoprompt': Kind('search.autoprompt.AutoPromptClassifier', _LABELLED, _LABELLED),
    'lm-bff': Kind('search.lm_bff.LmBffClassifier', _LABELLED, patterns=True),
    'fine-tuning': Kind('fine_tuning.FineTuningClassifier', _LABELLED, _LABELLED),
    'vat': Kind('vat.VatClassifier', _LABELLED),
    'frozen-features': Kind('frozen_features.FrozenFeaturesClassifier', _LABELLED, _LABELLED),
    'priming': Kind('priming.PrimingClassifier', _LABELLED, _LABELLED, patterns=True),
    'bag-of-words': Kind('bag_of_words.BagOfWordsClassifier', _LABELLED, _LABELLED, checkpoint=False),
    'pet': Kind('pet.pet.Pet', ('unlabelled',)),
    'ensemble': Kind('pet.ensemble.Ensemble'),
}


def class_of(kind):
    """The classifier of a kind; it is imported now."""
    module, name = KINDS[kind].path.rsplit('.', 1)
    return getattr(importlib.import_module('pet_keras.classifiers.' + module), name)
