"""Board: what the page's process knows of the learning, and what it tells the learner."""
import json
import os

import numpy as np

from pet_keras.classifiers.active.estimates import is_stable
from pet_keras.serving.labelling.session import MODEL

_CURVE = 'curve.jsonl'


class Board(object):
    """What the learner has sent, for the page; and the session's answers, for the learner.

    Arguments: `session`, a Session; `desk`, its Desk.

    Attributes: `doing`, a word, what the learner does; `problem`, a line for people, or None; `proposals`, a list of
    (pattern, bits), a str that says why there are none, or None while they are made; `curve`, a list of dict with
    `labels`, `accuracy`, `low` and `high`, one a cross-validation; `model`, the last training's dict, or None.
    """
    def __init__(self, session, desk):
        self.session, self.desk = session, desk
        self.doing, self.problem, self.warnings, self.proposals, self.pattern = 'starting', None, [], None, None
        self.scored, self.model, self._agreements, self.is_ready, self.has_ended = 0, None, [], False, False
        self.curve, self._finish, self._guesses = self._read_curve(), False, {}
        self.learner, self.on_failure = None, lambda: None  # a Background; called where it fails before it is ready

    # --- to the learner -------------------------------------------------------------------------------

    def tell(self, finish=False):
        """Tells the learner what is labelled by now; `finish`: the model is wanted with all of it."""
        session, self._finish = self.session, finish
        answers = {session.index[key]: label for key, label in session.labelled().items()}
        done = list(answers) + [session.index[key] for key in session.skipped()]
        self.learner.send({'answers': answers, 'done': done, 'finish': finish})

    def ask_for_patterns(self, words):
        """Has patterns proposed. Arguments: `words`, dict label → words."""
        self.proposals = None
        self.learner.send({'propose': words})

    def begin(self, task):
        """Has the learner begin; with what is labelled already."""
        self.doing = 'loading'
        self.learner.send({'task': task})
        self.tell()

    # --- from the learner -----------------------------------------------------------------------------

    def take(self, message):
        """Notes a message of the learner: see Worker."""
        (kind, value), = message.items()
        if kind in ('doing', 'scored', 'proposals'):
            setattr(self, kind, value)
        elif kind == 'guesses':
            self._guesses.update(zip(value[0].tolist(), value[1]))
        elif kind == 'wanted':
            self.desk.wanted = value
        elif kind == 'ready':
            self.pattern, self.is_ready = value, True
        elif kind == 'warned':
            self.warnings.append(value)
        elif kind == 'model':
            self.model, self.problem = value, None
            if value['agreement'] is not None:
                self._agreements.append(value['agreement'])
        elif kind == 'estimate':
            self._add_to_curve(value)
        else:
            self._fail(kind, value)

    def _fail(self, kind, value):
        if kind == 'ended':
            self.has_ended, self.doing = True, 'ended'
        if kind == 'failed' or self.problem is None:
            self.problem = value if kind == 'failed' else 'The process that learns has ended (exit code %s).' % value
        if not self.is_ready and self.has_ended:
            self.on_failure()

    def guess(self, place):
        """The labels' probabilities for a text, float32 `[labels]`, of a model that did not learn from it; or None."""
        found = self._guesses.get(place)
        return found if found is not None and np.isfinite(found).all() else None

    @property
    def is_stable(self):
        """Whether the last models answered alike: see `estimates.is_stable`."""
        return is_stable(self._agreements)

    @property
    def agreement(self):
        """Kappa of the last two models, or None."""
        return self._agreements[-1] if self._agreements else None

    @property
    def is_finished(self):
        """Whether the model that was asked for is there, with all that is labelled."""
        return self._finish and self.doing in ('resting', 'scoring') and self.model is not None and (
            self.model['labels'] == len(self.session.labelled()))

    # --- the curve, kept --------------------------------------------------------------------------------

    def _read_curve(self):
        path, found = os.path.join(self.session.folder, _CURVE), []
        if os.path.exists(path):
            with open(path, encoding='utf-8') as reader:
                for line in reader:
                    try:
                        found.append(json.loads(line))
                    except ValueError:  # cut short by a kill
                        continue
        return _latest(found)

    def _add_to_curve(self, point):
        self.curve = _latest(self.curve + [point])
        try:
            with open(os.path.join(self.session.folder, _CURVE), 'a', encoding='utf-8') as writer:
                writer.write(json.dumps(point) + '\n')
        except OSError:  # a full disk: the page says so at the next answer
            pass

    def model_folder(self):
        """The folder of the model, or None while there is none."""
        folder = os.path.join(self.session.folder, MODEL)
        return folder if os.path.isdir(folder) else None


def _latest(points):
    """The last point of each number of labels, by that number."""
    return [point for _, point in sorted({point['labels']: point for point in points}.items())]
