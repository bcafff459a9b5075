"""Carries out what of a grid has no record yet: some processes at a time, resumable after any kill."""
import collections
import json
import os
import subprocess
import sys
import tempfile
import time

from pet_keras.errors import UserError
from pet_keras.experiments import records
from pet_keras.experiments.grid import choices, chosen, name_of
from pet_keras.experiments.run import NOT_KEPT, check, checkpoint_of, fingerprint_of, task_checksum
from pet_keras.experiments.texts import sha256

Job = collections.namedtuple('Job', 'run key fingerprint checksums')


class Schedule(object):
    """The runs of a Grid, of which some are done.

    Arguments: `grid`; `out`, the folder of records; `jobs`, processes at a time, which share the processor's cores.

    Where a method has `choose`, its candidates run first, without tests, and only the best on dev, over all seeds and
    patterns of its row, is then run with them.
    """
    def __init__(self, grid, out, jobs=1):
        self.grid, self.out, self.jobs = grid, out, jobs
        self._checkpoints, self._checksums, self._tasks = {}, {}, {}

    def _jobs(self, by_key):
        """Every Job that is known to be needed now; those of a choice that is still open are missing."""
        found = []
        for run in self.grid.runs:
            if not run['choose']:
                found.append(self._job(run))
                continue
            tried = [[self._job(chosen(other, values, tests=False)) for values in choices(run)]
                     for other in self._row(run)]
            found += [job for jobs in tried for job in jobs]
            if all(self._done(job, by_key) for jobs in tried for job in jobs):
                found.append(self._job(chosen(run, self._best(run, tried, by_key))))
        return found

    def missing(self):
        """The Jobs without a record, each once."""
        by_key = self._by_key()
        return [job for job in {job.key: job for job in self._jobs(by_key)}.values() if not self._done(job, by_key)]

    def found(self):
        """The records of this grid's runs, in the order of the runs; those of candidates are left out.

        Checkpoint and task are called as this grid calls them: a record says what they were called when it was made.
        """
        by_key = self._by_key()
        return [dict(record, **{name: job.run.get(name) for name in ('checkpoint', 'name', 'chosen')})
                for job in self._jobs(by_key) for record in by_key.get(job.key, []) if record['tests']]

    def check(self):
        """Raises UserError for what would stop a run that is still to be done, before any is."""
        missing, checked = {job.key for job in self.missing()}, set()
        for run in self.grid.runs:
            for one in [chosen(run, values) for values in choices(run)] if run['choose'] else [run]:
                if run['choose'] or self._job(one).key in missing:
                    try:
                        check(one, self.grid.folder, self._checkpoint(one), checked)
                    except UserError as e:
                        raise UserError('%s: %s: %s' % (self.grid.path, describe(one), e)) from None

    def estimates(self):
        """A function of a Job: the seconds that it will take, from records of its kind; None without any."""
        seconds, known = {}, collections.defaultdict(list)
        for record in records.read(self.out):
            seconds[_kind(record), record['key']] = record['seconds']  # of a run's records the last has them all
        for (kind, _), value in seconds.items():
            known[kind].append(value)
        return lambda job: sorted(known[_kind(job.run)])[len(known[_kind(job.run)]) // 2] if _kind(
            job.run) in known else None

    def run(self, say=print):
        """Runs what is missing, in order. Returns the errors, a list of (Job, message).

        Raises: UserError for what can be known before the first run, or a folder that another grid works in; OSError
            where a record cannot be written. Whatever ends it, its processes end too.
        """
        with records.lock(self.out):
            self.check()
            return self._run(say)

    def _run(self, say):
        running, errors, begun, started, done, waiting = [], [], set(), time.time(), 0, self.missing()
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    jobs = sorted((job for job in waiting if _together(job, waiting[0])),
                                  key=lambda job: job.run['labelled'])
                    waiting = [job for job in waiting if job not in jobs]
                    begun.update(job.key for job in jobs)
                    running.append((jobs, self._start(jobs)))
                time.sleep(.1)
                finished = [(jobs, process) for jobs, process in running if process.poll() is not None]
                running = [(jobs, process) for jobs, process in running if process.returncode is None]
                for jobs, process in finished:
                    process.stdin.close()
                    if process.returncode == NOT_KEPT:
                        raise OSError('A record could not be written: %s' % _said(process))
                if not finished:
                    continue
                missing = self.missing()  # a choice may be decided now
                waiting = [job for job in missing if job.key not in begun]
                left = waiting + [job for jobs, _ in running for job in jobs]
                done += sum(len(jobs) for jobs, _ in finished)
                until = self._until(left, (time.time() - started) * self.jobs / done)
                for jobs, process in finished:
                    failed = [job for job in jobs if process.returncode and job in missing]
                    said = failed and _said(process)
                    errors += [(job, said) for job in failed]
                    for job in jobs:
                        say('%s%s · %d done, %d left%s' % (
                            'FAILED: ' if job in failed else '', describe(job.run), done, len(left), until))
            return errors
        finally:
            for _, process in running:
                process.kill()
                process.wait()

    def _until(self, jobs, average):
        """When the jobs will be done, in words; of a kind that is not known each takes the average."""
        estimate = self.estimates()
        seconds = sum(estimate(job) or average for job in jobs) / self.jobs
        return ', until about %s' % time.strftime('%m-%d %H:%M', time.localtime(time.time() + seconds)) if jobs else ''

    def _start(self, jobs):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
        threads = str(max(1, cores // self.jobs))
        environment = dict(os.environ, TF_NUM_INTRAOP_THREADS=threads, OMP_NUM_THREADS=threads)
        said = tempfile.TemporaryFile()  # a pipe that nobody reads would stop it
        process = subprocess.Popen([sys.executable, '-m', 'pet_keras.experiments.run'], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=said, env=environment, bufsize=0)
        process.said = said
        request = self._request(jobs)
        try:  # standard input stays open: where it closes, the process ends
            process.stdin.write(json.dumps(request).encode() + b'\n')
        except BrokenPipeError:  # it has ended already, and will have said why
            pass
        return process

    def _request(self, jobs):
        """What `experiments.run` reads."""
        return {'runs': [job.run for job in jobs], 'keys': [job.key for job in jobs], 'folder': self.grid.folder,
                'out': self.out, 'fingerprint': jobs[0].fingerprint, 'checksums': jobs[0].checksums}

    def _job(self, run):
        checksums, fingerprint = self._data_checksums(run), fingerprint_of(self._checkpoint(run))
        run = dict(run, choose={})
        return Job(run, records.key_of(run, fingerprint, checksums), fingerprint, checksums)

    def _checkpoint(self, run):
        key = run['place'], run.get('causal')
        if key not in self._checkpoints:
            self._checkpoints[key] = checkpoint_of(run)
        return self._checkpoints[key]

    def _data_checksums(self, run):
        data, seed = run['data'], str(run['seed'])
        files = [data[part]['file'] for part in ('train', 'dev', 'unlabelled') if part in data]
        found = {}
        for file in files + [spec['file'] for spec in data['tests'].values()]:
            path = os.path.join(self.grid.folder, file.replace('{seed}', seed))
            if path not in self._checksums:
                self._checksums[path] = sha256(path)
            found[file] = self._checksums[path]
        if run['task'] not in self._tasks:
            self._tasks[run['task']] = task_checksum(run['task'])
        return dict(found, task=self._tasks[run['task']])

    def _by_key(self):
        found = {}
        for record in records.read(self.out):
            if records.has_scores(self.out, record):
                found.setdefault(record['key'], {})[record['pattern']] = record  # of two equal ones the last
        return {key: list(by_pattern.values()) for key, by_pattern in found.items()}

    def _done(self, job, by_key):
        return len(by_key.get(job.key, [])) == len(job.run['patterns'])

    def _row(self, run):
        """The runs that share one choice: of one method on one checkpoint and task, with so many labels."""
        same = ('task', 'name', 'checkpoint', 'method', 'labelled')
        return [other for other in self.grid.runs if all(other.get(k) == run.get(k) for k in same)]

    def _best(self, run, tried, by_key):
        """The values of `choose` whose candidates have the best mean dev accuracy, among equals the likelier."""
        def figure(i):
            dev = [record['dev'] for jobs in tried for record in by_key[jobs[i].key]]
            return (sum(d['accuracy'] for d in dev) / len(dev), sum(d['log_likelihood'] for d in dev) / len(dev))
        values = choices(run)
        return values[max(range(len(values)), key=figure)]


def _together(job, other):
    """Whether one process carries out both: of a strategy, the model at 20 labels chooses those of the one at 40."""
    return job.key == other.key or 'strategy' in job.run and dict(job.run, labelled=0) == dict(other.run, labelled=0)


def _kind(run):
    """What runs of about one duration share."""
    return json.dumps([run.get(k) for k in ('task', 'name', 'checkpoint', 'method', 'labelled', 'unlabelled', 'fit',
                                            'settings', 'withheld')], sort_keys=True)


def _said(process):
    """What a process that failed wrote on standard error, or how it ended."""
    process.said.seek(0)
    said = process.said.read().decode(errors='replace').strip()
    if process.returncode < 0:
        said = 'It was ended by signal %d (9: perhaps by the system, out of memory). %s' % (-process.returncode, said)
    return said[-2000:] or 'It ended with status %d.' % process.returncode


def describe(run):
    """A run in a few words."""
    patterns = [name_of(run, pattern) for pattern in run['patterns']]
    values = ' '.join('%s=%s' % pair for pair in run.get('chosen', {}).items())
    parts = (run.get('name'), run['checkpoint'], run['method'], values, ' '.join(patterns), run['labelled'],
             'seed %d' % run['seed'])
    return ', '.join(str(part) for part in parts if part)
