"""Large files: peak of memory and texts a second, in one process and by Ray's workers.

  python benchmarks/scale.py --rows 20000 100000                      memory must not grow with the rows
  python benchmarks/scale.py --rows 20000 --engines one ray --workers 1 2    one core, and Ray's workers of one core
  python benchmarks/scale.py --commands evaluate train pet --checkpoint FOLDER    other commands, in one process

`evaluate` has all texts labelled and so has `train`, which goes over them once; `pet` has six labelled texts and the
others without labels, one pattern, and goes over them once.

Engines, of `predict`, are `tensorflow` (one process on all cores), `one` (one process on one core) and `ray`. The texts are the
shipped reviews, over and over, each with a number of its own. Memory is the peak of the command's process (of Ray's
workers it is not known here); seconds are by the clock, the start of all included; the processor's are of the command
and of Ray's workers.
"""
import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time

from pet_keras import shipped_texts

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def write_texts(path, rows):
    """Writes a file of so many different texts; with their labels where its name ends in .tsv."""
    with open(shipped_texts('reviews.test.tsv'), encoding='utf-8') as reader:
        texts = [line.strip() if path.endswith('.tsv') else line.split('\t')[0].strip() for line in reader][1:]
    with open(path, 'w', encoding='utf-8') as writer:
        writer.writelines('%d%s\n' % (i, texts[i % len(texts)]) for i in range(rows))


def arguments(command, folder, rows, checkpoint):
    """What this command of one process is given, with texts in a folder."""
    path, few = (os.path.join(folder, name) for name in ('texts.txt' if command == 'pet' else 'texts.tsv', 'few.tsv'))
    write_texts(path, rows)
    write_texts(few, 6)
    return [command, '--task', 'sentiment', '--checkpoint', checkpoint, *{
        'evaluate': [path], 'train': ['--labelled', path, '--epochs', '1', '--out', os.path.join(folder, 'out')],
        'pet': ['--labelled', few, '--unlabelled', path, '--patterns', 'P1', '--epochs', '1', '--distil-epochs', '1',
                '--out', os.path.join(folder, 'out')]}[command]]


def measured(arguments, one_core=False):
    """(seconds, seconds of the processor, peak bytes) of a command of pet-keras."""
    begun, core = time.time(), {max(os.sched_getaffinity(0))}
    process = subprocess.Popen([sys.executable, '-m', 'pet_keras', *arguments], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=ROOT),
                               preexec_fn=(lambda: os.sched_setaffinity(0, core)) if one_core else None)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said.decode())
    return time.time() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rows', type=int, nargs='+', default=[20000, 100000])
    parser.add_argument('--commands', nargs='+', default=['predict'], choices=['predict', 'evaluate', 'train', 'pet'])
    parser.add_argument('--engines', nargs='+', default=['tensorflow'], choices=['tensorflow', 'one', 'ray'])
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2], help="of Ray's, of one core each (default 1 "
                        'and 2)')
    parser.add_argument('--part', type=int, default=10000, help='rows in memory at a time (default 10000)')
    parser.add_argument('--checkpoint', default='bert-mini-zh', help='(default bert-mini-zh)')
    args = parser.parse_args()
    print('%-24s %9s %9s %12s %9s %9s' % ('', 'texts', 'seconds', 'processor s', 'texts/s', 'peak MB'))
    for rows in args.rows:
        for command in [one for one in args.commands if one != 'predict']:
            with tempfile.TemporaryDirectory() as folder:
                show(command, rows, *measured(arguments(command, folder, rows, args.checkpoint)))
        for engine, workers in [(e, n) for e in args.engines for n in (args.workers if e == 'ray' else [None])
                                if 'predict' in args.commands]:
            theirs = []
            with tempfile.TemporaryDirectory() as folder, cluster_of(workers, theirs) as options:
                path = os.path.join(folder, 'texts.txt')
                write_texts(path, rows)
                seconds, processor, peak = measured(
                    ['predict', '--task', 'sentiment', '--checkpoint', args.checkpoint, '--rows', str(args.part),
                     '--out', os.path.join(folder, 'out'), *options, path], engine == 'one')
            name = {'tensorflow': 'one process, all cores', 'one': 'one process, one core'}.get(
                engine, 'ray, %d worker%s' % (workers or 0, 's' * (workers != 1)))
            show(name, rows, seconds, processor + sum(theirs), peak)


def show(name, rows, seconds, processor, peak):
    print('%-24s %9d %9.1f %12.1f %9.0f %9.0f' % (name, rows, seconds, processor, rows / seconds, peak / 1e6), flush=True)


@contextlib.contextmanager
def cluster_of(workers, seconds):
    """Within it there is a Ray with room for so many workers; yields the options that say so. None: no Ray.

    Into `seconds`, a list, go those of the processor that its workers took.
    """
    if workers is None:
        yield []
        return
    from ray.cluster_utils import Cluster
    cluster, taken, done = Cluster(initialize_head=True, head_node_args={
        'num_cpus': workers, 'object_store_memory': 2 ** 27, 'include_dashboard': False}), {}, threading.Event()
    raylet = cluster.head_node.all_processes['raylet'][0].process.pid

    def watch():
        while not done.wait(.2):
            taken.update(processor_of_children(raylet))
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield ['--engine', 'ray', '--address', cluster.address]
    finally:
        done.set()
        thread.join()
        cluster.shutdown()
        seconds.extend(taken.values())


def processor_of_children(parent):
    """{process: seconds of the processor so far} of the processes that this one has started."""
    found, tick = {}, os.sysconf('SC_CLK_TCK')
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % name) as reader:
                fields = reader.read().rsplit(')', 1)[1].split()
        except OSError:  # it has ended
            continue
        if int(fields[1]) == parent:
            found[name] = (int(fields[11]) + int(fields[12])) / tick
    return found


if __name__ == '__main__':
    os.environ.update(RAY_USAGE_STATS_ENABLED='0', PYTHONPATH=ROOT)  # of Ray's processes too
    main()
