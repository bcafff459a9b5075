import math
import os

import numpy as np
import pytest

from pet_keras.classifiers.pet.soft_labels import combine, soften, write_labels
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.data.reading import read_examples
from pet_keras.errors import UserError

SCORES = np.random.default_rng(0).normal(0, 5, (3, 4, 2))  # models, texts, labels


@pytest.mark.parametrize('weights', [None, [1., 2., 5.]])
@pytest.mark.parametrize('temperature', [1., 2., .5])
def test_soft_labels_are_the_papers(weights, temperature):
    found = soften(combine(SCORES, weights), temperature)
    for text in range(4):
        total = sum(weights or [1.] * 3)
        s = [sum(w * SCORES[m][text][label] for m, w in enumerate(weights or [1.] * 3)) / total for label in range(2)]
        q = [math.exp(value / temperature) for value in s]
        assert found[text] == pytest.approx([value / sum(q) for value in q], rel=1e-12)


def test_a_constant_of_a_models_text_changes_nothing():
    constants = np.random.default_rng(1).normal(0, 100, (3, 4, 1))
    np.testing.assert_allclose(soften(combine(SCORES + constants), 2.), soften(combine(SCORES), 2.), rtol=1e-9)


def test_weights_that_are_all_0_are_equal_ones():
    np.testing.assert_array_equal(combine(SCORES, [0., 0., 0.]), SCORES.mean(axis=0))


def test_scores_beyond_what_exp_can_take_have_probabilities():
    np.testing.assert_array_equal(soften([[1e4, 0.], [-1e4, 0.]]), [[1., 0.], [0., 1.]])


@pytest.mark.parametrize('name', ['sentiment', 'nli'])
def test_written_labels_are_read_again(name, tmp_path):
    task, path = Task.load(name), str(tmp_path / 'soft.jsonl')
    share = 1. / len(task.labels)
    examples = [Example('房间"很"干净', '早餐\t也好' if task.is_pair else None, label) for label in (
        dict.fromkeys(task.labels, share), task.labels[1])]
    write_labels(path, examples)
    assert read_examples(path, task) == examples
    assert [e.label for e in read_examples(path, task, labelled=False)] == [None, None]


@pytest.mark.parametrize('name', ['csl', 'cluewsc', 'chid'])
def test_what_else_a_task_asks_about_is_written_with_them(name, data_folder, tmp_path):
    task, path = Task.load(name), str(tmp_path / 'soft.jsonl')
    examples = read_examples(os.path.join(data_folder, 'data', 'fewclue', name, 'train_0.json'), task)
    write_labels(path, examples)
    assert examples and read_examples(path, task) == examples
    if not task.candidates:
        soft = [examples[0]._replace(label=dict(zip(task.labels, (.25, .75))))]
        write_labels(path, soft)
        assert read_examples(path, task) == soft


@pytest.mark.parametrize('label,says', [('{"正面": 0.9, "负面": 0.2}', 'they sum to 1'),
                                        ('{"中立": 1}', "label '中立' is not in"),
                                        ('{"正面": "1"}', 'not a string or a number'), ('{}', 'they sum to 1')])
def test_a_soft_label_that_is_none_is_named_with_its_line(label, says, tmp_path):
    path = tmp_path / 'soft.jsonl'
    path.write_text('{"text": "好", "label": {"1": 0.25, "neg": 0.75}}\n{"text": "好", "label": %s}\n' % label, 'utf-8')
    with pytest.raises(UserError, match='soft.jsonl, line 2: .*' + says):
        read_examples(str(path), Task.load('sentiment'))
    path.write_text('{"text": "好", "label": {"1": 0.25, "neg": 0.75}}\n', 'utf-8')
    assert read_examples(str(path), Task.load('sentiment')) == [Example('好', None, {'正面': .25, '负面': .75})]
    with pytest.raises(UserError, match='the label is {.*}, not a string'):  # no task says what its labels are
        read_examples(str(path))
