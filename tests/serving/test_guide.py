"""The answers that the guide to serving shows are those of the server that it starts."""
import json
import os
import re
import shlex

import pytest

for _name in ('fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='the extra [serve] is not installed')

from stub_site import running  # noqa: E402

import pet_keras  # noqa: E402
from pet_keras.classifiers.cloze_classifier import ClozeClassifier  # noqa: E402
from pet_keras.serving.engines import ClassifierEngine  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
SHOWN = re.compile(r"^```bash\n(curl .*?)^```\n```\n(.*?)^```", re.M | re.S)


def _close(found, shown):
    """Whether two JSON values are the same; numbers within 1e-3, which another processor may change."""
    if isinstance(shown, float):
        return found == pytest.approx(shown, abs=1e-3)
    if isinstance(shown, dict):
        return found.keys() == shown.keys() and all(_close(found[name], shown[name]) for name in shown)
    if isinstance(shown, list):
        return len(found) == len(shown) and all(map(_close, found, shown))
    return found == shown


def test_a_difference_is_seen():
    assert _close({'a': [1., 'b']}, {'a': [1.0001, 'b']})
    assert not _close({'a': [1., 'b']}, {'a': [1.1, 'b']}) and not _close({'a': ['b']}, {'a': ['c']})


def test_its_requests_get_the_answers_that_it_shows():
    with open(os.path.join(ROOT, 'docs', 'serving.md'), encoding='utf-8') as reader:
        pairs = SHOWN.findall(reader.read())
    assert len(pairs) == 2
    with running({'sentiment': ClassifierEngine(ClozeClassifier())}) as site:
        for command, shown in pairs:
            words = shlex.split(command.replace('\\\n', ''))
            url, body = next(word for word in words if word.startswith('http')), words[words.index('-d') + 1]
            status, _, answer = site.ask('POST', url.split(':8000')[1], json.loads(body))
            assert status == 200 and _close(answer, json.loads(shown)), answer
