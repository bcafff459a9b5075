"""Several processes that train one model together: each computes its part of every batch, and all make the same step.

The gradients of the parts are summed by TensorFlow's collectives, which `tf.distribute` sets up (`TF_CONFIG`). What is
summed is the loss itself: its weights sum to 1 over the whole batch (see `lesson_batches`), so the sum over the parts
is the loss of one process with the same batch, and no mean over workers is taken.
"""
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

from pet_keras.backend import tf
from pet_keras.errors import UserError

_GROUP = 8295  # any number, the same in all processes


class Workers(object):
    """The processes of a training; this one has the number `rank`, and 0 is the chief, which alone writes files."""
    def __init__(self, rank=0, count=1, strategy=None):
        self.rank, self.count, self._strategy = rank, count, strategy

    @classmethod
    def join(cls, local=False):
        """Joins the processes that the environment variable TF_CONFIG names; before anything else is computed.

        Arguments: `local`, whether all are on this machine, so that each takes a GPU of its own, if there are some.

        Raises: UserError where TF_CONFIG is missing or damaged.
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
        return cls(rank, count, tf.distribute.MultiWorkerMirroredStrategy() if count > 1 else None)

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
