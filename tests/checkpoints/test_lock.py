import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pet_keras.checkpoints import lock
from pet_keras.checkpoints.lock import FolderLock
from pet_keras.errors import UserError

HOLD = '''
import sys, time
from pet_keras.checkpoints.lock import FolderLock
with FolderLock(sys.argv[1]):
    print('held', flush=True)
    sys.stdin.read()
'''


@pytest.fixture
def holder(tmp_path):
    """A process that works in `tmp_path`."""
    process = subprocess.Popen([sys.executable, '-c', HOLD, str(tmp_path)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    assert process.stdout.readline() == b'held\n'
    yield process
    process.kill()
    process.communicate()


def test_the_second_process_is_refused_and_told_which_is_the_first(holder, tmp_path):
    with pytest.raises(UserError, match=r'another pet-keras works in this folder \(process %d on .*give another with '
                                        '--out' % holder.pid):
        FolderLock(str(tmp_path))
    holder.communicate(b'')
    with FolderLock(str(tmp_path)):
        assert os.listdir(tmp_path) == ['lock']
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_was_killed_has_no_lock(number, holder, tmp_path):
    holder.send_signal(number)
    holder.wait()
    assert os.listdir(tmp_path) == ['lock']
    FolderLock(str(tmp_path)).close()


def test_one_process_cannot_have_it_twice_but_one_after_another(tmp_path):
    with FolderLock(str(tmp_path)):
        with pytest.raises(UserError):
            FolderLock(str(tmp_path))
    FolderLock(str(tmp_path)).close()


def _of_another_host(folder, silent):
    """The lock that a process on another host left, or has, and has not touched for so many seconds."""
    path = os.path.join(str(folder), 'lock')
    with open(path, 'w') as writer:
        json.dump({'host': 'elsewhere', 'process': 7, 'since': '01-02 03:04'}, writer)
    os.utime(path, (time.time() - silent,) * 2)


def test_a_lock_of_another_host_counts_until_it_was_not_touched_for_two_minutes(tmp_path):
    _of_another_host(tmp_path, 60)
    with pytest.raises(UserError, match='process 7 on elsewhere, since 01-02 03:04.*void in (59|60) seconds'):
        FolderLock(str(tmp_path))
    _of_another_host(tmp_path, 121)
    FolderLock(str(tmp_path)).close()


def test_where_the_file_system_has_no_locks_the_file_alone_counts(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, 'No locks available')
    monkeypatch.setattr(lock.fcntl, 'flock', flock)
    with FolderLock(str(tmp_path)) as held:
        with pytest.raises(UserError, match='void in'):
            FolderLock(str(tmp_path))
        os.utime(held.path, (0, 0))
        FolderLock(str(tmp_path)).close()


def test_a_lock_is_touched_while_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, '_BEAT', .01)
    with FolderLock(str(tmp_path)) as held:
        os.utime(held.path, (0, 0))
        begun = time.time()
        while os.stat(held.path).st_mtime == 0 and time.time() - begun < 20:
            time.sleep(.01)
        assert os.stat(held.path).st_mtime > 0


@pytest.mark.parametrize('content', ['', '{"host": ', '[1]', 'null'])
def test_a_lock_that_a_kill_cut_short_is_none(content, tmp_path):
    (tmp_path / 'lock').write_text(content)
    FolderLock(str(tmp_path)).close()


def test_of_many_that_want_it_at_once_one_has_it_at_a_time(tmp_path):
    inside, most, taken = [], [], []

    def work():
        while len(taken) < 40:
            try:
                with FolderLock(str(tmp_path)):
                    inside.append(1)
                    most.append(len(inside))
                    taken.append(1)
                    inside.pop()
            except UserError:
                pass
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_a_lock_of_another_name_keeps_other_processes_out_but_not_this_one(holder, tmp_path):
    with pytest.raises(UserError, match='another pet-keras works in this folder .process %d' % holder.pid):
        FolderLock(str(tmp_path), 'run.lock')
    holder.kill()
    holder.wait()
    with FolderLock(str(tmp_path), 'run.lock') as outer, FolderLock(str(tmp_path)):  # what was killed has no lock
        assert lock.is_ours(str(tmp_path), 'run.lock') and not lock.is_ours(str(tmp_path / 'other'), 'run.lock')
        outer.close()
        assert not lock.is_ours(str(tmp_path), 'run.lock')
