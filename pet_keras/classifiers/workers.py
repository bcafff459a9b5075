"""Several processes that train one model together: each computes its part of every batch, and all make the same step.

The gradients of the parts are summed by TensorFlow's collectives, which `tf.distribute` sets up (`TF_CONFIG`). What is
summed is the loss itself: its weights sum to 1 over the whole batch (see `lesson_batches`), so the sum over the parts
is the loss of one process with the same batch, and no mean over workers is taken.
"""
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np

from pet_keras.backend import tf
from pet_keras.errors import UserError

_GROUP = 8295  # any number, the same in all processes


class Workers(object):
    """The processes of a training; this one has the number `rank`, and 0 is the chief, which alone writes files."""
    def __init__(self, rank=0, count=1, strategy=None):
        self.rank, self.count, self._strategy = rank, count, strategy

    @classmethod
    def join(cls, local=False, wait=600):
        """Joins the processes that the environment variable TF_CONFIG names; before anything else is computed.

        Arguments: `local`, whether all are on this machine, so that each takes a GPU of its own, if there are some;
        `wait`, seconds that the others may take to come.

        Raises: UserError where TF_CONFIG is missing or damaged, or the others do not come.
        """
        try:
            fields = json.loads(os.environ['TF_CONFIG'])
            count, rank = len(fields['cluster']['worker']), int(fields['task']['index'])
            if set(fields['cluster']) != {'worker'} or fields['task']['type'] != 'worker' or not 0 <= rank < count:
                raise ValueError('its cluster holds workers alone, and its task is one of them')
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise UserError('TF_CONFIG has to say who trains: {"cluster": {"worker": ["HOST:PORT", …]}, "task": '
                            '{"type": "worker", "index": 0}} (%s).' % e) from None
        gpus = tf.config.list_physical_devices('GPU')
        if local and gpus:
            tf.config.set_visible_devices(gpus[rank % len(gpus)], 'GPU')
        return cls(rank, count, _together(fields['cluster']['worker'], rank, wait) if count > 1 else None)

    @property
    def is_chief(self):
        return self.rank == 0

    def part(self, batch):
        """What of a batch `(inputs, (targets, weights))` this process computes: every count-th row, perhaps none."""
        return tf.nest.map_structure(lambda array: array[self.rank::self.count], batch)

    def sum(self, tensors):
        """The sums over all processes of float32 tensors, a list in the same order; all processes ask at once."""
        sizes = [tensor.shape.num_elements() for tensor in tensors]
        flat = tf.raw_ops.CollectiveReduceV2(
            input=tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0), group_size=self.count,
            group_key=_GROUP, instance_key=sum(sizes), ordering_token=[], merge_op='Add', final_op='Id',
            communication_hint='auto')  # a key means one size, wherever it is asked
        return [tf.reshape(part, tensor.shape) for part, tensor in zip(tf.split(flat, sizes), tensors)]

    def wait(self):
        """Goes on when all processes are here."""
        if self.count > 1:
            self.sum([tf.zeros([1])])

    def check_same(self, what):
        """UserError in every process where they are about to do different things; `what` each does, for JSON."""
        if self.count > 1:
            digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).digest()
            numbers = np.frombuffer(digest, 'uint8').astype('float32')  # whole ones, which are summed exactly
            if (self.sum([tf.constant(numbers)])[0].numpy() != self.count * numbers).any():
                raise UserError('The workers were given different texts or settings: start all of them with the same '
                                'command, on the same files.')

    @contextlib.contextmanager
    def watched(self):
        """Within it the end of another process is a UserError."""
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError,
                tf.errors.CancelledError) as e:
            if self.count == 1:
                raise
            raise UserError('Another worker has ended or cannot be reached, so this one ends too; start all of them '
                            'with --resume. (%s)' % e.message.split('\n')[0]) from None


ALONE = Workers()  # this process alone


def _together(places, rank, wait):
    """The strategy that connects the processes at places `host:port`, once all are there."""
    _meet(places, rank, wait)
    ended_by, before = (signal.SIGINT, signal.SIGTERM), []
    if threading.current_thread() is threading.main_thread():  # TensorFlow is deaf to them while it connects
        before = [signal.signal(number, signal.SIG_DFL) for number in ended_by]
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    finally:
        for number, handler in zip(ended_by, before):
            signal.signal(number, handler)


def _meet(places, rank, wait, say_after=20):
    """Goes on when all processes listen, as this one does meanwhile: TensorFlow would wait for ever, without a word."""
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind(('', int(places[rank].rsplit(':', 1)[1])))
            own.listen(2 * len(places))
        except (OSError, ValueError, IndexError, OverflowError) as e:
            raise UserError('TF_CONFIG says that this process is at %s, where it cannot listen: %s.' % (
                places[rank], e)) from None
        begun, said, missing = time.time(), 0, [place for i, place in enumerate(places) if i != rank]
        while True:
            missing = [place for place in missing if not _answers(place)]
            if not missing:
                return
            passed = time.time() - begun
            if passed > wait:
                raise UserError('There is no worker at %s after %d seconds of waiting. TF_CONFIG says where they are.' % (
                    ', '.join(missing), wait))
            if passed > (said + 1) * say_after:
                print('Waiting for the worker at %s.' % ', '.join(missing), file=sys.stderr, flush=True)
                said += 1
            time.sleep(.1)


def _answers(place):
    """Whether something listens at `host:port`."""
    host, port = place.rsplit(':', 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
        return True
    except (OSError, ValueError, OverflowError):
        return False


@contextlib.contextmanager
def started_here(arguments, count=None):
    """Sets TF_CONFIG for this process, the chief, and starts the others on this machine, which end when it does.

    Arguments: `arguments` of the command line, the same for all; `count` of processes, None for one a GPU.
    """
    gpus = len(tf.config.list_physical_devices('GPU'))
    if not count and gpus < 2:
        print('This machine has %s GPU that TensorFlow finds: one process trains. Say --workers for more.' % (
            'one' if gpus else 'no'), file=sys.stderr)
    count = count or max(1, gpus)
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(('127.0.0.1', 0))
    places = ['127.0.0.1:%d' % one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    configs = [json.dumps({'cluster': {'worker': places}, 'task': {'type': 'worker', 'index': i}})
               for i in range(count)]
    before = os.environ.get('TF_CONFIG')
    os.environ['TF_CONFIG'] = configs[0]
    others = [subprocess.Popen([sys.executable, '-m', 'pet_keras', *arguments], stdout=subprocess.DEVNULL,
                               env=dict(os.environ, TF_CONFIG=config)) for config in configs[1:]]
    done = threading.Event()
    threading.Thread(target=_end_with, args=(others, done), daemon=True).start()
    try:
        yield
        done.set()
        for process in others:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
    finally:
        done.set()
        os.environ.pop('TF_CONFIG')
        if before:
            os.environ['TF_CONFIG'] = before
        for process in others:
            process.kill()
            process.wait()


def _end_with(others, done):
    """Ends this process, which would wait for them for ever, where one of the others ends before its work is done."""
    while not done.wait(.5):
        if any(process.poll() for process in others):
            print('Another worker has ended, so this one ends too; start the command again with --resume.',
                  file=sys.stderr, flush=True)
            for process in others:
                process.kill()
            os._exit(1)
