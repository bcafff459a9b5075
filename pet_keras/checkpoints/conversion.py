"""convert: a checkpoint of any format written as Google's or as Hugging Face's, the same model to the last bit."""
import contextlib
import functools
import json
import math
import os
import shutil
import sys
import warnings
from types import SimpleNamespace

import numpy as np

from pet_keras.checkpoints.atomic import written_at_once
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.fingerprint import fingerprint
from pet_keras.checkpoints.google import save_tensors
from pet_keras.checkpoints.huggingface import HuggingFaceSource
from pet_keras.checkpoints.names import hugging_face_names, is_of_cloze, is_of_optimizer, layer_norm_eps, word_table
from pet_keras.checkpoints.tensor_files.dtypes import FLOATS, kept_as, narrow
from pet_keras.checkpoints.tensor_files.writing import write_safetensors
from pet_keras.checkpoints.uer import UerSource
from pet_keras.checkpoints.vocabulary import write_vocab
from pet_keras.checkpoints.vocabulary_cut import CutSource, tokens_to_keep
from pet_keras.errors import UserError

DTYPES = ('float32', 'float16', 'keep')
FORMATS = {'google': 'bert_model.ckpt', 'safetensors': 'model.safetensors'}  # and what their weights are called
# family → transformers' class for a masked model, and for a causal one
_CLASSES = {'bert': ('BertForMaskedLM', 'BertLMHeadModel'), 'albert': ('AlbertForMaskedLM', None),
            'electra': ('ElectraForMaskedLM', 'ElectraForCausalLM'), 'nezha': ('NezhaForMaskedLM',) * 2,
            'roformer': ('RoFormerForMaskedLM', 'RoFormerForCausalLM'), 'gpt': (None, 'OpenAIGPTLMHeadModel'),
            'gpt2': (None, 'GPT2LMHeadModel')}
_KEYS = ('vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size',
         'max_position_embeddings', 'type_vocab_size', 'hidden_dropout_prob', 'attention_probs_dropout_prob',
         'initializer_range')
_KEYS_OF_GPT = {'vocab_size': 'vocab_size', 'n_embd': 'hidden_size', 'n_layer': 'num_hidden_layers',
                'n_head': 'num_attention_heads', 'n_inner': 'intermediate_size',
                'n_positions': 'max_position_embeddings', 'resid_pdrop': 'hidden_dropout_prob',
                'embd_pdrop': 'hidden_dropout_prob', 'attn_pdrop': 'attention_probs_dropout_prob',
                'initializer_range': 'initializer_range'}
# bert4keras' settings that change what is computed and that transformers' models have not
_BERT4KERAS_ALONE = ('segment_vocab_size', 'attention_head_size', 'attention_key_size', 'residual_attention_scores',
                     'hierarchical_position')
# What transformers calls the activations; in OpenAI's GPT gelu is the tanh form, in GPT2 gelu_python the erf form
_ACTIVATIONS = {'gpt': {'gelu_tanh': 'gelu', 'relu': 'relu'},
                'gpt2': {'gelu_tanh': 'gelu_new', 'gelu_erf': 'gelu_python', 'relu': 'relu'}}
_ACTIVATIONS_OF_BERT = {'gelu_erf': 'gelu', 'gelu_tanh': 'gelu_new', 'relu': 'relu'}


def convert(checkpoint, folder, to='google', dtype='float32', keep_tokens=(), verbose=0):
    """Writes a checkpoint into a new folder; a float32 copy is compared with it before the folder holds anything.

    Arguments:
        checkpoint: a Checkpoint, or its name: a folder, a file, `hf:owner/name`, a shipped model.
        folder: a folder that is empty or not there.
        to: 'google' (`bert_config.json`, `vocab.txt`, `bert_model.ckpt.*`) or 'safetensors' (`config.json` under
            Hugging Face's keys, `vocab.txt`, `tokenizer_config.json`, `model.safetensors`).
        dtype: of the weights: 'float32'; 'float16' for half the bytes, where the optimizer's slots stay float32; or
            'keep', each its own (float64 as float32).
        keep_tokens: names of texts and tasks: only the tokens of these are left, see `tokens_to_keep`.
        verbose: 1 shows on standard error how much is read.

    Returns: a dict: `folder`, `format`, `dtype` (of the table of words), `tensors`, `bytes` (of all weights), `tokens`
    and `tokens_before`, `fingerprint`, and the names of two kinds of tensors: `dropped`, which the target has no place
    for, and `damaged`, which hold NaN or infinite numbers. Of the latter a warning is given.

    For safetensors one tensor is in memory at a time; TensorFlow writes Google's format from all of them at once.

    Raises: UserError where the target cannot hold the model or a number is beyond `dtype`, or the folder is in use;
    OSError where it cannot be written. After any of them no checkpoint is there.
    """
    checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    if to not in FORMATS:
        raise UserError('to=%r: choose one of %s.' % (to, ', '.join(FORMATS)))
    if dtype not in DTYPES:
        raise UserError('dtype=%r: choose one of %s.' % (dtype, ', '.join(DTYPES)))
    _check_new(folder, checkpoint)
    checkpoint.check_vocabulary()
    checkpoint.source.check(word_table(checkpoint.family))
    source, tokens = checkpoint.source, None
    if keep_tokens:
        source = CutSource(checkpoint, tokens_to_keep(keep_tokens, checkpoint))
        tokens = source.tokens
    vocab = {token: i for i, token in enumerate(tokens)} if tokens else checkpoint.vocab
    config = dict(checkpoint.config, vocab_size=len(vocab))
    dtypes = _dtypes(source, dtype)
    make = _google if to == 'google' else _hugging_face
    json_files, tensors, dropped = make(checkpoint, source, config, vocab, dtypes)
    size = sum(math.prod(shape) * kept_as(stored).itemsize for _, shape, stored, _ in tensors)
    if verbose:
        tensors = _told(tensors, size)
    damaged = []
    tensors = [(name, shape, stored, functools.partial(_examined, name, read, damaged))
               for name, shape, stored, read in tensors]
    with _made(folder, size), written_at_once(folder) as new:
        for name, content in json_files.items():
            with open(os.path.join(new, name), 'w', encoding='utf-8') as writer:
                json.dump(content, writer, ensure_ascii=False, indent=1)
        _write_tokens(os.path.join(new, 'vocab.txt'), tokens, checkpoint.vocab_path)
        path = os.path.join(new, FORMATS[to])
        if to == 'google':
            save_tensors(path, [name for name, *_ in tensors],
                         (_narrow(read(), stored, name) for name, _, stored, read in tensors))
        else:
            write_safetensors(path, tensors)
        copy = Checkpoint(new)
        if dtype != 'float16' and copy.fingerprint != _wanted(checkpoint, source, config, vocab, dropped):
            raise UserError('The copy of %s is not the same model, so it was not kept.' % checkpoint.name)
        digits = copy.fingerprint
    if damaged:
        warnings.warn('%s holds NaN or infinite numbers, and so does its copy, in %d tensors: %s%s.' % (
            checkpoint.name, len(damaged), ', '.join(damaged[:10]), ', …' * (len(damaged) > 10)), stacklevel=2)
    return {'folder': str(folder), 'format': to, 'dtype': dtypes[word_table(checkpoint.family)],
            'tensors': len(tensors), 'bytes': size, 'tokens': len(vocab), 'tokens_before': len(checkpoint.vocab),
            'fingerprint': digits, 'dropped': dropped, 'damaged': damaged}


def _check_new(folder, checkpoint):
    """Raises UserError unless the folder is not there or empty; what an interrupted save left in it does not count."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise UserError('%s is a file: name a folder to write into.' % folder)
    if os.path.isdir(folder):
        if checkpoint.is_in(folder):
            raise UserError("%s is the checkpoint's own folder: name another one to write into." % folder)
        if set(os.listdir(folder)) - {'save.partial', 'save.done'}:
            raise UserError('%s is not empty, and nothing is written over: name another folder.' % folder)


@contextlib.contextmanager
def _made(folder, size):
    """Makes a folder for `size` bytes, and where writing fails takes it away again."""
    was_there = os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    try:
        free = shutil.disk_usage(folder).free
        if free < size:
            raise OSError('%s needs %.1f MB, and %.1f MB are free there.' % (folder, size / 1e6, free / 1e6))
        yield
    except BaseException:
        if not was_there:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        raise


def _write_tokens(path, tokens, vocab_path):
    if tokens is None:
        return write_vocab(vocab_path, path)
    with open(path, 'w', encoding='utf-8', newline='\n') as writer:
        writer.writelines(token + '\n' for token in tokens)


def _narrow(array, stored, name):
    """An array as TensorFlow keeps this type, see `dtypes.narrow`."""
    from pet_keras.backend import tf
    kept = narrow(array, stored, name)
    return kept.view(tf.bfloat16.as_numpy_dtype) if stored == 'bfloat16' else kept


def _wanted(checkpoint, source, config, vocab, dropped):
    """The fingerprint of what was to be written."""
    left = SimpleNamespace(read=source.read, shapes={name: source.shapes[name] for name in source.shapes
                                                     if name not in dropped})
    return fingerprint(left, dict(config, application='lm' if checkpoint.is_causal else 'mlm'), vocab)


def _examined(name, read, damaged):
    """What `read` gives; the name is added to `damaged` where it holds NaN or infinite numbers."""
    array = read()
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        damaged.append(name)
    return array


def _told(tensors, size):
    """The tensors, which say on standard error how many of `size` bytes have been read."""
    done = [0]

    def telling(shape, stored, read):
        def told():
            done[0] += math.prod(shape) * kept_as(stored).itemsize
            print('\r%d of %d MB' % (done[0] / 1e6, size / 1e6), end='\n' * (done[0] == size), file=sys.stderr)
            return read()
        return told
    return [(name, shape, stored, telling(shape, stored, read)) for name, shape, stored, read in tensors]


# --- what each format is given: JSON files by name, tensors as `write_safetensors` takes them, what is dropped --------

def _dtypes(source, dtype):
    """{variable, or tensor that stands for none: the type that it is written in}."""
    found = dict({name: source.tensors.dtypes[name] for name in source.left_out}, **source.dtypes)
    for name, stored in found.items():
        if stored in FLOATS and (dtype != 'keep' or stored == 'float64'):
            found[name] = 'float16' if dtype == 'float16' and not is_of_optimizer(name) else 'float32'
    return found


def _google(checkpoint, source, config, vocab, dtypes):
    tensors, dropped = [], checkpoint.source.left_out + _padding(source)
    for name, shape in source.shapes.items():
        if dtypes[name] == 'string':  # TensorFlow's notes on how it was saved
            dropped.append(name)
        else:
            tensors.append((name, tuple(shape), dtypes[name], functools.partial(source.read, name)))
    written = dict(source.config, vocab_size=config['vocab_size'])
    if checkpoint.application == 'lm':
        written['application'] = 'lm'
    return {'bert_config.json': written}, tensors, dropped


def _padding(source):
    """UER-py's row for the segment of the padding, which no other format has."""
    return ['the row of segment 0, the padding'] if source.format.startswith(UerSource.kind) else []


def _hugging_face(checkpoint, source, config, vocab, dtypes):
    table = word_table(checkpoint.family)
    files, parts = _hugging_face_files(checkpoint, config, vocab, dtypes[table]), {}
    for theirs, ours, how in hugging_face_names(checkpoint.family, config['num_hidden_layers']):
        parts.setdefault(theirs, []).append((ours, how))
    parts = {theirs: found for theirs, found in parts.items() if all(ours in source.shapes for ours, _ in found)}
    tensors = [_tensor(source, theirs, found, dtypes) for theirs, found in parts.items()]
    dropped = sorted(set(source.shapes) - {ours for found in parts.values() for ours, _ in found})
    for name in dropped:
        if is_of_cloze(name) and not name.startswith('cls/'):  # these can be heads for other tasks
            raise UserError('%s: the variable %s has no name in Hugging Face\'s format, and without it the model is '
                            'another one: write --to google.' % (checkpoint.weights_path, name))
    for name in checkpoint.source.left_out:
        if source.format.startswith(HuggingFaceSource.kind) and name in source.left_out and name not in parts:
            tensors.append((name, tuple(source.tensors.shapes[name]), dtypes[name],
                            functools.partial(source.tensors.read, name)))
        else:
            dropped.append(name)
    return files, tensors, dropped + _padding(source)


def _tensor(source, name, parts, dtypes):
    """One tensor of Hugging Face's, of one variable or several, see `names.of_modules`."""
    shape, is_turned = tuple(source.shapes[parts[0][0]]), parts[0][1] == 'T'
    stored = {dtypes[ours] for ours, _ in parts}
    dtype = stored.pop() if len(stored) == 1 else 'float32'

    def read():
        arrays = [source.read(ours) for ours, _ in parts]
        joined = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)
        return joined.T if is_turned else joined
    return name, shape[::-1] if is_turned else shape[:-1] + (shape[-1] * len(parts),), dtype, read


def _hugging_face_files(checkpoint, config, vocab, dtype):
    """`config.json` and `tokenizer_config.json`."""
    family, path = checkpoint.family, checkpoint.config_path
    kind = _CLASSES.get(family, (None, None))[checkpoint.is_causal]
    if kind is None:
        raise UserError('%s: a %s model of family %s has no counterpart in Hugging Face\'s format: write --to google.'
                        % (checkpoint.folder, 'causal' if checkpoint.is_causal else 'masked', family))
    for key in _BERT4KERAS_ALONE:
        if key in config:
            raise UserError('%s: %r is a setting of bert4keras alone: write --to google.' % (path, key))
    activation = _ACTIVATIONS.get(family, _ACTIVATIONS_OF_BERT).get(config['hidden_act'])
    if activation is None:
        raise UserError('%s: hidden_act %r has no name in a %s of Hugging Face\'s: write --to google.' % (
            path, config['hidden_act'], family))
    eps = layer_norm_eps(family, config)
    if family.startswith('gpt'):
        written = {theirs: config[ours] for theirs, ours in _KEYS_OF_GPT.items() if ours in config}
        written.update({'activation_function' if family == 'gpt2' else 'afn': activation, 'layer_norm_epsilon': eps,
                        'bos_token_id': vocab['[CLS]'], 'eos_token_id': vocab['[SEP]']})
    else:
        written = {key: config[key] for key in _KEYS if key in config}
        written.update(hidden_act=activation, layer_norm_eps=eps)
        if family in ('albert', 'electra', 'roformer'):
            written['embedding_size'] = config.get('embedding_size') or config['hidden_size']
        if checkpoint.is_causal:
            written['is_decoder'] = True
    written.update(model_type='openai-gpt' if family == 'gpt' else family, architectures=[kind], torch_dtype=dtype,
                   tie_word_embeddings=True, pad_token_id=vocab['[PAD]'])
    tokenizer = {'tokenizer_class': 'BertTokenizer', 'do_lower_case': config['do_lower_case']}
    if checkpoint.max_position:
        tokenizer['model_max_length'] = checkpoint.max_position
    return {'config.json': written, 'tokenizer_config.json': tokenizer}
