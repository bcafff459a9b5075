"""ActiveLearner: a classifier, a pile of texts, and which of these it would learn most from."""
import os

import numpy as np

from pet_keras.backend import keras, precision, tf
from pet_keras.classifiers.active.estimates import folds, kappa
from pet_keras.classifiers.active.strategies import STRATEGIES
from pet_keras.classifiers.calibration import match_prior
from pet_keras.classifiers.metrics import log_softmax
from pet_keras.cloze.batching import question_batches
from pet_keras.cloze.windows import mean_of_parts
from pet_keras.errors import DAMAGED_NPZ, UserError
from pet_keras.networks.models import model_inputs

_ENOUGH = 1000  # texts: so many of the newest model are enough to choose from, or to see its taste for some labels
_WATCHED = 500  # texts whose answers show whether trainings still change any: small-text's stop set
_MOST = 20000  # texts that a strategy looks at: a random part of a larger pile, as small-text's SubsamplingQueryStrategy


class ActiveLearner(object):
    """Scores texts, says which to label next, and learns from those that are.

    Before anything is learned the scores are the model's zero-shot guesses, corrected so that all labels have equal
    shares of the texts scored so far (see `calibration.match_prior`).

    Arguments:
        classifier: an untrained ClozeClassifier or FineTuningClassifier; it is trained in place, each time from its
            start.
        examples: the pile, a list of Example or str.
        strategy: one of `strategies.STRATEGIES`.
        seed: of the order in which texts are scored, the training, the folds and the strategy.
        batch_size: texts a step of scoring.
        settings: of the training, see `TextClassifier.fit`.

    Raises: UserError for an unknown strategy, and a classifier whose prompt or prefix has an encoder.

    Attributes:
        proba: float32 `[texts, labels]`, what the model that scored a text last made of it; nan where none has.
        features: float16 `[texts, hidden_size]`, the hidden state at the blank (of a fine-tuned model at `[CLS]`).
        scored_by: int `[texts]`, by how many-th training, 0 before the first; -1: not scored.
        agreement: kappa of the answers of the last two models on a fixed sample of the texts, or None.

    >>> learner = ActiveLearner(ClozeClassifier('sentiment'), texts)          # doctest: +SKIP
    >>> learner.score(1000)                                                   # doctest: +SKIP
    >>> learner.choose(10)  # the places of ten texts to label                # doctest: +SKIP
    >>> learner.train({17: '正面', 4: '负面'})                                 # doctest: +SKIP
    """
    def __init__(self, classifier, examples, strategy='mix', seed=0, batch_size=32, **settings):
        if strategy not in STRATEGIES:
            raise UserError('No strategy %r; choose one of %s.' % (strategy, ', '.join(STRATEGIES)))
        way = classifier.tuning.settings()
        if way.get('prompt_encoder') or way.get('mlp'):
            raise UserError('A strategy trains again and again from the start, and the encoder of a prompt, or the mlp of '
                            'a prefix, is gone after the first training: leave it out.')
        self.classifier, self.examples = classifier, classifier.examples(examples)
        self.strategy, self.seed, self.batch_size, self.settings = STRATEGIES[strategy], seed, batch_size, settings
        n, self.labels = len(self.examples), classifier.labels
        self._order = np.random.default_rng(seed).permutation(n)
        self._scores = np.full((n, len(self.labels)), np.nan, 'float32')
        self.features = np.zeros((n, classifier.transformer.hidden_size), 'float16')
        self.scored_by, self.trainings, self._at, self.agreement = np.full(n, -1), 0, 0, None
        self._network, self._start = None, self._weights()

    # --- scoring --------------------------------------------------------------------------------------

    @property
    def left(self):
        """How many texts the newest model has not scored."""
        return int((self.scored_by < self.trainings).sum())

    @property
    def proba(self):
        """See above."""
        scores, first = self._scores.copy(), np.flatnonzero(self.scored_by == 0)
        if len(first):
            some = np.random.default_rng(self.seed).permutation(first)[:_ENOUGH]
            scores[first] += match_prior(scores[some], np.ones(len(self.labels)) / len(self.labels))
        scored = self.scored_by >= 0
        scores[scored] = np.exp(log_softmax(scores[scored]))
        return scores

    def score(self, most=256):
        """Scores the next texts with the newest model, at most so many; returns their places, int.

        It goes round and round the pile: where there is never time for all, each text has its turn.
        """
        found, n = [], len(self._order)
        for _ in range(n):
            if len(found) >= most:
                break
            place = self._order[self._at]
            self._at = (self._at + 1) % n
            if self.scored_by[place] < self.trainings:
                found.append(place)
        return self._score(np.array(found, int))

    def _score(self, places):
        self._scores[places], self.features[places] = self._read(places)
        self.scored_by[places] = self.trainings
        return places

    def _read(self, places):
        """(scores `[places, labels]`, hidden states `[places, hidden_size]`); of a text that is read in parts (`long`)
        the means over them."""
        classifier = self.classifier
        if self._network is None:  # made once: all trainings share it
            network, _ = classifier.build_scorer()
            self._network = keras.models.Model(network.inputs, [network.output, classifier.transformer.encoded])
            self._run = tf.function(self._forward, [tf.TensorSpec([None, None], 'int32')] * 3, autograph=False)
        questions, owner = classifier.questions_of(self.examples[i] for i in places)
        found = [np.zeros((len(questions), size)) for size in (len(self.labels), self.features.shape[1])]
        for batch, *inputs in question_batches(questions, self.batch_size) if questions else ():
            with precision(classifier.precision):
                scores, hidden = (part.numpy() for part in self._run(*map(tf.constant, inputs)))
            # several questions about one text, where its label words have different lengths
            found[0][batch] = scores
            found[1][batch] = hidden[:, 0].reshape(len(batch), -1, hidden.shape[-1]).mean(axis=1)
        return [mean_of_parts(values, owner, len(places)) for values in found]

    def _forward(self, *inputs):
        return self._network(model_inputs(self._network, *inputs), training=False)

    # --- choosing -------------------------------------------------------------------------------------

    def choose(self, n, labelled=(), batch=10):
        """The places of at most `n` texts to label next, int, the most wanted first.

        Arguments: `labelled`, places of the texts that are out of question; `batch`, texts that the strategy chooses
        at once, each batch as if those before it were labelled.
        """
        done = np.zeros(len(self.examples), bool)
        done[list(labelled)] = True
        known = self.scored_by == self.trainings
        if (known & ~done).sum() < min(_ENOUGH, (~done).sum()):
            known = self.scored_by >= 0
        rng = np.random.default_rng((self.seed, self.trainings))
        known = rng.permutation(np.flatnonzero(known))
        known = np.sort(np.concatenate([known[done[known]], known[~done[known]][:_MOST]]))
        proba, features, done = self.proba[known], self.features[known], done[known]
        chosen = []
        while len(chosen) < n and not done.all():
            some = self.strategy(proba, features, done, min(batch, n - len(chosen)), rng)
            done[some] = True
            chosen += known[some].tolist()
        return np.array(chosen, int)

    # --- learning -------------------------------------------------------------------------------------

    def train(self, answers):
        """Learns from these labels, and nothing of before; then scores their texts and a fixed sample anew.

        Arguments: `answers`, dict place → label. Returns: the places that were scored, int.

        Raises: UserError where the loss is no number any more; the model then is that of before.
        """
        watched = self._order[:_WATCHED]
        before = self._scores[watched].argmax(axis=1) if (self.scored_by[watched] >= 0).all() else None
        kept = self._weights()
        try:
            self.learn(answers)
        except UserError:
            self._set_weights(kept)
            raise
        self.trainings += 1
        scored = self._score(np.union1d(watched, list(answers)).astype(int))
        if before is not None:
            self.agreement = kappa(before, self._scores[watched].argmax(axis=1), len(self.labels))
        return scored

    def cross_validate(self, answers, k=5):
        """Log-probabilities for labelled texts, each by a model that did not learn from it, float `[texts, labels]`.

        The learner itself stays as it is. Arguments: `answers`, dict place → label; `k`, how many models.
        """
        places, found = np.array(list(answers), int), np.zeros((len(self.examples), len(self.labels)))
        fold = folds([self.labels.index(label) for label in answers.values()], k, self.seed)
        kept = self._weights()
        try:
            for held in np.unique(fold):
                self.learn({place: answers[place] for place in places[fold != held].tolist()})
                found[places[fold == held]] = log_softmax(self._read(places[fold == held])[0])
        finally:
            self._set_weights(kept)
        return found[places]

    def learn(self, answers):
        """Trains the classifier from its start, and scores nothing. Arguments: `answers`, dict place → label."""
        self.restart()
        self.classifier.fit([self.examples[place]._replace(label=label) for place, label in answers.items()],
                            seed=self.seed, **self.settings)

    def restart(self):
        """Gives the classifier the weights that it had before it learned anything."""
        self._set_weights(self._start)

    def _weights(self):
        return [variable.numpy() for variable in self.classifier.model.trainable_variables]

    def _set_weights(self, weights):
        for variable, value in zip(self.classifier.model.trainable_variables, weights):
            variable.assign(value)

    # --- the cache ------------------------------------------------------------------------------------

    def save_scores(self, path, of):
        """Writes what texts scored before the first training, whole or not at all, and what they are to the model.

        Arguments: `of`, a str that changes with the texts and the model.
        """
        with open(path + '.tmp', 'wb') as writer:
            np.savez(writer, of=of, scores=self._scores, features=self.features, scored=self.scored_by == 0)
        os.replace(path + '.tmp', path)

    def read_scores(self, path, of):
        """Takes back what `save_scores` wrote of the same texts and model, if there is any."""
        try:
            with np.load(path) as found:
                if str(found['of']) == of:
                    self._scores, self.features = found['scores'], found['features']
                    self.scored_by = np.where(found['scored'], 0, -1)
        except (OSError, *DAMAGED_NPZ):  # none, or a damaged one
            pass
