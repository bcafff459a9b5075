import time

import numpy as np
import pytest

from bert4keras.snippets import truncate_sequences
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.cloze.pattern import Pattern, fitting_lengths, tokenize
from pet_keras.errors import UserError

TEXT = '房间很干净'


def tokens_of(tokenizer, encoded):
    return tokenizer.ids_to_tokens(encoded.token_ids)


def at(tokenizer, encoded, positions):
    return [tokens_of(tokenizer, encoded)[i] for i in positions]


# filling

def test_fill_puts_the_word_and_the_text_in_their_places():
    assert Pattern('[MASK]满意。{text}').fill(TEXT, word='很') == '很满意。房间很干净'
    assert Pattern('{text}[MASK]满意。').fill(TEXT, word='不') == '房间很干净不满意。'


def test_fill_without_a_word_shows_a_blank():
    assert Pattern('[MASK]满意。{text}').fill(TEXT) == '____满意。房间很干净'


def test_fill_writes_a_word_once_however_many_masks_the_run_has():
    assert Pattern('一则[MASK][MASK]新闻。{text}').fill('股市大涨', word='财经') == '一则财经新闻。股市大涨'
    assert Pattern('一则[MASK][MASK]新闻。{text}').fill('股市大涨') == '一则____新闻。股市大涨'


def test_fill_of_a_pair_puts_each_text_in_its_own_place():
    pattern = Pattern('{text_b}？[MASK]，{text_a}')
    assert pattern.fill('甲', '乙', word='所以') == '乙？所以，甲'


def test_fill_keeps_prompt_tokens_and_braces_inside_the_text():
    assert Pattern('[unused1][MASK]{text}').fill('{text}[MASK]', word='很') == '[unused1]很{text}[MASK]'


def test_repr_and_string_give_the_pattern_back():
    assert Pattern('[MASK]满意。{text}').string == '[MASK]满意。{text}'
    assert repr(Pattern('[MASK]好{text}')) == "Pattern('[MASK]好{text}')"


def test_has_mask_and_is_pair_say_what_a_pattern_is():
    assert Pattern('[MASK]{text}').has_mask and not Pattern('{text}').has_mask
    assert Pattern('{text_a}[MASK]{text_b}').is_pair and not Pattern('[MASK]{text}').is_pair


@pytest.mark.parametrize('string, last', [
    ('{text}总之[MASK]', True), ('{text}以上是[MASK][MASK]。', True), ('{text_b}。{text_a}，[MASK]！”', True),
    ('[MASK]满意。{text}', False), ('{text}[MASK]满意。', False), ('{text_a}[MASK]，{text_b}', False),
    ('{text}[MASK][SEP]', False), ('{text}[MASK][unused1]', False), ('{text}', False)])
def test_the_blank_is_last_where_nothing_but_punctuation_follows(string, last):
    assert Pattern(string).mask_is_last == last


# where the blank is

@pytest.mark.parametrize('string, expected', [
    ('[MASK]满意。{text}', [1]),
    ('{text}[MASK]满意。', [6]),
    ('感觉如何。[MASK]满意。{text}', [6]),
    ('{text}，真[MASK]', [8]),
], ids=['prefix', 'suffix', 'middle', 'end'])
def test_mask_positions_point_at_the_mask_tokens(tokenizer, string, expected):
    encoded = Pattern(string).encode(tokenizer, TEXT)
    assert encoded.mask_positions == expected
    assert at(tokenizer, encoded, encoded.mask_positions) == ['[MASK]']
    assert encoded.token_ids.count(tokenizer._token_mask_id) == 1


def test_the_whole_sequence_reads_as_the_filled_pattern_between_cls_and_sep(tokenizer):
    encoded = Pattern('感觉如何。[MASK]满意。{text}').encode(tokenizer, TEXT)
    assert tokens_of(tokenizer, encoded) == (
        ['[CLS]'] + list('感觉如何。') + ['[MASK]'] + list('满意。房间很干净') + ['[SEP]'])


@pytest.mark.parametrize('string', ['一则[MASK]新闻。{text}', '一则[MASK][MASK]新闻。{text}'])
@pytest.mark.parametrize('word_length', [1, 2, 4])
def test_word_length_sets_the_length_of_the_run_of_masks_whatever_the_pattern_writes(tokenizer, string, word_length):
    encoded = Pattern(string).encode(tokenizer, TEXT, word_length=word_length)
    assert encoded.mask_positions == list(range(3, 3 + word_length))
    assert at(tokenizer, encoded, encoded.mask_positions) == ['[MASK]'] * word_length
    assert encoded.token_ids.count(tokenizer._token_mask_id) == word_length
    assert tokens_of(tokenizer, encoded)[3 + word_length:] == list('新闻。房间很干净') + ['[SEP]']


def test_a_pattern_without_mask_has_no_mask_position(tokenizer):
    assert Pattern('{text}').encode(tokenizer, TEXT).mask_positions == []


# where the texts are

@pytest.mark.parametrize('string', ['[MASK]满意。{text}', '{text}[MASK]满意。', '好[MASK]。{text}。好'])
def test_text_positions_point_exactly_at_the_tokens_of_the_text(tokenizer, string):
    text = '房间iPhone很干净,3天'
    encoded = Pattern(string).encode(tokenizer, text)
    assert at(tokenizer, encoded, encoded.text_positions) == tokenize(tokenizer, text)
    first = encoded.text_positions[0]
    assert encoded.text_positions == list(range(first, first + len(encoded.text_positions)))


def test_text_positions_of_a_pair_point_at_both_texts_and_at_nothing_else(tokenizer):
    encoded = Pattern('{text_a}。[MASK][MASK]，{text_b}。').encode(tokenizer, '下雨了', '地湿了', word_length=2)
    assert at(tokenizer, encoded, encoded.text_positions) == list('下雨了地湿了')
    assert not set(encoded.text_positions) & set(encoded.mask_positions)


def test_text_positions_follow_a_truncated_text(tokenizer):
    encoded = Pattern('[MASK]满意。{text}。好').encode(tokenizer, TEXT, maxlen=10)
    assert at(tokenizer, encoded, encoded.text_positions) == list('房间')


def test_an_empty_text_has_no_positions(tokenizer):
    encoded = Pattern('[MASK]满意。{text}').encode(tokenizer, '')
    assert encoded.text_positions == [] and encoded.mask_positions == [1]


def test_token_ids_may_stand_for_a_text_and_are_not_changed(tokenizer):
    pattern, ids = Pattern('[MASK]满意。{text}'), tokenizer.tokens_to_ids(list(TEXT))
    assert pattern.encode(tokenizer, ids, maxlen=9) == pattern.encode(tokenizer, TEXT, maxlen=9)
    assert ids == tokenizer.tokens_to_ids(list(TEXT))


# segments

def test_without_sep_every_token_is_of_segment_0(tokenizer):
    encoded = Pattern('{text_a}[MASK]{text_b}').encode(tokenizer, '下雨了', '地湿了')
    assert encoded.segment_ids == [0] * len(encoded.token_ids)


def test_sep_ends_segment_0_and_itself_belongs_to_it(tokenizer):
    encoded = Pattern('{text_a}[SEP][MASK]{text_b}').encode(tokenizer, '下雨了', '地湿了')
    assert tokens_of(tokenizer, encoded) == ['[CLS]', *'下雨了', '[SEP]', '[MASK]', *'地湿了', '[SEP]']
    assert encoded.segment_ids == [0] * 5 + [1] * 5


# truncation

@pytest.mark.parametrize('string', ['[MASK]满意。{text}', '{text}[MASK]满意。', '我[MASK]满意。{text}，是的'])
@pytest.mark.parametrize('maxlen', [12, 20])
def test_truncation_cuts_the_end_of_the_text_and_never_the_pattern(tokenizer, string, maxlen):
    text = '一二三四五六七八九十' * 3
    encoded = Pattern(string).encode(tokenizer, text, maxlen=maxlen)
    kept = at(tokenizer, encoded, encoded.text_positions)
    assert len(encoded.token_ids) == len(encoded.segment_ids) == maxlen
    assert kept == list(text[:len(kept)])
    rest = [t for i, t in enumerate(tokens_of(tokenizer, encoded)) if i not in encoded.text_positions]
    pattern = Pattern(string).encode(tokenizer, '')
    assert rest == tokens_of(tokenizer, pattern)


def test_a_text_that_just_fits_is_not_cut_and_one_token_less_cuts_one_token(tokenizer):
    pattern = Pattern('[MASK]满意。{text}')
    whole = pattern.encode(tokenizer, TEXT)
    assert pattern.encode(tokenizer, TEXT, maxlen=len(whole.token_ids)) == whole
    cut = pattern.encode(tokenizer, TEXT, maxlen=len(whole.token_ids) - 1)
    assert at(tokenizer, cut, cut.text_positions) == list(TEXT[:-1])


@pytest.mark.parametrize('a, b, kept_a, kept_b', [
    ('一二三四五六七八', '甲乙', '一二三四', '甲乙'),
    ('甲乙', '一二三四五六七八', '甲乙', '一二三四'),
    ('一二三四五六七八', '甲乙丙丁戊己庚辛', '一二三', '甲乙丙'),
])
def test_truncation_shortens_the_longer_text_first(tokenizer, a, b, kept_a, kept_b):
    encoded = Pattern('{text_a}？[MASK]，{text_b}').encode(tokenizer, a, b, maxlen=11)
    assert len(encoded.token_ids) == 11
    assert ''.join(at(tokenizer, encoded, encoded.text_positions)) == kept_a + kept_b


def test_longer_words_leave_less_room_for_the_text(tokenizer):
    pattern = Pattern('[MASK]新闻。{text}')
    encoded = pattern.encode(tokenizer, '一二三四五六七八', word_length=3, maxlen=12)
    assert len(encoded.token_ids) == 12 and len(encoded.mask_positions) == 3
    assert at(tokenizer, encoded, encoded.text_positions) == list('一二三四')


@pytest.mark.parametrize('count', [1, 2])
def test_texts_are_cut_to_the_lengths_that_bert4keras_gives(count):
    """Its loop takes one token at a time from the longest."""
    rng = np.random.default_rng(0)
    tried = [rng.integers(0, 40, count).tolist() for _ in range(400)] + [[n] * count for n in range(1, 20)]
    for lengths in tried:
        for room in {count, 7, 8, 20, sum(lengths) - 1, sum(lengths), sum(lengths) + 1} - set(range(count)) - {-1}:
            sequences = [list(range(n)) for n in lengths]
            truncate_sequences(room, -1, *sequences)
            assert fitting_lengths(lengths, room) == list(map(len, sequences)), (lengths, room)


def test_a_very_long_text_is_cut_at_once(tokenizer):
    ids = [200] * 10 ** 6
    start = time.perf_counter()
    encoded = Pattern('{text_a}[MASK]{text_b}').encode(tokenizer, ids, ids[:99], maxlen=20)
    assert time.perf_counter() - start < 0.5 and len(ids) == 10 ** 6 and len(encoded.token_ids) == 20


# tokens

@pytest.mark.parametrize('typed', ['[MASK]', '[SEP]', '[CLS]', '[PAD]', '[unused1]'])
def test_a_special_token_typed_inside_a_text_stays_plain_text(tokenizer, typed):
    encoded = Pattern('[MASK]满意。{text}').encode(tokenizer, '好%s好' % typed)
    inside = [encoded.token_ids[i] for i in encoded.text_positions]
    assert tokenizer._token_dict[typed] not in inside
    assert encoded.token_ids.count(tokenizer._token_mask_id) == 1
    assert encoded.mask_positions == [1]
    assert set(encoded.segment_ids) == {0}


def test_a_mask_typed_inside_a_text_stays_plain_text_for_a_cased_model_too(make_checkpoint, tmp_path):
    cased = Checkpoint(make_checkpoint(tmp_path, do_lower_case=False)).tokenizer()
    encoded = Pattern('[MASK]满意。{text}').encode(cased, '好[MASK]好')
    assert encoded.token_ids.count(cased._token_mask_id) == 1 and encoded.mask_positions == [1]


def test_an_unused_token_is_one_token(tokenizer):
    encoded = Pattern('[unused1][unused12][MASK]{text}').encode(tokenizer, '好')
    assert tokens_of(tokenizer, encoded) == ['[CLS]', '[unused1]', '[unused12]', '[MASK]', '好', '[SEP]']


def test_full_width_punctuation_that_the_vocabulary_lacks_is_read_as_half_width(tokenizer):
    assert '，' not in tokenizer._token_dict and '？' not in tokenizer._token_dict
    encoded = Pattern('感觉如何？[MASK]，{text}').encode(tokenizer, '好！（好）')
    assert tokens_of(tokenizer, encoded)[5:] == ['?', '[MASK]', ',', '好', '!', '(', '好', ')', '[SEP]']


def test_a_character_that_the_vocabulary_lacks_is_unknown_in_a_text_not_an_error(tokenizer):
    encoded = Pattern('[MASK]满意。{text}').encode(tokenizer, '龘')
    assert at(tokenizer, encoded, encoded.text_positions) == ['[UNK]']


# errors

def test_an_unknown_hole_is_named_with_the_holes_there_are():
    with pytest.raises(UserError) as e:
        Pattern('[MASK]满意。{texts}')
    assert '{texts}' in str(e.value) and '{text}' in str(e.value) and '{text_a}' in str(e.value)


@pytest.mark.parametrize('string', [
    '[MASK]满意。', '', '[MASK]{text_a}', '[MASK]{text_b}', '{text}[MASK]{text}', '{text_a}{text_a}[MASK]{text_b}',
    '{text}[MASK]{text_b}', '{text}{text_a}[MASK]{text_b}'])
def test_a_pattern_needs_text_once_or_text_a_and_text_b_once_each(string):
    with pytest.raises(UserError, match=r'must hold \{text\} once, or \{text_a\} and \{text_b\} once each'):
        Pattern(string)


@pytest.mark.parametrize('string', ['[MASK]满意，[MASK]好。{text}', '[MASK]{text}[MASK]', '[MASK][unused1][MASK]{text}'])
def test_two_runs_of_masks_are_an_error(string):
    with pytest.raises(UserError, match='more than one place'):
        Pattern(string)


def test_a_character_of_the_pattern_outside_the_vocabulary_is_named(tokenizer):
    with pytest.raises(UserError) as e:
        Pattern('[MASK]龘意。{text}').encode(tokenizer, TEXT)
    assert '龘 is not in the vocabulary' in str(e.value) and '意' not in str(e.value).split(':')[1]


def test_an_unused_token_outside_the_vocabulary_is_named(tokenizer):
    with pytest.raises(UserError, match=r'the vocabulary has no \[unused999\]'):
        Pattern('[unused999][MASK]{text}').encode(tokenizer, TEXT)


@pytest.mark.parametrize('string, texts, least', [
    ('[MASK]满意。{text}', (TEXT,), 7), ('{text_a}。[MASK]{text_b}', (TEXT, TEXT), 6)])
def test_maxlen_must_leave_room_for_one_token_of_each_text(tokenizer, string, texts, least):
    assert len(Pattern(string).encode(tokenizer, *texts, maxlen=least).token_ids) == least
    with pytest.raises(UserError, match='leaves no room for a text within maxlen=%d' % (least - 1)):
        Pattern(string).encode(tokenizer, *texts, maxlen=least - 1)


def test_one_text_for_a_pair_pattern_is_an_error(tokenizer):
    pattern = Pattern('{text_a}[MASK]{text_b}')
    for use in (lambda: pattern.fill('甲'), lambda: pattern.encode(tokenizer, '甲'), lambda: pattern.texts('甲')):
        with pytest.raises(UserError, match='takes two texts, but only one was given'):
            use()


def test_two_texts_for_a_one_text_pattern_are_an_error(tokenizer):
    pattern = Pattern('[MASK]{text}')
    for use in (lambda: pattern.fill('甲', '乙'), lambda: pattern.encode(tokenizer, '甲', '乙')):
        with pytest.raises(UserError, match='takes one text, but two were given'):
            use()
