"""A folder that one process at a time works in: the second is refused, and what a killed one left behind is no lock."""
import errno
import json
import os
import socket
import threading
import time

from pet_keras.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_BEAT, _STALE = 20, 120  # seconds: a lock is touched so often, and is no lock any more once it was not for so long


LOCK, RUN_LOCK = 'lock', 'run.lock'  # of one training or other work; of a run of several, each with a lock of its own
_ours = set()  # paths of the locks that this process has


def is_ours(folder, name):
    """Whether this process has the lock of this name in a folder."""
    return os.path.abspath(os.path.join(folder, name)) in _ours


class FolderLock(object):
    """The file `lock`, or `run.lock`, in a folder: other processes are kept out until it is closed or this one ends.

    The system lets go of it with the process (flock), so a kill leaves nothing to clear away. Not every network file
    system tells other hosts of that: the file therefore names host and process and is touched every 20 seconds, and
    what another host left in it counts for two minutes after the last touch. The lock of the other name keeps out as
    well, unless this process has it: a run's trainings are its own.

    Raises: UserError where another process has it; OSError where the folder cannot be made or written.
    """
    def __init__(self, folder, name=LOCK):
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise UserError('%s cannot be written: it is a file, not a folder.' % folder)
        os.makedirs(folder, exist_ok=True)
        self.folder, self.path, self._closed = folder, os.path.join(folder, name), threading.Event()
        self._file = self._open()
        try:
            self._check_other_host(self._file, self._system_knows)
            for other in {LOCK, RUN_LOCK} - {name}:
                if not is_ours(folder, other):
                    self._check_other_name(os.path.join(folder, other))
            self._file.truncate(0)
            json.dump({'host': socket.gethostname(), 'process': os.getpid(), 'since': time.strftime('%m-%d %H:%M')},
                      self._file)
            self._file.flush()
        except BaseException:
            self._file.close()
            raise
        _ours.add(os.path.abspath(self.path))
        threading.Thread(target=self._beat, daemon=True).start()

    def _open(self):
        while True:
            file = open(self.path, 'a+', encoding='utf-8')
            try:
                self._system_knows = _flock(file)
                if os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                    return file
            except BlockingIOError:
                with file:
                    self._refuse(_holder(file))
            except FileNotFoundError:
                pass
            file.close()  # whoever had it removed it after it was opened here

    def _check_other_name(self, path):
        try:
            with open(path, 'r+', encoding='utf-8') as file:
                try:
                    self._check_other_host(file, _flock(file))  # it is let go of when the file is closed
                except BlockingIOError:
                    self._refuse(_holder(file))
        except FileNotFoundError:
            pass

    def _check_other_host(self, file, system_knows):
        holder = _holder(file)
        silent = time.time() - os.fstat(file.fileno()).st_mtime
        if holder and silent < _STALE and not (
                system_knows and holder.get('host') == socket.gethostname()):
            self._refuse(holder, ' If it was ended, its lock is void in %d seconds.' % (_STALE - silent))

    def _refuse(self, holder, then=''):
        who = 'process %s on %s, since %s' % tuple(holder.get(k) for k in ('process', 'host', 'since')) if holder else (
            'another process')
        raise UserError('%s is in use: another pet-keras works in this folder (%s): wait for it, or give another '
                        'with --out.%s' % (self.folder, who, then))

    def _beat(self):
        while not self._closed.wait(_BEAT):
            try:
                os.utime(self.path)
            except OSError:  # the folder was removed: there is nothing left to guard
                return

    def close(self):
        """Lets others in."""
        if not self._closed.is_set():
            self._closed.set()
            _ours.discard(os.path.abspath(self.path))
            if os.path.exists(self.path):
                os.remove(self.path)  # while it is held: whoever waits with it open sees that it is gone
            self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _flock(file):
    """Locks a file; False where the system or the file system has no such locks. BlockingIOError: it is locked."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return bool(fcntl)
    except BlockingIOError:
        raise
    except OSError as e:
        if e.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        return False


def _holder(file):
    """What the process that has or had the lock wrote, a dict; empty where it was killed before that."""
    file.seek(0)
    try:
        fields = json.load(file)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
