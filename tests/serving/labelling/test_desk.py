import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.serving.labelling.desk import Desk
from pet_keras.serving.labelling.session import Session

TASK = Task({'P1': '[MASK]。{text}'}, {'a': 'a', 'b': 'b'})


@pytest.fixture
def session(tmp_path):
    found = Session(str(tmp_path / 'out'), [Example(str(i)) for i in range(6)])
    found.use(TASK)
    yield found
    found.close()


def answer(session, place):
    session.answer(session.ids[place], 'a', session.said(session.ids[place]))


def test_the_most_wanted_text_comes_first_and_stays_until_it_is_answered(session):
    desk = Desk(session)
    desk.wanted = [4, 2]
    assert [desk.next('w'), desk.next('w')] == [4, 4]
    desk.wanted = [3, 4]
    assert desk.next('w') == 4  # what a person reads is not taken away
    answer(session, 4)
    assert desk.next('w') == 3


def test_two_windows_show_two_texts(session):
    desk = Desk(session)
    desk.wanted = [4, 2]
    assert [desk.next('w'), desk.next('v')] == [4, 2]
    answer(session, 4)
    assert desk.next('w') not in (4, 2)


def test_all_texts_come_once_whatever_is_wanted(session):
    desk, seen = Desk(session), []
    desk.wanted = [1]
    for _ in range(6):
        seen.append(desk.next('w'))
        answer(session, seen[-1])
    assert seen[0] == 1 and sorted(seen) == list(range(6)) and desk.next('w') is None
    session.undo(session.ids[seen[-1]])
    desk.hold('w', seen[-1])
    assert desk.next('w') == seen[-1]


def test_what_a_closed_window_showed_is_shown_by_another(session):
    desk = Desk(session, patience=0.)
    desk.wanted = [4]
    assert [desk.next('w'), desk.next('v')] == [4, 4]


def test_a_window_that_is_heard_of_keeps_its_text(session, monkeypatch):
    now = [0.]
    monkeypatch.setattr('time.monotonic', lambda: now[0])
    desk = Desk(session, patience=60.)
    desk.wanted = [4, 2]
    assert desk.next('w') == 4
    for now[0] in (50., 100.):
        desk.heard('w')
    assert desk.next('v') == 2
    now[0] = 170.
    answer(session, 2)
    assert desk.next('v') == 4


def test_a_text_that_a_window_holds_is_not_handed_out(session):
    desk = Desk(session)
    desk.wanted = [4, 2]
    desk.hold('v', 4)
    assert desk.next('w') == 2
