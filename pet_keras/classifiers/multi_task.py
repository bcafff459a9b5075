"""MultiTaskClassifier: one model that learns several tasks at once."""
import itertools
import os

import numpy as np

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.cloze_classifier import ClozeClassifier, check_masks
from pet_keras.classifiers.items import check_hard
from pet_keras.classifiers.metrics import mean_report
from pet_keras.classifiers.streams import Texts, trained_on
from pet_keras.classifiers.text_classifier import TextClassifier
from pet_keras.classifiers.training import FIGURES, Trainer, history_of
from pet_keras.classifiers.training_state import check_free
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError


class MultiTaskClassifier(object):
    """Several tasks, each in a pattern of its own, that one transformer learns together.

    `classifiers` is a dict, name of a task → its ClozeClassifier, which predicts, evaluates and is calibrated as any
    other; they have the same weights, in memory once. Sources: arXiv 1706.05098, section 3.1 (what tasks share);
    2109.01652 and 2110.08207 (many tasks as prompts to one language model).

    Arguments:
        tasks: a list, each as the `task` of ClozeClassifier.
        patterns: dict, name of a task → its pattern; the others take their first.
        the others: see ClozeClassifier. A prompt belongs to one task: train='prompt' and `[unused]` tokens are refused.

    Raises: UserError for two tasks of one name, and where a task and the checkpoint do not fit.

    >>> both = MultiTaskClassifier(['sentiment', 'news'], 'bert-mini-zh')
    >>> both.classifiers['news'].predict(['美国总统访问法国'])
    ['国际']
    """
    kind, without = 'multi-task', ()
    objective, batches, draws = TextClassifier.objective, TextClassifier.batches, TextClassifier.draws
    least_texts = TextClassifier.least_texts

    def __init__(self, tasks, checkpoint=DEFAULT, patterns=None, maxlen=128, train='all', dropout_rate=None, seed=0,
                 precision='float32', long='head', check_head=True):
        if isinstance(tasks, (str, Task)) or not tasks:
            raise UserError('Give a list of tasks.')
        tasks = [task if isinstance(task, Task) else Task.load(task) for task in tasks]
        names, patterns = [task.name for task in tasks], patterns or {}
        for name in names:
            if names.count(name) > 1:
                raise UserError('There are two tasks of the name %s; each needs a name of its own.' % name)
            if os.path.basename(name) != name or name in ('', '.', '..', 'resume'):
                raise UserError('Task %r is to be saved in a folder of its name, which this cannot be.' % name)
        self.classifiers = dict.fromkeys(names)
        self._known(patterns)
        if train == 'prompt':
            raise UserError("train='prompt' trains a prompt, which belongs to one task: train it alone.")
        first = ClozeClassifier(tasks[0], checkpoint, patterns.get(names[0]), maxlen, train, dropout_rate=dropout_rate,
                                seed=seed, precision=precision, long=long, check_head=check_head)
        if first.prompt_tokens:
            raise UserError('Pattern %r has [unused] tokens, a prompt, which belongs to one task: train it alone.' % (
                first.pattern.string))
        self.classifiers.update({names[0]: first}, **{
            task.name: first.beside(task, patterns.get(task.name)) for task in tasks[1:]})
        self.checkpoint, self.transformer, self.model = first.checkpoint, first.transformer, first.model
        self.tuning, self.precision, self.dropout_rates = first.tuning, first.precision, first.dropout_rates
        self.step, self.trained_on, self._history = None, {}, []  # of the last training
        self.step_seconds = self.step_processor_seconds = None  # of its last epoch

    def _known(self, by_task):
        """A dict by task, as it is given; UserError for a task that is none of these."""
        if not isinstance(by_task, dict):
            raise UserError('Say of which task it is: {%r: …}.' % next(iter(self.classifiers)))
        for name in by_task:
            if name not in self.classifiers:
                raise UserError('There is no task %s here; there are %s.' % (name, ', '.join(self.classifiers)))
        return by_task

    def fit(self, labelled=None, unlabelled=None, dev=None, mixing=1., labelled_share=.5, **settings):
        """Trains on the texts of all tasks: each batch has some of every task, each in its task's pattern.

        The loss is one mean over the blanks of all, and one over their masks. An epoch is one pass over the labelled
        texts of the task that has most of them.

        Arguments:
            labelled, dev: dict, name of a task → list of Example with labels. The epoch is kept whose accuracy on dev,
                the mean over the tasks that have some, is best (then the log-likelihood).
            unlabelled: dict, name of a task → list of str, pairs or Example.
            mixing: a task's share of a batch goes as its number of texts to this power: 1, so that a text is read as
                often as any other; 0, equal shares; .5, between them (arXiv 1910.10683, section 3.5.2: temperature 2).
            labelled_share: of a task's texts in a batch, where it has both kinds; see TextClassifier.fit.
            settings: see `training.Trainer`.

        Returns: self. `history` holds a dict an epoch: the means on dev and, in `tasks`, the figures of each task,
        which the `history` of its classifier has too.

        Raises: UserError for a task without texts, and as TextClassifier.fit.
        """
        if not 0 <= mixing <= 1:
            raise UserError('mixing is between 0 (equal shares) and 1 (shares by size).')
        check_masks(unlabelled, settings)
        labelled, unlabelled, dev = (
            {name: self.classifiers[name].examples(items, has_labels)
             for name, items in self._known(given or {}).items() if items}
            for given, has_labels in ((labelled, True), (unlabelled, False), (dev, True)))
        check_hard(itertools.chain(*dev.values()))
        trainer = Trainer(self, **settings)
        streams = self.streams(labelled, unlabelled, mixing, labelled_share)
        for name, one in self.classifiers.items():
            if trainer.out and trainer.workers.is_chief and not trainer.resume:
                check_free(os.path.join(trainer.out, name), os.path.isdir(os.path.join(trainer.out, 'resume')))
            one.offset = np.zeros(len(one.labels))
        trainer.run(streams, dev)
        self.tuning.finish()
        for one in self.classifiers.values():
            one._scorer = None  # as in TextClassifier.fit
        return self

    def streams(self, labelled, unlabelled, mixing=1., labelled_share=.5):
        """The streams that a Trainer draws batches from, the largest task's first; see `fit`."""
        found = []
        for name, one in self.classifiers.items():
            own = one.streams(labelled.get(name, []), unlabelled.get(name, []), labelled_share)
            if not own[0].texts:
                raise UserError('Task %s has nothing to learn from: give it labelled or unlabelled texts.' % name)
            share = len(own[0].texts) ** mixing / own[0].share
            found.append([s._replace(share=s.share * share, texts=Texts(
                s.texts.examples, s.texts.targets, lambda e, of=(name, one): (of[0], of[1].tokenize(e)), name))
                for s in own])
        return [stream for own in sorted(found, key=lambda own: -len(own[0].texts)) for stream in own]

    def lesson(self, texts, *arguments):
        """What a Trainer shows of one example, tokenized as (name of its task, tokens): its classifier's lesson."""
        return self.classifiers[texts[0]].lesson(texts[1], *arguments)

    def evaluate(self, examples):
        """Figures on labelled examples, a dict, name of a task → list; see `metrics.mean_report`."""
        return mean_report({name: self.classifiers[name].evaluate(items)
                            for name, items in self._known(examples).items()}, FIGURES)

    @property
    def history(self):
        return self._history

    @history.setter
    def history(self, history):
        self._history = history
        for name, one in self.classifiers.items():
            one.history = history_of(name, history)

    def learns_from(self, streams, dev):
        """As in TextClassifier, a dict a task, which its classifier has too."""
        for name, one in self.classifiers.items():
            own = trained_on([s for s in streams if s.texts.task == name], dev.get(name, []), one.task)
            one.trained_on = dict(own, together_with=[other for other in self.classifiers if other != name])
        return {'task ' + name: one.trained_on for name, one in self.classifiers.items()}

    def settings(self):
        """What tells its trainings from others', beside the weights."""
        return {'tasks': {name: one.settings() for name, one in self.classifiers.items()}}

    def save(self, folder, dtype='float32'):
        """Writes `folder/<task>` for each task: a model as any other, with the weights. See TextClassifier.save."""
        for name, one in self.classifiers.items():
            one.save(os.path.join(folder, name), dtype)
