"""An experiment file: checkpoint × task × method × pattern × number of labels × seed, as a list of runs."""
import itertools
import json
import os
import re

from pet_keras.classifiers.active.strategies import STRATEGIES
from pet_keras.classifiers.calibration import METHODS as CALIBRATIONS
from pet_keras.classifiers.calibration import NEED_TEXTS
from pet_keras.classifiers.kinds import KINDS
from pet_keras.classifiers.methods import METHODS, named
from pet_keras.errors import UserError
from pet_keras.experiments.file_values import check_count, check_keys, check_known, check_object, listed, read
from pet_keras.experiments.tables import as_text, setting_of

_TOP = {'name', 'description', 'tasks', 'task', 'data', 'checkpoints', 'methods', 'patterns', 'labelled', 'unlabelled',
        'seeds', 'published', 'claims', 'pile'}
_TASK = {'task', 'data', 'patterns', 'labelled', 'methods', 'pile'}
_DATA = {'train', 'dev', 'tests', 'unlabelled'}
_FILE = {'file', 'leave_out', 'lines'}
_METHOD = {'learn', 'classifier', 'settings', 'fit', 'patterns', 'prompt_tokens', 'prompt_where', 'checkpoints',
           'choose', 'words', 'seeds', 'labelled', 'tests', 'calibrate', 'strategy', 'pile'}
_PUBLISHED = {'task', 'checkpoint', 'method', 'pattern', 'test', 'labelled', 'accuracy', 'source'}
_CLAIM = {'claim', 'more', 'less', 'test', 'figure', 'source'}
_SIDE = {'task', 'checkpoint', 'method', 'pattern', 'labelled', 'best'}
_TAKEN = {'fit': {'seed', 'out', 'resume', 'verbose', 'workers', 'callbacks', 'finish'}, 'settings': {'seed'}}  # its own


class Grid(object):
    """What an experiment file says, checked: `name`, `runs`, `published` and `claims`.

    Arguments:
        path: a YAML or JSON file; its keys: docs/experiments.md.
        folder: where its data files are; None: beside it.
        checkpoints: the folder that its checkpoints' folders are looked for in; None: the current one.

    A run is a dict of JSON values that says all that one training (or none) and its evaluation need, in the order
    in which they are done: seeds last, so that a table is whole, if thin, as early as possible.

    Raises: UserError naming file and key, for a key or a value that the format has not.
    """
    def __init__(self, path, folder=None, checkpoints=None):
        self.path, self.folder = path, folder or os.path.dirname(os.path.abspath(path))
        raw = read(path)
        check_keys(raw, _TOP, path)
        if ('tasks' in raw) == ('task' in raw or 'data' in raw):
            raise UserError('%s: give "task" and "data", or "tasks": {name: {task: …, data: …}}.' % path)
        self.name, self.description = raw.get('name', os.path.basename(path)), raw.get('description', '')
        self.published = listed(raw.get('published', []))
        for row in self.published:
            check_keys(row, _PUBLISHED, '%s, published' % path)
            if not isinstance(row.get('accuracy'), (int, float)):
                raise UserError('%s, published: %s has no accuracy, a number in percent.' % (path, row))
        self._names, self._folder = raw.get('checkpoints', 'bert-small-zh'), checkpoints
        self.runs = self._runs(raw)
        if not self.runs:
            raise UserError('%s: no runs come out of it: a method and a checkpoint at least are needed.' % path)
        for row in self.published:
            self._check_shown(row)
        self.claims = listed(raw.get('claims', []))
        for claim in self.claims:
            self._check_claim(claim, '%s, claims' % path)

    def _check_shown(self, row):
        here = {run['checkpoint'] for run in self.runs}
        side = {key: value for key, value in row.items() if key != 'checkpoint' or value in here}
        if not any(_agrees(run, side, test) for run in self.runs
                   for test in ([row['test']] if 'test' in row else run['data']['tests'])):
            raise UserError('%s, published: no run is one of %s.' % (self.path, json.dumps(row, ensure_ascii=False)))

    def _check_claim(self, claim, where):
        check_keys(claim, _CLAIM, where)
        for key in ('claim', 'more', 'less', 'test'):
            if key not in claim:
                raise UserError('%s: %s has no %r.' % (where, claim, key))
        check_known([claim['test']], {test for run in self.runs for test in run['data']['tests']}, '%s, test' % where)
        check_known([claim.get('figure', 'accuracy')], {'accuracy', 'auc'}, '%s, figure' % where)
        places = []
        for side in ('more', 'less'):
            check_keys(claim[side], _SIDE, '%s, %s' % (where, side))
            check_known([claim[side].get('best', 'dev')], {'dev'}, '%s, best' % where)
            for key in ('method', 'checkpoint'):
                check_known(listed(claim[side].get(key, [])), {run[key] for run in self.runs}, '%s, %s' % (where, key))
            places.append({run['checkpoint'] for run in self.runs if _agrees(run, claim[side], claim['test'])})
            if not places[-1]:
                raise UserError('%s: no run is one of %s with the test %s.' % (
                    where, json.dumps(claim[side], ensure_ascii=False), claim['test']))
        if not places[0] & places[1] and not any('checkpoint' in claim[side] for side in ('more', 'less')):
            raise UserError('%s: the sides of %r have no checkpoint in common: name one of each.' % (
                where, claim['claim']))

    def _runs(self, raw):
        runs, unlabelled = [], raw.get('unlabelled', 'all')
        check_count([unlabelled], 'unlabelled', 1, self.path, all=True)
        tasks = raw['tasks'] if 'tasks' in raw else {None: {key: raw[key] for key in ('task', 'data') if key in raw}}
        for name, task in check_object(tasks, '%s, tasks' % self.path).items():
            where = self.path + (', task %s' % name if name else '')
            check_keys(task, _TASK, where)
            if not isinstance(task.get('task'), str) or 'data' not in task:
                raise UserError('%s: "task", a name or a file, and "data" are needed.' % where)
            data, methods = _data(task['data'], '%s, data' % where), check_object(
                raw.get('methods', {}), '%s, methods' % self.path)
            wanted = listed(task.get('methods', list(methods)))
            check_known(wanted, set(methods), '%s, methods' % where)
            for method, spec in ((name, methods[name]) for name in methods if name in wanted):
                at = '%s, method %s' % (self.path, method)
                spec = dict(check_object(spec or {}, at))
                learn = _check_method(spec, data, unlabelled, at)
                kind, fixed = named(spec.get('classifier', 'cloze'))[:2]
                sizes = listed(spec.get('labelled', task.get('labelled', raw.get('labelled', 'all'))))
                seeds = listed(spec.get('seeds', raw.get('seeds', [0])))
                check_count(seeds, 'seeds', 0, at)
                for size in sizes:
                    check_keys(size if isinstance(size, dict) else {}, {'per_label'}, '%s, labelled' % at)
                    n = size['per_label'] if isinstance(size, dict) and size else size
                    check_count([n], 'labelled', 1, at, all=n is size)
                sizes = sizes if 'labelled' in learn else [0]
                seeds = seeds if learn or '{seed}' in json.dumps(data) else seeds[:1]  # nothing else in it is random
                names = [None] if not KINDS[kind].checkpoint else listed(spec['checkpoints']) if 'checkpoints' in (
                    spec) else list(self._names) if isinstance(self._names, dict) else listed(self._names)
                for checkpoint, n, seed in itertools.product(names, sizes, seeds):
                    base = dict({'task': task['task'], 'data': data, 'method': method, 'learn': learn, 'labelled': n,
                                 'unlabelled': unlabelled, 'seed': seed, 'classifier': kind,
                                 'settings': dict(spec.get('settings', {}), **fixed), 'fit': spec.get('fit', {}),
                                 'words': spec.get('words')}, **self._checkpoint(checkpoint))
                    if 'strategy' in spec:
                        pile = spec.get('pile', task.get('pile', raw.get('pile', 'all')))
                        check_count([pile], 'pile', 1, at, all=True)
                        check_count([n], 'labelled, of a strategy,', 1, at)
                        base.update(strategy=spec['strategy'], pile=pile)
                    if 'tests' in spec:
                        base['only'] = listed(spec['tests'])
                    if 'calibrate' in spec:
                        base['calibrate'] = spec['calibrate']
                    if name:
                        base['name'] = name
                    runs += _with_patterns(base, spec, task.get('patterns', raw.get('patterns')), at)
        return sorted(runs, key=lambda run: run['seed'])

    def _checkpoint(self, name):
        """The keys of a run that say which checkpoint: its name in tables, and where it is if that is elsewhere.

        None is for a classifier without one.
        """
        if name is None:
            return {'checkpoint': '-', 'place': None}
        spec = self._names.get(name, name) if isinstance(self._names, dict) else name
        spec = spec if isinstance(spec, dict) else {'folder': spec}
        check_keys(spec, {'folder', 'causal'}, '%s, checkpoints' % self.path)
        place = spec.get('folder')
        if not isinstance(name, str) or not isinstance(place, str) or not isinstance(spec.get('causal', False), bool):
            raise UserError('%s: checkpoints are names or folders, or an object of name: folder, or of name: '
                            '{folder: …, causal: true}; not %r.' % (self.path, name if place is None else place))
        inside = os.path.join(self._folder or '', place)
        found = {'checkpoint': name, 'place': inside if os.path.exists(inside) else place}
        return dict(found, causal=True) if spec.get('causal') else found


def _with_patterns(base, spec, patterns, where):
    """The base run with its patterns: one run for all where no pattern is learned, else one run each."""
    if not KINDS[base['classifier']].patterns:
        patterns = [None]
    elif 'prompt_tokens' in spec:
        check_count([spec['prompt_tokens']], 'prompt_tokens', 1, where)
        patterns = [{'prompt_tokens': spec['prompt_tokens'], 'where': spec.get('prompt_where')}]
    else:
        patterns = listed(spec.get('patterns', patterns))
        if not all(p is None or isinstance(p, str) for p in patterns) or len(set(patterns)) < len(patterns):
            raise UserError('%s: patterns are different strings, not %s.' % (where, patterns))
    groups = [[p] for p in patterns] if 'labelled' in base['learn'] else [patterns]
    return [dict(base, patterns=group, choose=spec.get('choose', {})) for group in groups]


def _data(data, where):
    """The data of a task, each part a dict."""
    check_keys(data, _DATA, where)
    if not isinstance(data.get('tests'), dict) or not data['tests']:
        raise UserError('%s: "tests" is missing, an object of name: file.' % where)
    found = {part: data[part] for part in ('train', 'dev', 'unlabelled') if part in data}
    parts = set(found) | set(data['tests']) | {'labelled'}

    def checked(part, file):
        at, file = '%s, %s' % (where, part), {'file': file} if isinstance(file, str) else file
        check_keys(file, _FILE, at)
        if not isinstance(file.get('file'), str):
            raise UserError('%s: it is a file, or {file: …, leave_out: […], lines: …}.' % at)
        if part == 'train' and len(file) > 1 or part == 'unlabelled' and 'leave_out' in file:
            raise UserError('%s: leave_out is for dev and tests, and lines for these and unlabelled.' % at)
        if 'leave_out' in file:
            file = dict(file, leave_out=listed(file['leave_out']))
            check_known(file['leave_out'], parts - {part}, '%s, leave_out' % at)
        check_count([file.get('lines', 1)], 'lines', 1, at)
        return file
    for name in data['tests']:
        if not re.fullmatch(r'\w[\w -]*', name) or name in _DATA | {'labelled'}:
            raise UserError('%s: %r is no name of a test: letters, digits, spaces, - and _, and none of %s.' % (
                where, name, ', '.join(sorted(_DATA | {'labelled'}))))
    found = {part: checked(part, file) for part, file in found.items()}
    return dict(found, tests={name: checked(name, file) for name, file in data['tests'].items()})


def _check_method(spec, data, unlabelled, where):
    """What a method learns from, a list; UserError for what cannot be."""
    check_keys(spec, _METHOD, where)
    learn, by, choose = listed(spec.get('learn', [])), spec.get('classifier', 'cloze'), spec.get('choose', {})
    check_known(learn, {'labelled', 'unlabelled'}, '%s, learn' % where)
    check_known([by], {'cloze', 'pet', *METHODS}, '%s, classifier' % where)
    check_known(listed(spec.get('tests', [])), set(data['tests']), '%s, tests' % where)
    for part in ('settings', 'fit', 'choose'):
        check_object(spec.get(part, {}), '%s, %s' % (where, part))
    for key, values in [('%s.%s' % (part, key), [0]) for part in _TAKEN for key in spec.get(part, {})] + list(
            choose.items()):
        part, _, name = key.partition('.')
        if part not in _TAKEN or name in _TAKEN[part] | {''} or values == []:
            raise UserError('%s: %r cannot be set or chosen: values of fit.NAME or settings.NAME can, but for %s.' % (
                where, key, ', '.join('%s.%s' % (p, n) for p in _TAKEN for n in sorted(_TAKEN[p]))))
    kind, fixed = KINDS[named(by).kind], named(by).settings
    if 'calibrate' in spec:
        check_known([str(spec['calibrate'])], CALIBRATIONS if kind.patterns else NEED_TEXTS, '%s, calibrate' % where)
    if 'strategy' in spec:
        check_known([spec['strategy']], STRATEGIES, '%s, strategy' % where)
        if learn != ['labelled'] or named(by).kind not in ('cloze', 'fine-tuning'):
            raise UserError('%s: a strategy chooses the labelled texts of a cloze or of fine-tuning, which learns from '
                            'these alone.' % where)
    elif 'pile' in spec:
        raise UserError('%s: a pile is what a strategy chooses from: say which.' % where)
    if not set(kind.needs) <= set(learn) <= set(kind.takes):
        raise UserError('%s: %s learns from %s texts%s.' % (where, by, ' and '.join(kind.needs), (
            ', and from these alone' if kind.needs == kind.takes else '')))
    for key, value in fixed.items():
        if spec.get('settings', {}).get(key, value) != value or 'settings.' + key in choose:
            raise UserError('%s: settings.%s of %s is %r.' % (where, key, by, value))
    for wanted, part, why in ((learn, 'train', 'learning'), (choose, 'dev', 'choosing')):
        if wanted and part not in data and not (part == 'train' and learn == ['unlabelled'] and 'unlabelled' in data):
            raise UserError('%s: %s needs data.%s.' % (where, why, part))
    if choose and not learn:
        raise UserError('%s: nothing is learned, so there is nothing to choose.' % where)
    if 'words' in spec and not isinstance(spec['words'], dict):
        raise UserError('%s: words is an object of label: words.' % where)
    return learn


def name_of(run, pattern):
    """A run's pattern as tables name it."""
    if isinstance(pattern, dict):
        return '%d tokens' % pattern['prompt_tokens']
    return pattern or ('default' if KINDS[run['classifier']].patterns else '-')


def _agrees(run, side, test):
    """Whether a run has this test and may have rows that agree with a side of a claim."""
    has = {key: {value} for key, value in zip(('task', 'checkpoint', 'method', 'labelled'), setting_of(run))}
    has['pattern'] = {name_of(run, pattern) for pattern in run['patterns']}
    return test in run.get('only', run['data']['tests']) and all(
        values & set(map(as_text, listed(side[key]))) for key, values in has.items() if key in side)


def choices(run):
    """The values that `choose` tries: a list of dict, name → value, one for each combination."""
    return [dict(zip(run['choose'], values)) for values in itertools.product(*map(listed, run['choose'].values()))]


def chosen(run, values, tests=True):
    """The run with these values of what `choose` names; with `tests` False, a candidate, its tests are withheld."""
    run = json.loads(json.dumps(dict(run, choose={}, chosen=values)))
    for name, value in values.items():
        part, key = name.split('.', 1)
        run[part][key] = value
    return run if tests else dict(run, withheld=True)
