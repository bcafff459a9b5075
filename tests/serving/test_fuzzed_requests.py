import asyncio
import json
import os

import pytest

for _name in ('hypothesis', 'fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='%s is not installed' % _name)
pytestmark = pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='needs /proc')

from damaged import bytes_like, fuzzed, json_like, result_or_error  # noqa: E402
from stub_site import Stub  # noqa: E402

from pet_keras.serving.app import build_app  # noqa: E402
from pet_keras.serving.batcher import Batcher  # noqa: E402

REQUESTS = {'/v1/classify': {'model': 'stub', 'texts': ['好吃', '难吃'], 'pattern': None},
            '/v1/fill': {'model': 'stub', 'text': '很[MASK]', 'top': 2}}


@pytest.mark.parametrize('path', list(REQUESTS))
def test_a_request_is_answered_or_refused(path):
    batcher = Batcher(4, 8)
    app = build_app({'stub': Stub()}, batcher, max_text=50, max_texts=3)

    async def ask(body):
        parts, answer = [{'type': 'http.request', 'body': body}], []

        async def receive():
            return parts.pop() if parts else {'type': 'http.disconnect'}

        async def send(message):
            answer.append(message)
        headers = [(b'content-type', b'application/json'), (b'content-length', str(len(body)).encode())]
        await app({'type': 'http', 'method': 'POST', 'path': path, 'raw_path': path.encode(), 'query_string': b'',
                   'headers': headers, 'http_version': '1.1', 'scheme': 'http', 'server': ('127.0.0.1', 80),
                   'client': ('127.0.0.1', 1), 'root_path': '', 'asgi': {'version': '3.0'}}, receive, send)
        return answer[0]['status'], b''.join(m.get('body', b'') for m in answer[1:])

    @fuzzed(json_like(REQUESTS[path]) | bytes_like(json.dumps(REQUESTS[path]).encode()))
    def read(content):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        status, text = result_or_error(asyncio.run, ask(body))
        assert status == 200 or 400 <= status < 500 and json.loads(text), (status, text)
    read()
    batcher.close()
