import asyncio
import json
import os

import pytest

for _name in ('hypothesis', 'fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='%s is not installed' % _name)
pytestmark = pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='needs /proc')

from damaged import asked, bytes_like, fuzzed, json_like, result_or_error  # noqa: E402
from stub_site import Stub  # noqa: E402

from pet_keras.data.example import Example  # noqa: E402
from pet_keras.cloze.task import Task  # noqa: E402
from pet_keras.serving.app import build_app  # noqa: E402
from pet_keras.serving.batcher import Batcher  # noqa: E402
from pet_keras.serving.labelling import app as labelling  # noqa: E402
from pet_keras.serving.labelling.board import Board  # noqa: E402
from pet_keras.serving.labelling.desk import Desk  # noqa: E402
from pet_keras.serving.labelling.session import Session  # noqa: E402

REQUESTS = {'/v1/classify': {'model': 'stub', 'texts': ['好吃', '难吃'], 'pattern': None},
            '/v1/fill': {'model': 'stub', 'text': '很[MASK]', 'top': 2}}
TASK = Task({'P1': '[MASK]。{text}'}, {'好评': '好', '差评': '差'})


def check(app, path, valid):
    """Every body that is nearly this one is answered or refused, in JSON."""
    @fuzzed(json_like(valid) | bytes_like(json.dumps(valid).encode()))
    def read(content):
        status, text = result_or_error(asyncio.run, asked(app, path, content))
        assert status == 200 or 400 <= status < 500 and json.loads(text), (status, text)
    read()


@pytest.mark.parametrize('path', list(REQUESTS))
def test_a_request_is_answered_or_refused(path):
    batcher = Batcher(4, 8)
    check(build_app({'stub': Stub()}, batcher, max_text=50, max_texts=3), path, REQUESTS[path])
    batcher.close()


@pytest.mark.parametrize('path', ['next', 'answer', 'undo', 'proposals', 'task', 'finish'])
def test_a_request_of_the_labelling_page_is_answered_or_refused(path, tmp_path):
    session = Session(str(tmp_path), [Example('好吃'), Example('难吃')])
    if path not in ('proposals', 'task'):
        session.use(TASK)
    board = Board(session, Desk(session))
    board.learner = SilentLearner()
    key = session.ids[0]
    if path in ('undo', 'finish'):
        session.answer(key, '好评')
        session.answer(session.ids[1], '差评')
    check(labelling.build_app(session, board.desk, board), '/v1/' + path, {
        'next': {'window': 'w'}, 'finish': {'window': 'w'}, 'undo': {'window': 'w', 'id': session.ids[1]},
        'answer': {'window': 'w', 'id': key, 'label': '好评', 'before': None}, 'proposals': {'labels': '好评=好,差评=差'},
        'task': {'labels': '好评,差评', 'pattern': '[MASK]。{text}'}}[path])
    session.close()


class SilentLearner(object):
    """Hears all and says nothing."""
    def send(self, message):
        pass
