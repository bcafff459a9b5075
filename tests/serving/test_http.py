import concurrent.futures
import json
import re
import socket
import threading
import time

import pytest

for _name in ('fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='the extra [serve] is not installed')

from stub_site import Stub, running  # noqa: E402

from pet_keras.errors import UserError  # noqa: E402
from pet_keras.serving.app import PAGES  # noqa: E402
from pet_keras.serving.guard import is_loopback, read_keys  # noqa: E402
from pet_keras.serving.http import check_host, listen  # noqa: E402

KEY = 'a-key-of-sixteen-or-more'


@pytest.fixture(scope='module')
def stub():
    return Stub()


@pytest.fixture(scope='module')
def site(stub):
    with running({'stub': stub}, max_text=20, max_texts=3) as found:
        yield found


@pytest.fixture(scope='module')
def locked():
    """One that wants a key."""
    with running({'stub': Stub()}, keys=[b'another-key-that-is-old', KEY.encode()]) as found:
        yield found


# --- answers --------------------------------------------------------------------------------------------

def test_classify_gives_each_text_a_label_and_all_probabilities(site):
    status, headers, answer = site.classify('好吃', '难吃')
    assert status == 200 and headers['content-type'] == 'application/json'
    assert answer == {'model': 'stub', 'predictions': [
        {'label': 'good', 'probabilities': {'good': pytest.approx(.75), 'bad': pytest.approx(.25)}},
        {'label': 'bad', 'probabilities': {'good': pytest.approx(.25), 'bad': pytest.approx(.75)}}]}


def test_fill_gives_the_tokens_of_each_blank(site):
    status, _, answer = site.ask('POST', '/v1/fill', {'model': 'stub', 'text': '很[MASK][MASK]', 'top': 1})
    assert status == 200 and answer == {'model': 'stub', 'filled': '很好好',
                                        'blanks': [[{'token': '好', 'probability': .5}]] * 2}
    answer = site.ask('POST', '/v1/fill', {'model': 'stub', 'text': '很[MASK]', 'top': 2.0})[2]  # an integer in JSON
    assert [pair['token'] for pair in answer['blanks'][0]] == ['好', '坏']


@pytest.mark.parametrize('kind, said', [('exported', 'x was exported: '), ('fine-tuning', 'x was fine-tuned: ')])
def test_what_fills_no_blanks_says_why(kind, said):
    engine = Stub()
    engine.can_fill, fields = False, dict(engine.describe('x'), kind=kind)
    engine.describe = lambda name: fields
    with running({'x': engine}) as found:
        status, _, answer = found.ask('POST', '/v1/fill', {'model': 'x', 'text': '[MASK]'})
    assert status == 422 and answer['error']['message'] == said + 'it fills no blanks.'


def test_models_are_described_and_health_is_told(site, stub):
    assert site.ask('GET', '/v1/models')[2] == {'models': [stub.describe('stub')]}
    assert site.ask('GET', '/healthz')[::2] == (200, {'status': 'ok'})


def test_health_is_bad_where_the_model_has_stopped():
    with running({'stub': Stub()}) as found:
        found.batcher.close()
        assert found.ask('GET', '/healthz')[0] == 503


def test_requests_of_several_clients_run_together(site, stub):
    stub.go.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        first = pool.submit(site.classify, '好一')
        wait(lambda: ['好一'] in stub.batches)
        others = [pool.submit(site.classify, text) for text in ('好二', '三', '好四')]
        wait(lambda: site.batcher.waiting == 3)
        stub.go.set()
        labels = [job.result()[2]['predictions'][0]['label'] for job in [first] + others]
    assert labels == ['good', 'good', 'bad', 'good'] and sorted(stub.batches[-1]) == ['三', '好二', '好四']


def wait(done, seconds=10):
    end = time.perf_counter() + seconds
    while not done():
        assert time.perf_counter() < end
        time.sleep(.01)


# --- wrong requests -------------------------------------------------------------------------------------

TEXTS = {'model': 'stub', 'texts': ['好']}
JSON = {'Content_Type': 'application/json'}
WRONG = {
    'no JSON': (400, '/v1/classify', b'{"model":', 'not JSON'), 'empty body': (422, '/v1/classify', b'', 'body'),
    'a list': (422, '/v1/classify', [1], 'body'), 'no text': (422, '/v1/classify', {'model': 'stub'}, 'texts: '),
    'no model': (404, '/v1/classify', dict(TEXTS, model='other'), "No model 'other'; there are stub"),
    'unknown field': (422, '/v1/classify', dict(TEXTS, text='好'), 'text: '),
    'one text, no list': (422, '/v1/classify', dict(TEXTS, texts='好'), 'texts: '),
    'no texts': (422, '/v1/classify', dict(TEXTS, texts=[]), 'texts: '),
    'empty text': (422, '/v1/classify', dict(TEXTS, texts=['好', '']), 'texts.1: '),
    'long text': (422, '/v1/classify', dict(TEXTS, texts=['好' * 21]), 'at most 20'),
    'many texts': (422, '/v1/classify', dict(TEXTS, texts=['好'] * 4), 'at most 3'),
    'number': (422, '/v1/classify', dict(TEXTS, texts=[3]), 'texts.0: '),
    'three in a pair': (422, '/v1/classify', dict(TEXTS, texts=[['好'] * 3]), 'texts.0: '),
    'number in a pair': (422, '/v1/classify', dict(TEXTS, texts=[['好', 1]]), 'texts.0.1: '),
    'pair': (422, '/v1/classify', dict(TEXTS, texts=[['好', '坏']]), 'It reads one text'),
    'half a character': (422, '/v1/classify', b'{"model": "stub", "texts": ["\\ud800"]}', 'texts.0: '),
    'not UTF-8': (400, '/v1/classify', b'{"model": "stub", "texts": ["\xff"]}', 'parsing the body'),
    'what the model cannot read': (422, '/v1/classify', dict(TEXTS, texts=['坏']), '坏 cannot be read.'),
    'top': (422, '/v1/fill', {'model': 'stub', 'text': '[MASK]', 'top': 101}, 'top: '),
    'top, text': (422, '/v1/fill', {'model': 'stub', 'text': '[MASK]', 'top': '3'}, 'top: '),
    'top, true': (422, '/v1/fill', {'model': 'stub', 'text': '[MASK]', 'top': True}, 'top: '),
    'deep': (400, '/v1/classify', b'[' * 30000, 'parsing the body'),
    'no path': (404, '/v1/nothing', TEXTS, 'Not Found'), 'no POST': (405, '/v1/models', TEXTS, 'Not Allowed'),
}


@pytest.mark.parametrize('what', WRONG)
def test_a_wrong_request_is_one_message_that_says_what_is_wrong(what, site):
    wanted, path, body, said = WRONG[what]
    status, _, answer = site.ask('POST', path, body, **JSON)
    assert (status, list(answer), list(answer['error'])) == (wanted, ['error'], ['message'])
    assert said in answer['error']['message'] and '\n' not in answer['error']['message']


def test_a_body_that_is_not_said_to_be_json_is_refused(site):
    for kind in ('text/plain', 'application/x-www-form-urlencoded'):  # what another site's page could send
        status, _, answer = site.ask('POST', '/v1/classify', json.dumps(TEXTS).encode(), Content_Type=kind)
        assert status == 415 and 'Content-Type: application/json' in answer['error']['message']


def test_a_long_body_is_refused_whether_its_length_is_said_or_not(site):
    body = json.dumps(dict(TEXTS, texts=['好' * 300000])).encode()
    assert site.ask('POST', '/v1/classify', body, **JSON)[0] == 413
    with socket.create_connection(('127.0.0.1', site.port)) as connection:
        connection.sendall(b'POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'
                           b'40000\r\n%s\r\n0\r\n\r\n' % (b'x' * 0x40000))
        assert connection.recv(20).startswith(b'HTTP/1.1 413')


def test_a_bug_in_the_model_is_500_for_its_request_alone_and_tells_nothing(site, stub):
    stub.go.clear()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        first = pool.submit(site.classify, '好零')
        wait(lambda: ['好零'] in stub.batches)
        jobs = [pool.submit(site.classify, text) for text in ('好', '炸')]
        wait(lambda: site.batcher.waiting == 2)
        stub.go.set()
        (good, _, _), (bad, _, answer) = [job.result() for job in jobs]
    assert (first.result()[0], good, bad) == (200, 200, 500) and 'bug' not in answer['error']['message']


# --- limits ---------------------------------------------------------------------------------------------

def test_a_full_queue_refuses_at_once_with_503_and_when_to_come_again(site, stub):
    stub.go.clear()
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        jobs = [pool.submit(site.classify, '好满')]
        wait(lambda: ['好满'] in stub.batches)
        jobs += [pool.submit(site.classify, '好') for _ in range(8)]
        wait(lambda: site.batcher.waiting == 8)
        start = time.perf_counter()
        status, headers, answer = site.classify('好')
        assert status == 503 and int(headers['retry-after']) >= 1 and 'waiting' in answer['error']['message']
        assert time.perf_counter() - start < 1
        assert site.ask('POST', '/v1/classify', b'{', **JSON)[0] == 503  # it is not even parsed
        assert site.ask('GET', '/healthz')[0] == 200
        stub.go.set()
        assert [job.result()[0] for job in jobs] == [200] * 9
    assert site.classify('好')[0] == 200


def test_more_open_requests_than_a_process_can_hold_are_refused(site, stub, monkeypatch):
    monkeypatch.setattr('pet_keras.serving.guard.OPEN', 1)
    stub.go.clear()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(site.classify, '好开')
        wait(lambda: ['好开'] in stub.batches)
        status, headers, _ = site.ask('GET', '/healthz')
        stub.go.set()
    assert (status, headers['retry-after'], first.result()[0]) == (503, '1', 200)


def test_a_request_beyond_its_time_is_504_and_is_never_run():
    stub = Stub()
    with running({'stub': stub}, timeout=.3) as found:
        stub.go.clear()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            first = pool.submit(found.classify, '好一')
            wait(lambda: stub.batches)
            second = pool.submit(found.classify, '好二')
            assert [job.result()[0] for job in (first, second)] == [504, 504]
        stub.go.set()
        assert found.classify('好三')[0] == 200 and ['好二'] not in stub.batches


def test_a_body_that_never_comes_is_408():
    with running({'stub': Stub()}, timeout=.3) as found:
        with socket.create_connection(('127.0.0.1', found.port)) as connection:
            connection.sendall(b'POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{')
            assert connection.recv(20).startswith(b'HTTP/1.1 408')


def test_stopping_answers_what_was_accepted():
    stub = Stub()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        with running({'stub': stub}) as found:
            stub.go.clear()
            jobs = [pool.submit(found.classify, '好')]
            wait(lambda: stub.batches)
            jobs += [pool.submit(found.classify, '好') for _ in range(5)]
            wait(lambda: found.batcher.waiting == 5)
            threading.Timer(.5, stub.go.set).start()
        assert [job.result()[0] for job in jobs] == [200] * 6


# --- who may ask ----------------------------------------------------------------------------------------

@pytest.mark.parametrize('path', ['/v1/models', '/metrics', '/v1/nothing'])
@pytest.mark.parametrize('sent', ['', 'Bearer ', 'Bearer wrong', 'Basic ' + KEY, KEY, 'Bearer ' + KEY[:-1]])
def test_without_a_key_nothing_is_told(path, sent, locked):
    status, headers, answer = locked.ask('GET', path, **({'Authorization': sent} if sent else {}))
    assert status == 401 and headers['www-authenticate'] == 'Bearer' and 'Bearer KEY' in answer['error']['message']


def test_with_any_of_the_keys_it_answers_whatever_it_is_called(locked):
    for key in (KEY, 'another-key-that-is-old'):
        assert locked.ask('GET', '/v1/models', Authorization='Bearer ' + key, Host='models.example.org')[0] == 200


def test_the_pages_and_health_need_no_key(locked):
    for path in ('/healthz', '/openapi.json', *PAGES):
        assert locked.ask('GET', path)[0] == 200


@pytest.mark.parametrize('host, wanted', [('localhost', 200), ('127.0.0.1:80', 200), ('[::1]:8000', 200), ('[::1]', 200),
                                          ('evil.example', 403), ('127.0.0.1.evil.example', 403), ('', 403), ('[', 403)])
def test_without_keys_it_answers_to_this_machines_names_alone(site, host, wanted):
    assert site.ask('GET', '/healthz', Host=host)[0] == wanted


def test_no_other_site_may_read_the_answers(site):
    _, headers, _ = site.ask('GET', '/v1/models', Origin='https://evil.example')
    assert not [name for name in headers if name.lower().startswith('access-control')]
    assert site.ask('OPTIONS', '/v1/classify', Origin='https://evil.example')[0] == 405


@pytest.mark.parametrize('host, wanted', [('localhost', True), ('127.0.0.1', True), ('127.8.8.8', True), ('::1', True),
                                          ('0.0.0.0', False), ('::', False), ('192.168.0.3', False),
                                          ('example.org', False), ('', False)])
def test_a_host_that_others_reach_needs_keys(host, wanted):
    assert is_loopback(host) == wanted
    check_host(host, [b'key'])
    if not wanted:
        with pytest.raises(UserError, match='--api-key-file'):
            check_host(host, [])


@pytest.mark.parametrize('text', ['', '\n \n', 'short\n', KEY + '\nshort\n', '十六个字以上十六个字以上十六个字以上\n'])
def test_a_file_of_keys_without_a_good_one_is_refused(tmp_path, text):
    path = tmp_path / 'keys'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(UserError, match='16 ASCII characters'):
        read_keys(str(path))


def test_a_file_of_keys_that_is_no_text_is_refused(tmp_path):
    (tmp_path / 'keys').write_bytes(bytes(range(128, 188)))
    with pytest.raises(UserError, match='16 ASCII characters'):
        read_keys(str(tmp_path / 'keys'))


def test_a_small_answer_is_sent_at_once():
    with listen('127.0.0.1', 0) as server_socket, socket.create_connection(server_socket.getsockname()):
        connection, _ = server_socket.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_said(site):
    with pytest.raises(UserError, match='port %d' % site.port):
        listen('127.0.0.1', site.port)


# --- the pages and what describes it --------------------------------------------------------------------

@pytest.mark.parametrize('path', PAGES)
def test_the_pages_load_nothing_from_elsewhere(site, path):
    status, headers, text = site.ask('GET', path)
    policy = dict(part.strip().partition(' ')[::2] for part in headers['content-security-policy'].split(';'))
    assert status == 200 and headers['content-type'] == PAGES[path][1] + '; charset=utf-8'
    assert policy['default-src'] == "'none'" and policy['script-src'] == policy['connect-src'] == "'self'"
    assert 'unsafe' not in headers['content-security-policy'] and headers['x-content-type-options'] == 'nosniff'
    assert not re.search(r'https?:|(?:src|href)="//|\bon\w+="|innerHTML|insertAdjacent|document\.write|style="', text)


def test_the_openapi_document_names_every_path_with_its_errors(site):
    fields = site.ask('GET', '/openapi.json')[2]
    assert set(fields['paths']) == {'/v1/classify', '/v1/fill', '/v1/models', '/healthz', '/metrics'}
    answers = fields['paths']['/v1/classify']['post']['responses']
    assert {'200', '400', '404', '413', '415', '422', '503', '504'} <= set(answers)
    assert {answer['content']['application/json']['schema']['$ref'].split('/')[-1]
            for status, answer in answers.items() if status != '200'} == {'Error'}


def test_metrics_count_answers_texts_and_batches_without_a_clients_words(stub):
    with running({'stub': stub}) as found:
        found.classify('好', '坏了' * 2000)
        found.classify('好', '难')
        found.ask('GET', '/secret')
        status, headers, text = found.ask('GET', '/metrics')
    assert status == 200 and headers['content-type'].startswith('text/plain; version=0.0.4')
    lines = text.splitlines()
    assert {'pet_keras_requests_total{path="/v1/classify",status="200"} 1.0',
            'pet_keras_requests_total{path="/v1/classify",status="422"} 1.0',
            'pet_keras_requests_total{path="other",status="404"} 1.0', 'pet_keras_texts_total{model="stub"} 2.0',
            'pet_keras_batch_texts_sum 2.0', 'pet_keras_waiting_texts 0.0'} <= set(lines)
    assert 'secret' not in text and '好' not in text
