"""Pet and IPet: the classifier that is distilled from an ensemble."""
import os

from pet_keras.backend import keras
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.model_folder import HEADER, write_json
from pet_keras.classifiers.pet.ensemble import Ensemble
from pet_keras.classifiers.pet.members import report_of, row_of, write_dev
from pet_keras.classifiers.pet.soft_labels import combine, soften, write_labels
from pet_keras.classifiers.pet.stages import Run, fit_once
from pet_keras.classifiers.training import Trainer
from pet_keras.data.spool import Relabelled
from pet_keras.errors import UserError

_ENSEMBLE, _SOFT = 'ensemble', 'soft_labels.jsonl'


class Pet(FineTuningClassifier):
    """Plain fine-tuning on the soft labels that an ensemble of cloze models gives to unlabelled texts.

    The complete PET (arXiv 2001.07676, section 3.3; kexue.fm 7764): a model a pattern learns from the labelled texts;
    together they label the unlabelled ones, softly; a classifier with a new layer learns from these labels. It is this
    object. With `generations` the models label texts for each other first (iPET, section 3.4).

    As in Hinton's distillation (arXiv 1503.02531, section 2) the classifier too is divided by the temperature while it
    learns, and is not when it is asked: its probabilities are as sharp as the ensemble's.

    Arguments:
        task, checkpoint, maxlen, dropout_rate, seed, precision, long: see FineTuningClassifier.
        patterns, seeds, weights: see Ensemble.
        generations: of iPET, see `Ensemble.fit`.
        temperature: above 0; what the ensemble's scores are divided by.

    After `fit` or `load`: `ensemble`, an Ensemble, or None where the folder holds none.

    >>> Pet('news', patterns=['P1', 'P3']).fit(labelled, unlabelled, dev, out='my_pet')  # doctest: +SKIP
    """
    kind = 'pet'
    without = ('labelled_share', 'unlabelled_weight')

    def __init__(self, task='sentiment', checkpoint=DEFAULT, patterns=None, maxlen=128, seeds=1, generations=0,
                 weights='uniform', temperature=2., dropout_rate=None, seed=0, precision='float32', long='head'):
        super(Pet, self).__init__(task, checkpoint, maxlen, 'all', dropout_rate, seed, precision, long)
        if not temperature > 0:
            raise UserError('temperature is above 0.')
        self.temperature, self.generations, self.report = float(temperature), generations, []
        self.ensemble = Ensemble(self.task, self.checkpoint, patterns, maxlen, seeds, weights, dropout_rate, precision,
                                 long)
        self._asked = {key: self.ensemble.settings()[key] for key in ('patterns', 'seeds', 'weights')}
        # what trains: the scores by the temperature; the scorer is of `head` itself
        by_temperature = keras.layers.Lambda(lambda scores: scores / temperature, name='Temperature')
        self.model = keras.models.Model(self.model.inputs, by_temperature(self.model.output))

    def fit(self, labelled=None, unlabelled=None, dev=None, seed=0, out=None, distillation=None, verbose=0, **settings):
        """Trains the ensemble's models, then this classifier.

        Arguments:
            labelled, unlabelled, dev, seed, out, verbose, settings: see `Ensemble.fit`. Into `out` goes this
                classifier; the ensemble is in `out/ensemble`, the soft labels are in `out/soft_labels.jsonl`.
            distillation: dict of settings of this classifier's own training, see `training.Trainer`.

        Returns: self. `report` is a list of dict with `name`, `accuracy` and `auc` on dev, as it is in `report.json`.

        Raises: UserError for no unlabelled texts, and see `Ensemble.fit`.
        """
        if not unlabelled:
            raise UserError('PET distils its classifier from unlabelled texts: give some. Without them Ensemble does '
                            'what can be done.')
        if self.ensemble is None or self.ensemble.places is not None:
            raise UserError('This classifier is trained already: make a new one.')
        own, ensemble = dict(distillation or {}), self.ensemble
        texts = ensemble.texts(labelled, unlabelled, dev)
        ensemble.check(texts, self.generations, dict(settings, seed=seed))
        Trainer(None, **own)
        all_settings = dict(ensemble.run_settings(texts, self.generations, seed, settings),
                            temperature=self.temperature, distillation=own)
        with Run(ensemble.home(out), all_settings, ensemble.stages(self.generations) + 1, verbose) as run:
            found = ensemble.train_members(run, _ENSEMBLE, texts, self.generations, seed, settings)
            self._distil(run, found, texts, dict(own, seed=seed, verbose=verbose))
        return self

    def _distil(self, run, found, texts, settings):
        """The last stage: this classifier learns from the ensemble's soft labels."""
        done = run.begin('', 'the classifier learns from the soft labels of %d texts' % len(texts[1]))
        proba = soften(combine(found.unlabelled, found.weights), self.temperature)
        soft = Relabelled(texts[1], self.labels, lambda i: dict(zip(self.labels, proba[i].tolist())))
        if not done:
            write_labels(os.path.join(run.folder, _SOFT), soft)
        fit_once(self, lambda **how: super(Pet, self).fit(soft, None, texts[2], **how, **settings), run.folder)
        dev = texts[2]
        if not done:
            scores = self.label_scores(dev)
            if dev:
                write_dev(run.folder, dev, scores, self.labels)
            done = run.finish('', {'dev': report_of(dev, scores, self.labels)} if dev else {}, dev=scores)
        result, _ = done
        self.report = found.report + ([dict(row_of('distilled', result['dev']), generation=None)] if dev else [])
        write_json(os.path.join(run.folder, 'report.json'), self.report)

    def settings(self):
        return dict(super(Pet, self).settings(), **self._asked, generations=self.generations,
                    temperature=self.temperature)

    @classmethod
    def from_settings(cls, task, checkpoint, fields):
        """The untrained classifier that a saved one was, from what `settings` gave."""
        names = ('patterns', 'maxlen', 'seeds', 'generations', 'weights', 'temperature')
        return cls(task, checkpoint, **{name: fields[name] for name in names}, long=fields.get('long', 'head'))

    @classmethod
    def load(cls, folder, checkpoint=None):
        """See TextClassifier.load."""
        classifier, place = super(Pet, cls).load(folder, checkpoint), os.path.join(folder, _ENSEMBLE)
        classifier.ensemble = Ensemble.load(place) if os.path.exists(os.path.join(place, HEADER)) else None
        return classifier


class IPet(Pet):
    """Pet with three generations, as in arXiv 2001.07676, section 4."""
    def __init__(self, *args, generations=3, **kwargs):
        super(IPet, self).__init__(*args, generations=generations, **kwargs)
