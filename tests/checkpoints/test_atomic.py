import os
import shutil

import pytest

from pet_keras.checkpoints import atomic
from pet_keras.checkpoints.atomic import present_files, written_at_once

NAMES = 'abc'
RENAMES = 5  # in a save of three files: the one that decides, a file each, and the one that ends it


class Killed(BaseException):
    """Stands for a kill: nothing that follows it happens."""


@pytest.fixture
def kill(monkeypatch):
    """`kill(n)` lets n renames happen from here on, and nothing after them; `kill(None)` lets all happen."""
    functions = [(os, 'replace'), (os, 'remove'), (os, 'rmdir'), (os, 'link'), (shutil, 'rmtree')]
    originals = [getattr(module, name) for module, name in functions]
    left = [None]

    def after(n):
        left[0] = n

    def patched(name, original):
        def call(*args, **kwargs):
            if left[0] == -1:
                return
            if name == 'replace' and left[0] is not None:
                left[0] -= 1
                if left[0] == -1:
                    raise Killed
            return original(*args, **kwargs)
        return call
    for (module, name), original in zip(functions, originals):
        monkeypatch.setattr(module, name, patched(name, original))
    return after


def write(folder, content):
    """Writes three files of one content at once; False where it was killed."""
    try:
        with written_at_once(folder) as new:
            for name in NAMES:
                with open(os.path.join(new, name), 'w') as writer:
                    writer.write(content)
    except Killed:
        return False
    return True


def read(folder):
    """What stands in the three files; more than one element is a mix."""
    found = set()
    for name in NAMES:
        with open(os.path.join(present_files(folder), name)) as reader:
            found.add(reader.read())
    return found


@pytest.fixture
def folder(tmp_path):
    """A folder whose three files say 'old', with another file beside them."""
    (tmp_path / 'other').write_text('other')
    assert write(str(tmp_path), 'old')
    return str(tmp_path)


def test_files_take_the_places_of_those_of_their_names_and_nothing_else_is_left(folder):
    assert present_files(folder) == folder and read(folder) == {'old'}
    assert write(folder, 'new') and read(folder) == {'new'}
    assert sorted(os.listdir(folder)) == ['a', 'b', 'c', 'other']


def test_a_folder_is_made(tmp_path):
    assert write(str(tmp_path / 'deep' / 'folder'), 'new') and read(str(tmp_path / 'deep' / 'folder')) == {'new'}


def test_an_error_leaves_the_folder_as_it_was(folder):
    with pytest.raises(OSError, match='disk'):
        with written_at_once(folder) as new:
            open(os.path.join(new, 'a'), 'w').close()
            raise OSError('disk full')
    assert read(folder) == {'old'} and sorted(os.listdir(folder)) == ['a', 'b', 'c', 'other']


@pytest.mark.parametrize('renames', range(RENAMES + 1))
def test_whichever_rename_is_the_last_the_folder_is_wholly_old_or_wholly_new(folder, kill, renames):
    kill(renames)
    assert write(folder, 'new') == (renames == RENAMES)
    assert read(folder) == {'new' if renames else 'old'}


@pytest.mark.parametrize('renames', range(1, RENAMES))
def test_a_save_after_an_interrupted_one_may_be_interrupted_too(folder, kill, renames):
    for again in range(RENAMES + 1 + RENAMES):
        kill(None)
        assert write(folder, 'old')
        kill(renames)
        assert not write(folder, 'new')
        kill(again)
        whole = write(folder, 'newest')
        assert read(folder) in ([{'newest'}] if whole else [{'new'}, {'newest'}])
        kill(None)
        assert write(folder, 'last') and read(folder) == {'last'}
        assert sorted(os.listdir(folder)) == ['a', 'b', 'c', 'other']


def test_where_links_cannot_be_made_the_files_are_copied(folder, monkeypatch):
    def no_links(*args):
        raise PermissionError('Operation not permitted')
    monkeypatch.setattr(atomic.os, 'link', no_links)
    assert write(folder, 'new') and read(folder) == {'new'}
    assert sorted(os.listdir(folder)) == ['a', 'b', 'c', 'other']
