"""A server in a thread of the test, and what asks it."""
import contextlib
import http.client
import json
import threading

import numpy as np

from pet_keras.errors import UserError
from pet_keras.serving.app import build_app
from pet_keras.serving.batcher import Batcher
from pet_keras.serving.http import listen, make_server
from pet_keras.serving.metrics import Metrics


class Stub(object):
    """An engine without a model: a text that begins with 好 is good. It waits while `go` is not set."""
    can_fill = True

    def __init__(self):
        self.go, self.batches = threading.Event(), []
        self.go.set()

    def check(self, name, pattern, texts):
        if len(texts) != 1:
            raise UserError('It reads one text.')

    def classify(self, items):
        self.batches.append([texts[0] for _, _, texts in items])
        assert self.go.wait(20)
        for _, _, texts in items:
            if '炸' in texts[0]:
                raise RuntimeError('a bug')
            if '坏' in texts[0]:
                raise UserError('%s cannot be read.' % texts[0])
        return [np.log([.75, .25] if texts[0].startswith('好') else [.25, .75]) for _, _, texts in items]

    def fill(self, items):
        return [[[('好', .5), ('坏', .25)][:top]] * text.count('[MASK]') for _, text, top in items]

    def describe(self, name):
        return {'name': name, 'kind': 'cloze', 'description': 'Good?', 'labels': ['good', 'bad'], 'pair': False,
                'pattern': '[MASK]。{text}', 'words': {'good': ['好'], 'bad': ['坏']},
                'patterns': {'P1': {'pattern': '[MASK]。{text}', 'words': {'good': ['好'], 'bad': ['坏']}}},
                'fills': True, 'causal': False, 'example': ['好吃']}


class Site(object):
    """A running server. `url`, `port`; `batcher`, its Batcher."""
    def __init__(self, port, batcher):
        self.port, self.url, self.batcher = port, 'http://127.0.0.1:%d' % port, batcher

    def ask(self, method, path, body=None, **headers):
        """(status, headers, the JSON or text of the answer); a body that is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)
        headers = {name.replace('_', '-'): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault('Content-Type', 'application/json')
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = answer.headers.get_content_type() == 'application/json'
            return answer.status, dict(answer.headers), json.loads(text) if is_json else text

    def classify(self, *texts, model='stub', **fields):
        return self.ask('POST', '/v1/classify', dict(fields, model=model, texts=list(texts)))


@contextlib.contextmanager
def running(engines, batch_size=4, queue=8, **settings):
    """Serves engines on a free port; `settings` are those of `build_app`."""
    metrics = Metrics()
    batcher = Batcher(batch_size, queue, metrics.observe_batch)
    app = build_app(engines, batcher, metrics, **settings)
    server = make_server(app, settings.get('timeout', 30))
    with listen('127.0.0.1', 0) as server_socket:
        thread = threading.Thread(target=server.run, kwargs={'sockets': [server_socket]}, daemon=True)
        thread.start()
        try:
            yield Site(server_socket.getsockname()[1], batcher)
        finally:
            server.should_exit = True
            thread.join()
            batcher.close()
