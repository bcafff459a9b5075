"""Batcher: what many clients ask, run together on one thread."""
import collections
import concurrent.futures
import math
import threading
import time

from pet_keras.errors import UserError

_Job = collections.namedtuple('_Job', 'run items future')


class Full(Exception):
    """The queue has no room; `retry_after` is in how many seconds it may have, an int."""
    def __init__(self, retry_after):
        super(Full, self).__init__('Too many texts are waiting: try again in %d s.' % retry_after)
        self.retry_after = retry_after


class Batcher(object):
    """A bounded queue and the one thread that empties it, in batches of whatever has come meanwhile.

    It never waits for a batch to fill: an idle model answers at once, and the busier it is, the larger the batches.

    Arguments: `batch_size`, items run together; `capacity`, items that may wait; `observe`, called after each batch
    with how many items it had and the seconds it took.
    """
    def __init__(self, batch_size=32, capacity=256, observe=lambda items, seconds: None):
        if batch_size < 1 or capacity < 1:
            raise UserError('batch size and queue are at least 1.')
        self.batch_size, self.capacity, self.observe = batch_size, capacity, observe
        self.waiting, self._seconds = 0, .05  # items in the queue; seconds an item, as of late
        self._jobs, self._closed, self._changed = collections.deque(), False, threading.Condition()
        self._thread = threading.Thread(target=self._work, name='batcher', daemon=True)
        self._thread.start()

    @property
    def is_alive(self):
        return self._thread.is_alive()

    def submit(self, run, items):
        """Accepts items, or raises Full.

        Arguments: `run`, a function of a list of items that returns as many results, in their order; what is submitted
        with an equal one may share a batch.

        Returns: a Future of the list of results, or of what `run` raised when it was given these items alone. A Future
        that is cancelled before its turn is never run.
        """
        with self._changed:
            self.check_room(len(items))
            job = _Job(run, list(items), concurrent.futures.Future())
            self._jobs.append(job)
            self.waiting += len(job.items)
            self._changed.notify()
        return job.future

    def check_room(self, items=1):
        """Raises Full where the queue has no room for so many items."""
        if self._closed or self.waiting + items > self.capacity:
            raise Full(max(1, math.ceil(self.waiting * self._seconds)))

    def close(self):
        """Accepts no more, and returns when all that was accepted is done."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                batch = self._take()
            if batch:
                start, items = time.perf_counter(), sum(len(job.items) for job in batch)
                _run(batch)
                seconds = time.perf_counter() - start
                self._seconds += .2 * (seconds / items - self._seconds)
                self.observe(items, seconds)

    def _take(self):
        """The oldest job, and those after it that have its `run` and room beside it."""
        batch, left, size = [], collections.deque(), 0
        for job in self._jobs:
            fits = not batch or (job.run == batch[0].run and size + len(job.items) <= self.batch_size)
            if not fits and not job.future.cancelled():
                left.append(job)
                continue
            self.waiting -= len(job.items)
            if job.future.set_running_or_notify_cancel():
                batch.append(job)
                size += len(job.items)
        self._jobs = left
        return batch


def _run(batch):
    """Gives each job its results; where the batch fails each runs alone, so that an error meets its own job."""
    try:
        results = iter(batch[0].run([item for job in batch for item in job.items]))
        found = [[next(results) for _ in job.items] for job in batch]
    except Exception as e:
        if len(batch) == 1:
            batch[0].future.set_exception(e)
            return
        for job in batch:
            _run([job])
        return
    for job, results in zip(batch, found):
        job.future.set_result(results)
