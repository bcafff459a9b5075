"""Runs a command of pet-keras in a process of its own, which may be ended early or have little room on its disk."""
import os
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import namedtuple

LIMIT = 300  # seconds after which a command counts as hung

# status: as subprocess has it, or None where it hung; said: all that it printed; peak: bytes on the disk, at most;
# group: of the processes that it started, of which some may still be there
Ended = namedtuple('Ended', 'status seconds said peak group')


class Disk(object):
    """A folder that may have little room.

    Arguments: `small`, whether it is to be limited: then it is a tmpfs of its own. Where this user may not mount one,
    no file of a process may grow beyond the limit (RLIMIT_FSIZE), which says EFBIG where a full disk says ENOSPC.
    """
    def __init__(self, small):
        self.folder, self.size = tempfile.mkdtemp(), None
        self.is_mounted = small and shutil.which('mount') is not None and subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=4g', 'tmpfs', self.folder], capture_output=True).returncode == 0

    def limit(self, size):
        """Leaves so many bytes, rounded up to a page; None: enough."""
        self.size = size
        if self.is_mounted:
            subprocess.check_call(['mount', '-o', 'remount,size=%d' % (2 ** 32 if size is None else size), self.folder])

    def used(self):
        found = os.statvfs(self.folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize if self.is_mounted else max(
            [_size(os.path.join(where, name)) for where, _, names in os.walk(self.folder) for name in names] or [0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_mounted:
            subprocess.check_call(['umount', self.folder])
        shutil.rmtree(self.folder)


def _size(path):
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def run(arguments, disk, after=None, number=signal.SIGKILL, whole_group=True, person=None):
    """Runs a command in a fork of this process; an Ended.

    Arguments: `disk`, a Disk; `after`, seconds until it gets the signal `number`, or all processes that it has started
    too; `person`, who has a server at work: its `work` runs in a thread, and once that returns the server gets SIGTERM.
    """
    said, begun, peak, ended = tempfile.TemporaryFile(), time.time(), 0, threading.Event()
    pid = os.fork()
    if not pid:
        _be(arguments, said, None if disk.is_mounted else disk.size)
    thread = threading.Thread(target=person.work if person else str, args=(ended,) if person else ())
    thread.start()
    sent, looked, hung = False, 0, False
    try:
        while True:
            found, status = os.waitpid(pid, os.WNOHANG)
            seconds = time.time() - begun
            if found:
                break
            if seconds > LIMIT:
                hung = True
                os.killpg(pid, signal.SIGKILL)
            elif after is not None and seconds >= after and not sent:
                try:
                    (os.killpg if whole_group else os.kill)(pid, number)
                except ProcessLookupError:  # it has no group yet
                    os.kill(pid, number)
                sent = True
            elif person and not thread.is_alive() and not sent:
                os.kill(pid, signal.SIGTERM)
                sent = True
            if after is None and seconds > looked + .02:
                peak, looked = max(peak, disk.used()), seconds
            time.sleep(.002)
    finally:
        ended.set()
        thread.join()
    said.seek(0)
    return Ended(None if hung else os.waitstatus_to_exitcode(status), seconds, said.read().decode('utf-8', 'replace'),
                 peak, pid)


def _be(arguments, said, size):
    """This process, a fork, becomes the command, and ends."""
    status = 70  # of a traceback
    try:
        os.setsid()
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        if size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        sys.argv = ['pet-keras', *arguments]
        runpy.run_module('pet_keras', run_name='__main__', alter_sys=True)
        status = 0
    except SystemExit as e:
        status = e.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)
