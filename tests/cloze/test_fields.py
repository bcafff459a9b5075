import pytest

from pet_keras.cloze.cloze import cloze_of
from pet_keras.cloze.fields import PAIR, TEXT, Fields
from pet_keras.cloze.pattern import Pattern, plain_pattern
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError

WORDS = {'真': '就', '伪': '不'}
ROW = {'text': ' 小猫把花瓶碰倒了，它碎了。', 'place': {'at': 10, 'of': '它'}, 'tags': ['猫', '花瓶'], '名': '花瓶'}


# what a row says

def test_a_field_is_a_column_or_stands_where_dots_lead_and_a_list_is_joined():
    fields, words = Fields({'pronoun': 'place.of', 'tags': 'tags', 'noun': '名'}).of(ROW)
    assert fields == {'pronoun': '它', 'tags': '猫、花瓶', 'noun': '花瓶'} and words is None


def test_a_table_may_name_a_column_as_the_field_or_with_the_dots():
    fields = Fields({'pronoun': 'place.of'})
    assert fields.of({'text': '甲', 'pronoun': '他'})[0] == fields.of({'text': '甲', 'place.of': '他'})[0] == {
        'pronoun': '他'}


def test_a_mark_cuts_the_text_in_two_and_either_piece_may_be_empty():
    fields = Fields(span='#x#')
    assert fields.of({'content': '真是#x#，不错'})[0] == {'before': '真是', 'after': '，不错'}
    assert fields.of({'content': '#x#，不错'})[0]['before'] == ''


def test_a_place_counts_the_characters_of_the_text_as_the_file_has_it():
    fields = Fields({}, ['place.at', 'place.of']).of(ROW)[0]
    assert fields == {'before': '小猫把花瓶碰倒了，', 'after': '碎了。'}


def test_without_a_place_the_two_pieces_may_be_columns_which_mean_nothing_beside_one():
    pieces = {'before': '昨天', 'after': ''}
    fields = Fields({}, ['place.at', 'place.of'])
    assert fields.of(dict(pieces, text='甲'))[0] == pieces
    assert fields.of(dict(ROW, **pieces))[0] == fields.of(ROW)[0]
    assert Fields(span='#x#').of(dict(pieces, text='真是#x#'))[0] == {'before': '真是', 'after': ''}


@pytest.mark.parametrize('row, problem', [
    ({'text': '甲'}, 'the field noun is missing or empty'), ({'text': '甲', 'n': []}, 'missing or empty'),
    ({'text': '甲', 'n': 3}, 'the field noun is no text'), ({'text': '甲', 'n': '  '}, 'missing or empty'),
    ({'text': '甲', 'n': '乙'}, '# stands in the text 0 times, not once'),
    ({'text': '#甲#', 'n': '乙'}, '# stands in the text 2 times'),
    ({'text': '甲#', 'n': '乙'}, 'the candidates are no list of words'),
    ({'text': '甲#', 'n': '乙', 'c': ['丙', 4]}, 'the candidates are no list of words')])
def test_what_a_row_lacks_is_said(row, problem):
    with pytest.raises(UserError, match=problem):
        Fields({'noun': 'n'}, '#', 'c').of(row)


@pytest.mark.parametrize('place', [{'at': 11, 'of': '它'}, {'at': '10', 'of': '它'}, {'at': True, 'of': '它'}, {'at': 9}])
def test_a_place_where_something_else_stands_is_refused(place):
    with pytest.raises(UserError, match='are no place in the text'):
        Fields({}, ['place.at', 'place.of']).of(dict(ROW, place=place))


@pytest.mark.parametrize('wrong', [
    {'columns': {'text': 'x'}}, {'columns': {'before': 'x'}, 'span': '#'}, {'columns': {'a b': 'x'}},
    {'columns': {'a': 3}}, {'span': ['x']}, {'candidates': 7}, {'columns': {'label': 'x'}},
    {'columns': {'candidates': 'x'}, 'candidates': 'c'}])
def test_fields_that_are_none_are_refused(wrong):
    with pytest.raises(UserError, match='"fields"'):
        Fields(**wrong)


# in patterns

def test_a_pattern_takes_of_the_fields_what_it_needs():
    slots = Fields({'noun': 'n'}).slots
    assert Pattern('{noun}[MASK]是{text}', slots).fill('甲', '乙', word='就') == '乙就是甲'
    assert Pattern('[MASK]是{noun}', slots).fill('甲', '乙') == '____是乙'


@pytest.mark.parametrize('string, problem', [
    ('{what}[MASK]', '{what} is not one of {text}, {noun}'), ('[MASK]', 'must hold one of {text}, {noun} or more'),
    ('{noun}[MASK]{noun}', 'each once'), ('{text_a}[MASK]', 'is not one of')])
def test_a_pattern_with_other_holes_is_refused(string, problem):
    with pytest.raises(UserError) as e:
        Pattern(string, Fields({'noun': 'n'}).slots)
    assert problem in str(e.value)


def test_as_many_texts_are_wanted_as_there_are_names():
    pattern = Pattern('[MASK]是{noun}', Fields({'noun': 'n', 'tag': 't'}).slots)
    with pytest.raises(UserError, match='takes text, noun, tag, but 2 texts were given'):
        pattern.fill('甲', '乙')


def test_the_piece_before_a_span_is_cut_at_its_beginning_and_the_one_after_it_at_its_end(tokenizer):
    pattern = Pattern('{before}[MASK]{after}', Fields(span='#').slots)
    encoded = pattern.encode(tokenizer, '', '一二三四五', '六七八九十', maxlen=8)
    assert tokenizer.ids_to_tokens(encoded.token_ids) == ['[CLS]', *'四五', '[MASK]', *'六七八', '[SEP]']


def test_a_short_field_is_not_cut_for_a_long_text(tokenizer):
    pattern = Pattern('{text}[MASK]是{noun}', Fields({'noun': 'n'}).slots)
    encoded = pattern.encode(tokenizer, '一二三四五六七八九十', '花瓶', maxlen=9)
    assert tokenizer.ids_to_tokens(encoded.token_ids) == ['[CLS]', *'一二三', '[MASK]', *'是花瓶', '[SEP]']


def test_without_a_question_the_texts_stand_side_by_side():
    assert plain_pattern(TEXT).string == '{text}' and plain_pattern(PAIR).string == '{text_a}[SEP]{text_b}'
    assert plain_pattern(Fields({'noun': 'n'}).slots).string == '{text}[SEP]{noun}'
    assert plain_pattern(Fields(span='#').slots).string == '{before}{after}'
    assert plain_pattern(Fields({}, ['a', 'b']).slots).string == '{text}'


# in tasks

def keywords(**more):
    return Task({'P1': '{text}[MASK]是{noun}'}, WORDS, fields={'noun': 'n'}, **more)


def test_a_task_asks_for_the_fields_of_an_example():
    task = keywords()
    assert task.texts(Example('甲', fields={'noun': '乙', 'more': '丙'})) == ['甲', '乙']
    with pytest.raises(UserError, match='asks about noun of each text'):
        task.texts(Example('甲'))


def test_an_example_of_a_task_with_fields_is_a_row_and_survives_saving(tmp_path):
    task = keywords(example={'text': '甲', 'n': ['乙', '丙']})
    task.save(str(tmp_path / 'task.json'))
    assert Task.load(str(tmp_path / 'task.json')).show() == task.show()
    assert '  真: 甲就是乙、丙' in task.show().split('\n')
    with pytest.raises(UserError, match='must be an object of columns'):
        keywords(example=['甲', '乙'])


def test_with_other_words_the_fields_stay():
    task = keywords(example={'text': '甲', 'n': '乙'}).with_words({'真': '很', '伪': '没'})
    assert task.texts(Example('甲', fields={'noun': '乙'})) == task.example == ['甲', '乙']


def test_a_pattern_of_ones_own_may_hold_the_fields(tokenizer):
    task = keywords()
    assert task.pattern('[MASK]是{noun}').slots == task.slots
    assert cloze_of(task, task.pattern('[MASK]是{noun}'), tokenizer, 20).room == 16
    for string in ('{text}', '[MASK]'):
        with pytest.raises(UserError):
            task.pattern(string)
    with pytest.raises(UserError, match='must hold .MASK. and the fields of task'):
        task.pattern(Pattern('{text}[MASK]'))
