"""Ends commands at random moments, and fills their disk; what the next call ends with must equal an undisturbed run.

  python benchmarks/kills.py                    every command, ten times with each signal and ten times with a full disk
  python benchmarks/kills.py --commands train --rounds 100 --seed 1

Each command of COMMANDS first runs undisturbed. Then, in each round, it is ended at a moment drawn from that duration,
or no file may grow beyond a size drawn from those of its results (RLIMIT_FSIZE: for a process the same as a full disk),
and is called again as a user would. A line is printed for each round that differs, ends in a traceback, or does not
end. Processes are forked from one that has imported TensorFlow and not yet used it, so a round takes seconds.
"""
import argparse
import hashlib
import json
import os
import random
import resource
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import namedtuple

import pet_keras
from pet_keras import shipped_texts

# arguments: function of (out folder, checkpoint) that gives a command's; again: what is added to go on, given the out
# folder; result: function of the out folder that gives what must be equal
Command = namedtuple('Command', 'arguments again result')
LIMIT = 600  # seconds after which a command counts as hung
WALL = {'train_seconds', 'step_seconds', 'predict_seconds', 'seconds', 'peak_memory'}


def files_of(out):
    """{file: SHA-256} of all files below a folder."""
    found = {}
    for folder, _, names in os.walk(out):
        for name in names:
            with open(os.path.join(folder, name), 'rb') as reader:
                found[os.path.relpath(os.path.join(folder, name), out)] = hashlib.sha256(reader.read()).hexdigest()
    return found


def records_of(out):
    """The records of an experiment but for what a clock says; of two equal ones, made by two calls, one."""
    with open(os.path.join(out, 'records.jsonl'), encoding='utf-8') as reader:
        found = [json.loads(line) for line in reader]
    return sorted({json.dumps({k: v for k, v in record.items() if k not in WALL}, sort_keys=True) for record in found})


def resume_option(out):
    return ['--resume'] if os.path.exists(os.path.join(out, 'resume', 'progress.json')) else []


def train(*options):
    def arguments(out, checkpoint):
        labelled = shorter('reviews.train.tsv', 16)
        return ['train', '--task', 'sentiment', '--checkpoint', checkpoint, '--labelled', labelled, '--dev',
                shorter('reviews.dev.tsv', 8), '--epochs', '4', '--dropout-rate', '.1', '--maxlen', '32', '--out', out,
                *options]
    return arguments


def experiment(out, checkpoint):
    path = os.path.join(FILES, 'grid.json')
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump({'task': 'sentiment', 'labelled': 8, 'checkpoints': {'a': checkpoint}, 'patterns': ['P1'],
                   'data': {'train': shorter('reviews.train.tsv', 16), 'tests': shorter('reviews.test.tsv', 8)},
                   'methods': {'zero-shot': {}, 'few-shot': {'learn': 'labelled', 'fit': {'epochs': 1}}}}, writer)
    return ['experiment', path, '--out', out]


def predict(out, checkpoint):
    return ['predict', '--task', 'sentiment', '--checkpoint', checkpoint, '--rows', '4', '--batch-size', '4', '--out',
            out, shorter('reviews.test.tsv', 40), shorter('reviews.dev.tsv', 8)]


COMMANDS = {
    'train': Command(train(), resume_option, files_of),
    'train-prompt': Command(train('--train', 'prompt', '--prompt-tokens', '2'), resume_option, files_of),
    'predict': Command(predict, lambda out: [], files_of),
    'experiment': Command(experiment, lambda out: [], records_of),
}


def shorter(name, lines):
    """A file of the first lines of shipped texts."""
    path = os.path.join(FILES, '%d-%s' % (lines, name))
    with open(shipped_texts(name), encoding='utf-8') as reader, open(path, 'w', encoding='utf-8') as writer:
        writer.writelines(reader.readlines()[:lines])
    return path


def run(arguments, after=None, number=signal.SIGKILL, size=None):
    """Runs a command in a process of its own: (exit status or -signal, seconds, what it printed).

    Arguments: `after`, seconds until it gets the signal `number`; `size`, bytes that no file may grow beyond.
    """
    said, begun = tempfile.TemporaryFile(), time.time()
    pid = os.fork()
    if not pid:
        os.setsid()
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        if size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        sys.argv, status = ['pet-keras', *arguments], 70  # of a traceback
        try:
            runpy.run_module('pet_keras', run_name='__main__', alter_sys=True)
        except SystemExit as e:
            status = e.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    sent = False
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        seconds = time.time() - begun
        if ended:
            said.seek(0)
            return os.waitstatus_to_exitcode(status), seconds, said.read().decode('utf-8', 'replace')
        if after is not None and seconds >= after and not sent or seconds > LIMIT:
            os.killpg(pid, number if seconds <= LIMIT else signal.SIGKILL)
            sent = True
        time.sleep(.002)


def disturbed(command, out, checkpoint, rng, kind, seconds, largest):
    """One round; returns (what happened, the result)."""
    arguments = command.arguments(out, checkpoint)
    if kind == 'full disk':
        size = rng.randrange(1000, max(2000, largest))  # what it says goes to a file too
        status, _, said = run(arguments, size=size)
        what = 'files of at most %d bytes: status %d' % (size, status)
    else:
        after = rng.uniform(0, seconds)
        status, _, said = run(arguments, after, getattr(signal, kind))
        what = '%s after %.2f of %.2f s: status %d' % (kind, after, seconds, status)
    if 'Traceback' in said:
        return what + '\n' + said, 'a traceback'
    if status:
        again, _, said = run(arguments + command.again(out))
        what += '; again: status %d' % again
        if again:
            return what + '\n' + said, 'an error'
    return what, command.result(out)


def campaign(name, checkpoint, rounds, kinds, rng, say=print):
    """All rounds of a command; returns how many differ."""
    command, wrong = COMMANDS[name], 0
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, 'out')
        status, seconds, said = run(command.arguments(out, checkpoint))
        if status:
            raise SystemExit(said)
        expected = command.result(out)
        largest = max(os.path.getsize(os.path.join(where, n)) for where, _, names in os.walk(out) for n in names)
        for kind in kinds:
            ended = 0
            for _ in range(rounds):
                shutil.rmtree(out, ignore_errors=True)
                what, found = disturbed(command, out, checkpoint, rng, kind, seconds, largest)
                ended += 'again' in what
                if found != expected:
                    wrong += 1
                    say('%s: %s: %s' % (name, what, found if isinstance(found, str) else 'another result'))
            say('%s, %s: %d rounds, %d of them ended it early; %d wrong so far' % (name, kind, rounds, ended, wrong))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--commands', nargs='+', default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument('--kinds', nargs='+', default=['SIGKILL', 'SIGTERM', 'full disk'])
    parser.add_argument('--rounds', type=int, default=10, help='of each kind (default 10)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--checkpoint', default='bert-mini-zh', help='(default bert-mini-zh)')
    args = parser.parse_args()
    pet_keras.ClozeClassifier  # TensorFlow is loaded, once for all processes
    rng = random.Random(args.seed)
    wrong = sum(campaign(name, args.checkpoint, args.rounds, args.kinds, rng) for name in args.commands)
    return 1 if wrong else 0


if __name__ == '__main__':
    os.environ['PYTHONPATH'] = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))  # of the runs
    with tempfile.TemporaryDirectory() as FILES:
        sys.exit(main())
