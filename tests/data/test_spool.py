import random

import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples
from pet_keras.data.spool import Spool
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
