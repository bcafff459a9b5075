"""Fixtures of the tests of checkpoints."""
import os
import shutil

import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint


@pytest.fixture
def copy(tiny, tmp_path):
    """A folder of its own with the tiny checkpoint, to spoil."""
    return shutil.copytree(tiny, str(tmp_path / 'copy'))


@pytest.fixture(scope='session')
def transformer(tiny):
    """The tiny checkpoint's network, as bert4keras' object."""
    from pet_keras.networks.models import build_mlm
    return build_mlm(tiny, return_keras_model=False)


@pytest.fixture
def golden(data_folder):
    """The Checkpoint of a folder of golden/, or of a file in it."""
    def find(name):
        place = os.path.join(data_folder, 'golden', name)
        if not os.path.exists(place):
            pytest.skip('no golden/%s in %s' % (name, data_folder))
        return Checkpoint(place, 'lm' if name == 'nezha-gpt' else None)
    return find
