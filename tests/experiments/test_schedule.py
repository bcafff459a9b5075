import collections
import io
import os
import subprocess
import sys

import pytest
from made_up import record

from pet_keras.errors import UserError
from pet_keras.experiments import records, schedule
from pet_keras.experiments.grid import Grid
from pet_keras.experiments.run import NOT_KEPT
from pet_keras.experiments.schedule import Schedule, describe

CHOOSE = {'tune': {'learn': 'labelled', 'patterns': 'P1', 'choose': {'fit.epochs': [1, 2, 3]}}}
Model = collections.namedtuple('Model', 'fingerprint')


@pytest.fixture
def plan(small, write, tmp_path, monkeypatch):
    """The Schedule of an experiment, with checkpoints that are no files, in the folder `out`."""
    def call(jobs=1, **changed):
        monkeypatch.setattr(schedule, 'checkpoint_of', lambda run: Model(run['place']))
        monkeypatch.setattr(schedule, 'check', lambda *_: None)
        small.update(changed)
        return Schedule(Grid(write(small)), str(tmp_path / 'out'), jobs)
    return call


def _record(plan, job, dev=50., pattern='P1', right=(True, False), **fields):
    record(plan.out, list(right), key=job.key, test='unseen', dev=dev, pattern=pattern,
           **dict({k: v for k, v in job.run.items() if k not in ('patterns', 'choose')}, **fields))


@pytest.fixture
def processes(monkeypatch, request):
    """Stands in for the processes of runs: each is a line of Python, by the method's name."""
    started = []

    def call(plan, **scripts):
        def start(jobs):
            said = io.BytesIO(b'what it said')
            script = scripts[jobs[0].run['method']]
            process = subprocess.Popen([sys.executable, '-S', '-c', script], stdin=subprocess.PIPE)
            process.said = said
            started.append(process)
            return process
        monkeypatch.setattr(plan, '_start', start)
        return started
    yield call
    for process in started:
        process.kill()
        process.wait()


# --- what is missing --------------------------------------------------------------------------------------

def test_a_run_is_done_when_each_of_its_patterns_has_a_record(plan):
    found = plan()
    zero_shot, *others = found.missing()
    assert len(others) == 4 and zero_shot.run['patterns'] == ['P1', 'P3']
    _record(found, zero_shot, pattern='P1')
    assert found.missing()[0].key == zero_shot.key
    _record(found, zero_shot, pattern='P3')
    assert [job.key for job in found.missing()] == [job.key for job in others]
    os.remove(records.scores_path(found.out, zero_shot.key, 'P3', 'unseen'))
    assert found.missing()[0].key == zero_shot.key


@pytest.mark.parametrize('change', [
    {'unlabelled': 5}, {'task': None}, {'methods': {'zero-shot': {'settings': {'maxlen': 64}}}},
    {'checkpoints': ['bert-small-zh']}, {'patterns': ['P1']}, {'data': None}])
def test_a_record_of_other_settings_is_not_taken(plan, small, change, tmp_path):
    small['methods'] = {'zero-shot': {}}
    before, = plan().missing()
    if change.get('task', '') is None:
        (tmp_path / 'own.json').write_text('{"patterns": {"P1": "[MASK]{text}", "P3": "好[MASK]{text}"}, '
                                           '"labels": {"0": "不", "1": "很"}}', encoding='utf-8')
        change = {'task': str(tmp_path / 'own.json')}
    if change.get('data', '') is None:
        change = {'data': dict(small['data'], tests={'unseen': 'test.tsv'})}
    after, = plan(**change).missing()
    assert before.key != after.key


def test_a_changed_file_and_a_changed_meaning_of_labels_or_of_a_patterns_name_are_other_runs(plan, small, tmp_path):
    text = '{"patterns": {"P1": "[MASK]{text}", "P2": "很[MASK]{text}"}, "labels": {"a": "不", "b": "很"}, "aliases": {"%s": "1", "%s": "0"}}'
    (tmp_path / 'own.json').write_text(text % ('a', 'b'), encoding='utf-8')
    small.update(task=str(tmp_path / 'own.json'), methods={'zero-shot': {'patterns': 'P1'}})
    found = plan()
    keys = [found.missing()[0].key]
    other = text % ('a', 'b')
    for changed in (text % ('b', 'a'), other.replace('P1', 'P3').replace('P2', 'P1').replace('P3', 'P2')):
        (tmp_path / 'own.json').write_text(changed, encoding='utf-8')
        keys.append(Schedule(found.grid, found.out).missing()[0].key)
    (tmp_path / 'own.json').write_text(other, encoding='utf-8')
    with open(str(tmp_path / 'test.tsv'), 'a', encoding='utf-8') as writer:
        writer.write('新\t1\n')
    keys.append(Schedule(found.grid, found.out).missing()[0].key)
    assert len(set(keys)) == 4


def test_one_model_under_two_names_runs_once_and_has_both_rows(plan, monkeypatch):
    found = plan(checkpoints={'a': 'x', 'b': 'y'}, methods={'zero-shot': {'patterns': 'P1'}})
    monkeypatch.setattr(schedule, 'checkpoint_of', lambda run: Model('same'))
    job, = found.missing()
    _record(found, job, checkpoint='as it was called before')
    assert found.missing() == [] and [r['checkpoint'] for r in found.found()] == ['a', 'b']


# --- choosing ---------------------------------------------------------------------------------------------

def test_the_candidate_that_is_best_on_dev_over_all_seeds_is_run_with_its_tests_and_no_other(plan):
    found = plan(methods=CHOOSE)
    candidates = found.missing()
    assert len(candidates) == 6 and all(job.run['withheld'] for job in candidates)
    by_dev = {(1, 0): 90., (1, 1): 50., (2, 0): 75., (2, 1): 75., (3, 0): 60., (3, 1): 60.}
    for i, job in enumerate(candidates):
        assert len(found.missing()) == 6 - i  # the choice is open until all are done
        _record(found, job, dev=by_dev[job.run['fit']['epochs'], job.run['seed']])
    best = found.missing()
    assert [(job.run['fit']['epochs'], job.run['seed']) for job in best] == [(2, 0), (2, 1)]
    assert not any('withheld' in job.run for job in best) and found.found() == []
    for job in best:
        _record(found, job)
    assert found.missing() == []
    assert [record['chosen'] for record in found.found()] == [{'fit.epochs': 2}] * 2


def test_each_checkpoint_chooses_for_itself(plan):
    found = plan(methods=CHOOSE, seeds=0, checkpoints=['x', 'y'])
    for job in found.missing():
        good = {'x': 1, 'y': 3}[job.run['checkpoint']] == job.run['fit']['epochs']
        _record(found, job, dev=80. if good else 60.)
    assert {(job.run['checkpoint'], job.run['fit']['epochs']) for job in found.missing()} == {('x', 1), ('y', 3)}


# --- estimates and progress -------------------------------------------------------------------------------

def test_the_time_of_a_run_is_that_of_one_of_its_kind(plan):
    found = plan(methods={'zero-shot': {}, 'few-shot': {'learn': 'labelled', 'patterns': 'P1'}})
    zero_shot, first, second = found.missing()
    assert found.estimates()(second) is None
    _record(found, first)
    assert found.estimates()(second) == 5. and found.estimates()(zero_shot) is None


def test_progress_says_what_is_left_and_until_when(plan, processes):
    found, said = plan(seeds=0, methods={'a': {}, 'b': {}}), []
    processes(found, a='', b='raise SystemExit(2)')
    errors = found.run(said.append)
    assert [line.split(' · ')[0] for line in said] == [
        'bert-mini-zh, a, P1 P3, seed 0', 'FAILED: bert-mini-zh, b, P1 P3, seed 0']
    assert '1 done, 1 left, until about ' in said[0] and said[1].endswith('2 done, 0 left')
    assert [(job.run['method'], message) for job, message in errors] == [('b', 'what it said')]


def test_a_candidate_is_told_by_its_values(plan):
    assert [describe(job.run) for job in plan(methods=CHOOSE, seeds=0).missing()][:1] == [
        'bert-mini-zh, tune, fit.epochs=1, P1, 4, seed 0']


# --- ends -------------------------------------------------------------------------------------------------

def test_a_run_that_leaves_no_record_is_not_tried_for_ever(plan, processes):
    found = plan(seeds=0, methods={'a': {}})
    assert len(processes(found, a='')) == 0
    found.run(str)
    assert len(found.missing()) == 1


def test_an_interrupt_ends_the_processes(plan, processes, monkeypatch):
    found = plan(jobs=2, seeds=0, methods={'a': {}, 'b': {}})
    started = processes(found, a='import time; time.sleep(60)', b='import time; time.sleep(60)')

    def interrupt(seconds):
        raise KeyboardInterrupt
    monkeypatch.setattr(schedule.time, 'sleep', interrupt)
    with pytest.raises(KeyboardInterrupt):
        found.run(str)
    assert len(started) == 2 and all(process.poll() is not None for process in started)
    records.lock(found.out).close()  # and the folder is free


def test_a_record_that_cannot_be_written_ends_the_grid(plan, processes):
    found = plan(seeds=0, methods={'a': {}, 'b': {}})
    started = processes(found, a='raise SystemExit(%d)' % NOT_KEPT, b='')
    with pytest.raises(OSError, match='A record could not be written: what it said'):
        found.run(str)
    assert len(started) == 1


def test_of_what_one_process_carries_out_only_that_without_a_record_has_failed(plan, processes, monkeypatch):
    asks = {'learn': 'labelled', 'patterns': 'P1', 'strategy': 'mix'}
    found, said, together = plan(seeds=0, labelled=[4, 2], methods={'a': asks}), [], []
    processes(found, a='raise SystemExit(2)')

    def start(jobs, start=found._start):
        together.append([job.run['labelled'] for job in jobs])
        _record(found, jobs[0])
        return start(jobs)
    monkeypatch.setattr(found, '_start', start)
    (failed, message), = found.run(said.append)
    assert together == [[2, 4]] and failed.run['labelled'] == 4 and message == 'what it said'
    assert [line.split(':')[0] == 'FAILED' for line in said] == [False, True]


def test_a_process_that_the_system_killed_says_so(plan, processes):
    found = plan(seeds=0, methods={'a': {}})
    processes(found, a='import os; os.kill(os.getpid(), 9)')
    (_, message), = found.run(str)
    assert 'ended by signal 9' in message and 'out of memory' in message


def test_what_can_be_known_stops_it_before_the_first_run(plan, processes, monkeypatch):
    found = plan(methods={'a': {}, 'tune': CHOOSE['tune']}, seeds=0)
    started, seen = processes(found), []

    def check(run, folder, checkpoint, checked):
        seen.append(run['fit'].get('epochs'))
        if run['fit'].get('epochs') == 3:
            raise UserError('too many')
    monkeypatch.setattr(schedule, 'check', check)
    with pytest.raises(UserError, match='grid.json: .*tune, fit.epochs=3, P1, 4, seed 0: too many'):
        found.run(str)
    assert started == [] and seen == [None, 1, 2, 3]
    _record(found, found.missing()[0])
    _record(found, found.missing()[0], pattern='P3')
    seen.clear()
    with pytest.raises(UserError):
        found.run(str)
    assert seen == [1, 2, 3]  # what is done is not looked at again
