"""Worker: what the learning process does, the most urgent first, and what it sends of it."""
import hashlib
import json
import os
import time
import warnings

import numpy as np

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.active.estimates import wilson
from pet_keras.classifiers.active.learner import ActiveLearner
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.prompt_pattern import prompt_pattern, unused_tokens
from pet_keras.errors import UserError
from pet_keras.serving.labelling.proposing import propose
from pet_keras.serving.labelling.session import MODEL

_SCORES = 'scores.npz'
_CHUNK = 256  # texts scored at a time: for so long a message waits
_AHEAD = 100  # texts that are chosen ahead
_LEAST = 10  # labels to cross-validate on
_GROWN = 1.25  # the labels grow by so much from one cross-validation to the next: it takes k trainings


class Worker(object):
    """Takes messages, dicts of one key, and sends such.

    It takes `propose` (dict label → words), `task` (a Task), and `answers` (dict place → label), beside it `done`, the
    places that are out of question, and `finish`, whether the model is wanted now. It sends

    - `doing`: a word; `failed`: a line for people; `proposals`: list of (pattern, bits); `ready`: the pattern asked;
    - `guesses`: (places, probabilities `[places, labels]`), each of a model that did not learn from that text;
    - `wanted`: places, the first the most wanted; `scored`: how many texts the newest model has scored;
    - `model`: what a training gave; `estimate`: what a cross-validation gave.

    Arguments:
        send: function of a message.
        examples: list of Example, the pile.
        folder: the session's, for the model and the cache.
        options: dict with checkpoint, causal, pattern, maxlen, precision, train, strategy, every, seed; and settings,
            those of the training.
    """
    def __init__(self, send, examples, folder, options):
        self.send, self.examples, self.folder, self.options = send, examples, folder, options
        self.learner, self._todo, self._checkpoint, self._doing = None, {}, None, None
        self._answers, self._done, self._finish = {}, [], False
        self._trained, self._estimated, self._chosen_at, self._saved_at = {}, {}, 0, 0

    def take(self, message):
        """Notes what is wanted; `step` does it."""
        if 'answers' in message:
            self._answers, self._done, self._finish = message['answers'], message['done'], message['finish']
        else:
            self._todo.update(message)

    def step(self):
        """Does the most urgent piece of work; whether there was any."""
        if 'propose' in self._todo:
            self._propose(self._todo.pop('propose'))
        elif 'task' in self._todo:
            self._begin(self._todo.pop('task'))
        elif self.learner is None:
            return False
        elif self._is_due(self._trained, self.options['every']):
            self._train()
        elif self._trained and self._is_due(self._estimated, (_GROWN - 1) * len(self._estimated)):
            self._estimate()
        elif self.learner.left:
            self._score()
        else:
            self._say('resting')
            return False
        return True

    def _say(self, doing):
        if doing != self._doing:
            self._doing = doing
            self.send({'doing': doing})

    def _is_due(self, before, growth):
        """Whether the labels differ enough from those of before: by `growth`, or at all where the model is wanted."""
        changed = len(set(self._answers.items()) ^ set(before.items()))
        return len(set(self._answers.values())) > 1 and changed > 0 and (changed >= growth or self._finish)

    def _open(self):
        if self._checkpoint is None:
            options = self.options
            self._checkpoint = Checkpoint(options['checkpoint'], 'lm' if options['causal'] else None)
        return self._checkpoint

    def _propose(self, words):
        self._say('proposing')
        try:
            found = propose(words, self.examples, self._open())
        except UserError as e:  # of these labels: others may do
            found = str(e)
        self.send({'proposals': found})
        self._say('resting')

    def _begin(self, task):
        self._say('loading')
        checkpoint, options, pattern, more = self._open(), self.options, self.options['pattern'], {}
        if options['train'] == 'prompt':
            if pattern is None and not unused_tokens(task.pattern(None, checkpoint.is_causal).string):
                pattern = prompt_pattern(8, 'after' if checkpoint.is_causal else 'before', checkpoint.is_causal,
                                         task.is_pair)
            has_words = any(not unused_tokens(p.string) for p in task.patterns.values())
            more = {'prompt_init': 'words' if has_words else 'unused'}
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter('always', UserWarning)
            classifier = ClozeClassifier(task, checkpoint, pattern, options['maxlen'], options['train'],
                                         seed=options['seed'], precision=options['precision'], **more)
        self.learner = ActiveLearner(classifier, self.examples, options['strategy'], options['seed'],
                                     **options['settings'])
        texts = [list(example[:2]) for example in self.examples]
        self._of = hashlib.sha256(json.dumps([texts, task.scoring(), classifier.pattern.string, classifier.maxlen,
                                              options['train'], checkpoint.fingerprint]).encode()).hexdigest()
        self.learner.read_scores(os.path.join(self.folder, _SCORES), self._of)
        self.send({'ready': classifier.pattern.string})
        for one in warned:
            self.send({'warned': str(one.message)})
        if (self.learner.scored_by >= 0).any():
            self._tell(np.flatnonzero(self.learner.scored_by >= 0))

    def _train(self):
        self._say('training')
        if self.learner.trainings == 0:
            self._keep_scores()
        self._trained, begun = dict(self._answers), time.perf_counter()  # also where it fails: it would again
        try:
            scored = self.learner.train(self._trained)
        except UserError as e:
            return self.send({'failed': 'The model could not be trained: %s' % e})
        try:
            self.learner.classifier.save(os.path.join(self.folder, MODEL))
        except (UserError, OSError) as e:
            self.send({'failed': 'The model could not be saved: %s' % e})
        else:
            self.send({'model': {'labels': len(self._trained), 'seconds': time.perf_counter() - begun,
                                 'agreement': self.learner.agreement}})
        self._tell(scored)

    def _estimate(self):
        self._estimated, labels, begun = dict(self._answers), self.learner.labels, time.perf_counter()
        if len(self._estimated) < _LEAST:
            return
        self._say('validating')
        try:
            log_proba = self.learner.cross_validate(self._estimated)
        except UserError as e:
            return self.send({'failed': 'The model could not be cross-validated: %s' % e})
        n, said = len(self._estimated), self._estimated.values()
        hits = sum(labels[k] == label for k, label in zip(log_proba.argmax(axis=1), said))
        low, high = wilson(hits, n)
        self.send({'guesses': (np.array(list(self._estimated)), np.exp(log_proba).astype('float32'))})
        self.send({'estimate': {'labels': n, 'accuracy': hits / n, 'low': low, 'high': high,
                                'seconds': time.perf_counter() - begun}})

    def _score(self):
        self._say('scoring')
        self._tell(self.learner.score(_CHUNK))
        if self.learner.trainings == 0 and (not self.learner.left or time.monotonic() - self._saved_at > 60):
            self._keep_scores()

    def _keep_scores(self):
        try:
            self.learner.save_scores(os.path.join(self.folder, _SCORES), self._of)
        except OSError:  # a full disk: it is a cache, and will be made again
            pass
        self._saved_at = time.monotonic()

    def _tell(self, scored):
        """Sends what was scored and, when that is twice as much as when texts were chosen last, chooses anew."""
        learner, count = self.learner, len(self.examples) - self.learner.left
        honest = np.setdiff1d(scored, list(self._trained if learner.trainings else ()))
        self.send({'guesses': (honest, learner.proba[honest])})
        self.send({'scored': count})
        if count >= 2 * self._chosen_at or count < self._chosen_at or not learner.left:
            self._chosen_at = count
            self.send({'wanted': learner.choose(_AHEAD, self._done, self.options['every']).tolist()})
