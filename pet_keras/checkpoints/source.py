"""open_source: a folder or a file of weights as what a Checkpoint reads, its format recognised from the files alone."""
import fnmatch
import os

from pet_keras.checkpoints.google import GoogleSource
from pet_keras.checkpoints.huggingface import HuggingFaceSource
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.checkpoints.uer import UerSource, is_uer
from pet_keras.errors import UserError

# What is looked for in a folder, the first that is there counts; several of one pattern must be told apart
_GOOGLE = '*ckpt*.index'
_TENSORS = ('model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json',
            'tf_model.h5', '*.safetensors.index.json', '*.bin.index.json', '*.safetensors', '*.bin', '*.bin-*', '*.pt',
            '*.pth', '*.h5')
_NOT_WEIGHTS = ('added.safetensors', 'prompt.safetensors', 'training_args.bin', 'optimizer.*', 'scheduler.*',
                'adapter_model.*', '*-of-*')
_OTHERS = {'flax_model*.msgpack': 'Flax', '*.onnx': 'ONNX', '*.pdparams': 'PaddlePaddle', '*.gguf': 'GGUF',
           '*.mindir': 'MindSpore', 'rust_model.ot': 'rust-bert'}


def open_source(path):
    """The source of a checkpoint, see `google.GoogleSource`.

    Arguments:
        path: a folder, or one file of weights in it: `bert_model.ckpt.index`, `bert_model.ckpt`, `model.safetensors`,
            an index of a sharded model, a `.bin`, a `tf_model.h5`. In a folder with several formats Google's counts
            before safetensors, PyTorch's `.bin` and `.h5`, in this order, and a whole file before a sharded one. A
            `.bin` is UER-py's or Hugging Face's by the names of its tensors.

    Raises: UserError where a file is missing or damaged, several could be meant, or the format is another.
    """
    path = str(path)
    if not os.path.isdir(path):
        return _of_file(os.path.dirname(path), path)
    found = weights_among(os.listdir(path), path)
    return GoogleSource(path) if found is None else _of_file(path, os.path.join(path, found))


def is_weights_file(path):
    """Whether a path is that of a file of weights; Google's have a name that is the path of no file."""
    return os.path.isfile(path) or os.path.isfile(str(path) + '.index')


def _of_file(folder, path):
    if path.endswith('config.json'):
        raise UserError('%s is a config, not weights: name its folder, or the file of weights beside it.' % path)
    google = path[:-len('.index')] if path.endswith('.index') else path.split('.data-')[0]
    if os.path.isfile(google + '.index'):
        return GoogleSource(folder, google)
    tensors = open_tensors(path)
    return (UerSource if is_uer(tensors.shapes) else HuggingFaceSource)(folder, tensors)


def weights_among(names, where):
    """Which of a folder's files is that of the weights; None where they are Google's or missing.

    Raises: UserError where several could be meant, or they are of another format; `where` they are stands in it.
    """
    names = sorted(names)
    indices = fnmatch.filter(names, _GOOGLE)
    if any(name.startswith(index[:-len('index')] + 'data-') for index in indices for name in names):
        if len(indices) > 1 and 'bert_model.ckpt.index' not in indices:
            raise _several(where, indices)
        return None
    names = [name for name in names if not any(fnmatch.fnmatch(name, aside) for aside in _NOT_WEIGHTS)]
    for pattern in _TENSORS:
        found = fnmatch.filter(names, pattern)
        if len(found) == 1:
            return found[0]
        if found:
            raise _several(where, found)
    for pattern, kind in _OTHERS.items():
        for name in fnmatch.filter(names, pattern):
            raise UserError('%s holds weights for %s alone (%s), which are not read here: download model.safetensors, '
                            'pytorch_model.bin, tf_model.h5 or bert_model.ckpt.*.' % (where, kind, name))
    return None


def _several(where, names):
    return UserError('%s holds several files that could be the weights: %s. Name the one as the checkpoint (of a '
                     'repository: when it is downloaded), or leave one.' % (where, ', '.join(names)))
