import json
import os
import shutil

import numpy as np
import pytest
from six_reviews import LABELS, TEXTS, check, write

from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.cli.options import some
from pet_keras.data.example import Example


def test_a_model_of_another_kind_is_evaluated_and_used_by_its_folder_alone(run, tiny, reviews, tmp_path):
    classifier, folder = FineTuningClassifier('sentiment', tiny), str(tmp_path / 'model')
    classifier.save(folder)
    report = classifier.evaluate([Example(t, label=label) for t, label in zip(TEXTS, LABELS)])
    status, out, _ = run('evaluate', '--model', folder, '--json', reviews)
    assert status == 0 and json.loads(out)['pattern'] is None
    assert json.loads(out)['log_likelihood'] == pytest.approx(report['log_likelihood'], abs=1e-6)
    status, out, _ = run('evaluate', '--model', folder, reviews)
    assert status == 0 and out.splitlines()[0] == 'task sentiment, fine-tuning, model %s, 6 texts' % folder
    status, out, _ = run('predict', '--model', folder, reviews)
    rows = [line.split('\t') for line in out.splitlines()][1:]
    assert status == 0
    check(classifier, TEXTS, [r[2] for r in rows], [r[3:] for r in rows])


def test_an_unknown_task_or_checkpoint_is_one_line_that_says_where_to_look(fails, reviews):
    error = fails('evaluate', '--task', 'weather', reviews)
    assert "'weather'" in error and 'sentiment' in error
    assert 'weather' in fails('task', 'show', 'weather')
    error = fails('evaluate', '--task', 'sentiment', '--checkpoint', 'bert-huge', reviews)
    assert "'bert-huge'" in error and 'checkpoint list' in error
    assert 'bert-huge' in fails('checkpoint', 'inspect', 'bert-huge')


def test_an_unknown_pattern_is_one_line_that_names_the_known_ones(fails, tiny, reviews):
    given = ('evaluate', '--task', 'sentiment', '--checkpoint', tiny)
    assert 'P1, P2' in fails(*given, '--pattern', 'P9', reviews)
    assert '[MASK]' in fails(*given, '--pattern', '真好。{text}', reviews)


def test_a_model_folder_that_is_none_is_one_line(fails, tiny, reviews, tmp_path):
    assert 'no model.json' in fails('evaluate', '--model', tiny, reviews)
    assert 'no such folder' in fails('predict', '--model', tmp_path / 'nowhere', reviews)


def test_a_checkpoint_without_mlm_head_is_one_line(fails, make_checkpoint, reviews, tmp_path):
    assert 'no MLM head' in fails('evaluate', '--task', 'sentiment', '--checkpoint',
                                  make_checkpoint(tmp_path / 'bare', head=False), reviews)


@pytest.mark.parametrize('damage', ['half the weights', 'another hidden_size'])
def test_a_damaged_checkpoint_is_one_line(fails, tiny, reviews, tmp_path, damage):
    folder = str(tmp_path / 'damaged')
    shutil.copytree(tiny, folder)
    if damage == 'half the weights':
        path = os.path.join(folder, 'bert_model.ckpt.data-00000-of-00001')
        os.truncate(path, os.path.getsize(path) // 2)
    else:
        path = os.path.join(folder, 'bert_config.json')
        with open(path) as reader:
            config = json.load(reader)
        write(path, json.dumps(dict(config, hidden_size=32)))
    assert folder in fails('evaluate', '--task', 'sentiment', '--checkpoint', folder, reviews)


@pytest.mark.parametrize('flag', ['pattern', 'checkpoint', 'maxlen'])
def test_a_model_folder_takes_no_settings_of_its_own(fails, model, reviews, flag):
    value = {'pattern': 'P1', 'checkpoint': 'bert-mini-zh', 'maxlen': 32}[flag]
    assert '--' + flag in fails('evaluate', '--model', model, '--' + flag, value, reviews)


@pytest.mark.parametrize('command', [['predict', '--task', 'sentiment', 'x.txt'], ['experiment', 'x.yaml'],
                                     ['pet', '--task', 'sentiment', '--out', 'x']], ids=lambda c: c[0])
def test_what_belongs_to_ray_is_refused_with_another_engine(command, fails):
    assert '--cpus is of --engine ray' in fails(*command, '--cpus', 2)
    assert '--address is of --engine ray' in fails(*command, '--address', 'auto')
    assert '--cpus and --rows are 1 or more' in fails(*command, '--cpus', 0, '--engine', 'ray')


def test_of_many_texts_some_are_drawn_in_their_order_each_as_likely_as_the_others():
    assert some(iter(range(5)), 5) == [0, 1, 2, 3, 4] and some([], 5) == []
    drawn = some(iter(range(10000)), 1000)
    assert len(set(drawn)) == 1000 and drawn == sorted(drawn) == some(range(10000), 1000)
    assert np.mean(drawn) == pytest.approx(4999.5, abs=4 * 2887 / 1000 ** .5)  # four standard errors
