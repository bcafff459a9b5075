import json

import numpy as np
import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.serving.labelling.board import Board
from pet_keras.serving.labelling.desk import Desk
from pet_keras.serving.labelling.session import Session


@pytest.fixture
def session(tmp_path):
    found = Session(str(tmp_path / 'out'), [Example(str(i)) for i in range(4)])
    found.use(Task({'P1': '[MASK]{text}'}, {'a': 'a', 'b': 'b'}))
    yield found
    found.close()


def point(labels, accuracy=.5):
    return {'labels': labels, 'accuracy': accuracy, 'low': .4, 'high': .6, 'seconds': 1.}


def test_what_the_learner_sends_is_noted(session):
    board = Board(session, Desk(session))
    board.take({'guesses': (np.array([1, 3]), np.array([[.25, .75], [np.nan, np.nan]], 'float32'))})
    assert board.guess(1).tolist() == [.25, .75] and board.guess(3) is None and board.guess(0) is None
    board.take({'wanted': [3, 1]})
    board.take({'doing': 'training'})
    assert board.desk.wanted == [3, 1] and board.doing == 'training'


def test_the_curve_is_kept_and_has_one_point_for_each_number_of_labels(session):
    board = Board(session, Desk(session))
    for one in (point(20), point(10), point(10, .75)):
        board.take({'estimate': one})
    with open(session.folder + '/curve.jsonl', 'a') as writer:
        writer.write(json.dumps(point(30))[:-3])  # a kill
    for found in (board, Board(session, Desk(session))):
        assert [(p['labels'], p['accuracy']) for p in found.curve] == [(10, .75), (20, .5)]


def test_three_models_that_agree_are_enough(session):
    board = Board(session, Desk(session))
    assert board.agreement is None
    for agreement in (None, .5, .99, 1.):
        board.take({'model': {'labels': 10, 'seconds': 1., 'agreement': agreement}})
        assert not board.is_stable
    board.take({'model': {'labels': 20, 'seconds': 1., 'agreement': .995}})
    assert board.is_stable and board.agreement == .995


def test_a_learner_that_cannot_begin_ends_the_server_and_one_that_fails_later_does_not(session):
    board, ended = Board(session, Desk(session)), []
    board.on_failure = lambda: ended.append(board.problem)
    board.take({'failed': 'no such checkpoint'})
    assert ended == []  # the process has a last word: its end
    board.take({'ended': 0})
    assert ended == ['no such checkpoint']
    other = Board(session, Desk(session))
    other.on_failure = lambda: ended.append('again')
    other.take({'ready': '[MASK]{text}'})
    other.take({'ended': -9})
    assert len(ended) == 1 and 'exit code -9' in other.problem and other.doing == 'ended'
