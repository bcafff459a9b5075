import pytest

from pet_keras.cloze.fields import Fields
from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.windows import check_long, parts
from pet_keras.errors import UserError

ONE, TWO = Pattern('[MASK]{text}'), Pattern('{text_a}[MASK]{text_b}')
TEXT = list(range(25))


@pytest.mark.parametrize('long', ['head', 'tail', 'windows'])
def test_a_text_that_fits_is_read_once_and_whole(long):
    assert parts([TEXT], ONE, 25, long) == [[TEXT]]
    assert parts([TEXT, [7] * 3], TWO, 28, long) == [[TEXT, [7] * 3]]


def test_the_head_is_left_to_the_pattern():
    assert parts([TEXT], ONE, 10, 'head') == [[TEXT]]


def test_the_tail_is_the_end():
    assert parts([TEXT], ONE, 10, 'tail') == [[TEXT[-10:]]]
    assert parts([TEXT, TEXT[:4]], TWO, 10, 'tail') == [[TEXT[-6:], TEXT[:4]]]
    assert parts([TEXT, TEXT], TWO, 11, 'tail') == [[TEXT[-5:], TEXT[-6:]]]


@pytest.mark.parametrize('room', range(1, 26))
def test_windows_cover_the_text_from_beginning_to_end_and_overlap_by_half(room):
    found = [texts[0] for texts in parts([TEXT], ONE, room, 'windows')]
    assert all(len(window) == room for window in found)
    assert found[0][0] == 0 and found[-1][-1] == 24 and {t for window in found for t in window} == set(TEXT)
    assert all(0 < b[0] - a[0] <= max(1, room // 2) for a, b in zip(found, found[1:]))


def test_the_longest_text_has_the_windows_and_the_others_stay():
    found = parts([TEXT[:4], TEXT], TWO, 14, 'windows')
    assert [texts[0] for texts in found] == [TEXT[:4]] * len(found) and len(found) == 4
    assert found[0][1] == TEXT[:10] and found[-1][1] == TEXT[-10:]


def test_pieces_beside_a_span_have_no_windows_and_no_tail():
    pattern = Pattern('{before}[MASK]{after}', Fields(span='#').slots)
    texts = [[], TEXT, TEXT]
    assert parts(texts, pattern, 10, 'windows') == parts(texts, pattern, 10, 'tail') == [texts]


def test_a_text_that_the_pattern_leaves_out_takes_no_room_and_candidates_are_kept():
    pattern = Pattern('[MASK]是{noun}', Fields({'noun': 'n'}).slots)
    found = parts([TEXT, TEXT[:12], [[1], [2]]], pattern, 8, 'windows')
    assert [texts[1] for texts in found] == [TEXT[:8], TEXT[4:12]]
    assert all(texts[0] == TEXT and texts[2] == [[1], [2]] for texts in found)


def test_another_word_is_refused():
    with pytest.raises(UserError, match="long='middle': choose head, tail, windows"):
        check_long('middle')
