"""write_safetensors: a model's tensors into one safetensors file, one tensor in memory at a time."""
import contextlib
import json
import math
import os

import numpy as np

from pet_keras.checkpoints.tensor_files.dtypes import FLOATS, kept_as, narrow
from pet_keras.checkpoints.tensor_files.safetensors import DTYPES
from pet_keras.errors import UserError

_CODES = {name: code for code, name in DTYPES.items()}


def write_safetensors(path, tensors, dtype=None, metadata=None):
    """Writes a safetensors file. What stood at `path` stays until all is written.

    Arguments:
        tensors: tuples (name, shape, dtype, read), dtype 'float32', 'bfloat16', 'int64', … as in TensorFile.dtypes;
            `read()` gives the array, for 'bfloat16' its bits as uint16 or floats to round.
        dtype: the type to write every float type as; None keeps each its own.
        metadata: dict of strings; None is {'format': 'pt'}, which transformers asks for.

    Raises: UserError for another dtype, or numbers beyond it; ValueError where a name repeats or an array has
    another shape; OSError where the file cannot be written. After any of them nothing new is there.
    """
    if dtype is not None and dtype not in FLOATS:
        raise UserError('dtype=%r: choose one of %s.' % (dtype, ', '.join(FLOATS)))
    tensors = [(name, tuple(shape), dtype if dtype and stored in FLOATS else stored, read)
               for name, shape, stored, read in tensors]
    tensors.sort(key=lambda tensor: -kept_as(tensor[2]).itemsize)  # so that each stands at a multiple of its size
    partial = str(path) + '.partial'
    try:
        with open(partial, 'wb') as file:
            file.write(_header(tensors, {'format': 'pt'} if metadata is None else metadata))
            for name, shape, stored, read in tensors:
                array = narrow(read(), stored, name)
                if array.shape != shape:
                    raise ValueError('%s has shape %s, not %s as announced' % (name, array.shape, shape))
                file.write(np.ascontiguousarray(array, array.dtype.newbyteorder('<')).reshape(-1).view('u1').data)
                del array
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise


def _header(tensors, metadata):
    """The eight bytes of length and the JSON, padded so that the numbers begin at a multiple of eight."""
    header, end = {'__metadata__': dict(metadata)} if metadata else {}, 0
    for name, shape, stored, _ in tensors:
        if name in header:
            raise ValueError('two tensors are called %s' % name)
        start, end = end, end + math.prod(shape) * kept_as(stored).itemsize
        header[name] = {'dtype': _CODES[stored], 'shape': list(shape), 'data_offsets': [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(',', ':')).encode('utf-8')
    text += b' ' * (-len(text) % 8)
    return len(text).to_bytes(8, 'little') + text
