"""A model's config: read, and normalised to Google's keys with nothing left out."""
import glob
import json
import os
import re

from pet_keras.checkpoints.git_lfs import check_no_pointer
from pet_keras.checkpoints.shipped import GET_ONE
from pet_keras.errors import UserError

CONFIGS = '*config*.json'
# Files of other settings, and the config of ELECTRA's other network
_NOT_CONFIGS = re.compile(r'((tokenizer|generation|preprocessor|adapter)_config|discriminator[^/\\]*)\.json$')

# GELU has two forms that differ by up to 5e-4; what the config names decides, as in the original releases.
_ACTIVATIONS = {'gelu': 'gelu_erf', 'gelu_new': 'gelu_tanh', 'gelu_tanh': 'gelu_tanh',
                'gelu_pytorch_tanh': 'gelu_tanh', 'gelu_fast': 'gelu_tanh', 'gelu_python': 'gelu_erf'}
_SIZES = ('vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size')
# What bert4keras takes where a config says nothing
_DEFAULTS = {'hidden_act': 'gelu', 'max_position_embeddings': 512, 'type_vocab_size': 2, 'hidden_dropout_prob': 0,
             'attention_probs_dropout_prob': 0, 'application': 'mlm', 'do_lower_case': True}
# bert4keras' own arguments, of which a config has no say
_NOT_THE_NETWORK_S = ('config_path', 'checkpoint_path', 'model', 'application', 'return_keras_model', 'prefix', 'name',
                      'layers', 'sequence_length', 'with_mlm', 'with_pool', 'with_nsp', 'custom_position_ids',
                      'keep_tokens', 'compound_tokens', 'additional_input_layers')
# Settings that change what is computed, each with the one value that bert4keras computes
_ONLY = {'position_embedding_type': 'absolute', 'rotary_value': False, 'num_hidden_groups': 1, 'inner_group_num': 1,
         'use_task_id': False, 'scale_attn_weights': True, 'scale_attn_by_inverse_layer_idx': False,
         'norm_type': 'layer_norm', 'max_relative_position': 64}


def find_file(folder, what, patterns):
    """The path of the one file in a folder that matches the first pattern that any matches.

    Raises: UserError where there is none, or several could be meant; `what` it should be stands in the message.
    """
    for pattern in patterns:
        found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
        if pattern == CONFIGS:
            found = [path for path in found if not _NOT_CONFIGS.search(path)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError('%s holds several files that could be the %s: %s. Leave one.' % (
                folder, what, ', '.join(os.path.basename(f) for f in found)))
    raise UserError('%s holds no %s (%s). %s' % (folder, what, patterns[0], GET_ONE))


def read_config(path):
    """The JSON object in a file, as a dict.

    Raises: UserError where the file is not JSON, or no object, or Git's pointer to one.
    """
    check_no_pointer(path)
    try:
        with open(path, encoding='utf-8-sig') as reader:
            raw = json.load(reader)
    except (ValueError, RecursionError) as e:
        raise UserError('%s is not JSON: %s' % (path, e)) from None
    if not isinstance(raw, dict):
        raise UserError('%s is not a JSON object.' % path)
    return raw


def normalise(raw, path):
    """The config with every default filled in and `hidden_act` as bert4keras calls it; other keys are kept.

    Arguments: `raw` dict under Google's keys; `path` names the file in messages.

    Raises: UserError where a size is missing or no number, or a setting is one that bert4keras does not compute.

    >>> sizes = dict(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    >>> normalise(sizes, 'config.json')['hidden_act']
    'gelu_erf'
    """
    config = dict(_DEFAULTS, **{key: value for key, value in raw.items() if value is not None})
    for key in _SIZES:
        if not isinstance(config.get(key), int):
            raise UserError('%s has no %r, a number: is it the config of a BERT-like model?' % (path, key))
    for key, least in dict(dict.fromkeys(_SIZES, 1), max_position_embeddings=1, type_vocab_size=0).items():
        if isinstance(config[key], bool) or not isinstance(config[key], int) or config[key] < least:
            raise UserError('%s: %s is %r, and should be a number of %d or more.' % (path, key, config[key], least))
    for key, wanted in (('do_lower_case', (True, False)), ('application', ('mlm', 'lm'))):
        if config[key] not in wanted:
            raise UserError('%s: %s is %r, and should be one of %s.' % (path, key, config[key], ', '.join(map(
                json.dumps, wanted))))
    if config.get('shared_segment_embeddings'):  # CDial's: a segment is a speaker's token, which no text here has
        config['type_vocab_size'] = 0
    config.pop('shared_segment_embeddings', None)
    check_computed(config, path)
    config['hidden_act'] = _ACTIVATIONS.get(str(config['hidden_act']), config['hidden_act'])
    return config


def check_computed(config, path, only=_ONLY, unset=(None,)):
    """Raises UserError for a setting that bert4keras computes otherwise: the answers would be wrong without a word.

    Arguments: `only`, the one value that each setting may have; `unset`, the values that leave it at that.
    """
    for key, value in only.items():
        if config.get(key, value) not in (value, *unset):
            raise UserError('%s: %s %r changes what the model computes, and bert4keras has only %r.' % (
                path, key, config[key], value))


def network_arguments(config):
    """A normalised config as keyword arguments of bert4keras' `build_transformer_model`.

    Without the keys that it would take for arguments of its own, such as `application`.
    """
    return {key: value for key, value in config.items() if key not in _NOT_THE_NETWORK_S}
