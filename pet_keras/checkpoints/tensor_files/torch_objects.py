"""What a pickle of tensors may name: storages, types of numbers, and the few functions that make tensors of them.

The functions stand for torch's own, and raise ValueError where their arguments are not what torch gives these.
"""
import math
from typing import NamedTuple

from pet_keras.checkpoints.tensor_files.dtypes import kept_as
from pet_keras.checkpoints.tensor_files.tensor_file import are_counts, is_shape

_STORAGES = {'DoubleStorage': 'float64', 'FloatStorage': 'float32', 'HalfStorage': 'float16',
             'BFloat16Storage': 'bfloat16', 'LongStorage': 'int64', 'IntStorage': 'int32', 'ShortStorage': 'int16',
             'CharStorage': 'int8', 'ByteStorage': 'uint8', 'BoolStorage': 'bool', 'UntypedStorage': None}


class Storage(NamedTuple):
    """`size` numbers in the file, found by `key`; `dtype` None: bare bytes."""
    key: str
    dtype: str
    size: int

    @property
    def nbytes(self):
        return self.size * (kept_as(self.dtype).itemsize if self.dtype else 1)


class Tensor(NamedTuple):
    """A view of a storage: the first element is number `offset`; `strides` are counted in numbers."""
    storage: Storage
    dtype: str
    offset: int
    shape: tuple
    strides: tuple

    @property
    def extent(self):
        """Numbers of the storage from the view's first to its last."""
        return 0 if 0 in self.shape else 1 + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides))


class Type(NamedTuple):
    """What torch.FloatStorage or torch.float32 says."""
    dtype: str
    is_storage: bool


class Function(object):
    """What a pickle may call."""
    def __init__(self, call):
        self.call = call


def _tensor_v3(storage, offset, shape, strides, requires_grad, hooks, dtype, metadata=None):
    expect(type(storage) is Storage and type(dtype) is Type and dtype.dtype, 'a tensor without storage or type')
    expect(storage.dtype in (None, dtype.dtype), 'a tensor whose type is not its storage\'s')
    expect(is_shape(shape) and are_counts(strides) and len(shape) == len(strides) and are_counts([offset]),
           'a tensor without shape')
    tensor = Tensor(storage, dtype.dtype, offset, tuple(shape), tuple(strides))
    size = storage.nbytes // kept_as(dtype.dtype).itemsize
    # a stride of 0 makes many numbers of one, so a small file could fill the memory
    expect(offset + tensor.extent <= size and math.prod(shape) <= size, 'a tensor that leaves its storage')
    return tensor


def _tensor(storage, offset, shape, strides, requires_grad=None, hooks=None, metadata=None):
    return _tensor_v3(storage, offset, shape, strides, requires_grad, hooks, Type(storage.dtype, False))


def _parameter(tensor, *others):
    expect(type(tensor) is Tensor, 'a parameter that is no tensor')
    return tensor


def _size(shape):
    expect(is_shape(shape), 'a shape that is none')
    return tuple(shape)


def _dict(pairs=None):
    """An OrderedDict; Python 2 gave it the pairs at once."""
    expect(pairs is None or type(pairs) is list, 'a strange dict')
    found = {}
    for key, value in pairs or ():
        put(found, key, value)
    if pairs:
        pairs.clear()  # or a few bytes of pickle could copy it again and again
    return found


def storage_of(pid):
    """What a pickle says of a storage: ('storage', type, key, device, size in numbers[, view])."""
    expect(type(pid) is tuple and len(pid) in (5, 6) and pid[0] == 'storage', 'a reference that is no storage')
    expect(type(pid[1]) is Type and pid[1].is_storage and type(pid[2]) is str and are_counts([pid[4]]),
           'a storage without type, key or size')
    expect(pid[5:] in ((), (None,)), 'a view of a storage, which torch before 0.4 wrote')
    return Storage(pid[2], pid[1].dtype, pid[4])


def put(found, key, value):
    """Sets a dict's item. Keys are plain: to hash a tuple of the same tuple twice, and so on, takes for ever."""
    expect(type(found) is dict and type(key) in (str, int, float, bool, bytes, type(None)), 'a strange dict')
    found[key] = value


def expect(is_so, otherwise):
    """Raises ValueError(otherwise) unless `is_so`."""
    if not is_so:
        raise ValueError(otherwise)


# What a pickle may name, as 'MODULE NAME'
KNOWN = {'collections OrderedDict': Function(_dict), 'torch Size': Function(_size),
         'torch device': Function(lambda *where: None), 'torch._utils _rebuild_tensor': Function(_tensor),
         'torch._utils _rebuild_tensor_v2': Function(_tensor),
         'torch._utils _rebuild_tensor_v3': Function(_tensor_v3),
         'torch._utils _rebuild_parameter': Function(_parameter),
         'torch._utils _rebuild_parameter_with_state': Function(_parameter)}
KNOWN.update({'%s %s' % (module, name): Type(dtype, True) for name, dtype in _STORAGES.items()
              for module in ('torch', 'torch.cuda', 'torch.storage')})
KNOWN.update({'torch ' + name: Type(name, False) for name in (
    'float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16',
    'uint8', 'bool')})
