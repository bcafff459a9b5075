"""What torch.save writes, in its zip layout and in the older plain one, read without torch and without running anything.

The zip layout: TOP/data.pkl is the pickle, TOP/data/KEY a storage, TOP/byteorder their byte order.
The plain one: five pickles (a magic number, a version, facts of the machine, the object, the list of the storages'
keys), then of every storage its count of numbers in eight bytes and the numbers, all of it little-endian.
"""
import zipfile
import zlib

import numpy as np

from pet_keras.checkpoints.tensor_files import pickles
from pet_keras.checkpoints.tensor_files.dtypes import kept_as
from pet_keras.checkpoints.tensor_files.mapped import MappedFile
from pet_keras.checkpoints.tensor_files.tensor_file import TensorFile, check_compression
from pet_keras.checkpoints.tensor_files.torch_objects import Tensor
from pet_keras.errors import UserError

MAGIC_NUMBER, VERSION = 0x1950a86a20f9469cfc6c, 1001
_INSIDE = ('state_dict', 'model', 'module')  # the model's own key in the dict of a training's state
_CHUNK = 1 << 24


class TorchFile(TensorFile):
    """A `.bin`, `.pt` or `.pth` of torch: the tensors of a state dict, memory-mapped where they are not compressed.

    The state dict may stand in another dict, under `state_dict`, `model` or `module`. What is no tensor is left
    out. `module.`, which DataParallel puts before every name, is dropped where all have it.

    Raises: UserError where the file is damaged, holds no tensors, or its pickle holds code or other objects.
    """
    def __init__(self, path):
        super(TorchFile, self).__init__(path)
        file = MappedFile(path)
        is_zip = file.bytes(0, min(4, file.size)) == b'PK\3\4'
        self._layout = (_Zip if is_zip else _Plain)(file, self.damaged)
        self._tensors = _state_dict(self._layout.found)
        if not self._tensors:
            raise UserError('%s holds no tensors by name: it is not the state_dict of a model.' % self.path)
        self.shapes = {name: tensor.shape for name, tensor in self._tensors.items()}
        self.dtypes = {name: tensor.dtype for name, tensor in self._tensors.items()}

    def _raw(self, name):
        tensor = self._tensors[name]
        dtype = kept_as(tensor.dtype, self._layout.order)
        if not tensor.extent:
            return np.empty(tensor.shape, dtype)
        flat = self._layout.numbers(tensor.storage.key, tensor.offset * dtype.itemsize, dtype, tensor.extent)
        strides = [stride * dtype.itemsize for stride in tensor.strides]
        return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)


class _Plain(object):
    """The plain layout of a MappedFile: `found`, what is pickled, and `numbers`. `damaged` makes an error."""
    order = '<'

    def __init__(self, file, damaged):
        self.file, self.starts = file, {}
        read = self._pickles()
        if next(read)[0] != MAGIC_NUMBER or next(read)[0] != VERSION:
            raise UserError('%s is a pickle, but not one of torch.' % file.path)
        next(read)  # facts of the machine
        self.found, known, _ = next(read)
        keys, _, end = next(read)
        if type(keys) is not list or any(type(key) is not str for key in keys) or sorted(keys) != sorted(known):
            raise damaged('its list of storages is not that of its tensors')
        for key in keys:
            size = int.from_bytes(file.bytes(end, 8), 'little')
            if size != known[key].size:
                raise damaged('it holds %d numbers where its tensors say %d' % (size, known[key].size))
            self.starts[key] = end + 8
            end += 8 + known[key].nbytes
        file.bytes(end, 0)  # raises where the file ends before

    def _pickles(self):
        head, end = self.file.bytes(0, min(self.file.size, pickles.LONGEST)), 0
        while True:
            value, storages, end = pickles.load(head, end, self.file.path)
            yield value, storages, end

    def numbers(self, key, start, dtype, count):
        """`count` numbers of a NumPy dtype from byte `start` of a storage on."""
        return self.file.array(self.starts[key] + start, dtype, count)


class _Zip(object):
    """The zip layout of a MappedFile, with the same attributes as _Plain."""
    def __init__(self, file, damaged):
        self.file, self.damaged, self.checked = file, damaged, set()
        try:
            self.archive = zipfile.ZipFile(file.file)
        except Exception as e:  # a damaged archive raises any type
            raise damaged('its archive cannot be read (%s)' % e) from None
        infos = {info.filename: info for info in self.archive.infolist()}
        tops = [name[:-len('data.pkl')] for name in infos if name.count('/') == 1 and name.endswith('/data.pkl')]
        if len(tops) != 1 or len(infos) < len(self.archive.infolist()):
            raise UserError('%s is a zip archive, but not one of torch.' % file.path)
        self.entries = {name[len(tops[0]):]: info for name, info in infos.items() if name.startswith(tops[0])}
        self.order = {b'little': '<', b'big': '>'}.get(self.content('byteorder', 99) or b'little')
        if not self.order:
            raise damaged('its byte order is neither little nor big')
        self.found, storages, _ = pickles.load(self.content('data.pkl', pickles.LONGEST), 0, file.path)
        for key, storage in storages.items():
            if self.size('data/' + key) != storage.nbytes:
                raise damaged('the storage %s in its archive has %d bytes, where its tensors say %d' % (
                    key, self.size('data/' + key), storage.nbytes))
            check_compression(storage.nbytes, self.entries['data/' + key].compress_size, key, damaged)

    def size(self, name):
        """Bytes of an entry, 0 where there is none."""
        return self.entries[name].file_size if name in self.entries else 0

    def content(self, name, most):
        """All bytes of an entry of at most `most` bytes, none where there is no such entry."""
        if self.size(name) > most:
            raise self.damaged('%s in its archive is %d bytes long' % (name, self.size(name)))
        return self.bytes(name, 0, 'u1', self.size(name)).tobytes()

    def numbers(self, key, start, dtype, count):
        """`count` numbers of a NumPy dtype from byte `start` of a storage on."""
        return self.bytes('data/' + key, start, dtype, count)

    def bytes(self, name, start, dtype, count):
        """A part of an entry, whose checksum is compared the first time."""
        if not count:
            return np.empty(0, dtype)
        info = self.entries[name]
        if info.flag_bits & 1:
            raise self.damaged('%s in its archive is encrypted' % name)
        if info.compress_type != zipfile.ZIP_STORED:
            try:
                return np.frombuffer(self.archive.read(info), dtype, count, start)
            except MemoryError:
                raise
            except Exception as e:  # as above
                raise self.damaged('%s in its archive cannot be read (%s)' % (name, e)) from None
        header = self.file.bytes(info.header_offset, 30)  # then come the entry's name and what pads it
        place = info.header_offset + 30 + sum(int.from_bytes(header[at:at + 2], 'little') for at in (26, 28))
        if name not in self.checked:
            self._check(info, name, place)
            self.checked.add(name)
        return self.file.array(place + start, dtype, count)

    def _check(self, info, name, place):
        checksum = 0
        for at in range(0, info.file_size, _CHUNK):
            checksum = zlib.crc32(self.file.array(place + at, 'u1', min(_CHUNK, info.file_size - at)), checksum)
        if info.CRC not in (0, checksum):  # torch can be told not to make them: then they are 0
            raise self.damaged('the checksum of %s in its archive is wrong' % name)


def _state_dict(found):
    """{name: Tensor} of what a pickle holds."""
    if type(found) is not dict:
        return {}
    found = next((found[key] for key in _INSIDE if type(found.get(key)) is dict), found)
    tensors = {name: value for name, value in found.items() if type(name) is str and type(value) is Tensor}
    if all(name.startswith('module.') for name in tensors):
        tensors = {name[len('module.'):]: tensor for name, tensor in tensors.items()}
    return tensors
