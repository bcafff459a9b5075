import random

import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.data.reading import read_examples
from pet_keras.data.spool import Relabelled, Spool
from pet_keras.errors import UserError

FIELDS = Task({'P1': '关键词[MASK]是{keywords}。{text}'}, {'真': '就', '伪': '不'}, fields={'keywords': 'keyword'})


@pytest.mark.parametrize('name, content, task', [
    ('a.txt', '房间很干净\n\n又吵又脏\n  好  \n', None),
    ('a.tsv', '房间很干净\t正面\n又吵又脏\t负面\n好\t正面\n', None),
    ('a.jsonl', '{"text": "甲", "keyword": ["一", "二"]}\n{"text": "𠀀", "keyword": "三"}\n', FIELDS)])
def test_it_is_the_list_of_what_is_read(name, content, task, tmp_path):
    (tmp_path / name).write_text(content, encoding='utf-8')
    spool, examples = Spool(str(tmp_path / name), task), read_examples(str(tmp_path / name), task, labelled=False)
    assert list(spool) == examples and len(spool) == len(examples)
    order = random.Random(0).sample(range(len(examples)), len(examples))
    assert [spool[i] for i in order] == [examples[i] for i in order]
    assert spool[-1] == examples[-1] and spool[1:] == examples[1:]
    with pytest.raises(IndexError):
        spool[len(examples)]


def test_wrong_lines_are_named_and_an_empty_file(tmp_path):
    (tmp_path / 'a.jsonl').write_text('{"text": "好"}\n{"text": 3}\n', encoding='utf-8')
    with pytest.raises(UserError, match='line 2'):
        Spool(str(tmp_path / 'a.jsonl'))
    (tmp_path / 'a.txt').write_text('\n')
    with pytest.raises(UserError, match='holds no example'):
        Spool(str(tmp_path / 'a.txt'))


def test_it_has_labels_in_the_spelling_of_the_task_and_leaves_out_what_it_is_told_to(tmp_path):
    (tmp_path / 'a.tsv').write_text('好\tPositive\n坏\t负面\n好看\t1\n', encoding='utf-8')
    spool = Spool(str(tmp_path / 'a.tsv'), Task.load('sentiment'), labelled=True, keep=lambda e: e.text != '坏')
    assert [(e.text, e.label) for e in spool] == [('好', '正面'), ('好看', '正面')]
    (tmp_path / 'a.tsv').write_text('好\tPositive\n坏\t天气\n', encoding='utf-8')
    with pytest.raises(UserError, match="line 2: label '天气' is not in task sentiment"):
        Spool(str(tmp_path / 'a.tsv'), Task.load('sentiment'), labelled=True)


def test_examples_are_given_other_labels_or_none_of_them_where_they_are_asked_for():
    examples = [Example('好', label='正面'), Example('坏', label='负面')]
    assert [e.label for e in Relabelled(examples)] == [None, None] and Relabelled(examples)[-1].text == '坏'
    assert Relabelled(examples, ['正面', '负面'], ['负面', '正面'].__getitem__)[:] == [
        Example('好', label='负面'), Example('坏', label='正面')]


def test_of_a_spool_without_a_task_it_is_told_what_the_texts_lack(still, tmp_path):
    (tmp_path / 'a.txt').write_text('好\n坏\n', encoding='utf-8')
    with pytest.raises(UserError, match='asks about'):
        ClozeClassifier(FIELDS, still).predict(Spool(str(tmp_path / 'a.txt')))
