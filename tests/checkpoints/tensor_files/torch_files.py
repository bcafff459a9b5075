"""Files as torch.save writes them, put together by hand: pickles of opcodes, in both layouts."""
import pickle
import zipfile

import numpy as np

from pet_keras.checkpoints.tensor_files.torch_file import MAGIC_NUMBER, VERSION


def plain(value):
    """The opcodes that make a value of Python's own types."""
    return pickle.dumps(value, protocol=2)[2:-1]


def name(module, attribute):
    return ('c%s\n%s\n' % (module, attribute)).encode()


def group(*items):
    return b'(' + b''.join(items) + b't'


def call(function, *arguments):
    return function + group(*arguments) + b'R'


def storage(key, size, of='FloatStorage', module='torch'):
    return group(plain('storage'), name(module, of), plain(key), plain('cpu'), plain(size)) + b'Q'


def tensor(of_storage, shape, strides=None, offset=0):
    strides = [int(np.prod(shape[i + 1:])) for i in range(len(shape))] if strides is None else strides
    return call(name('torch._utils', '_rebuild_tensor_v2'), of_storage, plain(offset), plain(tuple(shape)),
                plain(tuple(strides)), plain(False), call(name('collections', 'OrderedDict')))


def ordered(**items):
    """An OrderedDict of opcodes by key, with a `_metadata` such as a module's state dict has."""
    pairs = b''.join(plain(key) + value for key, value in items.items())
    return call(name('collections', 'OrderedDict')) + b'(' + pairs + b'u' + plain({'_metadata': {}}) + b'b'


def pickled(opcodes):
    return b'\x80\x02' + opcodes + b'.'


def write_zip(path, pickle_bytes, storages=None, order=None, compression=zipfile.ZIP_STORED, top='archive'):
    """The zip layout. `storages`: dict key → array."""
    with zipfile.ZipFile(path, 'w', compression) as archive:
        archive.writestr(top + '/data.pkl', pickle_bytes)
        if order:
            archive.writestr(top + '/byteorder', order)
        for key, array in (storages or {}).items():
            archive.writestr('%s/data/%s' % (top, key), array.tobytes())
    return str(path)


def write_plain(path, pickle_bytes, storages=None, **others):
    """The plain layout. `others` takes the place of one of the five pickles: magic, version, facts, keys."""
    storages = storages or {}
    parts = dict({'magic': pickled(plain(MAGIC_NUMBER)), 'version': pickled(plain(VERSION)),
                  'facts': pickled(plain({'little_endian': True})), 'object': pickle_bytes,
                  'keys': pickled(plain(list(storages)))}, **others)
    with open(path, 'wb') as file:
        file.write(b''.join(parts.values()))
        for array in storages.values():
            file.write(array.size.to_bytes(8, 'little') + array.tobytes())
    return str(path)


A = np.arange(6, dtype='float32').reshape(2, 3)
B = np.array([1, -2, 2 ** 40], 'int64')
SMALL = pickled(ordered(a=tensor(storage('0', 6), (2, 3)), b=tensor(storage('1', 3, 'LongStorage'), (3,))))


def write_small(write, path, **options):
    """Writes a file of two tensors, a = A and b = B, with `write_zip` or `write_plain`."""
    return write(path, SMALL, {'0': A, '1': B}, **options)
