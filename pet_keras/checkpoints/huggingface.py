"""Hugging Face's format: `config.json`, `vocab.txt` and `model.safetensors`, `pytorch_model.bin` or `tf_model.h5`."""
import os
import re

import numpy as np

from pet_keras.checkpoints.config import CONFIGS, check_computed, find_file, read_config
from pet_keras.checkpoints.names import hugging_face_names, mlm_head
from pet_keras.checkpoints.vocabulary import find_vocab, lower_case
from pet_keras.errors import UserError

# model_type → family. An ERNIE without task ids is a BERT.
_FAMILIES = {'bert': 'bert', 'ernie': 'bert', 'nezha': 'nezha', 'roformer': 'roformer', 'albert': 'albert',
             'electra': 'electra', 'gpt2': 'gpt2', 'openai-gpt': 'gpt'}
# Google's key ← what GPT's configs call it
_KEYS = {'hidden_size': 'n_embd', 'num_hidden_layers': 'n_layer', 'num_attention_heads': 'n_head',
         'max_position_embeddings': 'n_positions', 'intermediate_size': 'n_inner',
         'layer_norm_eps': 'layer_norm_epsilon', 'hidden_dropout_prob': 'resid_pdrop',
         'attention_probs_dropout_prob': 'attn_pdrop'}
_KEPT = ('vocab_size', 'type_vocab_size', 'embedding_size', 'hidden_act', 'initializer_range', 'application')
# Tensors without which the answers would be another model's: adapters, relative positions, further groups of layers
_COUNTS = re.compile(r'lora_|crossattention|distance_embedding|albert_layer_groups\.[1-9]|albert_layers\.[1-9]')
# The input's table
_TABLES = ('word_embeddings.weight', '.word.embedding.weight', 'word_embedding.weight', 'wte.weight',
           'tokens_embed.weight')
_HEADS = {'cls', 'predictions', 'generator_lm_head'}  # below which a `tf_model.h5` holds the table once more
# The output's table, where the file holds it once more, and its bias
_TIED = ('cls.predictions.decoder.', 'predictions.decoder.', 'generator_lm_head.', 'lm_head.')


class TensorSource(object):
    """What a Checkpoint reads, from a file of tensors under PyTorch's names; see `google.GoogleSource`.

    Each variable is read, and transposed or cut from a larger one, when it is asked for.

    Attributes: `tensors`, see `open_tensors`; `left_out`, the names in the file that stand for no variable; those of
    Google's sources.

    Arguments:
        names: [(the file's name, ours, how)], see `names.of_modules`; of several that are there for one of ours
            the first counts. What stands before a name in the file does not count: `bert.`, `module.bert.`, nothing.
        tied: beginnings of names of the output's table and bias, which must be the input's.
    """
    kind, legacy_fingerprint = None, None

    def __init__(self, folder, tensors, names, tied):
        self.folder, self.tensors, self.weights_path = folder, tensors, tensors.path
        self.format = '%s (%s)' % (self.kind, os.path.basename(tensors.path))
        there = by_ending(tensors.shapes)
        self._check_one_network()
        self._found = {}
        for theirs, ours, how in names:
            if theirs in there:
                if there[theirs].endswith('kernel'):  # of TensorFlow's `.h5`: [in, out], as Google has all but one
                    how = 'T' if ours == 'cls/seq_relationship/output_weights' else None
                self._found.setdefault(ours, (there[theirs], how if tensors.shapes[there[theirs]] else None))
        self._table = [there[name + 'weight'] for name in tied if name + 'weight' in there]
        used = {name for name, _ in self._found.values()} | {there.get(name + end) for name in tied for end in (
            'weight', 'bias')}
        self.left_out = sorted(set(tensors.shapes) - used)
        for name in self.left_out:
            if _COUNTS.search(name):
                raise UserError('%s holds %s, which changes what the model computes and has no place in its network '
                                'here: merge or leave out what was added to the model.' % (tensors.path, name))
        self.shapes = {ours: self._shape(*found) for ours, found in self._found.items()}

    @property
    def dtypes(self):
        """The type in which each variable is stored, by name: 'float32', 'float16', 'bfloat16', …"""
        return {ours: self.tensors.dtypes[theirs] for ours, (theirs, _) in self._found.items()}

    def _check_one_network(self):
        """Raises UserError where the file holds several tables of words: it could be several networks' file."""
        tables = [name for name in self.tensors.shapes if as_pytorch(name).endswith(_TABLES)
                  and not _HEADS & set(as_pytorch(name).split('.'))]
        if len(tables) > 1:
            raise UserError('%s holds several networks (%s): leave one in it.' % (self.weights_path, ', '.join(tables)))

    def _shape(self, name, how):
        shape = tuple(self.tensors.shapes[name])
        if how == 'T':
            return shape[::-1]
        if how == 'rest':
            return (shape[0] - 1,) + shape[1:]
        return shape if how is None else shape[:-1] + (shape[-1] // 3,)

    def read(self, name):
        """One variable, as a float32 array; UserError where it cannot be read or holds no such numbers."""
        theirs, how = self._found[name]
        value = self.tensors.read(theirs)
        if value.dtype.kind != 'f':
            raise UserError('%s holds whole numbers in place of weights (%s): a quantised model cannot be used.' % (
                self.weights_path, theirs))
        if how == 'T':
            value = value.T
        elif how == 'rest':
            value = value[1:]
        elif how is not None:
            third = value.shape[-1] // 3
            value = value[..., how * third:(how + 1) * third]
        return np.ascontiguousarray(value)

    def check(self, table):
        """Raises UserError where the output's table is another than the input's, the variable `table`."""
        for name in self._table if table in self.shapes else []:
            if not np.array_equal(self.tensors.read(name), self.read(table)):
                raise UserError('%s: the table of the output (%s) is not that of the input. bert4keras ties them, so '
                                'this model would give wrong answers.' % (self.weights_path, name))


class HuggingFaceSource(TensorSource):
    """What a Checkpoint reads, from a folder in Hugging Face's format; see `TensorSource`.

    Raises: UserError where a file is missing, or the model is none that bert4keras computes.
    """
    kind = 'Hugging Face'

    def __init__(self, folder, tensors):
        self.config_path = find_file(folder, 'config', ['config.json', 'bert_config.json', CONFIGS])
        self.vocab_path = find_vocab(folder)
        self.folder, raw = folder, read_config(self.config_path)
        family = self._family(raw, by_ending(tensors.shapes))
        self.config = self._translated(raw, family)
        names = hugging_face_names(family, layers_in(tensors.shapes), '')
        if not family.startswith('gpt'):
            names += [(name + 'bias', mlm_head(family)[-1], None) for name in _TIED]
        super(HuggingFaceSource, self).__init__(folder, tensors, names, _TIED)

    def _family(self, raw, names):
        """The family, from the config's `model_type`, or where there is none from the tensors' names."""
        found = _FAMILIES.get(str(raw.get('model_type')))
        if raw.get('model_type') == 'roberta' and 'bert.embeddings.word_embeddings.weight' in names:
            found = 'bert'  # Chinese RoBERTas are BERTs, and some of their configs say only the former
        if raw.get('model_type') is not None and not found:
            raise UserError('%s: model_type %r is none of those that can be used: %s.' % (
                self.config_path, raw['model_type'], ', '.join(sorted(_FAMILIES))))
        for name, family in (('generator_predictions.dense.weight', 'electra'), ('wte.weight', 'gpt2'),
                             ('tokens_embed.weight', 'gpt'), ('predictions.dense.weight', 'albert')):
            found = found or (family if name in names else None)
        return found or 'bert'

    def _translated(self, raw, family):
        """The config under Google's keys."""
        check_computed(raw, self.config_path)
        config = {key: raw[key] for key in _KEPT if key in raw}
        for ours, theirs in _KEYS.items():
            value = raw.get(ours, raw.get(theirs))
            if value is not None:
                config[ours] = value
        if family.startswith('gpt'):
            act = raw.get('activation_function', 'gelu_new') if family == 'gpt2' else raw.get('afn', 'gelu')
            # what OpenAI's GPT calls gelu is its tanh form; GPT-2's is the erf form
            config['hidden_act'] = 'gelu_new' if (family, act) == ('gpt', 'gelu') else act
            config['type_vocab_size'] = 0
            if 'intermediate_size' not in config and isinstance(config.get('hidden_size'), int):
                config['intermediate_size'] = 4 * config['hidden_size']
        elif raw.get('is_decoder'):
            config.setdefault('application', 'lm')
        config['model_type'] = {'gpt': 'openai-gpt'}.get(family, family)
        for lower in (raw.get('do_lower_case'), lower_case(self.folder)):
            if isinstance(lower, bool):
                config['do_lower_case'] = lower
        return config


def as_pytorch(name):
    """A tensor's name as PyTorch writes it now: LayerNorm's `gamma` and `beta`, and those of TensorFlow's `.h5`.

    >>> as_pytorch('mlm___cls/predictions/transform/LayerNorm/gamma:0')
    'mlm.cls.predictions.transform.LayerNorm.weight'
    """
    name = re.sub(r':0$', '', name).replace('/', '.').replace('___', '.').replace('_._', '.')
    return re.sub(r'\.(gamma|kernel|embeddings)$', '.weight', re.sub(r'\.beta$', '.bias', name))


def by_ending(names):
    """{each name and each of its endings, `as_pytorch` writes them: the shortest name in the file that has it}."""
    found = {}
    for name in sorted(names, key=lambda name: (-len(name), name)):
        parts = as_pytorch(name).split('.')
        found.update({'.'.join(parts[n:]): name for n in range(len(parts) - 1)})
    return found


def layers_in(names):
    """How many layers the names in a file tell of."""
    found = [int(n) for name in by_ending(names) for n in re.findall(r'(?:^|\.)(?:layer|h|transformer)\.(\d+)\.', name)]
    return 1 + max(found, default=-1)
