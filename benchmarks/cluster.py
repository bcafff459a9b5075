"""A cluster on one machine, of which a part is killed in the middle; what it ends with must equal an undisturbed run.

  python benchmarks/cluster.py                                      with the shipped bert-mini-zh
  python benchmarks/tiny_checkpoint.py tiny && python benchmarks/cluster.py --checkpoint tiny --rows 100000

1. Two nodes of Ray, of one core each. While `pet-keras predict --engine ray` works, a worker is killed, then a node
   goes; the file has to be that of one process.
2. `pet-keras experiment --engine ray` on such two nodes; the records have to be those of `--engine processes`.
3. Two workers of TensorFlow, each a process: `pet-keras train --strategy multi-worker`. One is killed; the other has to
   end with one line, and both, started again with --resume, have to end with the files of an undisturbed pair.
"""
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from kills import files_of, records_of
from pet_keras import shipped_texts
from scale import write_texts

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def start(arguments, **environment):
    return subprocess.Popen(
        [sys.executable, '-m', 'pet_keras', *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        encoding='utf-8', env=dict(os.environ, PYTHONPATH=ROOT, RAY_USAGE_STATS_ENABLED='0', **environment))


def end(process, what, status=0):
    """Waits for a command; its standard error. Ends this script where its status is another one."""
    said = process.communicate(timeout=1800)[1]
    if process.returncode != status or 'Traceback' in said:
        raise SystemExit('%s: status %d\n%s' % (what, process.returncode, said))
    return said


def check(is_right, what):
    print('%s: %s' % (what, 'as it has to be' if is_right else 'WRONG'), flush=True)
    if not is_right:
        raise SystemExit(1)


# --- Ray --------------------------------------------------------------------------------------------------

def two_nodes():
    """(the cluster, its second node), of one core each."""
    from ray.cluster_utils import Cluster
    args = {'num_cpus': 1, 'object_store_memory': 2 ** 27}
    cluster = Cluster(initialize_head=True, head_node_args=dict(args, include_dashboard=False))
    return cluster, cluster.add_node(**args)


def workers_of(node):
    """The ids of the processes in which workers of a node are."""
    raylet, found = node.all_processes['raylet'][0].process.pid, []
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % name) as reader:
                parent = int(reader.read().rsplit(')', 1)[1].split()[1])
            with open('/proc/%s/cmdline' % name) as reader:
                title = reader.read()
        except OSError:
            continue
        if parent == raylet and title.startswith('ray::') and 'IDLE' not in title:
            found.append(int(name))
    return found


def predict(folder, checkpoint, rows):
    texts, one, many = (os.path.join(folder, name) for name in ('texts.txt', 'one', 'many'))
    write_texts(texts, rows)
    part = max(1, rows // 20)
    arguments = ['predict', '--task', 'sentiment', '--checkpoint', checkpoint, '--rows', str(part), texts, '--out']
    end(start(arguments + [one]), 'predict')
    cluster, second = two_nodes()
    begun = time.time()
    process = start(arguments + [many, '--engine', 'ray', '--address', cluster.address])

    def until_blocks(n):
        blocks = os.path.join(many, 'texts.tsv.blocks')
        while process.poll() is None and (not os.path.isdir(blocks) or sum(
                '.' not in name for name in os.listdir(blocks)) < n):
            time.sleep(.02)
    until_blocks(3)
    killed = workers_of(second)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    print('predict: %d workers of the second node killed after %.0f s' % (len(killed), time.time() - begun), flush=True)
    until_blocks(10)
    is_running = process.poll() is None
    cluster.remove_node(second, allow_graceful=False)
    print('predict: the second node removed after %.0f s, %s' % (
        time.time() - begun, 'in the middle' if is_running else 'too late'), flush=True)
    end(process, 'predict --engine ray')
    print('predict: done after %.0f s' % (time.time() - begun))
    check(killed and is_running and files_of(many) == files_of(one), 'predict: the file of one process')
    cluster.shutdown()


def experiment(folder, checkpoint):
    path, found = os.path.join(folder, 'grid.json'), []
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump({'task': 'sentiment', 'labelled': 16, 'checkpoints': {'a': checkpoint}, 'patterns': ['P1', 'P3'],
                   'seeds': [0, 1], 'data': {'train': shipped_texts('reviews.train.tsv'),
                                             'tests': {'unseen': shipped_texts('reviews.test.tsv')}},
                   'methods': {'zero-shot': {}, 'few-shot': {'learn': 'labelled', 'fit': {'epochs': 2}}}}, writer)
    cluster, _ = two_nodes()
    for name, options in (('ray', ['--engine', 'ray', '--address', cluster.address]), ('processes', [])):
        out = os.path.join(folder, name)
        # a run by Ray has one core, and so has that beside it: the number of threads may change a last digit
        end(start(['experiment', path, '--out', out, *options], TF_NUM_INTRAOP_THREADS='1'), 'experiment, ' + name)
        found.append(records_of(out))
    check(found[0] == found[1], 'experiment: %d records, those of --engine processes' % len(found[0]))
    cluster.shutdown()


# --- TensorFlow -------------------------------------------------------------------------------------------

def pair(arguments):
    """Two workers of one training."""
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(2)]
    places = ['127.0.0.1:%d' % one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [start(arguments, TF_NUM_INTRAOP_THREADS='1', TF_CONFIG=json.dumps(
        {'cluster': {'worker': places}, 'task': {'type': 'worker', 'index': i}})) for i in range(2)]


def train(folder, checkpoint):
    def arguments(out):
        return ['train', '--strategy', 'multi-worker', '--task', 'sentiment', '--checkpoint', checkpoint, '--labelled',
                shipped_texts('reviews.train.tsv'), '--dev', shipped_texts('reviews.dev.tsv'), '--epochs', '4', '--out',
                out]
    whole, out = os.path.join(folder, 'whole'), os.path.join(folder, 'killed')
    for process in pair(arguments(whole)):
        end(process, 'train')
    first, second = pair(arguments(out))
    while not os.path.exists(os.path.join(out, 'resume', 'progress.json')) and second.poll() is None:
        time.sleep(.01)
    second.kill()
    begun = time.time()
    end(second, 'the killed worker', -signal.SIGKILL)
    said = end(first, 'the other worker', 1)
    lines = [line for line in said.splitlines() if line.startswith('pet-keras: error: ')]
    check(len(lines) == 1 and os.path.exists(os.path.join(out, 'resume', 'progress.json')),
          'train: %.0f s after a worker was killed the other said %r' % (time.time() - begun, ''.join(lines)))
    for process in pair(arguments(out) + ['--resume']):
        end(process, 'train --resume')
    check(files_of(out) == files_of(whole), 'train --resume: the files of an undisturbed pair')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', default=['predict', 'experiment', 'train'],
                        choices=['predict', 'experiment', 'train'])
    parser.add_argument('--rows', type=int, default=10000, help='texts to predict (default 10000)')
    parser.add_argument('--checkpoint', default='bert-mini-zh', help='(default bert-mini-zh)')
    args = parser.parse_args()
    if os.path.exists(args.checkpoint):
        args.checkpoint = os.path.abspath(args.checkpoint)
    os.environ['PYTHONPATH'] = ROOT  # of Ray's processes
    for name in args.only:
        with tempfile.TemporaryDirectory() as folder:
            globals()[name](folder, args.checkpoint, *([args.rows] if name == 'predict' else []))


if __name__ == '__main__':
    main()
