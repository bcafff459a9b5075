"""The training of an ensemble: a stage a model, generation after generation."""
import os
import shutil
from collections import Counter

import numpy as np

from pet_keras.classifiers.metrics import classification_report, log_softmax
from pet_keras.classifiers.pet.generations import LIKELIEST, choose_teachers, draw, sizes
from pet_keras.classifiers.pet.soft_labels import combine, soften, write_labels
from pet_keras.classifiers.pet.stages import fit_once
from pet_keras.data.reading import Row
from pet_keras.data.writing import write_predictions


class Members(object):
    """The models of an Ensemble while they are trained, one at a time in memory.

    A stage's folder holds `stage.json` (pattern, accuracy before training, figures on dev, seconds), `scores.npz` (of
    the unlabelled texts and of dev), `predictions.jsonl` (of dev), `labels.jsonl` (what it learned from that others had
    labelled), and, in the last generation, `model`.

    Arguments: `ensemble`; `run` and the folder `place` in it; `texts`, the labelled, unlabelled and dev Examples;
    `generations`, `seed` and `settings` as in `Ensemble.fit`.

    After `train`: `places`, the models' folders; `weights`, float `[models]`; `unlabelled` and `dev`, the scores
    `[models, texts, labels]`; `report`, a list of dict.
    """
    def __init__(self, ensemble, run, place, texts, generations, seed, settings):
        self.ensemble, self.run, self.place = ensemble, run, place
        self.texts, self.generations, self.seed, self.settings = texts, generations, seed, settings
        self.weights, self.unlabelled, self.dev = np.ones(len(ensemble.roster)), None, None
        self.places, self.report = [], []

    def train(self):
        """Carries out the stages; returns self."""
        for generation in range(self.generations + 1):
            found = [self._stage(generation, i) for i in range(len(self.ensemble.roster))]
            if generation == 0 and self.ensemble.weights == 'accuracy':
                self.weights = np.array([result['before'] for result, _ in found])
            self.unlabelled, self.dev = (np.array([arrays[part] for _, arrays in found])
                                         for part in ('unlabelled', 'dev'))
            self._add_rows(generation)
            if generation:  # the models before have said what they had to say
                for i in range(len(found)):
                    shutil.rmtree(self._model(generation - 1, i), ignore_errors=True)
        self.places = [self._model(self.generations, i) for i in range(len(found))]
        return self

    def _folder(self, generation, i):
        name, _, seed = self.ensemble.roster[i]
        return os.path.join(self.place, 'generation%d' % generation, '%s-seed%d' % (name, seed))

    def _model(self, generation, i):
        return os.path.join(self.run.folder, self._folder(generation, i), 'model')

    def _name(self, i):
        name, _, seed = self.ensemble.roster[i]
        return name + ', seed %d' % seed * (self.ensemble.seeds > 1)

    def _stage(self, generation, i):
        """(result, arrays) of one model."""
        stage, (labelled, unlabelled, dev) = self._folder(generation, i), self.texts
        name, pattern, seed = self.ensemble.roster[i]
        found = self.run.begin(stage, '%s%s  %s' % ('generation %d, ' % generation if self.generations else '',
                                                    self._name(i), pattern), {
            name: (len(texts), len(self.ensemble.labels)) for name, texts in (('unlabelled', unlabelled), ('dev', dev))})
        if found:
            return found
        model, folder = self.ensemble.new_member(i), self.run.place(stage)
        result = {'generation': generation, 'model': self._name(i), 'pattern': pattern}
        if labelled and not generation:
            result['before'] = model.evaluate(labelled)['accuracy']
        shown = list(labelled) + self._labelled_by_others(generation, i, folder)
        result['learned_from'] = dict(Counter(e.label for e in shown))
        if shown:
            fit_once(model, lambda **how: model.fit(
                shown, dev=dev, seed=1000 * self.seed + seed, verbose=self.run.verbose,
                **how, **self.settings), os.path.join(folder, 'model'))
        else:
            model.save(os.path.join(folder, 'model'))
        elsewhere = self.ensemble.score_elsewhere
        arrays = {'unlabelled': elsewhere(os.path.join(folder, 'model'), unlabelled) if elsewhere and unlabelled else
                  model.label_scores(unlabelled), 'dev': model.label_scores(dev)}
        if dev:
            result['dev'] = report_of(dev, arrays['dev'], self.ensemble.labels)
            write_dev(folder, dev, arrays['dev'], self.ensemble.labels)
        return self.run.finish(stage, result, **arrays)

    def _labelled_by_others(self, generation, i, folder):
        """Unlabelled texts as Examples with the labels that models of the generation before gave them."""
        if not generation:
            return []
        labelled, unlabelled, _ = self.texts
        rng = np.random.default_rng((self.seed, generation, i))
        teachers = choose_teachers(len(self.unlabelled), i, rng)
        scores = combine(self.unlabelled[teachers], self.weights[teachers])
        have = Counter(e.label for e in labelled)
        counts = sizes([have[label] for label in self.ensemble.labels], generation, len(unlabelled))
        drawn = draw(scores, counts, rng, LIKELIEST if generation == 1 and not labelled else 0)
        examples = [unlabelled[text]._replace(label=self.ensemble.labels[k]) for text, k in drawn]
        write_labels(os.path.join(folder, 'labels.jsonl'), examples)
        return examples

    def _add_rows(self, generation):
        """The figures of a generation on dev: each model's, their mean, and their ensemble's."""
        dev, labels = self.texts[2], self.ensemble.labels
        if not dev:
            return
        rows = [row_of(self._name(i), report_of(dev, scores, labels)) for i, scores in enumerate(self.dev)]
        mean = {key: float(np.mean([row[key] for row in rows])) for key in ('accuracy', 'auc') if
                all(row[key] is not None for row in rows)}
        rows += [dict({'name': 'mean', 'auc': None}, **mean),
                 row_of('ensemble', report_of(dev, combine(self.dev, self.weights), labels))]
        self.report += [dict(row, generation=generation) for row in rows]


def report_of(examples, scores, labels):
    """The classification report of scores float `[examples, labels]`."""
    return classification_report([e.label for e in examples], log_softmax(scores), labels)


def write_dev(folder, examples, scores, labels):
    """Writes a stage's predictions for the dev texts."""
    with open(os.path.join(folder, 'predictions.jsonl'), 'w', encoding='utf-8') as writer:
        rows = [Row(e, {k: v for k, v in e._asdict().items() if v is not None}, None) for e in examples]
        write_predictions(writer, 'json', rows, labels, soften(scores))


def row_of(name, report):
    return {'name': name, 'accuracy': report['accuracy'], 'auc': report['auc']}
