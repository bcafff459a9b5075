import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import pet_keras
from pet_keras.cli.main import main
from pet_keras.data.shipped import shipped_texts
from pet_keras.experiments import records, schedule
from pet_keras.experiments.run import execute

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
TRACED = True  # real models, or many texts: graphs are worth tracing
WALL = {'train_seconds', 'step_seconds', 'predict_seconds', 'seconds', 'processor_seconds', 'peak_memory'}


@pytest.fixture
def grid(tiny, tmp_path):
    """An experiment of three runs on the shipped reviews: two patterns without training, and two short trainings."""
    for part in ('train', 'dev', 'test'):
        shutil.copy(shipped_texts('reviews.%s.tsv' % part), str(tmp_path))
    experiment = {
        'name': 'Small', 'task': 'sentiment', 'labelled': 8, 'unlabelled': 20, 'checkpoints': {'tiny': tiny},
        'data': {'train': 'reviews.train.tsv', 'dev': {'file': 'reviews.dev.tsv', 'lines': 10},
                 'tests': {'unseen': {'file': 'reviews.test.tsv', 'leave_out': ['train'], 'lines': 30}}},
        'patterns': ['P1', 'P3'], 'methods': {
            'zero-shot': {}, 'few-shot': {'learn': 'labelled', 'patterns': 'P1', 'fit': {'epochs': 1}},
            'P-tuning': {'learn': 'labelled', 'prompt_tokens': 2, 'settings': {'train': 'prompt'},
                         'fit': {'epochs': 1}}}}
    (tmp_path / 'grid.json').write_text(json.dumps(experiment), encoding='utf-8')
    return str(tmp_path / 'grid.json')


def _read(folder):
    """The records but for what a clock or the system says, and their scores."""
    found = records.read(str(folder))
    return ([{name: value for name, value in record.items() if name not in WALL} for record in found],
            [[part.tolist() for part in records.scores(str(folder), record, 'unseen')] for record in found])


def _start(*args):
    environment = dict(os.environ, PYTHONPATH=ROOT)
    return subprocess.Popen([sys.executable, '-m', 'pet_keras', 'experiment', *args], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def _wait_for(condition, seconds=120):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end
        time.sleep(.05)


def _children(process):
    found = subprocess.run(['ps', '-o', 'pid=', '--ppid', str(process.pid)], capture_output=True, encoding='utf-8')
    return [int(pid) for pid in found.stdout.split()]


def _alive(pid):
    """Whether a process is there and no zombie."""
    found = subprocess.run(['ps', '-o', 'stat=', '-p', str(pid)], capture_output=True, encoding='utf-8')
    return found.stdout.strip()[:1] not in ('', 'Z')


@pytest.mark.skipif(not shutil.which('ps'), reason='needs ps')
def test_a_grid_that_was_killed_goes_on_to_the_same_records(grid, tmp_path, capsys):
    undisturbed, killed = str(tmp_path / 'undisturbed'), str(tmp_path / 'killed')
    assert main(['experiment', grid, '--out', undisturbed]) == 0
    expected = _read(undisturbed)
    assert [(r['method'], r['pattern']) for r in expected[0]] == [
        ('zero-shot', 'P1'), ('zero-shot', 'P3'), ('few-shot', 'P1'), ('P-tuning', '2 tokens')]
    out = capsys.readouterr().out
    assert '3 done, 0 left' in out and '| tiny | few-shot | 8 | P1 | 1 |' in out

    process = _start(grid, '--out', killed)  # while the first run is under way: the grid alone, so the run must see it
    _wait_for(lambda: _children(process))
    run, = _children(process)
    process.kill()
    process.communicate()
    _wait_for(lambda: not _alive(run), 20)
    assert records.read(killed) == []

    process = _start(grid, '--out', killed)  # once the first is done: all processes at once
    _wait_for(lambda: records.read(killed))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert _read(killed)[0] == expected[0][:2]

    path = os.path.join(killed, 'records.jsonl')  # and in the middle of writing
    with open(path, 'rb') as reader:
        first, second = reader.read().splitlines(keepends=True)
    with open(path, 'wb') as writer:
        writer.write(first + second[:len(second) // 2])

    assert main(['experiment', grid, '--out', killed]) == 0
    found = _read(killed)
    latest = {(record['key'], record['pattern']): (record, scores) for record, scores in zip(*found)}
    assert list(latest.values()) == list(zip(*expected))
    for name in ('unseen.md', 'unseen.csv', 'unseen.tex'):
        with open(os.path.join(killed, name)) as one, open(os.path.join(undisturbed, name)) as other:
            assert one.read() == other.read()

    capsys.readouterr()  # and now there is nothing left to do
    assert main(['experiment', grid, '--out', killed, '--dry-run']) == 0
    assert capsys.readouterr().out.startswith('0 runs, 0 minutes')


@pytest.fixture
def inside(monkeypatch):
    """Runs are carried out in this process, one after another, which saves starting TensorFlow for each."""
    def start(plan, jobs):
        for job, found in zip(jobs, execute([job.run for job in jobs], plan.grid.folder)):
            records.add(plan.out, job.run, job.key, found)
        process = subprocess.Popen([sys.executable, '-S', '-c', ''], stdin=subprocess.PIPE)
        process.said = open(os.devnull)
        process.wait()
        return process
    monkeypatch.setattr(schedule.Schedule, '_start', start)


def test_the_guides_experiment_runs_as_it_says(inside, tiny, tmp_path, monkeypatch, capsys):
    pytest.importorskip('yaml')
    with open(os.path.join(ROOT, 'docs', 'experiments.md'), encoding='utf-8') as reader:
        guide = reader.read()
    text = ''.join(re.findall(r'^```yaml\n(.*?)^```', guide, re.M | re.S))
    commands = [shlex.split(line, comments=True)[1:] for line in re.findall(r'^pet-keras .*mine.*', guide, re.M)]
    assert [args[2:] for args in commands] == [['--dry-run'], ['--jobs', '2', '--plots'], ['--table-only']]
    for part in ('train', 'dev', 'test'):
        shutil.copy(shipped_texts('reviews.%s.tsv' % part), str(tmp_path))
    (tmp_path / 'mine.yaml').write_text(text, encoding='utf-8')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('pet_keras.checkpoints.checkpoint.shipped_checkpoints', lambda: {'bert-mini-zh': tiny})
    printed = []
    for args in commands:
        try:
            __import__('matplotlib')
        except ImportError:
            args = [arg for arg in args if arg != '--plots']
        assert main(args) == 0, capsys.readouterr().err
        printed.append(capsys.readouterr().out)
    assert '9 runs, 0 minutes with 1 at a time, and 9 of kinds that none is done of yet' in printed[0]
    assert 'P-tuning, fit.learning_rate=0.003, 4 tokens, 16, seed 0: not known yet' in printed[0]
    assert 'Runs of what `choose` decides come on top' in printed[0]
    assert '11 done, 0 left' in printed[1]
    figures, costs = printed[2].split('What each method costs.')
    rows = [line for line in figures.splitlines() if line.startswith('| bert-mini-zh')]
    assert len(rows) == 5 and all('±' in row for row in rows[2:]) and '◂' in printed[2]
    assert re.search(r'Chosen on dev: bert-mini-zh, P-tuning: fit.learning_rate 0.0\d+\.', printed[2])
    verdicts = re.findall(r'^\| (.+) \| .* \| (?:holds|does not hold|cannot be told) \|$', printed[2], re.M)
    assert [line.split(' | ')[0] for line in verdicts] == ['P3 is the better pattern', 'few-shot beats zero-shot']
    assert [line.split(' | ')[1] for line in costs.splitlines() if line.startswith('| bert-mini-zh')] == [
        'zero-shot', 'few-shot', 'P-tuning']
    for name in ('costs.md', 'claims.md'):
        assert (tmp_path / 'mine' / name).read_text(encoding='utf-8') in printed[2]
    keys = {'key', 'resolved', 'chosen', 'withheld', 'shared', 'tests', 'dev', *WALL, *records.read('mine')[0]}
    table = guide[guide.index('## What a record holds'):]
    assert not [key for key in keys - {'name', 'only'} if '`%s`' % key not in table]
    withheld = [record for record in records.read('mine') if record.get('withheld')]
    assert len(withheld) == 4 and all(record['tests'] == {} and record['dev'] for record in withheld)


# --- errors -----------------------------------------------------------------------------------------------

def _change(grid, **changed):
    with open(grid, encoding='utf-8') as reader:
        experiment = json.load(reader)
    with open(grid, 'w', encoding='utf-8') as writer:
        json.dump(dict(experiment, **changed), writer)


def test_what_is_wrong_is_one_line_before_anything_runs(grid, fails, tmp_path):
    out = str(tmp_path / 'out')
    assert 'no such file' in fails('experiment', str(tmp_path / 'none.yaml')).lower()
    assert '--jobs is 1 or more' in fails('experiment', grid, '--jobs', 0)
    assert '--data' in fails('experiment', grid, '--data', tmp_path / 'elsewhere')
    _change(grid, patterns=['P1', 'P9'])
    for more in ([], ['--dry-run']):
        error = fails('experiment', grid, '--out', out, *more)
        assert 'grid.json: tiny, zero-shot, P1 P9, seed 0: ' in error and "no pattern 'P9'" in error
    _change(grid, checkpoints=['no-such-model'])
    assert 'no-such-model' in fails('experiment', grid, '--out', out)
    assert records.read(out) == []


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_that_cannot_be_written_is_one_line(grid, fails, tmp_path):
    (tmp_path / 'shut').mkdir(0o500)
    assert 'shut' in fails('experiment', grid, '--out', tmp_path / 'shut' / 'out')


def test_a_file_in_place_of_the_folder_is_one_line(grid, fails, tmp_path):
    (tmp_path / 'file').write_text('')
    assert 'file' in fails('experiment', grid, '--out', tmp_path / 'file')


def test_a_folder_in_use_is_one_line(grid, fails, tmp_path):
    with records.lock(str(tmp_path / 'out')):
        assert 'another pet-keras works in this folder' in fails('experiment', grid, '--out', tmp_path / 'out')


@pytest.mark.parametrize('error, status', [(KeyboardInterrupt(), 130), (OSError(28, 'No space left on device'), 1)])
def test_what_ends_a_grid_early_says_what_is_done(grid, run, tmp_path, monkeypatch, error, status):
    def stop(*_):
        raise error
    monkeypatch.setattr(schedule.Schedule, '_start', stop)
    found, out, err = run('experiment', grid, '--out', tmp_path / 'out')
    assert found == status and '0 runs are done and kept in' in out and 'the same command goes on' in out
    assert 'Traceback' not in err and ('No space left' in err) == (status == 1)


def test_a_run_that_fails_is_named_and_the_others_are_done(grid, inside, run, tmp_path, monkeypatch):
    start = schedule.Schedule._start

    def failing(plan, jobs):
        process = start(plan, jobs) if jobs[0].run['method'] == 'zero-shot' else subprocess.Popen(
            [sys.executable, '-S', '-c', 'raise SystemExit(2)'], stdin=subprocess.PIPE)
        process.said = open(os.devnull, 'rb')
        return process
    monkeypatch.setattr(schedule.Schedule, '_start', failing)
    status, out, err = run('experiment', grid, '--out', tmp_path / 'out')
    assert status == 1 and '| tiny | zero-shot | P1 | 1 |' in out
    assert '2 of the runs failed' in err and '- tiny, few-shot, P1, 8, seed 0: It ended with status 2.' in err


def test_tables_of_nothing_say_so(grid, run, tmp_path):
    status, out, _ = run('experiment', grid, '--out', tmp_path / 'out', '--table-only')
    assert status == 0 and 'There is no record of these runs' in out


def test_scores_are_those_of_the_model(grid, inside, tiny, tmp_path):
    """The figures of a record, computed again with the public classes."""
    from pet_keras import ClozeClassifier, read_examples, without
    _change(grid, methods={'few-shot': {'learn': 'labelled', 'patterns': 'P3', 'fit': {'epochs': 2}}}, seeds=[1],
            data={'train': 'reviews.train.tsv', 'dev': 'reviews.dev.tsv',
                  'tests': {'unseen': {'file': 'reviews.test.tsv', 'leave_out': ['train']}}})
    assert main(['experiment', grid, '--out', str(tmp_path / 'out')]) == 0
    record, = records.read(str(tmp_path / 'out'))
    classifier = ClozeClassifier('sentiment', tiny, 'P3', seed=1)
    train, dev, test = [read_examples(str(tmp_path / ('reviews.%s.tsv' % part)), classifier.task)
                        for part in ('train', 'dev', 'test')]
    classifier.fit(train[8:16], dev=dev, epochs=2, seed=1)
    log_proba, truth = records.scores(str(tmp_path / 'out'), record, 'unseen')
    unseen = without(test, train)
    assert np.abs(log_proba - classifier.predict_log_proba(unseen)).max() < 1e-5
    assert [classifier.labels[i] for i in truth] == [e.label for e in unseen]
    assert record['tests']['unseen']['accuracy'] == pytest.approx(classifier.evaluate(unseen)['accuracy'])
    assert record['dev']['accuracy'] == pytest.approx(classifier.evaluate(dev)['accuracy'])
    assert record['resolved']['epochs'] == 2 and record['parameters_trained'] == classifier.parameters_trained
