import functools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from six_reviews import LABELS, TEXTS, write

from pet_keras.classifiers.loading import load
from pet_keras.classifiers.pet.ensemble import Ensemble
from pet_keras.classifiers.pet.pet import Pet

TRACED = True  # as the processes are that it is compared with
# killed after these, and how many stages were done when it began
STAGES = [('ensemble/generation0/P3-seed0', 0), ('ensemble/generation1/P1-seed0', 2), ('.', 3)]


@pytest.fixture(scope='module')
def command(tiny, tmp_path_factory):
    """A function of more arguments that gives a whole `pet-keras pet` command."""
    folder = tmp_path_factory.mktemp('texts')
    labelled = write(folder / 'train.tsv', ''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))
    more = write(folder / 'more.txt', ''.join('%s%d\n' % (text, i) for text in TEXTS for i in range(2)))

    def of(*args, unlabelled=more, labelled=labelled):
        files = ['--labelled', labelled] * bool(labelled) + ['--unlabelled', unlabelled] * bool(unlabelled)
        return ['pet', '--task', 'sentiment', '--checkpoint', tiny, '--patterns', 'P1', '--epochs', '1',
                '--distil-epochs', '1'] + files + [str(arg) for arg in args]
    return of


def _killed_after(stage, command):
    """Starts a command, kills it as soon as a stage is done, and returns what it had printed."""
    process = subprocess.Popen([sys.executable, '-m', 'pet_keras'] + command, encoding='utf-8', stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    done = os.path.join(stage, 'stage.json')
    while not os.path.exists(done) and process.poll() is None:
        time.sleep(.01)
    process.send_signal(signal.SIGKILL)
    return process.communicate()[0]


def test_killed_after_a_stage_of_any_kind_it_goes_on_and_ends_as_if_it_had_not_been(command, run, tmp_path):
    whole, out, labelled = str(tmp_path / 'whole'), str(tmp_path / 'out'), command()[command().index('--labelled') + 1]
    command = functools.partial(command, '--dev', labelled, '--patterns', 'P1,P3', '--generations', 1, '--out')
    _, printed, _ = run(*command(whole))
    table = printed[printed.index('On the dev texts'):]
    for stage, k in STAGES:
        killed = _killed_after(os.path.join(out, stage), command(out))
        assert killed.count('done before') == k, killed
    status, printed, _ = run(*command(out))
    assert status == 0 and printed.count('done before') == 5 and 'Epoch' not in printed
    assert table.replace(whole, out) == printed[printed.index('On the dev texts'):]
    for name in ('generation 0, P1', 'generation 1, P3', 'generation 1, mean', 'generation 1, ensemble', 'distilled'):
        assert '\n%s ' % name in table
    models = [load(folder) for folder in (whole, out)]
    np.testing.assert_array_equal(*[model.predict_proba(TEXTS) for model in models])
    np.testing.assert_array_equal(*[model.ensemble.predict_proba(TEXTS) for model in models])
    for stage in ('', 'ensemble/generation1/P3-seed0'):
        scores = [dict(np.load(os.path.join(folder, stage, 'scores.npz')))['dev'] for folder in (whole, out)]
        assert scores[0].shape == (6, 2) and (scores[0] == scores[1]).all()
        with open(os.path.join(out, stage, 'predictions.jsonl'), encoding='utf-8') as reader:
            assert [json.loads(line)['text'] for line in reader] == TEXTS
    assert 'temperature was 2.0 and is 3.0' in run(*command(out, '--temperature', 3))[2]

    predicted = run('predict', '--model', out, write(tmp_path / 'a.txt', '\n'.join(TEXTS)))[1].splitlines()[1:]
    assert [line.split('\t')[1] for line in predicted] == models[0].predict(TEXTS)
    report = json.loads(run('evaluate', '--json', '--model', os.path.join(out, 'ensemble'), labelled)[1])
    line, = [line for line in table.splitlines() if line.startswith('generation 1, ensemble')]
    assert '%.2f' % report['accuracy'] in line


@pytest.fixture
def fits(monkeypatch):
    """What `fit` was called with, of classifiers that learn nothing."""
    calls = []

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        calls.append((self, labelled, unlabelled, dev, settings))
        return self
    for cls in (Pet, Ensemble):
        monkeypatch.setattr(cls, 'fit', fit)
    return calls


def test_options_are_what_the_classifier_learns_with(command, fits, run, reviews, tmp_path):
    run(*command('--out', tmp_path / 'out', '--patterns', 'P1,P6', '--dev', reviews, '--seeds', 2, '--weights', 'accuracy', '--generations', 3, '--temperature',
                 1.5, '--batch-size', 4, '--mask-rate', 0, '--distil-learning-rate', .01, '--seed', 7, '--maxlen', 30))
    (pet, labelled, unlabelled, dev, settings), = fits
    assert (pet.generations, pet.temperature, pet.maxlen, pet.ensemble.seeds) == (3, 1.5, 30, 2)
    assert list(pet.ensemble.patterns) == ['P1', 'P6'] and pet.ensemble.weights == 'accuracy'
    assert (len(labelled), len(unlabelled), len(dev)) == (6, 12, 6)
    assert settings == {'epochs': 1, 'batch_size': 4, 'learning_rate': None, 'mask_rate': 0., 'seed': 7, 'verbose': 1,
                        'out': str(tmp_path / 'out'),
                        'distillation': {'epochs': 1, 'batch_size': None, 'learning_rate': .01}}


def test_without_unlabelled_texts_the_ensemble_is_the_result_and_that_is_said(command, fits, run, tmp_path):
    status, printed, _ = run(*command('--out', tmp_path / 'out', unlabelled=None))
    assert status == 0 and isinstance(fits[0][0], Ensemble) and fits[0][2] is None
    assert 'No unlabelled texts' in printed and 'The ensemble is in' in printed


def test_what_cannot_be_done_is_one_line(command, fails, tmp_path):
    out = ('--out', tmp_path / 'out')
    assert "no pattern 'P9'" in fails(*command(*out, '--patterns', 'P1,P9'))
    assert 'two models or more' in fails(*command(*out, '--patterns', 'P1', '--generations', 1))
    assert 'more.tsv: no such file' in fails(*command(*out, unlabelled='more.tsv'))
    write(tmp_path / 'file', '')
    assert 'cannot be written' in fails(*command('--out', tmp_path / 'file'))
    assert not (tmp_path / 'out').exists()
