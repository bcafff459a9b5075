import threading
import time

import pytest

from pet_keras.errors import UserError
from pet_keras.serving.batcher import Batcher, Full


class Model(object):
    """Doubles numbers, and records what came together; it waits while `go` is not set."""
    def __init__(self):
        self.batches, self.go, self.begun = [], threading.Event(), threading.Event()

    def double(self, items):
        self.batches.append(items)
        self.begun.set()
        assert self.go.wait(10)
        if 13 in items:
            raise UserError('13')
        return [2 * item for item in items]

    def negate(self, items):
        self.batches.append(items)
        return [-item for item in items]


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def batcher(model):
    made = Batcher(batch_size=4, capacity=8)
    yield made
    model.go.set()
    made.close()


def held(batcher, model):
    """A job that the model is at; what is submitted now waits."""
    first = batcher.submit(model.double, [0])
    assert model.begun.wait(10)
    return first


def test_what_came_meanwhile_runs_together_up_to_the_batch_size_and_each_gets_its_own(batcher, model):
    first = held(batcher, model)
    jobs = [batcher.submit(model.double, items) for items in ([1, 2], [3], [4, 5], [6])]
    model.go.set()
    assert first.result(10) == [0] and [job.result(10) for job in jobs] == [[2, 4], [6], [8, 10], [12]]
    assert model.batches == [[0], [1, 2, 3, 6], [4, 5]]


def test_different_work_never_shares_a_batch(batcher, model):
    held(batcher, model)
    jobs = [batcher.submit(run, [i]) for i, run in enumerate([model.double, model.negate, model.double, model.negate])]
    model.go.set()
    assert [job.result(10) for job in jobs] == [[0], [-1], [4], [-3]]
    assert model.batches == [[0], [0, 2], [1, 3]]


def test_a_request_larger_than_a_batch_runs_alone(batcher, model):
    model.go.set()
    assert batcher.submit(model.double, range(6)).result(10) == [0, 2, 4, 6, 8, 10]


def test_beyond_its_capacity_it_refuses_at_once_and_says_when_to_come_again(batcher, model):
    held(batcher, model)
    batcher.submit(model.double, [1] * 7)
    with pytest.raises(Full) as refused:
        batcher.submit(model.double, [1, 2])
    assert refused.value.retry_after >= 1
    last = batcher.submit(model.double, [8])
    with pytest.raises(Full):
        batcher.check_room()
    model.go.set()
    assert last.result(10) == [16]
    batcher.check_room()


def test_what_is_cancelled_before_its_turn_is_never_run_and_leaves_its_room(batcher, model):
    held(batcher, model)
    jobs = [batcher.submit(model.double, [i] * 4) for i in (1, 2)]
    assert jobs[0].cancel()
    model.go.set()
    assert jobs[1].result(10) == [4] * 4 and [1] * 4 not in model.batches and batcher.waiting == 0


def test_an_error_meets_the_request_that_made_it_alone(batcher, model):
    held(batcher, model)
    good, bad, other = [batcher.submit(model.double, [i]) for i in (1, 13, 2)]
    model.go.set()
    assert good.result(10) == [2] and other.result(10) == [4]
    with pytest.raises(UserError):
        bad.result(10)


def test_closing_finishes_what_was_accepted_and_accepts_no_more(batcher, model):
    held(batcher, model)
    jobs = [batcher.submit(model.double, [i]) for i in range(5)]
    threading.Timer(.1, model.go.set).start()
    batcher.close()
    assert [job.result(0) for job in jobs] == [[0], [2], [4], [6], [8]] and not batcher.is_alive
    with pytest.raises(Full):
        batcher.submit(model.double, [1])


def test_it_tells_how_many_ran_together_and_for_how_long(model):
    seen = []
    batcher = Batcher(observe=lambda items, seconds: seen.append((items, seconds)))
    threading.Timer(.1, model.go.set).start()
    start = time.perf_counter()
    batcher.submit(model.double, [1, 2]).result(10)
    batcher.close()
    (items, seconds), = seen
    assert items == 2 and .05 < seconds < time.perf_counter() - start


@pytest.mark.parametrize('sizes', [(0, 1), (1, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(UserError):
        Batcher(*sizes)
