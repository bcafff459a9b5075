"""Ensemble: a model a pattern and seed, which classify together."""
import itertools
import os
import re
import tempfile

import numpy as np

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.model_folder import HEADER, check_place, damaged, find_checkpoint, read_header, read_task
from pet_keras.classifiers.model_folder import write_json
from pet_keras.classifiers.pet.members import Members
from pet_keras.classifiers.pet.soft_labels import combine
from pet_keras.classifiers.pet.stages import Run, digest
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.classifiers.training import Trainer
from pet_keras.data.spool import Relabelled
from pet_keras.errors import DAMAGED_FIELDS, UserError
from pet_keras.networks.tuning import AllWeights

WEIGHTS = ('uniform', 'accuracy')
_MOST_SEEDS = 100


class Ensemble(TextClassifier):
    """Classifies by the weighted mean of the scores of several ClozeClassifiers (arXiv 2001.07676, section 3.3).

    Untrained it is the mean of the patterns, zero-shot. All models are in memory while it classifies; while it trains,
    one at a time is.

    Arguments:
        task, checkpoint, maxlen, dropout_rate, precision, long: see ClozeClassifier.
        patterns: names in the task, or patterns of your own; None: all of the task, for a causal model all whose blank
            comes last.
        seeds: models a pattern.
        weights: of the models: 'uniform', or 'accuracy', that on the labelled texts before training.

    `score_elsewhere`: None, or a function of the folder of a trained model and a list of Example that gives what its
    `label_scores` would; then it scores the unlabelled texts.

    Raises: UserError for patterns that are not the task's, or that a causal model cannot use.
    """
    kind, exports = 'ensemble', False

    def __init__(self, task='sentiment', checkpoint=DEFAULT, patterns=None, maxlen=128, seeds=1, weights='uniform',
                 dropout_rate=None, precision='float32', long='head'):
        super(Ensemble, self).__init__(task, checkpoint, maxlen, dropout_rate, precision, long)
        if not 1 <= seeds <= _MOST_SEEDS or weights not in WEIGHTS:
            raise UserError('seeds is from 1 to %d, and weights one of %s.' % (_MOST_SEEDS, ', '.join(WEIGHTS)))
        self.tuning, self.dropout_rate, self.seeds, self.weights = AllWeights(), dropout_rate, seeds, weights
        self.patterns, self.report = self._patterns(patterns), []
        self.places, self._members, self.score_elsewhere = None, None, None  # the folders of trained models; the models
        self.member_weights = np.ones(len(self.roster))

    def _patterns(self, patterns):
        """dict name → pattern's string, of what the argument asks for."""
        if isinstance(patterns, str):
            raise UserError('patterns is a list, not %r.' % patterns)
        causal = self.checkpoint.is_causal
        if patterns is None:
            patterns = [name for name, p in self.task.patterns.items() if not causal or p.mask_is_last]
        found = [self.task.pattern(pattern, causal).string for pattern in patterns]
        if not found:
            raise UserError('There is no pattern%s.' % (
                ' whose blank comes last, and a causal model reads from left to right' if causal else ''))
        if len(set(found)) < len(found):
            raise UserError('patterns names one pattern twice: %s.' % ', '.join(map(str, patterns)))
        names = {pattern.string: name for name, pattern in reversed(self.task.patterns.items())}
        names = [name if re.fullmatch(r'[\w-]+', name) else '' for name in (names.get(string, '') for string in found)]
        return {name or 'pattern%d' % (i + 1): string for i, (name, string) in enumerate(zip(names, found))}

    @property
    def roster(self):
        """A list of `(name of the pattern, its string, seed)`, one a model."""
        return [(name, string, seed) for name, string in self.patterns.items() for seed in range(self.seeds)]

    @property
    def members(self):
        """The ClozeClassifiers."""
        if self._members is None:
            self._members = [self.new_member(i) for i in range(len(self.roster))] if self.places is None else [
                ClozeClassifier.load(place) for place in self.places]
        for member in self._members:
            member.precision, member.run_eagerly, member.long = self.precision, self.run_eagerly, self.long
        return self._members

    def new_member(self, i):
        """The untrained ClozeClassifier of this place."""
        _, pattern, seed = self.roster[i]
        return ClozeClassifier(self.task, self.checkpoint, pattern, self.maxlen, dropout_rate=self.dropout_rate,
                               seed=seed, precision=self.precision, long=self.long, check_head=not i)

    def label_scores(self, examples, batch_size=32, verbose=0):
        """See TextClassifier.label_scores."""
        scores = [member.label_scores(examples, batch_size, verbose) for member in self.members]
        return combine(np.array(scores), self.member_weights) + self.offset

    def build_scorer(self):
        raise UserError('An ensemble is several networks, and what is exported is one: what Pet distils from it is.')

    def settings(self):
        return dict(super(Ensemble, self).settings(), patterns=list(self.patterns.values()), seeds=self.seeds,
                    weights=self.weights)

    # --- learning -------------------------------------------------------------------------------------

    def fit(self, labelled=None, unlabelled=None, dev=None, generations=0, seed=0, out=None, verbose=0, **settings):
        """Trains the models, one after the other.

        Arguments:
            labelled, dev: lists of Example with labels; with `dev` each model keeps its best epoch, and `report` has
                figures.
            unlabelled: list of str, pairs or Example, that the models label for each other where there are generations.
            generations: of iPET: so many times new models learn from texts that those before have labelled. Without
                labelled texts the first ones are the untrained models (zero-shot).
            seed: 1,000 times it is added to a model's own.
            out: a folder. A model that is trained there already is not trained again, and an interrupted training goes
                on. None: a temporary one.
            verbose: 1 says which stage begins and shows the epochs.
            settings: of each model's training, see `training.Trainer`.

        Returns: self. `report` is a list of dict with `name`, `accuracy` and `auc`, on dev.

        Raises: UserError for no data, and for settings that do not go together.
        """
        texts = self.texts(labelled, unlabelled, dev)
        self.check(texts, generations, dict(settings, seed=seed))
        with Run(self.home(out), self.run_settings(texts, generations, seed, settings), self.stages(generations),
                 verbose) as run:
            self.train_members(run, '', texts, generations, seed, settings)
        return self

    def home(self, out):
        """The folder of a run: `out`, or a temporary one that lives as long as this object."""
        self._temporary = None if out else tempfile.TemporaryDirectory()
        return out or self._temporary.name

    def texts(self, labelled, unlabelled, dev):
        """(labelled, unlabelled, dev) as Examples; UserError where there are none to learn from."""
        if not labelled and not unlabelled:
            raise UserError('Nothing to learn from: give labelled texts, unlabelled texts, or both.')
        labelled, dev = (self.examples(examples or [], labelled=True) for examples in (labelled, dev))
        if any(isinstance(e.label, dict) for e in itertools.chain(labelled, dev)):
            raise UserError('PET counts labels: a text needs one label, not a soft one.')
        return labelled, Relabelled(self.examples(unlabelled or [])), dev

    def check(self, texts, generations, settings):
        """Raises UserError for what cannot be done."""
        Trainer(None, **settings)
        if self.places is not None:
            raise UserError('This ensemble is trained already: make a new one.')
        if generations < 0:
            raise UserError('generations is 0 or more.')
        if generations and not texts[1]:
            raise UserError('Generations learn from unlabelled texts: give some, or 0 generations.')
        if generations and len(self.roster) < 2:
            raise UserError("iPET's models label texts for each other: it takes two models or more. Give another "
                            'pattern, or 2 seeds.')
        if generations and not texts[0] and len(texts[1]) < len(self.labels):
            raise UserError('Without labelled texts the first generation takes a text for each label: %d unlabelled '
                            'texts are too few for %d labels.' % (len(texts[1]), len(self.labels)))
        if self.weights == 'accuracy' and not texts[0]:
            raise UserError("weights='accuracy' is that on labelled texts, and there are none: take 'uniform'.")

    def stages(self, generations):
        """How many stages a run has."""
        return len(self.roster) * (generations + 1)

    def run_settings(self, texts, generations, seed, settings):
        """What a run that goes on must have in common with the one before."""
        names = ('labelled', 'unlabelled', 'dev')
        return dict(settings, **self.settings(), generations=generations, seed=seed, precision=self.precision,
                    dropout_rate=self.dropout_rate, task=self.task.scoring(), checkpoint=self.checkpoint.fingerprint,
                    **{name: '%d (%s)' % (len(part), digest(part)) for name, part in zip(names, texts)})

    def train_members(self, run, place, texts, generations, seed, settings):
        """Carries out the stages of a run, in the folder `place` of it; returns what `Members.train` does."""
        found = Members(self, run, place, texts, generations, seed, settings).train()
        self.places, self.member_weights, self._members = found.places, found.weights, None
        self.report, self.offset = found.report, np.zeros(len(self.labels))
        self._write(run.place(place), [os.path.relpath(p, run.place(place)) for p in self.places])
        return found

    # --- saving ---------------------------------------------------------------------------------------

    def _write(self, folder, places):
        """Writes what `load` reads beside the models, whose folders `places` are in this one."""
        self.task.save(os.path.join(folder, 'task.json'))
        known = {name: read_header(os.path.join(folder, places[0]))[name] for name in (
            'keeps_checkpoint', 'checkpoint', 'versions')}
        write_json(os.path.join(folder, HEADER), dict(
            known, **self.settings(), kind=self.kind, history=[], offset=self.offset.tolist(), places=places,
            member_weights=self.member_weights.tolist(), report=self.report))

    def save(self, folder, dtype='float32'):
        """Writes a folder that `load` reads: that of each model, and which they are. See TextClassifier.save."""
        check_place(self, folder)
        places = ['model%d' % i for i in range(len(self.roster))]
        for member, place in zip(self.members, places):
            member.save(os.path.join(folder, place), dtype)
        self._write(folder, places)

    @classmethod
    def load(cls, folder, checkpoint=None):
        """The Ensemble that `save` wrote, or `fit(out=…)`; UserError where the folder holds none."""
        fields = read_header(folder)
        if checkpoint is not None or fields['kind'] != cls.kind:
            raise UserError('%s: %s.' % (folder, 'an ensemble holds its own checkpoints' if checkpoint is not None else
                                         'it holds no ensemble: open it with pet_keras.load'))
        try:
            places = [_inside(folder, place) for place in fields['places']]
            if len(places) != len(fields['patterns']) * fields['seeds'] or not places:
                raise ValueError('it names %d models' % len(places))
            checkpoint = find_checkpoint(places[0], read_header(places[0]))
            ensemble = cls(read_task(folder), checkpoint, fields['patterns'], fields['maxlen'], fields['seeds'],
                           fields['weights'], long=fields.get('long', 'head'))
            ensemble.places, ensemble.member_weights = places, np.array(fields['member_weights'], 'float64')
            if ensemble.member_weights.shape != (len(places),) or not np.isfinite(ensemble.member_weights).all():
                raise ValueError('its weights are no number for each model')
            ensemble.offset, ensemble.report = fields['offset'], list(fields['report'])
        except UserError:
            raise
        except DAMAGED_FIELDS as e:
            raise damaged(os.path.join(folder, HEADER), e) from None
        return ensemble


def _inside(folder, place):
    """A folder below this one; ValueError for one that is not: a stranger's folder opens no other."""
    path = os.path.join(folder, place)
    if os.path.commonpath([os.path.realpath(folder), os.path.realpath(path)]) != os.path.realpath(folder):
        raise ValueError('its model %s is outside the folder' % place)
    return path
