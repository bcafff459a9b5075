import pytest

from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.serving.labelling.tasks import filled, make_task, parse_labels


def test_labels_are_read_as_people_type_them():
    assert parse_labels('好评，差评, 其他') == {'好评': ['好评'], '差评': ['差评'], '其他': ['其他']}
    assert parse_labels('好评=好;差评= 差、') == {'好评': ['好'], '差评': ['差']}


@pytest.mark.parametrize('labels', ['好评', '', '好评,好评', '好评,=差', '好评,差评='])
def test_labels_that_are_none_are_named(labels):
    with pytest.raises(UserError, match='Labels'):
        parse_labels(labels)


def test_a_task_asks_with_its_pattern_and_words():
    task = make_task(parse_labels('好评=好,差评=差'), '这是[MASK]评。{text}', 'reviews')
    assert task.labels == ['好评', '差评'] and task.pattern().string == '这是[MASK]评。{text}'
    assert filled(task.verbalizer.words, '这是[MASK]评。{text}', Example('难吃')) == {
        '好评': '这是好评。难吃', '差评': '这是差评。难吃'}
