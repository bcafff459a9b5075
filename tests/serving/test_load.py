"""`pet-keras serve` in a process of its own: a short form of what benchmarks/serving.py measures, and SIGTERM."""
import asyncio
import importlib.util
import os
import re
import signal
import urllib.request

import pytest

for _name in ('fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='the extra [serve] is not installed')

import pet_keras  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
QUEUE = 64  # texts


@pytest.fixture(scope='module')
def load():
    """The benchmark, as a module."""
    spec = importlib.util.spec_from_file_location('load', os.path.join(ROOT, 'benchmarks', 'serving.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def server(load, still):
    """One whose batches are small, so that it is soon busy."""
    found = load.Server(still, batch_size=1, queue=QUEUE)
    yield found
    found.process.kill()
    found.process.wait()


def test_beyond_what_it_can_do_it_refuses_and_loses_nothing(load, server):
    answers, memory = asyncio.run(load.measure(server, ['好吃', '难吃'], 4 * (QUEUE + 1), 3.))
    served, refused = ([answer.seconds for answer in answers if answer.status == status] for status in (200, 503))
    assert len(served) + len(refused) == len(answers) and len(served) > QUEUE < len(refused)
    assert memory[-1] < 1.1 * memory[0]


def test_sigterm_answers_what_was_accepted_and_ends_well(load, server):
    client = load.Client(server.port, ['好吃'])

    def waiting():
        with urllib.request.urlopen('http://127.0.0.1:%d/metrics' % server.port) as answer:
            return float(re.search(r'^pet_keras_waiting_texts (.*)$', answer.read().decode(), re.M).group(1))

    async def stop():
        asks = [asyncio.create_task(client.ask()) for _ in range(QUEUE)]
        while True:  # until all are accepted; what is still on its way when a server stops is lost by right
            left, answered = await asyncio.to_thread(waiting), len(client.answers)
            if left + 1 + answered >= QUEUE:
                break
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*asks)
        return left
    assert asyncio.run(stop()) > 0
    assert [answer.status for answer in client.answers] == [200] * QUEUE
    assert server.process.wait(30) == 0
