"""Google's format: `bert_config.json`, `vocab.txt`, `bert_model.ckpt.*`, read and written."""
import glob
import hashlib
import json
import os

import numpy as np

from pet_keras.checkpoints.config import CONFIGS, find_file, read_config
from pet_keras.checkpoints.git_lfs import check_no_pointer
from pet_keras.checkpoints.vocabulary import find_vocab, lower_case, write_vocab
from pet_keras.errors import UserError


class GoogleSource(object):
    """What a Checkpoint reads, from a folder in Google's format.

    A source of another format has the same attributes: `format`, `config_path`, `vocab_path`, `weights_path` (a name
    for messages), `config` (a dict under Google's keys), `shapes`, `dtypes`, `read`, `check`, `left_out`
    and `legacy_fingerprint`.

    Arguments: `weights_path`, where the folder holds several: the name without `.index`.

    Raises: UserError where a file is missing, or several could be meant.
    """
    format, left_out = 'Google TensorFlow', []

    def __init__(self, folder, weights_path=None):
        self.folder = folder
        self.config_path = find_file(folder, 'config', ['bert_config.json', '*generator_config*.json', 'config.json',
                                                        CONFIGS])
        self.vocab_path = find_vocab(folder)
        self.weights_path = weights_path or find_file(
            folder, 'weights', ['bert_model.ckpt.index', '*ckpt*.index'])[:-len('.index')]
        data = glob.glob(glob.escape(self.weights_path) + '.data-*')
        if not data:
            raise UserError('%s.index has no .data file beside it: the download is incomplete.' % self.weights_path)
        for path in [self.weights_path + '.index'] + data:
            check_no_pointer(path)
        self.config = read_config(self.config_path)
        lower = lower_case(folder, self.config)
        if lower is not None:
            self.config['do_lower_case'] = lower
        self._shapes = None

    def check(self, table):
        """Does nothing: Google's format has one table, for the input and the output."""

    @property
    def shapes(self):
        """Shape of every variable in the weights file, by name."""
        if self._shapes is None:
            from pet_keras.backend import tf
            try:
                self._shapes = {name: tuple(shape) for name, shape in tf.train.list_variables(self.weights_path)
                                if name != '_CHECKPOINTABLE_OBJECT_GRAPH'}  # a string, of tf.train.Checkpoint
            except Exception as e:  # TensorFlow raises half a dozen types for a damaged file
                raise UserError('%s cannot be read: %s' % (self.weights_path, str(e).split('\n')[0])) from None
        return self._shapes

    def read(self, name):
        """One variable of the weights file, as a NumPy array; half precision becomes float32."""
        from pet_keras.backend import tf
        try:
            value = tf.train.load_variable(self.weights_path, name)
        except Exception as e:  # of no one type, as above
            raise UserError('%s cannot be read (variable %s): %s. Is the download complete?' % (
                self.weights_path, name, str(e).split('\n')[0])) from None
        return value.astype('float32') if value.dtype.name in ('float16', 'bfloat16') else value

    @property
    def dtypes(self):
        """The type in which each variable is stored, by name: 'float32', 'float16', 'bfloat16', 'int64', …"""
        from pet_keras.backend import tf
        types = tf.train.load_checkpoint(self.weights_path).get_variable_to_dtype_map()
        return {name: types[name].name for name in self.shapes}

    @property
    def legacy_fingerprint(self):
        """The fingerprint that version 0.1 took of the files; None in a format that it could not read.

        TensorFlow's index file holds a checksum of every variable, so it stands for the whole file.
        """
        digest = hashlib.sha256()
        for path in (self.weights_path + '.index', self.vocab_path):
            with open(path, 'rb') as reader:
                digest.update(reader.read())
        return digest.hexdigest()[:12]


def check_dtype(dtype):
    """Raises UserError for a type that is not written."""
    if dtype not in ('float32', 'float16'):
        raise UserError("dtype=%r: choose 'float32' or 'float16'." % (dtype,))


def write_google(folder, config, vocab_path, variables, dtype='float32'):
    """Writes a folder in Google's format; see `atomic.written_at_once` for one that is in use.

    Arguments:
        config: a dict under Google's keys, as a GoogleSource has it.
        vocab_path: the vocabulary file.
        variables: pairs (name, variable or array).
        dtype: what they are written as: 'float32', or 'float16', which takes half the bytes.

    Raises: UserError for another type, or a number beyond it; OSError where the folder cannot be written.
    """
    check_dtype(dtype)
    names, tensors = [], []
    for name, value in variables:
        names.append(name)
        with np.errstate(over='ignore'):
            tensors.append(np.asarray(value).astype(dtype, copy=False))
        if dtype == 'float16' and np.isinf(tensors[-1]).any():
            raise UserError('%s holds numbers beyond float16, whose largest is 65504: write float32.' % name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'bert_config.json'), 'w', encoding='utf-8') as writer:
        json.dump(config, writer, ensure_ascii=False, indent=1)
    write_vocab(vocab_path, os.path.join(folder, 'vocab.txt'))
    save_tensors(os.path.join(folder, 'bert_model.ckpt'), names, tensors)


def save_tensors(prefix, names, arrays):
    """Writes a checkpoint of TensorFlow's, `prefix.index` and `prefix.data-*`.

    Arguments: `arrays`, an iterable; all of them are in memory at once.

    Raises: OSError where the files cannot be written.
    """
    from pet_keras.backend import no_chatter, tf
    with tf.device('CPU'), no_chatter():  # of oneDNN, whose complaint about float16 does not matter here
        tensors = [tf.constant(array) for array in arrays]
        try:
            tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[''] * len(names), tensors=tensors)
        except tf.errors.OpError as e:
            raise OSError('%s cannot be written: %s' % (prefix, e.message.split('\n')[0])) from None
