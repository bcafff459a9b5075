"""A training is killed once, and once its disk is full; it ends as an undisturbed one. More: benchmarks/kills.py."""
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_a_training_that_was_killed_or_had_no_room_ends_as_an_undisturbed_one(still):
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, 'benchmarks', 'kills.py'), '--checkpoint', still, '--commands', 'train',
         '--kinds', 'SIGKILL', 'full disk', '--rounds', '1'], env=dict(os.environ, PYTHONPATH=ROOT),
        capture_output=True, encoding='utf-8')
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('; 0 runs wrong') == 2
