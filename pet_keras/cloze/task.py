"""Tasks: patterns, label words and labels in one JSON file."""
import glob
import json
import numbers
import os

from pet_keras.cloze.fields import PAIR, TEXT, Fields
from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.showing import shown
from pet_keras.cloze.verbalizer import ExampleWords, Verbalizer
from pet_keras.data.rows import TEXT as TEXT_COLUMNS
from pet_keras.data.rows import check_writable, field_of, parse_json
from pet_keras.errors import UserError

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tasks')
_KEYS = {'name', 'description', 'labels', 'patterns', 'aggregation', 'example', 'aliases', 'words', 'word_score',
         'fields', 'span', 'candidates'}
_SHAPE = ('"patterns" is an object of name: text, "labels" an object of label: word or list of words, and so is '
          '"aliases"; "words" is an object of name of a pattern: such labels.')
OTHER_NAMES = {'eprstmt': 'sentiment', 'tnews': 'news', 'ocnli': 'nli'}  # what FewCLUE calls these shipped tasks


def shipped_tasks():
    """Names of the tasks that come with pet_keras; of some there is another name, see OTHER_NAMES."""
    return sorted(os.path.basename(f)[:-len('.json')] for f in glob.glob(os.path.join(_FOLDER, '*.json')))


class Task(object):
    """What to classify into what, said in words.

    Arguments:
        patterns: dict, name → pattern string, the first one the default; e.g. `{'P1': '[MASK]满意。{text}'}`.
        labels: dict, label → its word or words. A label that is no string becomes one: 1 is '1'. With `candidates` a
            list of labels, those of the first candidate, of the second, ….
        aliases: dict, label → other spellings of the label in data files (`"Positive"`, `"1"`), the first of them that
            of the benchmark the task is from.
        aggregation, word_score: see Verbalizer.
        words: dict, name of a pattern → label → its word or words in that pattern, where they are others.
        name, description, example: for people; `example` is a text (or two) to show the patterns with, or, of a task
            with fields, a dict of columns as a file's row.
        fields, span, candidates: what else stands in the patterns' holes, and label words of each example's own; see
            Fields.

    >>> Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}).labels
    ['正面', '负面']
    """
    def __init__(self, patterns, labels, aliases=None, aggregation='mean', name='task', description='', example=None,
                 words=None, word_score=None, fields=None, span=None, candidates=None):
        if not patterns:
            raise UserError('Task %r has no pattern.' % name)
        self.name, self.description, self.candidates = name, description, candidates
        self.fields = Fields(fields, span, candidates) if fields or span or candidates else None
        self.patterns = {key: Pattern(value, self.fields and self.fields.slots) for key, value in patterns.items()}
        for key, pattern in self.patterns.items():
            if not pattern.has_mask:
                raise UserError('Pattern %s, %r, has no [MASK] for the label word.' % (key, pattern.string))
        if len({pattern.is_pair for pattern in self.patterns.values()}) > 1:
            raise UserError('Task %r mixes patterns of one text with patterns of two.' % name)
        if candidates and (not isinstance(labels, list) or words):
            raise UserError('Task %r: with "candidates", "labels" is a list, and "words" has no place.' % name)
        labels = _by_label(dict.fromkeys(labels) if candidates else labels, name)
        self.verbalizer = (ExampleWords if candidates else Verbalizer)(labels, aggregation, word_score)
        self._own = self._own_verbalizers(words or {})
        self.aliases = {label: [_spelling(a) for a in ([names] if isinstance(names, (str, int)) else names)]
                        for label, names in _by_label(aliases or {}, name).items()}
        self.row = example if self.fields else None
        self.example = self._of_row(example) if self.fields and example else (
            [example] if isinstance(example, str) else list(example or []))
        if self.example and (len(self.example) != len(self.slots.names) or
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

    def _own_verbalizers(self, words):
        """Verbalizers of the patterns that have words of their own, by the pattern's string."""
        own = {}
        for key, labels in words.items():
            labels = _by_label(labels, self.name)
            if key not in self.patterns or set(labels) != set(self.labels):
                raise UserError('Task %r: "words" gives a pattern of the task a word for each label; %r is no pattern, '
                                'or its labels are not the task\'s.' % (self.name, key))
            if sum(p.string == self.patterns[key].string for p in self.patterns.values()) > 1:
                raise UserError('Task %r has pattern %s twice, so it can have no words of its own.' % (self.name, key))
            own[self.patterns[key].string] = Verbalizer({k: labels[k] for k in self.labels},
                                                        self.verbalizer.aggregation, self.verbalizer.word_score)
        return own

    @classmethod
    def load(cls, name):
        """A shipped task by name, or a task from a JSON file; UserError says what is wrong with it."""
        path = os.path.join(_FOLDER, OTHER_NAMES.get(name, name) + '.json')
        if os.sep in name or name.endswith('.json') or not os.path.isfile(path):
            path = name
        if not os.path.isfile(path):
            raise UserError('No task %r: it is neither a JSON file nor one of the shipped tasks: %s.' % (
                name, ', '.join(sorted(shipped_tasks() + list(OTHER_NAMES)))))
        try:
            with open(path, encoding='utf-8-sig') as reader:
                text = reader.read()
        except ValueError as e:
            raise UserError('%s is not JSON: %s' % (path, e)) from None
        fields = parse_json(text, path + ' is not JSON')
        check_writable(fields, path)
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
            raise UserError('%s: %s' % (path, _SHAPE)) from None

    def with_words(self, words):
        """The task with other words for its labels, the same in every pattern.

        Arguments: `words`, dict label → word or words. Raises: UserError where its labels are not the task's.
        """
        if self.candidates:
            raise UserError('Task %s has no words of its own: they belong to each text.' % self.name)
        if set(words) != set(self.labels):
            raise UserError('words: the labels of task %s are %s, not %s.' % (
                self.name, ', '.join(self.labels), ', '.join(words)))
        return Task({key: pattern.string for key, pattern in self.patterns.items()},
                    {label: words[label] for label in self.labels}, self.aliases, self.verbalizer.aggregation,
                    self.name, self.description, self.row or self.example, word_score=self.verbalizer.word_score,
                    fields=self.fields and self.fields.columns, span=self.fields and self.fields.span)

    def with_pattern(self, name, pattern):
        """The task with one more pattern string, which comes first: it is the default."""
        fields = self._fields()
        return Task(**dict(fields, patterns=dict({name: pattern}, **{
            key: other for key, other in fields['patterns'].items() if key != name})))

    def scoring(self):
        """What of the task decides a text's scores, as a dict for JSON."""
        fields = {'labels': self.labels if self.candidates else self.verbalizer.words,
                  'aggregation': self.verbalizer.aggregation}
        if self.fields:
            fields.update({key: value for key, value in (
                ('fields', self.fields.columns), ('span', self.fields.span), ('candidates', self.candidates)) if value})
        if self.verbalizer.word_score:
            fields['word_score'] = self.verbalizer.word_score
        if self._own:
            fields['words'] = {key: self.verbalizer_of(pattern).words for key, pattern in self.patterns.items()
                               if pattern.string in self._own}
        return fields

    def save(self, path):
        """Writes the task as JSON."""
        with open(path, 'w', encoding='utf-8') as writer:
            json.dump(self._fields(), writer, ensure_ascii=False, indent=1)

    def _fields(self):
        """What it is made of: its arguments."""
        return dict({'name': self.name, 'description': self.description,
                     'patterns': {key: pattern.string for key, pattern in self.patterns.items()},
                     'aliases': self.aliases, 'example': self.row or self.example}, **self.scoring())

    @property
    def labels(self):
        return self.verbalizer.labels

    @property
    def slots(self):
        """What stands in the holes of its patterns, a Slots."""
        return next(iter(self.patterns.values())).slots

    @property
    def is_pair(self):
        return self.slots == PAIR

    def complete(self, example, row):
        """An Example with the fields and candidates that a file's row has for it; UserError says what it lacks."""
        if not self.fields:
            return example
        fields, words = self.fields.of(row)
        return example._replace(fields=fields or None, words=words)

    def texts(self, example):
        """An Example's texts, in the order of `slots.names`; UserError where one is missing, or a candidate."""
        fields = example.fields or {}
        missing = [name for name in self.slots.names[1:] if self.fields and name not in fields]
        if missing or self.candidates and not example.words:
            raise UserError('Task %s asks about %s of each text%s: read them from a file, or give Example(text, fields='
                            '{…}, words=[…]).' % (self.name, ', '.join(missing or ['the candidates']),
                                                  ' itself' * (not missing)))
        if self.candidates and not 1 < len(example.words) <= len(self.labels):
            raise UserError('Task %s takes 2 to %d candidates, not %d.' % (
                self.name, len(self.labels), len(example.words)))
        texts = [example.text] + [fields[name] for name in self.slots.names[1:]] if self.fields else [
            text for text in (example.text, example.text_b) if text is not None]
        self.pattern().texts(*texts)
        return texts

    def spelling(self, label):
        """A label as the benchmark that the task is from spells it: its first alias, or itself."""
        return (self.aliases.get(label) or [label])[0]

    def _of_row(self, row):
        """The texts of a row, in the order of `slots.names`; its candidates go to the verbalizer, to be shown."""
        text = field_of(row, TEXT_COLUMNS) if isinstance(row, dict) else None
        if text is None:
            raise UserError('The example of task %s must be an object of columns, as a row of a file.' % self.name)
        fields, words = self.fields.of(row)
        if words:
            self.verbalizer.shown = words
        return [text] + [fields[name] for name in self.slots.names[1:]]

    def label_of(self, name):
        """The task's label for a label as a file spells it; UserError where there is none.

        A soft label, a dict label → probability, becomes one of all the task's labels.
        """
        if isinstance(name, dict):
            return self._soft_label_of(name)
        label = self._label_of.get(_spelling(name))
        if label is None:
            known = ', '.join('%s%s' % (k, ''.join('=' + a for a in self.aliases.get(k, []))) for k in self.labels)
            raise UserError('label %r is not in task %s (labels: %s)' % (str(name), self.name, known))
        return label

    def _soft_label_of(self, shares):
        if not all(isinstance(p, numbers.Real) and not isinstance(p, bool) and 0 <= p <= 2 for p in shares.values()) or (
                not abs(sum(shares.values()) - 1) <= 1e-3):
            raise UserError('A soft label is a dict of label: probability, and they sum to 1; not %.80r.' % shares)
        found = dict.fromkeys(self.labels, 0.)
        for name, share in shares.items():
            found[self.label_of(name)] += float(share)
        return found

    def pattern(self, name=None, causal=False):
        """A pattern by its name, from a string that holds `{text` itself, or a Pattern if it fits the task.

        None is the default: the first, or for a causal model the first whose blank comes last, if there is one.
        """
        if name is None:
            patterns = list(self.patterns.values())
            return ([p for p in patterns if p.mask_is_last] * causal + patterns)[0]
        if isinstance(name, str) and name in self.patterns:
            return self.patterns[name]
        if not isinstance(name, Pattern) and ('{' if self.fields else '{text') not in name:
            raise UserError('Task %s has no pattern %r; it has %s. A pattern of your own holds {text} and [MASK].' % (
                self.name, name, ', '.join(self.patterns)))
        pattern = name if isinstance(name, Pattern) else Pattern(name, self.fields and self.slots)
        if not pattern.has_mask or pattern.slots != self.slots:
            raise UserError('Pattern %r must hold [MASK] and %s.' % (pattern.string, '{text_a} and {text_b}' if (
                self.is_pair) else '{text}' if self.slots == TEXT else 'the fields of task %s' % self.name))
        return pattern

    def verbalizer_of(self, pattern):
        """The Verbalizer that a Pattern asks for: the task's, unless the pattern has words of its own."""
        own = self._own.get(pattern.string, self.verbalizer)
        own.aggregation, own.word_score = self.verbalizer.aggregation, self.verbalizer.word_score
        return own

    def show(self):
        """Every pattern filled with the example for every label word, as lines of text."""
        return shown(self)


def _spelling(label):
    """A label as files spell it: 1 and ' 1' are '1'."""
    return str(label).strip()


def _by_label(fields, task):
    """A dict by label, its labels as strings; UserError where two become one."""
    spelled = {_spelling(label): value for label, value in fields.items()}
    if len(spelled) < len(fields):
        raise UserError('Task %r has two labels that are spelled alike: %s.' % (
            task, ', '.join(map(repr, fields))))
    return spelled
