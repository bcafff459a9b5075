"""A model's config: read, and normalised to Google's keys with nothing left out."""
import glob
import json
import os
import re

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
_NOT_THE_NETWORK_S = ('config_path', 'checkpoint_path', 'model', 'application', 'return_keras_model')


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

    Raises: UserError where the file is not JSON, or no object.
    """
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

    Raises: UserError where a size is missing.

    >>> sizes = dict(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    >>> normalise(sizes, 'config.json')['hidden_act']
    'gelu_erf'
    """
    for key in _SIZES:
        if not isinstance(raw.get(key), int):
            raise UserError('%s has no %r, a number: is it the config of a BERT-like model?' % (path, key))
    config = dict(_DEFAULTS, **raw)
    config['hidden_act'] = _ACTIVATIONS.get(str(config['hidden_act']), config['hidden_act'])
    return config


def network_arguments(config):
    """A normalised config as keyword arguments of bert4keras' `build_transformer_model`.

    Without the keys that it would take for arguments of its own, such as `application`.
    """
    return {key: value for key, value in config.items() if key not in _NOT_THE_NETWORK_S}
