"""A test that hangs fails with a traceback after its time, and the next one runs."""
import configparser
import os
import subprocess
import sys

import pytest

pytest.importorskip('pytest_timeout')
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HANGS = 'import time\n\n\ndef test_hangs():\n    time.sleep(60)\n\n\ndef test_runs():\n    pass\n'


def test_a_test_that_hangs_fails_and_the_others_go_on(tmp_path):
    limit = configparser.ConfigParser()
    limit.read(os.path.join(ROOT, 'pytest.ini'))
    assert 60 <= limit.getint('pytest', 'timeout') < limit.getint('pytest', 'faulthandler_timeout')
    (tmp_path / 'test_it.py').write_text(HANGS, encoding='utf-8')
    done = subprocess.run([sys.executable, '-m', 'pytest', '-c', os.path.join(ROOT, 'pytest.ini'), '--rootdir',
                           str(tmp_path), '-o', 'timeout=1', '-p', 'no:cacheprovider', str(tmp_path)],
                          capture_output=True, encoding='utf-8', timeout=50)
    assert done.returncode == 1 and 'time.sleep(60)' in done.stdout, done.stdout + done.stderr
    assert 'Timeout' in done.stdout and done.stdout.startswith('F.')
