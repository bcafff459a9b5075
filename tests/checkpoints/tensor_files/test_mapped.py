import os
import sys

import numpy as np
import pytest

from pet_keras.checkpoints.tensor_files.mapped import MappedFile
from pet_keras.errors import UserError


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'file').write_bytes(bytes(range(100)))
    return str(tmp_path / 'file')


def test_numbers_are_read_from_any_byte_on(path):
    assert MappedFile(path).size == 100
    assert MappedFile(path).array(3, '<u2', 2).tolist() == [0x0403, 0x0605]
    assert MappedFile(path).array(100, '<u2', 0).shape == (0,)
    assert MappedFile(path).bytes(98, 2) == b'bc'


@pytest.mark.parametrize('start, count', [(98, 1), (0, 26), (200, 1), (101, 0), (-4, 1), (2 ** 70, 1)])
def test_numbers_outside_the_file_are_refused(path, start, count):
    with pytest.raises(UserError, match='file'):
        MappedFile(path).array(start, '<f4', count)


def test_a_file_that_is_cut_while_it_is_open_is_refused_not_touched(path):
    file = MappedFile(path)
    os.truncate(path, 10)
    with pytest.raises(UserError, match='cut short'):
        file.array(0, 'u1', 11)


def test_it_stays_the_file_that_it_was_when_another_takes_its_name(path, tmp_path):
    file = MappedFile(path)
    (tmp_path / 'other').write_bytes(bytes(100))
    os.replace(str(tmp_path / 'other'), path)
    assert file.bytes(1, 2) == b'\1\2'


def test_a_mapping_lives_as_long_as_its_array(path):
    if not sys.platform.startswith('linux'):
        pytest.skip('reads /proc')

    def mappings():
        with open('/proc/self/maps') as maps:
            return sum(os.path.realpath(path) in line for line in maps)
    file = MappedFile(path)
    array = np.asarray(file.array(0, 'u1', 100))[5:]
    assert mappings() == 1 and array[0] == 5
    del array
    assert mappings() == 0


def test_what_is_no_file_is_named(tmp_path, path, monkeypatch):
    with pytest.raises(UserError, match='nothing cannot be read: No such file'):
        MappedFile(str(tmp_path / 'nothing'))
    with pytest.raises(UserError, match='is not a file'):
        MappedFile(str(tmp_path))
    with pytest.raises(UserError, match='cannot be read'):
        MappedFile(path + '\0')

    def forbidden(*_):
        raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr('builtins.open', forbidden)
    with pytest.raises(UserError, match='file cannot be read: Permission denied'):
        MappedFile(path)
