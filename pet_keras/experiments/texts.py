"""The texts of a run: drawn from its data files the same way each time, with what was left out counted."""
import collections
import hashlib
import json
import os
import random

from pet_keras.data.example import as_list, different, without
from pet_keras.data.reading import read_examples, sha256_of
from pet_keras.data.sampling import draw
from pet_keras.errors import UserError

# examples, `tests` a dict of name: examples; `left_out`, a dict of part: how many of its texts stood elsewhere too;
# `shared`, of test: part that is learned from or chosen by: how many of its texts stand there all the same;
# `checksums`, of file: SHA-256
Texts = collections.namedtuple('Texts', 'labelled unlabelled dev tests left_out shared checksums')


def texts_of(run, task, folder):
    """The Texts of a run.

    - `labelled` n: lines n s to n (s + 1) of the training file for seed s, as in the posts; `{'per_label': k}`:
      k different texts of each label, those that `data.sampling.sample` draws for the seed; 'all'.
    - with a `strategy` they are the `pile` that it chooses from, so many lines, and so are the unlabelled ones.
    - `unlabelled` n: without an unlabelled file the n lines of the training file that follow the labelled ones, or
      that are none of them. What is learned from a file of unlabelled texts, or without any labelled one, are lines
      n s to n (s + 1) for seed s, from the top again where the file ends; what only calibrates are the first n.
    - `leave_out` of a part: its texts that stand in the parts named ('train', 'dev', 'unlabelled', a test's name, or
      'labelled': the run's own labelled texts) too.
    - `lines` n of a part, `unlabelled` too: n of what is left, drawn once for all runs; the first n would be of one
      source or topic.

    `{seed}` in a file's name is the run's seed: a benchmark's own splits.

    Raises: UserError naming the file, where it holds too little.
    """
    reader = _Files(run, task, folder)
    data, seed = run['data'], run['seed']
    train = reader.read('train') if 'train' in data else []
    place = reader.path(data.get('unlabelled', data.get('train', {})).get('file', ''))
    labelled, rest = _draw(train, run['pile' if 'strategy' in run else 'labelled'], seed, task.labels, place)
    if 'strategy' in run:
        rest = labelled = different(labelled)
        if len(labelled) < run['labelled']:
            raise UserError('%s: %d of a pile of %d different texts are wanted.' % (
                place, run['labelled'], len(labelled)))
    unlabelled = reader.part('unlabelled', data['unlabelled'], [])[0] if 'unlabelled' in data else rest
    if run['unlabelled'] != 'all':
        if len(unlabelled) < run['unlabelled'] and 'unlabelled' in run['learn']:
            raise UserError('%s: %d unlabelled lines are wanted, and %d are there.' % (
                place, run['unlabelled'], len(unlabelled)))
        unlabelled = unlabelled[_start(run, len(unlabelled)):][:run['unlabelled']]
    if not unlabelled and 'unlabelled' in run['learn']:
        raise UserError('%s: no line is left to be an unlabelled one.' % place)
    dev, dev_out = reader.part('dev', data['dev'], labelled) if 'dev' in data else ([], 0)
    tests, left_out = {}, {'dev': dev_out}
    for name in () if run.get('withheld') else run.get('only', data['tests']):
        tests[name], left_out[name] = reader.part(name, data['tests'][name], labelled)
    used = {'labelled': labelled, 'unlabelled': unlabelled if 'unlabelled' in run['learn'] else [], 'dev': dev}
    shared = {name: {part: len(test) - len(without(test, others)) for part, others in used.items()}
              for name, test in tests.items()}
    shared = {name: {part: n for part, n in parts.items() if n} for name, parts in shared.items()}
    return Texts(labelled, [e._replace(label=None) for e in unlabelled], dev, tests, left_out, shared, reader.checksums)


def digest(examples):
    """Sixteen hexadecimal digits that change with any text, any label and their order."""
    return hashlib.sha256(json.dumps(list(map(as_list, examples))).encode()).hexdigest()[:16]


def sha256(path):
    """The SHA-256 of a file of the data; UserError where it is not there."""
    if not os.path.isfile(path):
        raise UserError('%s is not there: give the folder of the data files with --data.' % path)
    return sha256_of(path)


class _Files(object):
    def __init__(self, run, task, folder):
        self.run, self.task, self.folder, self.checksums, self._read = run, task, folder, {}, {}

    def path(self, file):
        return os.path.join(self.folder, file.replace('{seed}', str(self.run['seed'])))

    def read(self, part):
        data = self.run['data']
        file = (data.get(part) or data['tests'][part])['file']
        path, labelled = self.path(file), part != 'unlabelled'
        if (path, labelled) not in self._read:
            self.checksums[file] = sha256(path)
            self._read[path, labelled] = read_examples(path, self.task, labelled)
        return self._read[path, labelled]

    def part(self, name, spec, labelled):
        """(the examples of a part, how many were left out)."""
        examples = found = self.read(name)
        for other in spec.get('leave_out', []):
            examples = without(examples, labelled if other == 'labelled' else self.read(other))
        left_out = len(found) - len(examples)
        if len(examples) < spec.get('lines', 1):
            raise UserError('%s: %d lines of %s are wanted, and %d are there.' % (
                self.path(spec['file']), spec.get('lines', 1), name, len(examples)))
        if 'lines' in spec:
            examples = list(examples)
            random.Random(0).shuffle(examples)
            examples = examples[:spec['lines']]
        return examples, left_out


def _start(run, lines):
    """The first of the unlabelled lines of a run; see texts_of."""
    own = 'unlabelled' in run['learn'] and ('unlabelled' in run['data'] or 'labelled' not in run['learn'])
    return run['unlabelled'] * (run['seed'] % (lines // run['unlabelled'])) if own else 0


def _draw(train, wanted, seed, labels, path):
    """(the labelled texts, the others)."""
    if wanted == 'all':
        return train, []
    if isinstance(wanted, dict):
        texts = different(train)
        counts = collections.Counter(e.label for e in texts)
        few = [label for label in labels if counts[label] < wanted['per_label']]
        if few:
            raise UserError('%s has fewer than %d different texts of %s.' % (path, wanted['per_label'], ', '.join(few)))
        sizes = [dict.fromkeys(labels, n) for n in (wanted['per_label'], 0)]
        chosen, _ = draw(texts, lambda e: e.label, sizes, seed)
        return chosen, without(train, chosen)
    if wanted * (seed + 1) > len(train):
        raise UserError('%s has %d lines, too few for %d of seed %d.' % (path, len(train), wanted, seed))
    return train[wanted * seed:wanted * (seed + 1)], train[wanted * (seed + 1):]
