"""A grid's runs as tasks of Ray: on the cores of this machine, or on those of a cluster."""
import json
import logging
import os
import subprocess
import sys
import tempfile

from pet_keras.errors import UserError
from pet_keras.experiments.schedule import Schedule


def connect(address=None):
    """Ray, connected to the cluster at `address`, or to one of its own on this machine; UserError where it is missing.

    Of a cluster every machine needs pet_keras, and sees the files under the same paths.
    """
    try:
        os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # it would tell its makers of every start
        import ray
    except ImportError:
        raise UserError('--engine ray needs Ray. Type:  pip install "pet-keras[ray]"') from None
    own = {} if address else {'include_dashboard': False}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True, **own)
    except Exception as e:  # of a start that takes too long it is no type of its own
        raise UserError('Ray cannot be reached%s: %s' % (
            ' at %s' % address if address else '', str(e).split('\n')[0])) from None
    return ray


class RaySchedule(Schedule):
    """A Schedule whose runs are tasks of Ray, each a process on the machine where Ray puts it.

    Arguments: `ray`, as `connect` gives it; `cpus` a run takes, cores that it computes with; others as in Schedule. As
    many runs go on at a time as the cluster has cores for. `out` and the data are folders that all its machines see.
    """
    def __init__(self, grid, out, ray, cpus=1):
        super(RaySchedule, self).__init__(grid, os.path.abspath(out), max(
            1, int(ray.cluster_resources().get('CPU', 1)) // cpus))
        self.grid.folder = os.path.abspath(self.grid.folder)
        self._ray, self._carry_out = ray, ray.remote(num_cpus=cpus, max_retries=0)(_carry_out)
        self._cpus = cpus

    def _start(self, jobs):
        request = self._request(jobs)
        request['runs'] = [dict(run, place=_absolute(run['place'])) for run in request['runs']]
        return _Process(self._ray, self._carry_out.remote(json.dumps(request), self._cpus, list(sys.path)))


def _absolute(place):
    """A checkpoint's folder as every machine finds it; a name stays one."""
    return os.path.abspath(place) if place and os.path.exists(place) else place


def _carry_out(request, cpus, path):
    """On some machine of the cluster: carries out runs in a process of its own; (its exit status, what it said)."""
    environment = dict(os.environ, TF_NUM_INTRAOP_THREADS=str(cpus), OMP_NUM_THREADS=str(cpus),
                       PYTHONPATH=os.pathsep.join(filter(None, path)))
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, '-m', 'pet_keras.experiments.run'], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=said, env=environment, bufsize=0)
        process.stdin.write(request.encode() + b'\n')  # where this task is ended, its end closes, and so the run ends
        status = process.wait()
        said.seek(0)
        return status, said.read()[-4000:]


class _Process(object):
    """A task of Ray, as a Schedule sees its processes."""
    def __init__(self, ray, task):
        self._ray, self._task, self.returncode = ray, task, None
        self.said, self.stdin = tempfile.TemporaryFile(), open(os.devnull)

    def poll(self):
        if self.returncode is None and self._ray.wait([self._task], timeout=0)[0]:
            try:
                self.returncode, said = self._ray.get(self._task)
            except self._ray.exceptions.RayError as e:
                self.returncode, said = 1, str(e).encode()
            self.said.write(said)
        return self.returncode

    def kill(self):
        self._ray.cancel(self._task, force=True)

    def wait(self):
        """Nothing to wait for: Ray ends the task."""
