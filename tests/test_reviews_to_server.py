"""The READMEs' five commands from a file of reviews to a server, as they are typed, and a request to it."""
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request

import pytest

for _name in ('fastapi', 'uvicorn', 'prometheus_client', 'onnx', 'onnxruntime'):
    pytest.importorskip(_name, reason='the extras [serve] and [onnx] are not installed')

import pet_keras  # noqa: E402
from pet_keras.cli.main import main  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
REVIEWS = ['%s%s。' % (what, how) for what in ('房间', '早餐', '服务', '位置') for how in (
    '很不错，下次还会再来', '太差了，再也不会来', '让人满意', '让人失望', '一般，对得起这个价钱')]


def _lines(name):
    """The lines of a README's `sh` blocks."""
    with open(os.path.join(ROOT, name), encoding='utf-8') as reader:
        return ''.join(re.findall(r'^```sh\n(.*?)^```', reader.read(), re.M | re.S)).splitlines()


def test_both_readmes_type_the_same():
    assert _lines('README.md') == _lines('README.zh-CN.md') != []


def test_five_commands_lead_from_reviews_to_a_server_that_answers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'reviews.txt').write_text('\n'.join(REVIEWS) + '\n', encoding='utf-8')
    *commands, serve, request = map(shlex.split, _lines('README.md'))
    assert len(commands) == 4 and serve[:2] == ['pet-keras', 'serve'] and request[0] == 'curl'
    for name, *args in commands:
        assert name == 'pet-keras' and main(args) == 0, args
    with open('zero_shot/reviews.tsv', encoding='utf-8') as reader:
        assert [line.split('\t')[0] for line in reader][1:] == REVIEWS
    process = subprocess.Popen([sys.executable, '-m', 'pet_keras', *serve[1:], '--port', '0'], stdout=subprocess.PIPE,
                               encoding='utf-8', env=dict(os.environ, PYTHONPATH=ROOT))
    try:
        url = re.search(r'reviews answers at (\S+) ', process.stdout.readline()).group(1)
        header, body = (request[request.index(option) + 1] for option in ('-H', '-d'))
        asked = urllib.request.Request(request[-1].replace('http://127.0.0.1:8000', url), body.encode(),
                                       dict([header.split(': ')]))
        with urllib.request.urlopen(asked) as answer:
            good, bad = json.load(answer)['predictions']
        assert (good['label'], bad['label']) == ('正面', '负面')
        assert sum(good['probabilities'].values()) == pytest.approx(1.)
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
