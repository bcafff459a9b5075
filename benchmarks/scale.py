"""Predictions for large files: peak of memory and texts a second, in one process and by Ray's workers.

  python benchmarks/scale.py --rows 20000 100000                 memory must not grow with the rows
  python benchmarks/scale.py --rows 20000 --engines ray          and by workers of one core and of all cores

The texts are the shipped reviews, over and over, each with a number of its own. Memory is the peak of the command's
process (of Ray's workers it is not known here), seconds are by the clock, and the first pays the start.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

from pet_keras import shipped_texts

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def write_texts(path, rows):
    """Writes a file of so many different texts."""
    with open(shipped_texts('reviews.test.tsv'), encoding='utf-8') as reader:
        texts = [line.split('\t')[0].strip() for line in reader][1:]
    with open(path, 'w', encoding='utf-8') as writer:
        writer.writelines('%d%s\n' % (i, texts[i % len(texts)]) for i in range(rows))


def measured(arguments):
    """(seconds, seconds of the processor, peak bytes) of a command of pet-keras."""
    begun = time.time()
    process = subprocess.Popen([sys.executable, '-m', 'pet_keras', *arguments], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=ROOT))
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said.decode())
    return time.time() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rows', type=int, nargs='+', default=[20000, 100000])
    parser.add_argument('--engines', nargs='+', default=['tensorflow'], choices=['tensorflow', 'ray'])
    parser.add_argument('--cpus', type=int, nargs='+', default=[1, 2], help="of a worker of Ray's (default 1 and 2)")
    parser.add_argument('--part', type=int, default=10000, help='rows in memory at a time (default 10000)')
    parser.add_argument('--checkpoint', default='bert-mini-zh', help='(default bert-mini-zh)')
    args = parser.parse_args()
    print('%-24s %9s %9s %12s %9s %9s' % ('', 'texts', 'seconds', 'processor s', 'texts/s', 'peak MB'))
    for rows in args.rows:
        for engine, cpus in [(e, c) for e in args.engines for c in (args.cpus if e == 'ray' else [None])]:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, 'texts.txt')
                write_texts(path, rows)
                seconds, processor, peak = measured(
                    ['predict', '--task', 'sentiment', '--checkpoint', args.checkpoint, '--rows', str(args.part),
                     '--out', os.path.join(folder, 'out'), '--engine', engine,
                     *(['--cpus', str(cpus)] if cpus else []), path])
            name = engine if cpus is None else 'ray, %d core%s a worker' % (cpus, 's' * (cpus > 1))
            print('%-24s %9d %9.1f %12.1f %9.0f %9.0f' % (name, rows, seconds, processor, rows / seconds, peak / 1e6),
                  flush=True)


if __name__ == '__main__':
    main()
