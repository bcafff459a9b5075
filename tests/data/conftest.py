"""Fixtures of the tests of texts: two shipped tasks, and files."""
import pytest

from pet_keras.cloze.task import Task


@pytest.fixture(scope='session')
def sentiment():
    return Task.load('sentiment')


@pytest.fixture(scope='session')
def nli():
    return Task.load('nli')


@pytest.fixture
def write(tmp_path):
    """Writes a file of bytes or text (as UTF-8, line ends kept); returns the path."""
    def _write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode('utf-8'))
        return str(path)
    return _write
