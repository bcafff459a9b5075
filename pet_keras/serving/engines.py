"""What answers requests: a classifier, or several prompts on one frozen model, both asked in the same way.

An engine is used by one thread at a time. `classify` takes items `(name, pattern, texts)` and `fill` items
`(name, text, top)`, of any clients; `check` and `describe` may be called from other threads.
"""
import copy

from pet_keras.backend import precision
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.model_folder import read_header
from pet_keras.errors import UserError
from pet_keras.networks.fill import fill_mask
from pet_keras.serving.answers import check_servable, description
from pet_keras.serving.prompt_server import PromptServer


class ClassifierEngine(object):
    """A classifier of any kind. Arguments: `batch_size`, sequences a step."""
    def __init__(self, classifier, batch_size=32):
        check_servable(classifier.task)
        self.classifier, self.batch_size, self._views = classifier, batch_size, {}
        self.can_fill = isinstance(classifier, ClozeClassifier)
        self._default = classifier.pattern.string if self.can_fill else None

    def check(self, name, pattern, texts):
        """Raises UserError for a pattern or a number of texts that does not fit."""
        self._resolve(pattern)
        self.classifier.task.pattern().texts(*texts)

    def classify(self, items):
        """Log-probabilities of the labels, an array for each `(name, pattern or None, texts)`."""
        patterns, result = [self._resolve(pattern) for _, pattern, _ in items], [None] * len(items)
        for pattern in dict.fromkeys(patterns):
            of = [i for i, other in enumerate(patterns) if other == pattern]
            found = self._asking(pattern).predict_log_proba([tuple(items[i][2]) if len(items[i][2]) > 1 else
                                                             items[i][2][0] for i in of], self.batch_size)
            for i, scores in zip(of, found):
                result[i] = scores
        return result

    def fill(self, items):
        """The blanks of each `(name, text, top)`: see `fill_mask`."""
        with precision(self.classifier.precision):
            return _cut(items, fill_mask([text for _, text, _ in items], self.classifier.checkpoint,
                                         max(top for *_, top in items), self.batch_size, self.classifier.model))

    def describe(self, name):
        """What a client wants to know of it, a dict for JSON."""
        task, checkpoint = self.classifier.task, self.classifier.checkpoint
        is_causal = bool(checkpoint and checkpoint.is_causal)  # a bag of words has none
        pattern = self.classifier.pattern if self.can_fill else None
        names = _patterns(task, pattern, is_causal) if self.classifier.kind == 'cloze' else ()
        return description(name, self.classifier.kind, task, pattern, names, self.can_fill, is_causal)

    def _resolve(self, pattern):
        """A pattern's string, or None for the classifier's own."""
        if pattern is None:
            return None
        if not self.can_fill:
            raise UserError('A model of the kind %s reads the text alone and takes no pattern.' % self.classifier.kind)
        string = self.classifier.task.pattern(pattern).string
        return None if string == self._default else string

    def _asking(self, pattern):
        """The classifier with another pattern: it shares the weights, but not the offset, which is of its own pattern.

        One such view is kept for each set of label words: for another set its scorer has to be traced anew.
        """
        if pattern is None:
            return self.classifier
        key = id(self.classifier.task.verbalizer_of(self.classifier.task.pattern(pattern)))
        if key not in self._views:
            view = copy.copy(self.classifier)
            view._scorer = None  # another pattern sets the offset to 0, and of this scorer it is the classifier's
            self._views[key] = view
        self._views[key].pattern = pattern
        return self._views[key]


class PromptEngine(object):
    """Several prompts on one frozen model. Arguments: as ClassifierEngine's; `folders` as PromptServer's."""
    can_fill = True

    def __init__(self, folders, checkpoint=None, batch_size=32, precision='float32'):
        self.server, self.batch_size, self.precision = PromptServer(folders, checkpoint), batch_size, precision

    def check(self, name, pattern, texts):
        """Raises UserError for a pattern, or a number of texts that does not fit."""
        if pattern is not None:
            raise UserError('%s is a prompt: it was trained with its pattern and takes no other.' % name)
        self.server.cloze_of(name).pattern.texts(*texts)

    def classify(self, items):
        """Log-probabilities of the labels, an array for each `(name, None, texts)`."""
        with precision(self.precision):
            return self.server.predict_log_proba([(name, *texts) for name, _, texts in items], self.batch_size)

    def fill(self, items):
        """The blanks of each `(name, text, top)`: see `PromptServer.fill_mask`."""
        result = [None] * len(items)
        with precision(self.precision):
            for name in dict.fromkeys(item[0] for item in items):
                of = [i for i, item in enumerate(items) if item[0] == name]
                found = self.server.fill_mask(name, [items[i][1] for i in of], max(items[i][2] for i in of))
                for i, blanks in zip(of, found):
                    result[i] = blanks
        return _cut(items, result)

    def describe(self, name):
        """What a client wants to know of a prompt, a dict for JSON."""
        cloze = self.server.cloze_of(name)
        return description(name, 'prompt', self.server.task_of(name), cloze.pattern, fills=True,
                           is_causal=self.server.checkpoint.is_causal)


def _cut(items, filled):
    """The first `top` tokens of each blank, as each item asks for."""
    return [[pairs[:top] for pairs in blanks] for (*_, top), blanks in zip(items, filled)]


def _patterns(task, pattern, is_causal):
    """Names of the patterns that a cloze may be asked with: another one is chosen only of a plain cloze."""
    if any(piece == 'token' and value != '[SEP]' for piece, value in pattern.pieces):
        return []
    return [name for name, other in task.patterns.items() if not is_causal or other.mask_is_last]


def load_engines(folders, checkpoint=None, precision='float32', batch_size=32):
    """Loads saved models of any kinds; prompts of one checkpoint share it.

    Arguments: `folders`, dict name → folder; `checkpoint`, where that of the prompts is now, if not where it was.

    Returns: dict name → engine, in the order of `folders`.

    Raises: UserError where a folder holds no model, or is no prompt of `checkpoint`.
    """
    engines, prompts = {}, {}
    for name, folder in folders.items():
        fields = read_header(folder)
        if fields['kind'] == 'cloze' and fields['tuning']['train'] == 'prompt' and fields['keeps_checkpoint']:
            digits = fields['checkpoint']['fingerprint'], fields['checkpoint']['application']
            prompts.setdefault(digits, {})[name] = folder
        else:
            classifier = load(folder, checkpoint if fields['keeps_checkpoint'] and fields['checkpoint'] else None)
            classifier.precision = precision
            engines[name] = ClassifierEngine(classifier, batch_size)
    if checkpoint and not prompts and not any(engines[n].classifier.tuning.keeps_checkpoint for n in engines):
        raise UserError('--checkpoint says where the checkpoint of a prompt is, and no --model is a prompt.')
    for group in prompts.values():
        engines.update(dict.fromkeys(group, PromptEngine(group, checkpoint, batch_size, precision)))
    return {name: engines[name] for name in folders}
