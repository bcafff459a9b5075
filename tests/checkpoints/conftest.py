"""Fixtures of the tests of checkpoints."""
import shutil

import pytest


@pytest.fixture
def copy(tiny, tmp_path):
    """A folder of its own with the tiny checkpoint, to spoil."""
    return shutil.copytree(tiny, str(tmp_path / 'copy'))


@pytest.fixture(scope='session')
def transformer(tiny):
    """The tiny checkpoint's network, as bert4keras' object."""
    from pet_keras.networks.models import build_mlm
    return build_mlm(tiny, return_keras_model=False)
