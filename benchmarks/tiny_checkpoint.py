"""Writes a random BERT of two layers, 16 wide, with the vocabulary of the shipped models: what it says is nothing,
but it says it fast.

  python benchmarks/tiny_checkpoint.py FOLDER
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'tests'))

from conftest import make_checkpoint  # noqa: E402

if __name__ == '__main__':
    if len(sys.argv) != 2 or sys.argv[1].startswith('-'):
        sys.exit(__doc__)
    make_checkpoint(sys.argv[1])
