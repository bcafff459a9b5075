"""Which model this is: digits over what it computes with, whatever files it is kept in."""
import hashlib
import json

import numpy as np

from pet_keras.checkpoints.names import family, is_of_cloze, layer_norm_eps

# What changes a model's answers and cannot be seen in its variables' shapes
_KEYS = ('application', 'hidden_act', 'num_hidden_layers', 'num_attention_heads', 'type_vocab_size', 'do_lower_case',
         'segment_vocab_size', 'attention_head_size', 'attention_key_size', 'residual_attention_scores',
         'hierarchical_position')


def fingerprint(source, config, vocab):
    """Twelve hexadecimal digits that change with any weight, token or setting that changes an answer.

    They do not change with the files' layout, with a storage type that holds the same values, or with what a
    cloze does without: optimizer, pooler, next-sentence head, dropout.

    Arguments: `source` has `shapes` and `read(name)`; `config` is a normalised dict; `vocab` a dict token → id.

    Raises: UserError where the weights cannot be read.
    """
    digest = hashlib.sha256()

    def add(part):
        digest.update(json.dumps(part, sort_keys=True).encode() + b'\n')
    settings, kind = {key: config[key] for key in _KEYS if key in config}, family(source.shapes, config)
    if kind == 'roformer':  # the others are told by their variables
        settings['family'] = kind
    if kind and layer_norm_eps(kind, config) != layer_norm_eps(kind, {}):
        settings['layer_norm_eps'] = layer_norm_eps(kind, config)
    add(settings)
    add(sorted(vocab.items(), key=lambda pair: pair[1]))
    for name in sorted(filter(is_of_cloze, source.shapes)):
        value = source.read(name)
        add([name, list(value.shape)])
        digest.update(np.ascontiguousarray(value, '<f4').reshape(-1))
    return digest.hexdigest()[:12]
