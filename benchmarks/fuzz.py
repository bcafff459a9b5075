"""Feeds damaged files and requests to everything that reads them: a long run of the tests of this.

  python benchmarks/fuzz.py --inputs 10000         so many of each kind; a network is built for a tenth of some

An input that gives anything but a result or one clear error, that takes a minute or a gigabyte, is printed as small
as it can be made.
"""
import argparse
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--inputs', type=int, default=1000, help='of each kind (default 1000)')
    parser.add_argument('--only', help='what stands in the names of the tests to run, as pytest -k takes it')
    args = parser.parse_args()
    tests = [os.path.join(ROOT, 'tests', *path) for path in (('test_fuzz.py',), ('serving', 'test_fuzzed_requests.py'))]
    command = [sys.executable, '-m', 'pytest', '--timeout=0', '--durations=0', *tests]  # each input has a limit
    return subprocess.call(command + (['-k', args.only] if args.only else []), cwd=ROOT,
                           env=dict(os.environ, PET_KERAS_FUZZ=str(args.inputs)))


if __name__ == '__main__':
    sys.exit(main())
