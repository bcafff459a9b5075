"""Ends commands at random moments, and fills their disk; what the next call ends with must equal an undisturbed run.

  python benchmarks/kills.py                    every command, ten times with each signal and ten times with a full disk
  python benchmarks/kills.py --commands train --rounds 100 --seed 1
  python benchmarks/tiny_checkpoint.py tiny && python benchmarks/kills.py --checkpoint tiny --rounds 100 --each 5

Each command of COMMANDS first runs undisturbed. Then it is ended at a moment drawn from that duration and called again
as a user would; with --each N it is ended up to N times before it may end by itself. A signal goes to the process
alone or to all that it has started, as chance has it. `label` is a server: a client answers its texts meanwhile, and
what was acknowledged has to be there.

A full disk is a tmpfs with less room than the command needs, drawn anew for each round; after the error it has room.
That takes the right to mount: root's, or that of `unshare -Urm python benchmarks/kills.py`. Without it no file may grow
beyond a size drawn from those of the results (RLIMIT_FSIZE). A round is wrong that ends otherwise than the undisturbed
run, in a traceback, or not within five minutes; each is printed. Processes are forked from one that has imported
TensorFlow and not yet used it.
"""
import argparse
import contextlib
import functools
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import namedtuple

import pet_keras
from ending import Disk, run
from labeller import Labeller, answers_in
from pet_keras import shipped_texts

# arguments: function of (out folder, checkpoint) that gives a command's; again: what is added to go on, given the out
# folder; result: function of the out folder that gives what must be equal; person: who uses it, given the arguments
Command = namedtuple('Command', 'arguments again result person', defaults=[None])
WALL = {'train_seconds', 'step_seconds', 'predict_seconds', 'seconds', 'processor_seconds', 'peak_memory'}


def files_of(out):
    """{file: SHA-256} of all files below a folder; of JSON without what a clock says."""
    found = {}
    for folder, _, names in os.walk(out):
        for name in names:
            with open(os.path.join(folder, name), 'rb') as reader:
                content = reader.read()
            if name == 'stage.json':
                content = _unclocked(json.loads(content)).encode()
            found[os.path.relpath(os.path.join(folder, name), out)] = hashlib.sha256(content).hexdigest()
    return found


def records_of(out):
    """The records of an experiment but for what a clock says; of two equal ones, made by two calls, one."""
    with open(os.path.join(out, 'records.jsonl'), encoding='utf-8') as reader:
        return sorted({_unclocked(json.loads(line)) for line in reader})


def _unclocked(record):
    return json.dumps({k: v for k, v in record.items() if k not in WALL}, sort_keys=True)


def labels_of(out):
    """What a session has: each answer, the table, and the model."""
    with open(os.path.join(out, 'labels.tsv'), encoding='utf-8') as reader:
        return answers_in(out), reader.read(), files_of(os.path.join(out, 'model'))


def resume_option(out):
    return ['--resume'] if os.path.exists(os.path.join(out, 'resume', 'progress.json')) else []


def nothing(out):
    return []


def train(*options):
    def arguments(out, checkpoint):
        labelled = shorter('reviews.train.tsv', 16)
        return ['train', '--task', 'sentiment', '--checkpoint', checkpoint, '--labelled', labelled, '--dev',
                shorter('reviews.dev.tsv', 8), '--epochs', '4', '--dropout-rate', '.1', '--maxlen', '32', '--out', out,
                *options]
    return arguments


def pet(out, checkpoint):
    return ['pet', '--task', 'sentiment', '--checkpoint', checkpoint, '--patterns', 'P1', '--maxlen', '32',
            '--labelled', shorter('reviews.train.tsv', 8), '--unlabelled', shorter('reviews.unlabelled.txt', 8),
            '--dev', shorter('reviews.dev.tsv', 8), '--epochs', '1', '--distil-epochs', '1', '--out', out]


def experiment(out, checkpoint):
    path = os.path.join(FILES, 'grid.json')
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump({'task': 'sentiment', 'labelled': 8, 'checkpoints': {'a': checkpoint}, 'patterns': ['P1'],
                   'data': {'train': shorter('reviews.train.tsv', 16),
                            'tests': {'unseen': shorter('reviews.test.tsv', 8)}},
                   'methods': {'zero-shot': {}, 'few-shot': {'learn': 'labelled', 'fit': {'epochs': 1}}}}, writer)
    return ['experiment', path, '--out', out]


def predict(out, checkpoint):
    return ['predict', '--task', 'sentiment', '--checkpoint', checkpoint, '--rows', '4', '--batch-size', '4', '--out',
            out, shorter('reviews.test.tsv', 40), shorter('reviews.dev.tsv', 8)]


def label(out, checkpoint):
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    return ['label', shorter('reviews.unlabelled.txt', 30), '--task', 'sentiment', '--checkpoint', checkpoint,
            '--every', '10', '--maxlen', '32', '--no-browser', '--port', str(port), '--out', out]


def labeller(arguments):
    """Gives labels by chance, but to each text always the same, and skips some."""
    return Labeller(int(arguments[-3]), arguments[-1], lambda text: ['正面', '负面', '正面', '负面', ''][
        int(hashlib.sha256(text.encode()).hexdigest(), 16) % 5])


COMMANDS = {
    'train': Command(train(), resume_option, files_of),
    'train-prompt': Command(train('--train', 'prompt', '--prompt-tokens', '2'), resume_option, files_of),
    'predict': Command(predict, nothing, files_of),
    'pet': Command(pet, nothing, files_of),
    'experiment': Command(experiment, nothing, records_of),
    'label': Command(label, nothing, labels_of, labeller),
}


def shorter(name, lines):
    """A file of the first lines of shipped texts."""
    path = os.path.join(FILES, '%d-%s' % (lines, name))
    with open(shipped_texts(name), encoding='utf-8') as reader, open(path, 'w', encoding='utf-8') as writer:
        writer.writelines(reader.readlines()[:lines])
    return path


class Campaign(object):
    """The rounds of one command. Arguments: `disk`, a Disk; `rng`, a Random; `say`, called with each line."""
    def __init__(self, name, checkpoint, disk, rng, say=print):
        self.name, self.command, self.disk, self.rng, self.say = name, COMMANDS[name], disk, rng, say
        self.out, self.checkpoint, self._groups = os.path.join(disk.folder, 'out'), checkpoint, []
        self._begin()
        first = self._call()
        if not self._is_whole(first):
            raise SystemExit('%s: %s' % (name, first.said))
        self.seconds, self.peak, self.expected = first.seconds, first.peak, self.command.result(self.out)

    def rounds(self, kind, rounds, each=1):
        """Ends it so many times in this way, up to `each` times one run; returns how many runs were wrong."""
        left, met, runs, wrong = rounds, 0, 0, 0
        while left > 0:
            self._begin()
            happened, complaint = self._round(kind, 1 if kind == 'full disk' else min(left, each))
            left, met, runs = left - len(happened), met + sum(early for _, early in happened), runs + 1
            if complaint:
                wrong += 1
                self.say('%s: %s: %s' % (self.name, '; '.join(what for what, _ in happened), complaint))
        self.say('%s, %s: %d times in %d runs of %.1f s, %d of them ended it early; %d runs wrong' % (
            self.name, kind, rounds, runs, self.seconds, met, wrong))
        return wrong

    def clear(self):
        """Ends what is left of the last run, and removes what it wrote."""
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
                time.sleep(.1)
        self._groups = []
        shutil.rmtree(self.out, ignore_errors=True)

    def _begin(self):
        self.clear()
        self.arguments = self.command.arguments(self.out, self.checkpoint)
        self.person = self.command.person and self.command.person(self.arguments)

    def _call(self, again=False, **how):
        ended = run(self.arguments + (self.command.again(self.out) if again else []), self.disk, person=self.person,
                    **how)
        self._groups.append(ended.group)
        return ended

    def _is_whole(self, ended):
        return ended.status == 0 and (self.person is None or self.person.is_done)

    def _round(self, kind, each):
        """One run; (a list of (what happened, whether that ended it early), what is wrong or None)."""
        happened, ended = [], None
        for _ in range(each):
            if kind == 'full disk':
                self.disk.limit(self.rng.randrange(1000, max(2000, self.peak)))
                ended, what = self._call(), 'room for %d of %d bytes' % (self.disk.size, self.peak)
                self.disk.limit(None)
            else:
                after, group = self.rng.uniform(0, self.seconds), self.rng.random() < .5
                ended = self._call(bool(happened), after=after, number=getattr(signal, kind), whole_group=group)
                what = '%s%s after %.2f s' % (kind, ' of all its processes' if group else '', after)
            happened.append(('%s: status %s' % (what, ended.status), not self._is_whole(ended)))
            complaint = self._complaint(ended)
            if kind == 'full disk' and ended.status and 'pet-keras: error: ' not in ended.said:
                complaint = 'no line that says why\n' + ended.said
            if complaint or self._is_whole(ended):
                break
        if not complaint and not self._is_whole(ended):
            ended = self._call(True)
            complaint = self._complaint(ended)
            if not complaint and not self._is_whole(ended):
                complaint = 'again: status %s\n%s' % (ended.status, ended.said)
        return happened, complaint or self._difference()

    def _complaint(self, ended):
        """What is wrong whatever ended it, or None."""
        if ended.status is None:
            return 'it hung\n' + ended.said
        if 'Traceback' in ended.said:
            return 'a traceback\n' + ended.said
        return self.person and self.person.lost()

    def _difference(self):
        found = self.command.result(self.out)
        if found == self.expected:
            return None
        if isinstance(found, dict):
            return 'another result in ' + ', '.join(sorted(
                name for name in {**found, **self.expected} if found.get(name) != self.expected.get(name)))
        return 'another result: %s instead of %s' % (found, self.expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--commands', nargs='+', default=list(COMMANDS), choices=list(COMMANDS))
    kinds = ['SIGKILL', 'SIGTERM', 'full disk']
    parser.add_argument('--kinds', nargs='+', default=kinds, choices=kinds)
    parser.add_argument('--rounds', type=int, default=10, help='of each kind (default 10)')
    parser.add_argument('--each', type=int, default=1, help='signals to one run, at most (default 1)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--checkpoint', default='bert-mini-zh', help='(default bert-mini-zh)')
    args = parser.parse_args()
    if os.path.exists(args.checkpoint):
        args.checkpoint = os.path.abspath(args.checkpoint)
    pet_keras.ClozeClassifier  # TensorFlow is loaded, once for all processes
    rng, wrong = random.Random(args.seed), 0
    for name in args.commands:
        for small in (False, True):
            some = [kind for kind in args.kinds if (kind == 'full disk') == small]
            if some:
                with Disk(small) as disk:
                    campaign = Campaign(name, args.checkpoint, disk, rng, functools.partial(print, flush=True))
                    wrong += sum(campaign.rounds(kind, args.rounds, args.each) for kind in some)
                    campaign.clear()
    return 1 if wrong else 0


if __name__ == '__main__':
    os.environ['PYTHONPATH'] = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))  # of the runs
    with tempfile.TemporaryDirectory() as FILES:
        sys.exit(main())
