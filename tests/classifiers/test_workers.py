"""Two processes that train one model, on this machine, and one that trains alone on the same batches."""
import json
import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from pet_keras.backend import tf
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.model_folder import read_header
from pet_keras.classifiers.workers import Workers, started_here
from pet_keras.errors import UserError
from scripted import LABELLED, TASK, UNLABELLED, same_bits, saved_weights

import pet_keras

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
SETTINGS = dict(batch_size=2, learning_rate=1e-3, mask_rate=.3, seed=3)
# Trains on labelled texts, whose last batch has one text and no part for the second process, then on unlabelled ones
WORK = '''
import json, os, signal, sys
sys.path[:0] = [%r, %r]
from pet_keras import Workers
team = Workers.join()
from scripted import LABELLED, TASK, UNLABELLED
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.training import Trainer
settings, checkpoint, out, stop = json.loads(sys.argv[1])
train_epoch = Trainer._train_epoch
def stopping(self, number, streams):
    if number == stop and team.rank:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_epoch(self, number, streams)
def fit(**more):
    return ClozeClassifier(TASK, checkpoint).fit(
        LABELLED[:5], dev=LABELLED, epochs=3, out=out, workers=team, **settings, **more)
if stop is not None:
    Trainer._train_epoch = stopping
    fit()
found = fit(resume=os.path.exists(os.path.join(out, 'resume')))
plain = ClozeClassifier(TASK, checkpoint).fit(
    unlabelled=UNLABELLED, epochs=1, workers=team, **dict(settings, batch_size=4))
print(json.dumps([found.history, plain.history, [float(w.sum()) for w in found.model.get_weights()]]))
''' % (ROOT, os.path.join(ROOT, 'tests', 'classifiers'))


def _two(checkpoint, out, stop=None, script=WORK):
    """What two processes print, and their exit statuses."""
    with socket.socket() as one, socket.socket() as other:
        for found in (one, other):
            found.bind(('127.0.0.1', 0))
        places = ['127.0.0.1:%d' % found.getsockname()[1] for found in (one, other)]
    processes = [subprocess.Popen(
        [sys.executable, '-c', script, json.dumps([SETTINGS, checkpoint, out, stop])], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=dict(os.environ, TF_CONFIG=json.dumps(
            {'cluster': {'worker': places}, 'task': {'type': 'worker', 'index': i}}))) for i in (0, 1)]
    try:
        printed = [process.communicate(timeout=500) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [json.loads(out.splitlines()[-1]) if out.strip().endswith(b']') else err.decode() for out, err in printed], [
        process.returncode for process in processes]


def _losses(history):
    return [record['loss'] for record in history if record['loss'] is not None]


def test_two_processes_learn_what_one_with_the_same_batches_does_and_go_on_after_one_was_killed(still, tmp_path):
    alone = ClozeClassifier(TASK, still).fit(LABELLED[:5], dev=LABELLED, epochs=3, **SETTINGS)
    plain = ClozeClassifier(TASK, still).fit(unlabelled=UNLABELLED, epochs=1, **dict(SETTINGS, batch_size=4))
    out = str(tmp_path / 'out')
    (said, _), statuses = _two(still, out, stop=1)
    assert statuses == [1, -signal.SIGKILL] and 'Another worker has ended' in said
    assert os.path.exists(os.path.join(out, 'resume', 'progress.json'))
    found, statuses = _two(still, out)
    assert statuses == [0, 0], found
    (history, others, sums), (history_1, others_1, sums_1) = found
    assert sums == sums_1 and history == history_1 and others == others_1  # they stay the same to the bit
    np.testing.assert_allclose(_losses(history), _losses(alone.history), rtol=1e-4)
    np.testing.assert_allclose(_losses(others), _losses(plain.history), rtol=1e-4)
    assert read_header(out)['history'] == history and not os.path.exists(os.path.join(out, 'resume'))
    for one, other in zip(saved_weights(out), alone.model.get_weights()):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_parts_of_a_batch_are_all_of_it(still):
    batch = ((np.arange(5), np.arange(10).reshape(5, 2)), (np.arange(5), np.ones(5)))
    parts = [Workers(rank, 3).part(batch) for rank in range(3)]
    assert sorted(np.concatenate([part[0][0] for part in parts])) == list(range(5))
    assert [len(part[1][1]) for part in parts] == [2, 2, 1] and len(Workers(5, 6).part(batch)[1][0]) == 0


@pytest.mark.parametrize('config', [None, '{', '[]', '{"cluster": {"worker": ["a:1"]}}',
                                    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
                                    '{"cluster": {"worker": ["a:1"], "ps": []}, '
                                    '"task": {"type": "worker", "index": 0}}',
                                    '"worker"'])
def test_a_tf_config_that_says_nothing_of_use_is_refused(config, monkeypatch):
    monkeypatch.delenv('TF_CONFIG', raising=False)
    if config is not None:
        monkeypatch.setenv('TF_CONFIG', config)
    with pytest.raises(UserError, match='TF_CONFIG has to say who trains'):
        Workers.join()


def test_one_worker_is_one_process(still, monkeypatch):
    monkeypatch.setenv('TF_CONFIG', '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}')
    one, none = (ClozeClassifier(TASK, still).fit(LABELLED[:4], epochs=1, workers=team, **SETTINGS)
                 for team in (Workers.join(), None))
    assert same_bits(one.model.get_weights(), none.model.get_weights())


def test_an_objective_of_ones_own_is_not_summed(still):
    class Own(ClozeClassifier):
        def objective(self, network, inputs, targets):
            return tf.reduce_mean(network(inputs, training=True))
    for settings in ({'workers': Workers(0, 2)}, {'accumulate': 2}):
        with pytest.raises(UserError, match='objective of your own trains in one process'):
            Own(TASK, still).fit(LABELLED[:4], **settings)


@pytest.mark.parametrize('gpus, processes, said', [(0, 1, 'no GPU'), (1, 1, 'one GPU'), (2, 2, '')])
def test_without_a_number_of_workers_there_is_one_a_gpu_and_one_alone_is_told(
        gpus, processes, said, monkeypatch, capsys):
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['GPU'] * gpus)
    monkeypatch.delenv('TF_CONFIG', raising=False)
    with started_here(['--version']):
        assert len(json.loads(os.environ['TF_CONFIG'])['cluster']['worker']) == processes
    error = capsys.readouterr().err
    assert said in error and ('--workers' in error) == bool(said) and 'TF_CONFIG' not in os.environ


DIFFERENT = WORK.replace('LABELLED[:5]', 'LABELLED[:5 + team.rank]')


def test_processes_with_different_texts_are_refused_all_of_them_before_they_begin(still, tmp_path):
    found, statuses = _two(still, str(tmp_path / 'out'), script=DIFFERENT)
    assert statuses == [1, 1] and all('given different texts or settings' in said for said in found)
    assert not os.path.exists(str(tmp_path / 'out' / 'resume'))


def test_a_worker_that_does_not_come_is_named(monkeypatch, capsys):
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        here = '127.0.0.1:%d' % one.getsockname()[1]
    monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': {'worker': ['127.0.0.1:1', here]}, 'task': {
        'type': 'worker', 'index': 1}}))
    with pytest.raises(UserError, match='There is no worker at 127.0.0.1:1 after 0 seconds'):
        Workers.join(wait=0)
    monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': {'worker': [here, 'nowhere']}, 'task': {
        'type': 'worker', 'index': 1}}))
    with pytest.raises(UserError, match='this process is at nowhere, where it cannot listen'):
        Workers.join(wait=0)


def test_a_run_of_one_process_is_not_resumed_by_two(still, interrupt, tmp_path):
    out = str(tmp_path / 'out')
    interrupt(1, lambda: ClozeClassifier(TASK, still).fit(LABELLED[:4], epochs=2, out=out))
    classifier = ClozeClassifier(TASK, still)
    team = Workers(0, 2)
    team.sum = lambda tensors: [2 * tensor for tensor in tensors]  # the other one does the same
    with pytest.raises(UserError, match='workers was None and is 2'):
        classifier.fit(LABELLED[:4], epochs=2, out=out, resume=True, workers=team)
