"""open_tensors: a file of named tensors, whatever its format, which is recognised by what the file holds."""
from pet_keras.checkpoints.git_lfs import check_no_pointer
from pet_keras.checkpoints.tensor_files.hdf5 import HDF5File
from pet_keras.checkpoints.tensor_files.mapped import MappedFile
from pet_keras.checkpoints.tensor_files.safetensors import SafetensorsFile
from pet_keras.checkpoints.tensor_files.sharded import ShardedFile
from pet_keras.checkpoints.tensor_files.torch_file import TorchFile
from pet_keras.errors import UserError


def open_tensors(path):
    """Opens a file of named tensors.

    Arguments:
        path: a `.safetensors`; the index of a sharded model, `*.safetensors.index.json` or
            `pytorch_model.bin.index.json`; what torch.save wrote, `.bin`, `.pt`, `.pth`; or a `tf_model.h5`.

    Returns: a TensorFile: `path`, `shapes`, `dtypes`, `read(name)`, `raw(name)`.

    Raises: UserError where the file cannot be read, is damaged, or is none of these.

    >>> open_tensors('config.yaml')
    Traceback (most recent call last):
    pet_keras.errors.UserError: config.yaml cannot be read: No such file or directory.
    """
    return ShardedFile(path, _open_one) if str(path).endswith('.json') else _open_one(path)


def _open_one(path):
    """A TensorFile of one file."""
    file = MappedFile(path)
    start = file.bytes(0, min(file.size, 64))
    if not start:
        raise UserError('%s is empty. Is the download complete?' % path)
    if start.startswith(b'\x89HDF\r\n\x1a\n'):
        return HDF5File(path)
    if start[8:9] == b'{':  # before them may stand any length, '<' too
        return SafetensorsFile(path)
    check_no_pointer(path)
    if start.startswith(b'<'):
        raise UserError('%s is a web page, not weights: download the file itself.' % path)
    if start.startswith((b'PK\3\4', b'\x80')) or str(path).endswith(('.bin', '.pt', '.pth')):
        return TorchFile(path)
    if str(path).endswith('.safetensors'):
        return SafetensorsFile(path)  # which says what is wrong with it
    raise UserError('%s is not a file of weights that pet_keras reads: neither safetensors nor torch\'s nor HDF5.'
                    % path)
