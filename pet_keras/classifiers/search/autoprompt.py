"""A cloze whose pattern is searched on the labelled texts; nothing trains."""
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.at_once import AtOnce
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.items import check_hard
from pet_keras.classifiers.search.triggers import search_triggers
from pet_keras.networks.tuning import Frozen


class AutoPromptClassifier(AtOnce, ClozeClassifier):
    """ClozeClassifier on trigger characters around the blank, found by gradient: arXiv 2010.15980.

    `fit` searches them (see `search_triggers`) and is done: the checkpoint stays as it is, and the pattern alone is
    saved. Before that it asks in the task's first pattern.

    Arguments: as in ClozeClassifier, and `triggers`, how many; `candidates` and `passes` of the search.
    """
    kind = 'autoprompt'

    def __init__(self, task='sentiment', checkpoint=DEFAULT, maxlen=128, precision='float32', long='head', triggers=3,
                 candidates=10, passes=3, check_head=True):
        super(AutoPromptClassifier, self).__init__(task, checkpoint, None, maxlen, Frozen(), precision=precision,
                                                   long=long, check_head=check_head)
        self.search = {'triggers': triggers, 'candidates': candidates, 'passes': passes}

    def learn(self, labelled, dev, seed):
        check_hard(labelled, 'A text to search a pattern on')
        best = search_triggers(self.task, labelled, self.checkpoint, dev, seed=seed, maxlen=self.maxlen, long=self.long,
                               precision=self.precision, **self.search)[0]
        self.pattern = best.pattern
        return {'pattern': best.pattern}

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        classifier = cls(task, checkpoint, fields['maxlen'], long=fields.get('long', 'head'), check_head=False)
        classifier.pattern = fields['pattern']
        return classifier
