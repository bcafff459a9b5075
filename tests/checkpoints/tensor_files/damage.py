"""Damaged copies of a small file, and what opening them must come to."""
import os
import random

import pytest

from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.errors import UserError


def read_all(path):
    file = open_tensors(path)
    return {name: file.read(name) for name in file.shapes}


def cuts_are_refused(path, step=1):
    """Asserts that a file that ends after any number of bytes cannot be opened, and is named."""
    content = _content(path)
    for length in range(0, len(content), step):
        copy = _copy(path, content[:length])
        with pytest.raises(UserError, match='cut'):  # part of the copy's name
            open_tensors(copy)
        os.remove(copy)


def flips_are_survived(path, times):
    """Asserts that with random bytes of it changed the file is a UserError or is read; returns how often the first."""
    content, random_ = _content(path), random.Random(0)
    refused = 0
    for n in range(times):
        changed = bytearray(content)
        for _ in range(random_.choice([1, 1, 2, 5])):
            changed[random_.randrange(len(content))] = random_.randrange(256)
        copy = _copy(path, changed, n)
        try:
            read_all(copy)
        except UserError:
            refused += 1
        os.remove(copy)
    return refused


def _content(path):
    with open(path, 'rb') as file:
        return file.read()


def _copy(path, content, n=0):
    folder, name = os.path.split(path)
    copy = os.path.join(folder, 'cut_%d_%d_%s' % (n, len(content), name))
    with open(copy, 'wb') as file:
        file.write(content)
    return copy
