"""What the tests do to a checkpoint's folder."""
import json
import os

import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.errors import UserError

HEAD = 'cls/predictions/'


def error(folder, use=Checkpoint):
    with pytest.raises(UserError) as e:
        use(folder)
    return str(e.value)


def path(folder, name):
    return os.path.join(folder, name)


def set_config(folder, **keys):
    with open(path(folder, 'bert_config.json'), encoding='utf-8') as reader:
        config = dict(json.load(reader), **keys)
    with open(path(folder, 'bert_config.json'), 'w', encoding='utf-8') as writer:
        json.dump({key: value for key, value in config.items() if value is not None}, writer)


def set_vocab(folder, change, newline='\n'):
    """Writes the vocabulary again after `change` has changed the list of its tokens."""
    with open(path(folder, 'vocab.txt'), encoding='utf-8') as reader:
        tokens = reader.read().split('\n')[:-1]
    change(tokens)
    with open(path(folder, 'vocab.txt'), 'w', encoding='utf-8', newline='') as writer:
        writer.write(''.join(token + newline for token in tokens))


def rewrite(folder, change):
    """Writes the weights again after `change` has changed the dict name → array."""
    from pet_keras.backend import tf
    checkpoint = Checkpoint(folder)
    variables = {name: checkpoint.load_variable(name) for name in checkpoint.shapes}
    change(variables)
    tf.raw_ops.SaveV2(prefix=checkpoint.weights_path, tensor_names=list(variables),
                      shape_and_slices=[''] * len(variables), tensors=[tf.constant(v) for v in variables.values()])


def files(folder):
    """Content of each file, by name."""
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(path(folder, name), 'rb') as reader:
            found[name] = reader.read()
    return found
