"""A process for the learning: the page's process stays free of TensorFlow, and quick."""
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading

from pet_keras.errors import UserError


class Background(object):
    """Starts a process that learns, and hands on what it sends.

    Arguments: `take`, function of a message (see Worker), called on a thread of its own; when the process has ended
    by itself, it is called with `{'ended': exit code}`. The others as in Worker.
    """
    def __init__(self, take, examples, folder, options):
        context = multiprocessing.get_context('spawn')  # a fork of a process with threads may hang
        self._connection, other = context.Pipe()
        self._take, self._closing = take, False
        self._process = context.Process(target=_run, args=(other, examples, folder, options), daemon=True,
                                        name='pet-keras label, learning')
        self._process.start()
        other.close()
        self._thread = threading.Thread(target=self._listen, name='learner', daemon=True)
        self._thread.start()

    @property
    def pid(self):
        return self._process.pid

    def send(self, message):
        """Tells the process something; nothing where it has ended."""
        try:
            self._connection.send(message)
        except OSError:
            pass

    def close(self):
        """Ends the process, whatever it does: its files are written whole or not at all."""
        self._closing = True
        self._process.terminate()
        self._process.join()
        self._thread.join()

    def _listen(self):
        try:
            while True:
                self._take(self._connection.recv())
        except (EOFError, OSError):
            self._process.join()
            if not self._closing:
                self._take({'ended': self._process.exitcode})


def _run(connection, examples, folder, options):
    """The process: it does what is most urgent until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        from pet_keras.serving.labelling.worker import Worker
        worker, busy = Worker(connection.send, examples, folder, options), False
        while True:
            if not busy:  # nothing to do until there is a message
                worker.take(connection.recv())
            while connection.poll():
                worker.take(connection.recv())
            busy = worker.step()
    except (UserError, ImportError) as e:
        connection.send({'failed': str(e)})
    except (EOFError, OSError) as e:
        if not isinstance(e, (EOFError, BrokenPipeError, ConnectionResetError)):
            connection.send({'failed': str(e)})


def _end_with_parent():
    """Ends this process when the one that started it is gone, in whatever way."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
