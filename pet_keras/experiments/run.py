"""Runs of a grid, carried out in a process of its own: it has its own peak of memory, and a kill loses no other."""
import glob
import hashlib
import inspect
import json
import os
import platform
import re
import resource
import sys
import tempfile
import threading
import time

import numpy as np

from pet_keras.classifiers.active.simulation import learn_as_asked
from pet_keras.classifiers.calibration import NEED_TEXTS
from pet_keras.classifiers.kinds import KINDS, class_of
from pet_keras.classifiers.methods import arguments
from pet_keras.classifiers.step import clocks
from pet_keras.cloze.task import Task, shipped_tasks
from pet_keras.errors import UserError
from pet_keras.experiments.grid import name_of
from pet_keras.experiments.records import add
from pet_keras.experiments.texts import digest, texts_of

CALIBRATION = 1000  # unlabelled texts that are calibrated on: for "corrected" accuracy, and where a method asks for it
NOT_KEPT = 3  # exit status of a run whose record could not be written


def _code():
    """Twelve hexadecimal digits of the library's source: two states of one version may learn otherwise."""
    digest, folder = hashlib.sha256(), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), '**', '*.py'), recursive=True)):
        with open(path, 'rb') as reader:
            digest.update(reader.read())
    return digest.hexdigest()[:12]


CODE = _code()  # of what is imported: a file may be edited while a run goes on


def execute(runs, folder):
    """Trains and evaluates. Yields for each run a list of (record, scores), one a pattern; see `records.add`.

    Arguments: `runs` as Grid makes them, one, or those of a strategy that differ only in how many texts are labelled,
    the fewest first; `folder` of the data files.
    """
    begun, trained, task = time.perf_counter(), np.zeros(2), task_of(runs[-1])
    texts = texts_of(runs[-1], task, folder)
    start = clocks()
    classifier = _classifier(runs[0], task, runs[0]['patterns'][0])
    for run in _taught(classifier, runs, texts):
        trained += clocks() - start
        yield _evaluate(classifier, run, task, texts, trained, begun)
        begun, start = time.perf_counter(), clocks()


def _taught(classifier, runs, texts):
    """Yields each run once the classifier has learned what it is to learn."""
    run = runs[0]
    dev = texts.dev if 'labelled' in run['learn'] else None
    if 'strategy' in run:
        counts = [other['labelled'] for other in runs]
        for other, _ in zip(runs, learn_as_asked(classifier, texts.labelled, run['strategy'], counts, run['seed'],
                                                 dev=dev, **run['fit'])):
            yield other
        return
    if run['learn']:
        classifier.fit(texts.labelled if 'labelled' in run['learn'] else None,
                       texts.unlabelled if 'unlabelled' in run['learn'] else None,
                       dev=dev, seed=run['seed'], **run['fit'])
    yield run


def _evaluate(classifier, run, task, texts, trained, begun):
    """The records of a run: `trained`, seconds that it learned, as `clocks` gives them; `begun`, when it was."""
    found, (trained, worked) = [], trained.round(2).tolist()
    same = {'train_seconds': trained, 'step_seconds': classifier.step_seconds,
            'parameters_trained': classifier.trained_with.get('parameters_trained', classifier.parameters_trained)
            if run['learn'] else 0,
            'resolved': _resolved(classifier), 'saved_bytes': _saved_bytes(classifier), 'left_out': texts.left_out,
            'shared': texts.shared, 'checksums': texts.checksums, 'history': classifier.history,
            'fingerprint': fingerprint_of(classifier.checkpoint), 'versions': _versions()}
    for i, pattern in enumerate(run['patterns']):
        if i:
            classifier.pattern = pattern
        if 'calibrate' in run:
            classifier.calibrate(texts.unlabelled[:CALIBRATION] if run['calibrate'] in NEED_TEXTS else None,
                                 run['calibrate'])
        own = classifier.offset.astype('float32')
        record = dict({'pattern': name_of(run, pattern)}, **same)
        if texts.dev:
            record['dev'] = _figures(classifier.evaluate(texts.dev))
        record['tests'], scores, seconds_a_text = {}, {}, []
        for name, examples in texts.tests.items():
            classifier.predict_log_proba(examples[:1])  # what the first call takes to trace is not to be timed
            begin = clocks()
            log_proba = classifier.predict_log_proba(examples).astype('float32')
            seconds_a_text.append((clocks() - begin) / len(examples))
            scores[name] = log_proba, np.array([task.labels.index(e.label) for e in examples], 'int32')
            record['tests'][name] = dict(_report(examples, log_proba, task.labels), texts=digest(examples))
        if texts.unlabelled and texts.tests and not task.candidates:
            classifier.calibrate(texts.unlabelled[:CALIBRATION])
            offset = classifier.offset.astype('float32') - own
            for name, examples in texts.tests.items():
                report = _report(examples, scores[name][0] + offset, task.labels)
                record['tests'][name]['corrected'] = report['accuracy']
        classifier.offset = 0 * own
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)
        seconds, predict = np.median(seconds_a_text, 0).round(6).tolist() if seconds_a_text else (None, None)
        record.update(predict_seconds=seconds, peak_memory=peak, seconds=round(time.perf_counter() - begun, 1),
                      processor_seconds={'train': worked if run['learn'] else 0.,
                                         'step': classifier.step_processor_seconds, 'predict': predict})
        found.append((record, scores))
    return found


def check(run, folder, checkpoint, checked):
    """Raises UserError for what would stop a run: files, labels, patterns, words, names and values of settings.

    No network is built. Arguments: `checkpoint`, a Checkpoint; `checked`, a set that keeps what need not be looked at
    again in another run.
    """
    def new(**what):
        key = json.dumps(what, sort_keys=True)
        return key not in checked and not checked.add(key)
    try:
        task = task_of(run)
        if new(texts={k: v for k, v in run.items() if k in (
                'task', 'data', 'labelled', 'unlabelled', 'learn', 'seed', 'only', 'withheld', 'words',
                'calibrate', 'strategy', 'pile')}):
            texts = texts_of(run, task, folder)
            if run.get('calibrate') in NEED_TEXTS and not texts.unlabelled:
                raise UserError('calibrate: %s needs unlabelled texts, and there are none.' % run['calibrate'])
        if new(asked={k: v for k, v in run.items() if k not in ('data', 'seed', 'labelled', 'chosen')}):
            _check_settings(run)
            _check_patterns(run, task, checkpoint)
    except UserError:
        raise
    except (TypeError, AttributeError, ValueError) as e:
        raise UserError('A value is of the wrong kind: %s' % e) from None


def task_of(run):
    """The Task of a run, with the run's own words for its labels if it has some."""
    task = Task.load(run['task'])
    return task.with_words(run['words']) if run['words'] else task


def checkpoint_of(run):
    """The Checkpoint of a run, None where its classifier has none."""
    if run['place'] is None:
        return None
    from pet_keras.checkpoints.checkpoint import Checkpoint
    return Checkpoint(run['place'], 'lm' if run.get('causal') else None)


def fingerprint_of(checkpoint):
    """The fingerprint of a Checkpoint, None of none."""
    return checkpoint and checkpoint.fingerprint


def _check_settings(run):
    from pet_keras.classifiers.training import Trainer
    fit, settings, trainer = run['fit'], run['settings'], set(inspect.signature(Trainer).parameters)
    own, known_of_fit = arguments(run['classifier'])
    known = {'fit': known_of_fit, 'settings': own - {'checkpoint', 'pattern'}}
    for part in known:
        for name, value in run[part].items():
            if name not in known[part]:
                raise UserError('%s.%s is no setting; there is %s.' % (part, name, ', '.join(sorted(known[part]))))
            if isinstance(value, str) and re.fullmatch(r'[\d.]+[eE][-+]?\d+', value):
                raise UserError('%s.%s: %s is a text to YAML: write %r.' % (part, name, value, float(value)))
    Trainer(None, **{name: value for name, value in fit.items() if name in trainer})
    if run['classifier'] == 'cloze' and 'unlabelled' in run['learn'] and (
            settings.get('train') == 'prompt' or fit.get('mask_rate') == 0):
        raise UserError("Unlabelled texts teach nothing where only a prompt trains, or mask_rate is 0.")


def _check_patterns(run, task, checkpoint):
    from pet_keras.classifiers.pet.ensemble import Ensemble
    from pet_keras.classifiers.text_classifier import TextClassifier
    from pet_keras.cloze.cloze import cloze_of
    from pet_keras.cloze.prompt_pattern import prompt_tokens
    from pet_keras.networks.prompt_start import add_tokens
    settings = run['settings']
    base = TextClassifier(task, checkpoint, settings.get('maxlen', 128), settings.get('dropout_rate'))
    if run['classifier'] in ('pet', 'autoprompt'):  # clozes without a pattern in `patterns`
        checkpoint.check()
    if run['classifier'] == 'pet':
        Ensemble(task, checkpoint, **{k: settings[k] for k in ('patterns', 'seeds', 'weights') if k in settings})
    if not KINDS[run['classifier']].patterns:
        return
    checkpoint.check()
    if run['classifier'] == 'priming':
        class_of('priming').check_causal(checkpoint)
    asked = [task.pattern(_pattern(p, task, checkpoint), checkpoint.is_causal) for p in run['patterns']]
    tokens = [prompt_tokens(pattern, task.verbalizer_of(pattern)) for pattern in asked]
    for pattern, its in zip(asked, tokens):
        if settings.get('train') == 'prompt':
            if not its:
                raise UserError('Pattern %r has no [unused] token to train: prompt_tokens: 8 asks for some.' % (
                    pattern.string))
            add_tokens(base.tokenizer, its)
        if its != tokens[0]:
            raise UserError('Patterns of different [unused] tokens cannot share a method.')
        cloze_of(task, pattern, base.tokenizer, base.maxlen, checkpoint.is_causal)


def _classifier(run, task, pattern):
    checkpoint = checkpoint_of(run)
    given = {'checkpoint': checkpoint, 'pattern': _pattern(pattern, task, checkpoint), 'seed': run['seed']}
    own, _ = arguments(run['classifier'])
    return class_of(run['classifier'])(task, **run['settings'], **{k: v for k, v in given.items() if k in own})


def _pattern(pattern, task, checkpoint):
    """A pattern as ClozeClassifier takes it."""
    from pet_keras.cloze.prompt_pattern import prompt_pattern
    if not isinstance(pattern, dict):
        return pattern
    where = pattern['where'] or ('after' if checkpoint.is_causal else 'before')
    return prompt_pattern(pattern['prompt_tokens'], where, checkpoint.is_causal, texts=task.slots.texts)


def task_checksum(name):
    """SHA-256 of what of a task's words and patterns, as it is now, a run depends on."""
    task = Task.load(name)
    scoring = [task.scoring(), [pattern.string for pattern in task.patterns.values()]]
    if name not in shipped_tasks():
        scoring += [task.aliases, list(task.patterns)]  # what the labels in the files mean; which is P1
    return hashlib.sha256(json.dumps(scoring, sort_keys=True).encode()).hexdigest()


def _resolved(classifier):
    """What the library's defaults came to in this training: another version may have others."""
    return {name: value for name, value in classifier.trained_with.items() if name != 'parameters_trained'}


def _report(examples, log_proba, labels):
    from pet_keras.classifiers.metrics import classification_report
    return _figures(classification_report([e.label for e in examples], log_proba, labels))


def _figures(report):
    """A report as a record keeps it: rounded, so that equal runs are equal lines."""
    return json.loads(json.dumps(report), parse_float=lambda number: round(float(number), 6))


def _saved_bytes(classifier):
    with tempfile.TemporaryDirectory() as folder:
        classifier.save(os.path.join(folder, 'model'))
        return sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(folder) for name in names)


def _versions():
    from pet_keras import __version__
    from pet_keras.backend import tf
    return {'pet_keras': __version__, 'code': CODE, 'tensorflow': tf.__version__, 'numpy': np.__version__,
            'python': platform.python_version()}


def _end_with_parent():
    """Ends this process when the other end of standard input closes: when the grid was killed."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main():
    """Reads what Schedule asks for as a line of JSON on standard input; writes the records of each run as it ends."""
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        for run, key, found in zip(request['runs'], request['keys'], execute(request['runs'], request['folder'])):
            task = task_checksum(run['task'])
            for record, _ in found:
                checksums = dict(record['checksums'], task=task)
                if record['fingerprint'] != request['fingerprint'] or not (
                        checksums.items() <= request['checksums'].items()):
                    raise UserError('The checkpoint, the task or a data file has changed since the grid was started: '
                                    'start it again.')
            try:
                add(request['out'], run, key, found)
            except OSError as e:
                print(e, file=sys.stderr)
                return NOT_KEPT
    except (UserError, OSError, ImportError) as e:
        print(e, file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
