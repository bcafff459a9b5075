"""Fixtures of the command line's tests: a small model, and one that `pet-keras train` wrote."""
import builtins

import pytest
from six_reviews import LABELS, TEXTS, write

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cli.main import main


@pytest.fixture
def reviews(tmp_path):
    return write(tmp_path / 'reviews.tsv', ''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))


@pytest.fixture(scope='session')
def tiny(still):
    """One layer is enough here, and quicker to build."""
    return still


@pytest.fixture(scope='session')
def classifier(tiny):
    return ClozeClassifier('sentiment', tiny)


@pytest.fixture(scope='session')
def model(tiny, tmp_path_factory):
    """The folder of a model that `pet-keras train` wrote."""
    folder = tmp_path_factory.mktemp('trained')
    labelled = write(folder / 'train.tsv', ''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))
    unlabelled = write(folder / 'more.txt', '今天天气很好\n我们去吃饭吧\n')
    out = str(folder / 'model')
    assert main(['train', '--task', 'sentiment', '--checkpoint', tiny, '--pattern', 'P2', '--labelled', labelled,
                 '--unlabelled', unlabelled, '--dev', labelled, '--out', out, '--epochs', '2', '--batch-size', '4',
                 '--learning-rate', '0.01', '--mask-rate', '0.2', '--patience', '5', '--seed', '3',
                 '--maxlen', '40']) == 0
    return out


@pytest.fixture(scope='session')
def exported(model, tmp_path_factory):
    """The model that `pet-keras train` wrote, as ONNX, exported by the command."""
    for name in ('onnx', 'onnxruntime'):
        pytest.importorskip(name, reason='the extra [onnx] is not installed')
    out = str(tmp_path_factory.mktemp('exported') / 'out')
    assert main(['export', '--model', model, '--to', 'onnx', out]) == 0
    return out


@pytest.fixture
def without_extra(monkeypatch):
    """As where the extra [serve] is not installed."""
    imported = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == 'fastapi':
            raise ImportError(name)
        return imported(name, *args, **kwargs)
    monkeypatch.setattr(builtins, '__import__', missing)
