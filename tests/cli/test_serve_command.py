import contextlib
import json
import threading
import urllib.error
import urllib.request

import pytest
from six_reviews import write

from pet_keras.cli.main import main
from pet_keras.cli.serve import folders_of
from pet_keras.errors import UserError

try:
    import fastapi  # noqa: F401
    import prometheus_client  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError:
    fastapi = None
with_extra = pytest.mark.skipif(fastapi is None, reason='the extra [serve] is not installed')


@pytest.fixture
def serving(monkeypatch):
    """Serves in a thread, and calls `ask(url)` instead of waiting for a signal; returns what it returned."""
    def call(ask, *args):
        found = []

        def serve(server, server_socket, batcher):
            thread = threading.Thread(target=server.run, kwargs={'sockets': [server_socket]}, daemon=True)
            thread.start()
            with contextlib.closing(batcher):
                try:
                    found.append(ask('http://127.0.0.1:%d' % server_socket.getsockname()[1]))
                finally:
                    server.should_exit = True
                    thread.join()
        monkeypatch.setattr('pet_keras.serving.http.serve', serve)
        assert main(['serve', '--port', '0', *args]) == 0
        return found[0]
    return call


def classify(name, *texts):
    """What asks a server about texts."""
    def ask(url):
        request = urllib.request.Request(url + '/v1/classify', json.dumps({'model': name, 'texts': texts}).encode(),
                                         {'Content-Type': 'application/json'})
        with urllib.request.urlopen(request) as answer:
            return [prediction['probabilities'] for prediction in json.load(answer)['predictions']]
    return ask


@with_extra
def test_a_trained_model_answers_under_its_name(serving, model, capsys):
    from pet_keras.classifiers.loading import load
    found = serving(classify('reviews', '房间很干净', '又吵又脏'), '--model', 'reviews=' + model)
    classifier = load(model)
    wanted = classifier.predict_proba(['房间很干净', '又吵又脏'])
    assert found == [pytest.approx(dict(zip(classifier.labels, row)), abs=1e-5) for row in wanted.tolist()]
    assert 'reviews answers at http://127.0.0.1:' in capsys.readouterr().out


@with_extra
def test_a_task_answers_zero_shot_with_the_pattern_that_is_given(serving, tiny):
    from pet_keras.classifiers.cloze_classifier import ClozeClassifier
    found = serving(classify('sentiment', '房间很干净'), '--task', 'sentiment', '--checkpoint', tiny, '--pattern', 'P2')
    wanted = ClozeClassifier('sentiment', tiny, 'P2').predict_proba(['房间很干净'])[0]
    assert list(found[0].values()) == pytest.approx(wanted.tolist(), abs=1e-5)


@with_extra
def test_an_exported_model_answers_as_the_one_it_was_made_of(serving, model, exported):
    from pet_keras.classifiers.loading import load
    found = serving(classify('reviews', '房间很干净', '又吵又脏'), '--engine', 'onnx', '--model', 'reviews=' + exported)
    classifier = load(model)
    wanted = classifier.predict_proba(['房间很干净', '又吵又脏'])
    assert found == [pytest.approx(dict(zip(classifier.labels, row)), abs=1e-4) for row in wanted.tolist()]


@with_extra
def test_what_an_exported_model_cannot_do_is_said(fails, exported):
    assert 'add --engine onnx' in fails('serve', '--model', exported, '--port', '0')
    assert '--checkpoint has no effect' in fails(
        'serve', '--engine', 'onnx', '--model', exported, '--checkpoint', 'bert-mini-zh', '--port', '0')
    assert 'takes --model' in fails('serve', '--engine', 'onnx', '--task', 'sentiment', '--port', '0')


def test_a_model_is_named_after_its_folder_or_as_is_said(tmp_path):
    (tmp_path / 'a=b').mkdir()
    assert folders_of(['x/reviews', 'news=y/z=1', str(tmp_path / 'a=b'), 'here=.']) == {
        'reviews': 'x/reviews', 'news': 'y/z=1', 'a=b': str(tmp_path / 'a=b'), 'here': '.'}
    with pytest.raises(UserError, match="another model has the name 'm'; write NAME=y/m"):
        folders_of(['x/m', 'y/m/'.rstrip('/')])
    with pytest.raises(UserError, match='no name'):
        folders_of(['=x'])


@with_extra
@pytest.mark.parametrize('args, said', [
    (['--host', '0.0.0.0'], '--api-key-file'), (['--batch-size', '0'], '--batch-size is at least 1'),
    (['--max-text', '-1'], '--max-text is at least 1'), (['--timeout', '0'], '--timeout is at least 1'),
    (['--queue', '8'], '--queue 8'), (['--port', '70000'], 'port 70000'), (['--host', 'nowhere.invalid'], '--host'),
    (['--api-key-file', 'missing'], 'missing'), (['--pattern', 'P2'], '--pattern belongs to --task'),
    (['--model', 'other'], "no folder"), (['--checkpoint', 'bert-mini-zh'], 'no --model is a prompt')])
def test_what_is_wrong_with_the_command_is_one_line(fails, model, args, said):
    port = [] if '--port' in args else ['--port', '0']
    assert said in fails('serve', '--model', 'm=' + model, *port, *args).replace('no such folder', 'no folder')


@with_extra
def test_a_file_of_keys_opens_other_interfaces(serving, model, tmp_path):
    keys = write(tmp_path / 'keys', 'a-key-of-sixteen-or-more\n')
    key = {'Authorization': 'Bearer a-key-of-sixteen-or-more'}

    def ask(url):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url + '/v1/models')
        with urllib.request.urlopen(urllib.request.Request(url + '/v1/models', headers=key)) as answer:
            return refused.value.code, answer.status
    assert serving(ask, '--model', model, '--host', '0.0.0.0', '--api-key-file', keys) == (401, 200)


def test_without_the_extra_the_error_says_what_to_type(fails, without_extra):
    assert 'pip install "pet-keras[serve]"' in fails('serve', '--task', 'sentiment')


def test_help_names_every_flag_and_shows_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['serve', '--help'])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and 'pet-keras serve --task sentiment' in out and 'curl' in out
    for flag in ('--model', '--task', '--checkpoint', '--pattern', '--host', '--port', '--batch-size', '--queue',
                 '--timeout', '--max-text', '--max-texts', '--api-key-file', '--precision'):
        assert flag in out
