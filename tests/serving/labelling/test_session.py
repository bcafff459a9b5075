import json
import os
import subprocess
import sys

import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.data.reading import read_examples
from pet_keras.errors import UserError
from pet_keras.serving.labelling.session import SKIPPED, Conflict, Session

TEXTS = [Example(text) for text in ('好吃', '难吃', '一般', '好吃', '再来')]
TASK = Task({'P1': '[MASK]。{text}'}, {'好评': '好', '差评': '差'})


@pytest.fixture
def begin(tmp_path):
    """Opens the session in a folder, with the task of the tests."""
    opened = []

    def call(examples=TEXTS, task=TASK, folder=tmp_path / 'out'):
        opened.append(Session(str(folder), examples))
        if task is not None:
            opened[-1].use(task)
        return opened[-1]
    yield call
    for session in opened:
        session.close()


def again(session, begin, examples=TEXTS):
    session.close()
    return begin(examples)


def lines(session):
    with open(os.path.join(session.folder, 'answers.jsonl'), encoding='utf-8') as reader:
        return [json.loads(line) for line in reader]


def test_equal_texts_are_one(begin):
    session = begin()
    assert [e.text for e in session.examples] == ['好吃', '难吃', '一般', '再来'] and len(set(session.ids)) == 4


def test_answers_count_and_are_there_when_it_is_opened_again(begin):
    session = begin()
    a, b, c, _ = session.ids
    session.answer(a, '好评')
    session.answer(b, '差评')
    session.answer(c, SKIPPED)
    for found in (session, again(session, begin)):
        assert found.labelled() == {a: '好评', b: '差评'} and found.skipped() == [c] and found.last() == c
        assert found.balance() == {'好评': 1, '差评': 1} and found.said(session.ids[3]) is None


def test_answers_outlive_the_file_of_texts_and_its_order(begin):
    session = begin()
    session.answer(session.ids[1], '差评')
    found = again(session, begin, [Example('再来'), Example('新的')])
    assert {found.examples[found.index[key]].text: label for key, label in found.labelled().items()} == {'难吃': '差评'}


def test_an_undo_takes_the_last_answer_back_and_a_change_too(begin):
    session = begin()
    a, b = session.ids[:2]
    session.answer(a, '好评')
    session.answer(b, '好评')
    session.answer(a, '差评', before='好评')
    assert list(session.labelled().items()) == [(b, '好评'), (a, '差评')]  # the latest comes last
    session.undo(a)
    assert session.said(a) == '好评'
    session.undo(b)
    found = again(session, begin)
    assert found.labelled() == {a: '好评'} and found.last() == a
    found.undo(a)
    assert found.labelled() == {} and found.last() is None
    with pytest.raises(Conflict):
        found.undo(a)


def test_what_another_window_said_meanwhile_is_not_lost(begin):
    session = begin()
    key = session.ids[0]
    session.answer(key, '好评')
    for before in (None, '差评', SKIPPED):
        with pytest.raises(Conflict):
            session.answer(key, '差评', before)
    session.answer(session.ids[1], '差评')
    with pytest.raises(Conflict):
        session.undo(key)
    assert session.said(key) == '好评' and len(lines(session)) == 2


def test_only_labels_of_the_task_and_texts_of_the_session_can_be_answered(begin):
    session = begin()
    with pytest.raises(UserError, match='中评'):
        session.answer(session.ids[0], '中评')
    with pytest.raises(KeyError):
        session.answer('0' * 16, '好评')
    assert lines(session) == []


def test_given_labels_are_there_and_can_be_changed(begin):
    session = begin([Example('好吃', None, '差评'), Example('难吃')])
    key = session.ids[0]
    assert session.labelled() == {key: '差评'} and session.last() is None
    session.answer(key, '好评', before='差评')
    assert session.said(key) == '好评'
    session.undo(key)
    assert session.said(key) == '差评'


def test_a_line_that_a_kill_cut_short_is_no_answer(begin, tmp_path):
    session = begin()
    session.answer(session.ids[0], '好评')
    session.close()
    with open(os.path.join(session.folder, 'answers.jsonl'), 'ab') as writer:
        writer.write('{"id": "12", "label": "差'.encode()[:-1])
    found = begin()
    assert len(found.labelled()) == 1
    found.answer(found.ids[1], '差评')
    assert [line['label'] for line in lines(found)] == ['好评', '差评']


def test_every_answer_of_a_process_that_is_killed_is_there(tmp_path):
    """It kills itself after each of its answers in turn."""
    code = ('import os, signal, sys\n'
            'from pet_keras.cloze.task import Task\nfrom pet_keras.data.example import Example\n'
            'from pet_keras.serving.labelling.session import Session\n'
            'session = Session(sys.argv[1], [Example(str(i)) for i in range(9)])\n'
            'session.use(Task({"P": "[MASK]{text}"}, {"a": "a", "b": "b"}))\n'
            'open_ids = [i for i in session.ids if session.said(i) is None]\n'
            'session.answer(open_ids[0], "a")\nsession.answer(open_ids[1], "b")\n'
            'os.kill(os.getpid(), signal.SIGKILL)\n')
    folder = str(tmp_path / 'out')
    for _ in range(3):
        assert subprocess.run([sys.executable, '-c', code, folder]).returncode == -9
    session = Session(folder, [])
    assert session.balance() == {'a': 3, 'b': 3} and len(session.labelled()) == 6
    session.close()


@pytest.mark.parametrize('failing', ['write', 'fsync'])
def test_an_answer_that_the_disk_does_not_take_does_not_count(failing, begin, monkeypatch):
    session, written = begin(), os.write
    a, b = session.ids[:2]
    session.answer(a, '好评')

    def full(number, line=b''):
        if line:
            written(number, line[:20])
        raise OSError(28, 'No space left on device')
    with monkeypatch.context() as patch:
        patch.setattr('os.' + failing, full)
        with pytest.raises(OSError, match='No space'):
            session.answer(b, '差评')
    assert session.said(b) is None and session.last() == a and len(lines(session)) == 1
    session.answer(b, '差评')
    assert len(lines(session)) == 2 and again(session, begin).said(b) == '差评'


def test_a_folder_belongs_to_one_at_a_time(begin):
    session = begin()
    with pytest.raises(UserError, match='out is in use'):
        begin()
    session.close()
    begin()


def test_a_folder_of_other_files_is_left_alone(tmp_path, begin):
    (tmp_path / 'model').mkdir()
    (tmp_path / 'model' / 'model.json').write_text('{}')
    with pytest.raises(UserError, match='model holds other files'):
        begin(folder=tmp_path / 'model')
    assert os.listdir(str(tmp_path / 'model')) == ['model.json']


def test_the_task_is_kept_and_another_one_is_refused(begin):
    session = begin()
    session.answer(session.ids[0], '好评')
    session.close()
    found = begin(task=None)
    assert found.task.labels == TASK.labels and found.task.pattern().string == TASK.pattern().string
    with pytest.raises(UserError, match='begun with the labels 好评, 差评, not a, b'):
        found.use(Task({'P1': '[MASK]。{text}'}, {'a': 'a', 'b': 'b'}))


@pytest.mark.parametrize('line', ['no json', '[]', '{"id": "1", "text": "x"}', '{"undo": "1"}',
                                  '{"text": "x", "label": 1}', '{"text": 1, "label": "好评"}'])
def test_a_bad_line_of_answers_is_named(line, begin):
    session = begin()
    session.answer(session.ids[0], '好评')
    session.close()
    with open(os.path.join(session.folder, 'answers.jsonl'), 'a') as writer:
        writer.write(line + '\n')
    with pytest.raises(UserError, match='answers.jsonl, line 2 is no answer'):
        begin()


def test_an_answer_of_another_task_is_named(begin):
    session = begin(task=Task({'P1': '[MASK]。{text}'}, {'a': 'a', 'b': 'b'}))
    session.answer(session.ids[0], 'a')
    session.close()
    os.remove(os.path.join(session.folder, 'task.json'))
    with pytest.raises(UserError, match="answers.jsonl, answer 1: the label 'a' is not one of 好评, 差评"):
        begin()


def test_the_table_is_read_as_labelled_texts(begin):
    session = begin([Example('一\t行\n又一行'), Example('text'), Example('好')])
    for key, label in zip(session.ids, ['好评', '差评', SKIPPED]):
        session.answer(key, label)
    found = read_examples(session.write_table(), TASK)
    assert [e[:3] for e in found] == [('一 行 又一行', None, '好评'), ('text', None, '差评')]


def test_pairs_are_kept_as_pairs(begin):
    task = Task({'P1': '{text_a}[MASK]{text_b}'}, {'是': '是', '否': '否'})
    session = begin([Example('一', '二'), Example('一', '三')], task)
    session.answer(session.ids[1], '是')
    assert [e[:3] for e in read_examples(session.write_table(), task)] == [('一', '三', '是')]
    session.close()
    assert begin([Example('一', '三')], None).said(session.ids[1]) == '是'
