"""A labelling session served in a thread of the test, with a learner that learns nothing and says what it is told."""
import contextlib
import http.client
import json
import threading

import numpy as np

from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.serving.http import listen, make_server
from pet_keras.serving.labelling.app import build_app
from pet_keras.serving.labelling.board import Board
from pet_keras.serving.labelling.desk import Desk
from pet_keras.serving.labelling.session import Session

TASK = Task({'P1': '[MASK]。{text}'}, {'好评': '好', '差评': '差'}, name='reviews')


class Learner(object):
    """Keeps what it is sent; proposes two patterns."""
    def __init__(self, board):
        self.board, self.sent = board, []

    def send(self, message):
        self.sent.append(message)
        if 'propose' in message:
            if '坏词' in message['propose']:
                self.board.take({'proposals': '坏词 is not in the vocabulary.'})
            else:
                self.board.take({'proposals': [('{text}。这是[MASK]。', .5), ('[MASK]：{text}', .25)]})
        if 'task' in message:
            self.board.take({'ready': '[MASK]。{text}'})
            self.board.take({'doing': 'resting'})


class Site(object):
    """A running session. `url`; `session`, `desk`, `board`, `learner`."""
    def __init__(self, port, session, desk, board):
        self.port, self.url = port, 'http://127.0.0.1:%d' % port
        self.session, self.desk, self.board, self.learner = session, desk, board, board.learner

    def ask(self, method, path, body=None, **headers):
        """(status, the JSON or text of the answer); a body that is no bytes is sent as JSON."""
        headers = {name.replace('_', '-'): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault('Content-Type', 'application/json')
        with contextlib.closing(http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = answer.headers.get_content_type() == 'application/json'
            return answer.status, json.loads(text) if is_json else text

    def next(self, window='w'):
        return self.ask('POST', '/v1/next', {'window': window})[1]['text']

    def answer(self, text, label, window='w', **fields):
        body = dict({'window': window, 'id': text['id'], 'label': label, 'before': text['label']}, **fields)
        return self.ask('POST', '/v1/answer', body)

    def guess(self, **proba):
        """The learner takes these labels for likely, of the texts at these places (`p3=.9`: 好评 of the third)."""
        places = np.array([int(name[1:]) for name in proba])
        values = np.array(list(proba.values()), 'float32')
        self.board.take({'guesses': (places, np.stack([values, 1 - values], axis=1))})


@contextlib.contextmanager
def labelling(folder, texts, task=TASK, words=None, port=0):
    """Serves a session on a free port. Arguments: `texts`, list of str or Example."""
    examples = [text if isinstance(text, Example) else Example(text) for text in texts]
    session = Session(str(folder), examples)
    if task is not None:
        session.use(task)
    desk = Desk(session)
    board = Board(session, desk)
    board.learner = Learner(board)
    server = make_server(build_app(session, desk, board, words=words), 30)
    with listen('127.0.0.1', port) as server_socket:
        thread = threading.Thread(target=server.run, kwargs={'sockets': [server_socket]}, daemon=True)
        thread.start()
        try:
            if session.task is not None:
                board.begin(session.task)
            yield Site(server_socket.getsockname()[1], session, desk, board)
        finally:
            server.should_exit = True
            thread.join()
            session.close()
