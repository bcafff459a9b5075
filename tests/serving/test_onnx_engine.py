import os
import subprocess
import sys

import numpy as np
import pytest

for _name in ('onnx', 'onnxruntime'):
    pytest.importorskip(_name, reason='the extra [onnx] is not installed')

import pet_keras  # noqa: E402
from pet_keras.classifiers.cloze_classifier import ClozeClassifier  # noqa: E402
from pet_keras.classifiers.fine_tuning import FineTuningClassifier  # noqa: E402
from pet_keras.cloze.task import Task  # noqa: E402
from pet_keras.errors import UserError  # noqa: E402
from pet_keras.serving.answers import warm_up  # noqa: E402
from pet_keras.serving.export import export  # noqa: E402
from pet_keras.serving.onnx_engine import load_onnx_engines  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
TEXTS = ['房间很干净', '又吵又脏再也不来了', '好']


@pytest.fixture(scope='module')
def made(still):
    """name → classifier: a cloze, one of pairs, a fine-tuned one."""
    pairs = Task({'P1': '{text_a}？[MASK]，{text_b}[SEP]'}, {'同': '是', '异': '不'}, name='pairs')
    return {'whole': ClozeClassifier('sentiment', still, 'P6'), 'pairs': ClozeClassifier(pairs, still),
            'fine': FineTuningClassifier('sentiment', still)}


@pytest.fixture(scope='module')
def folders(made, tmp_path_factory):
    found = {name: str(tmp_path_factory.mktemp('onnx') / name) for name in made}
    for name, folder in found.items():
        export(made[name], folder)
    return found


def test_exported_models_answer_as_their_classifiers(made, folders):
    engines = load_onnx_engines(folders, 2)
    assert list(engines) == list(folders)
    warm_up(engines)
    for name, engine in engines.items():
        texts = [[text, '好'] if name == 'pairs' else [text] for text in TEXTS]
        found = engine.classify([(name, None, one) for one in texts])
        wanted = made[name].predict_log_proba([tuple(one) if len(one) > 1 else one[0] for one in texts])
        np.testing.assert_allclose(found, wanted, atol=1e-4, err_msg=name)


def test_they_say_what_they_are_and_refuse_what_they_cannot(folders):
    engines = load_onnx_engines(folders)
    fields = {name: engine.describe(name) for name, engine in engines.items()}
    assert {(one['kind'], one['fills'], len(one['patterns'])) for one in fields.values()} == {('exported', False, 0)}
    assert fields['whole']['pattern'] == '{text}评价：[MASK]' and fields['whole']['words']['正面'] == ['好']
    assert fields['fine']['pattern'] is None and fields['pairs']['pair']
    with pytest.raises(UserError, match='whole was exported with its pattern and takes no other'):
        engines['whole'].check('whole', 'P1', ['好'])
    with pytest.raises(UserError, match='takes one text'):
        engines['whole'].check('whole', None, ['好', '坏'])


def test_serving_them_loads_no_tensorflow(folders):
    script = """
import sys, urllib.request
import pet_keras.serving.http as http

def serve(server, server_socket, batcher):
    batcher.close()
    print('tensorflow' in sys.modules, 'bert4keras' in sys.modules, 'onnxruntime' in sys.modules)
http.serve = serve
from pet_keras.cli.main import main
sys.exit(main(['serve', '--engine', 'onnx', '--port', '0', '--model', sys.argv[1]]))
"""
    pytest.importorskip('fastapi', reason='the extra [serve] is not installed')
    done = subprocess.run([sys.executable, '-c', script, folders['whole']], capture_output=True, encoding='utf-8',
                          env=dict(os.environ, PYTHONPATH=ROOT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == 'False False True'
