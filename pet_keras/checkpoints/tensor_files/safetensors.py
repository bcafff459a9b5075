"""The safetensors format: eight bytes of length, a JSON header, and the numbers, one tensor after the other.

Its description: https://github.com/huggingface/safetensors#format
"""
import json
import math

from pet_keras.checkpoints.tensor_files.dtypes import kept_as
from pet_keras.checkpoints.tensor_files.mapped import MappedFile
from pet_keras.checkpoints.tensor_files.tensor_file import TensorFile, are_counts, is_shape
from pet_keras.errors import UserError

LONGEST_HEADER = 10 ** 8  # bytes, as in the format's own library
DTYPES = {'F64': 'float64', 'F32': 'float32', 'F16': 'float16', 'BF16': 'bfloat16', 'I64': 'int64', 'I32': 'int32',
          'I16': 'int16', 'I8': 'int8', 'U64': 'uint64', 'U32': 'uint32', 'U16': 'uint16', 'U8': 'uint8',
          'BOOL': 'bool'}


class SafetensorsFile(TensorFile):
    """A `.safetensors` file, memory-mapped. The whole header is checked before any tensor is read.

    `metadata` is the header's `__metadata__`, a dict of strings.

    Raises: UserError where the file is damaged or holds a type of number that pet_keras does not read.
    """
    def __init__(self, path):
        super(SafetensorsFile, self).__init__(path)
        self._file = MappedFile(path)
        header, self._data = self._header()
        self.metadata = header.pop('__metadata__', {})
        if not isinstance(self.metadata, dict) or not all(isinstance(v, str) for v in self.metadata.values()):
            raise self.damaged('its __metadata__ is not an object of strings')
        self._offsets = {name: self._checked(name, entry) for name, entry in header.items()}
        self._check_cover()

    def _header(self):
        """The header, a dict, and the byte after it."""
        if self._file.size < 8:
            raise self.damaged('it is %d bytes long' % self._file.size)
        length = int.from_bytes(self._file.bytes(0, 8), 'little')
        if length > min(LONGEST_HEADER, self._file.size - 8):
            raise self.damaged('its header of %d bytes does not fit into it' % length)
        try:
            header = json.loads(self._file.bytes(8, length).decode('utf-8'), object_pairs_hook=unique)
        except (ValueError, RecursionError) as e:
            raise self.damaged('its header is not JSON (%s)' % e) from None
        if not isinstance(header, dict):
            raise self.damaged('its header is not a JSON object')
        return header, 8 + length

    def _checked(self, name, entry):
        """Takes in what the header says of a tensor; returns its first byte and the one after it."""
        if not isinstance(entry, dict) or not {'dtype', 'shape', 'data_offsets'} <= set(entry):
            raise self.damaged('its header has no dtype, shape and data_offsets for %s' % name)
        dtype, shape, offsets = entry['dtype'], entry['shape'], entry['data_offsets']
        if not isinstance(dtype, str):
            raise self.damaged('the dtype of %s is not a string' % name)
        if dtype not in DTYPES:
            raise UserError('%s: the tensor %s is of type %s, which pet_keras does not read: save the model as '
                            'float32, float16 or bfloat16.' % (self.path, name, dtype))
        if not is_shape(shape):
            raise self.damaged('the shape of %s is %s' % (name, shape))
        if not are_counts(offsets) or len(offsets) != 2:
            raise self.damaged('the data_offsets of %s are %s' % (name, offsets))
        size = math.prod(shape) * kept_as(DTYPES[dtype]).itemsize
        if offsets[1] - offsets[0] != size:
            raise self.damaged('%s of shape %s and type %s takes %d bytes, but its data_offsets are %s' % (
                name, shape, dtype, size, offsets))
        self.shapes[name], self.dtypes[name] = tuple(shape), DTYPES[dtype]
        return tuple(offsets)

    def _check_cover(self):
        """Raises unless the tensors follow each other without gap or overlap, from the header to the file's end."""
        end = 0
        for start, stop in sorted(self._offsets.values()):
            if start != end:
                raise self.damaged('its header puts a tensor at byte %d of the data, but the one before it ends at %d'
                                   % (start, end))
            end = stop
        if self._data + end != self._file.size:
            raise self.damaged('it is %d bytes long, but %d by its header' % (self._file.size, self._data + end))

    def _raw(self, name):
        start, shape = self._data + self._offsets[name][0], self.shapes[name]
        return self._file.array(start, kept_as(self.dtypes[name], '<'), math.prod(shape)).reshape(shape)


def unique(pairs):
    """A JSON object's pairs as a dict, for json's `object_pairs_hook`. Raises: ValueError where a name repeats."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError('a name stands in it twice')
    return found
