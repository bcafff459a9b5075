"""`pet-keras serve` under load: one client, many clients, and more than it can do.

    python benchmarks/serving.py [--checkpoint bert-mini-zh] [--seconds 60] [--queue 64]

Each row is a server of its own, on this machine's loopback address, and clients in this process that send reviews, one
a request, over connections that stay open, the next as soon as the last is answered. In the last row there are four
times as many clients as the server has room for, in its queue and in a batch; one that is refused asks again after
one or two seconds, as Retry-After says. Exit status 1 where a request was lost (no answer, or one other than 200 and
503), or where the server's memory grew by more than a tenth in the last two thirds of a row.

Milliseconds are from sending a request to the end of its answer, waiting included, as this process sees them.
"""
import argparse
import asyncio
import collections
import json
import random
import signal
import subprocess
import sys
import time

from pet_keras import read_examples, shipped_texts

Answer = collections.namedtuple('Answer', 'status seconds')
ROWS = [(1, 32), (64, 1), (64, 32), (None, 32)]  # clients, None for too many; batch size


class Server(object):
    """`pet-keras serve` in a process of its own."""
    def __init__(self, checkpoint, batch_size, queue):
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'pet_keras', 'serve', '--task', 'sentiment', '--checkpoint', checkpoint, '--port',
             '0', '--batch-size', str(batch_size), '--queue', str(queue), '--max-texts', '1'],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding='utf-8')
        said = self.process.stdout.readline()
        self.port = int(said.split('//')[1].split()[0].split(':')[1])

    def memory(self):
        """Resident bytes."""
        return 1024 * int(subprocess.check_output(['ps', '-o', 'rss=', '-p', str(self.process.pid)]))

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0


class Client(object):
    """Sends reviews in turn, each on a connection that is free, or on a new one; `answers` holds what came back."""
    def __init__(self, port, texts):
        self.port, self.texts, self.free, self.answers, self.sent = port, texts, [], [], 0

    async def ask(self):
        body = json.dumps({'model': 'sentiment', 'texts': [self.texts[self.sent % len(self.texts)]]}).encode()
        self.sent, start, status = self.sent + 1, time.perf_counter(), None
        while status is None:
            kept = self.free.pop() if self.free else None
            try:
                status = await self._send(body, *(kept or await asyncio.open_connection('127.0.0.1', self.port)))
            except (OSError, asyncio.IncompleteReadError):
                if kept is None:  # on one that was kept open, the server may have closed it meanwhile: as any client
                    break         # does, ask again on another
        self.answers.append(Answer(status, time.perf_counter() - start))
        return status

    async def _send(self, body, reader, writer):
        """The status of the answer on one connection, which is kept if the server keeps it."""
        writer.write(b'POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
                     b'Content-Length: %d\r\n\r\n%s' % (len(body), body))
        head = (await reader.readuntil(b'\r\n\r\n')).decode().lower()
        await reader.readexactly(int(head.split('content-length:')[1].split()[0]))
        if 'connection: close' not in head:
            self.free.append((reader, writer))
        return int(head.split()[1])

    async def keep(self, clients, seconds):
        """So many ask, each again when it is answered, for so many seconds."""
        async def loop():
            while time.perf_counter() < end:
                if await self.ask() != 200:
                    await asyncio.sleep(random.uniform(1, 2))  # not all at once again
        end = time.perf_counter() + seconds
        await asyncio.gather(*[loop() for _ in range(clients)])


async def measure(server, texts, clients, seconds):
    """(answers, memory at each third of the time): what clients saw in so many seconds, after a warm start."""
    async def watch():
        seen = []
        for _ in range(3):
            await asyncio.sleep(seconds / 3)
            seen.append(await asyncio.to_thread(server.memory))
        return seen
    client = Client(server.port, texts)
    await client.keep(16, min(2., seconds))  # graphs and allocators have seen every length of batch
    client.answers.clear()
    memory, _ = await asyncio.gather(watch(), client.keep(clients, seconds))
    for _, writer in client.free:
        writer.close()
    return client.answers, memory


def percentiles(answers):
    """'p50 / p95 / p99' in milliseconds."""
    if not answers:
        return '–'
    seconds = sorted(answer.seconds for answer in answers)
    return ' / '.join('%.0f' % (1000 * seconds[int(q * (len(seconds) - 1))]) for q in (.5, .95, .99))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--checkpoint', default='bert-mini-zh')
    parser.add_argument('--seconds', type=float, default=60.)
    parser.add_argument('--queue', type=int, default=64)
    args = parser.parse_args()
    texts = [example.text for example in read_examples(shipped_texts('reviews.test.tsv'))]
    print('| clients | batch | answered/s | p50 / p95 / p99, ms | refused/s | refused in, ms | lost | memory, MB |\n|' +
          8 * '---|')
    failed = False
    for clients, batch_size in ROWS:
        clients = clients or 4 * (args.queue + batch_size)
        server = Server(args.checkpoint, batch_size, args.queue)
        try:
            answers, memory = asyncio.run(measure(server, texts, clients, args.seconds))
        finally:
            server.close()
        done, refused = ([answer for answer in answers if answer.status == status] for status in (200, 503))
        lost = len(answers) - len(done) - len(refused)
        print('| %d | %d | %.0f | %s | %.0f | %s | %d | %s |' % (
            clients, batch_size, len(done) / args.seconds, percentiles(done), len(refused) / args.seconds,
            percentiles(refused), lost,
            ', '.join('%.0f' % (size / 1e6) for size in memory)), flush=True)
        failed = failed or lost > 0 or not done or memory[-1] > 1.1 * memory[0]
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
