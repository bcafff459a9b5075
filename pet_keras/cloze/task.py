"""Tasks: patterns, label words and labels in one JSON file."""
import glob
import json
import os

from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.verbalizer import Verbalizer
from pet_keras.errors import UserError

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tasks')
_KEYS = {'name', 'description', 'labels', 'patterns', 'aggregation', 'example', 'aliases'}


def shipped_tasks():
    """Names of the tasks that come with pet_keras."""
    return sorted(os.path.basename(f)[:-len('.json')] for f in glob.glob(os.path.join(_FOLDER, '*.json')))


class Task(object):
    """What to classify into what, said in words.

    Arguments:
        patterns: dict, name → pattern string, the first one the default; e.g. `{'P1': '[MASK]满意。{text}'}`.
        labels: dict, label → its word or words.
        aliases: dict, label → other spellings of the label in data files (`"1"`, `"Positive"`).
        aggregation: see Verbalizer.
        name, description, example: for people; `example` is a text (or two) to show the patterns with.

    >>> Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}).labels
    ['正面', '负面']
    """
    def __init__(self, patterns, labels, aliases=None, aggregation='mean', name='task', description='', example=None):
        if not patterns:
            raise UserError('Task %r has no pattern.' % name)
        self.name, self.description = name, description
        self.patterns = {key: Pattern(value) for key, value in patterns.items()}
        for key, pattern in self.patterns.items():
            if not pattern.has_mask:
                raise UserError('Pattern %s, %r, has no [MASK] for the label word.' % (key, pattern.string))
        if len({pattern.is_pair for pattern in self.patterns.values()}) > 1:
            raise UserError('Task %r mixes patterns of one text with patterns of two.' % name)
        self.verbalizer = Verbalizer(labels, aggregation)
        self.aliases = {label: [names] if isinstance(names, str) else [str(a) for a in names]
                        for label, names in (aliases or {}).items()}
        self.example = [example] if isinstance(example, str) else list(example or [])
        if self.example and (len(self.example) != 1 + self.is_pair or
                             not all(isinstance(text, str) for text in self.example)):
            raise UserError('The example of task %s must be %s.' % (
                name, 'two texts' if self.is_pair else 'one text'))
        self._label_of = {label: label for label in labels}
        for label, names in self.aliases.items():
            if label not in self._label_of:
                raise UserError('Task %r gives aliases for %r, which is not one of its labels.' % (name, label))
            for alias in names:
                if self._label_of.setdefault(alias, label) != label:
                    raise UserError('Task %r: alias %r stands for two labels.' % (name, alias))

    @classmethod
    def load(cls, name):
        """A shipped task by name, or a task from a JSON file; UserError says what is wrong with it."""
        path = os.path.join(_FOLDER, name + '.json')
        if os.sep in name or name.endswith('.json') or not os.path.isfile(path):
            path = name
        if not os.path.isfile(path):
            raise UserError('No task %r: it is neither a JSON file nor one of the shipped tasks: %s.' % (
                name, ', '.join(shipped_tasks())))
        try:
            with open(path, encoding='utf-8-sig') as reader:
                fields = json.load(reader)
        except ValueError as e:
            raise UserError('%s is not JSON: %s' % (path, e)) from None
        if not isinstance(fields, dict) or not {'labels', 'patterns'} <= set(fields):
            raise UserError('%s: a task is a JSON object with "patterns" and "labels".' % path)
        if set(fields) - _KEYS:
            raise UserError('%s: unknown key %s; a task has %s.' % (
                path, ', '.join(sorted(set(fields) - _KEYS)), ', '.join(sorted(_KEYS))))
        fields.setdefault('name', os.path.splitext(os.path.basename(path))[0])
        try:
            return cls(**fields)
        except UserError as e:
            raise UserError('%s: %s' % (path, e)) from None
        except (TypeError, AttributeError):
            raise UserError('%s: "patterns" is an object of name: text, "labels" an object of label: word or '
                            'list of words, and so is "aliases".' % path) from None

    def save(self, path):
        """Writes the task as JSON."""
        fields = {'name': self.name, 'description': self.description,
                  'patterns': {key: pattern.string for key, pattern in self.patterns.items()},
                  'labels': self.verbalizer.words, 'aliases': self.aliases,
                  'aggregation': self.verbalizer.aggregation, 'example': self.example}
        with open(path, 'w', encoding='utf-8') as writer:
            json.dump(fields, writer, ensure_ascii=False, indent=1)

    @property
    def labels(self):
        return self.verbalizer.labels

    @property
    def is_pair(self):
        return next(iter(self.patterns.values())).is_pair

    def label_of(self, name):
        """The task's label for a label as a file spells it; UserError where there is none."""
        label = self._label_of.get(str(name).strip())
        if label is None:
            known = ', '.join('%s%s' % (k, ''.join('=' + a for a in self.aliases.get(k, []))) for k in self.labels)
            raise UserError('label %r is not in task %s (labels: %s)' % (str(name), self.name, known))
        return label

    def pattern(self, name=None):
        """A pattern by its name (None: the first), or from a string that holds `{text` itself."""
        if name is None:
            return next(iter(self.patterns.values()))
        if name in self.patterns:
            return self.patterns[name]
        if '{text' not in name:
            raise UserError('Task %s has no pattern %r; it has %s. A pattern of your own holds {text} and [MASK].' % (
                self.name, name, ', '.join(self.patterns)))
        pattern = Pattern(name)
        if not pattern.has_mask or pattern.is_pair != self.is_pair:
            raise UserError('Pattern %r must hold [MASK] and %s.' % (
                name, '{text_a} and {text_b}' if self.is_pair else '{text}'))
        return pattern

    def show(self):
        """Every pattern filled with the example for every label word, as lines of text."""
        lines = ['%s: %s' % (self.name, self.description)] if self.description else [self.name]
        lines += ['', 'labels and their words (%s over several words):' % self.verbalizer.aggregation]
        for label, words in self.verbalizer.words.items():
            aliases = ', '.join(self.aliases.get(label, []))
            also = '   (in files also: %s)' % aliases if aliases else ''
            lines.append('  %s → %s%s' % (label, ' '.join(words), also))
        example = self.example or ['…', '…'][:1 + self.is_pair]
        for key, pattern in self.patterns.items():
            lines += ['', '%s  %s' % (key, pattern.string)]
            for label, words in self.verbalizer.words.items():
                lines += ['  %s: %s' % (label, pattern.fill(*example, word=word)) for word in words]
        return '\n'.join(lines)
