"""UER-py's format: a `.bin` of tensors, `vocab.txt`, and perhaps a config: github.com/dbiir/UER-py."""
import glob
import os

from pet_keras.checkpoints.config import CONFIGS, check_computed, find_file, read_config
from pet_keras.checkpoints.huggingface import TensorSource, by_ending, layers_in
from pet_keras.checkpoints.names import BIAS, DENSE, NORM, NSP, TABLE, of_modules
from pet_keras.checkpoints.vocabulary import find_vocab, lower_case
from pet_keras.errors import UserError

_WORDS = ('embedding.word_embedding', 'embedding.word.embedding')
_HEAD_SIZE = 64  # of all of UER's models, where no config says otherwise
# Google's key ← UER's
_KEYS = {'num_hidden_layers': 'layers_num', 'num_attention_heads': 'heads_num', 'hidden_size': 'hidden_size',
         'intermediate_size': 'feedforward_size', 'hidden_dropout_prob': 'dropout'}
_SIZES = [('vocab_size', 'bert/embeddings/word_embeddings', 0), ('hidden_size', 'bert/embeddings/word_embeddings', 1),
          ('max_position_embeddings', 'bert/embeddings/position_embeddings', 0),
          ('type_vocab_size', 'bert/embeddings/token_type_embeddings', 0),
          ('intermediate_size', 'bert/encoder/layer_0/intermediate/dense/kernel', 1)]
_ACTIVATIONS = {'gelu_fast': 'gelu_new'}
# Settings that change what is computed, each with the one value that a BERT has
_ONLY = {'layernorm_positioning': 'post', 'parameter_sharing': False, 'relative_position_embedding': False,
         'rotary_position_embedding': False, 'feed_forward': 'dense', 'mask': 'fully_visible', 'encoder': 'transformer',
         'factorized_embedding_parameterization': False}

_SEGMENTS = {'.weight': ('', 'rest')}  # UER's segment 0 is the padding's
# Names of both generations: that of 2019, and after each part became a module
_MODULES = [(old, ours, kind) for olds, ours, kind in [
    (_WORDS, 'bert/embeddings/word_embeddings', TABLE),
    (('embedding.position_embedding', 'embedding.pos.embedding'), 'bert/embeddings/position_embeddings', TABLE),
    (('embedding.segment_embedding', 'embedding.seg.embedding'), 'bert/embeddings/token_type_embeddings', _SEGMENTS),
    (('embedding.layer_norm',), 'bert/embeddings/LayerNorm', NORM),
    (('target.mlm_linear_1', 'target.mlm.linear_1'), 'cls/predictions/transform/dense', DENSE),
    (('target.layer_norm', 'target.mlm.layer_norm'), 'cls/predictions/transform/LayerNorm', NORM),
    (('target.mlm_linear_2', 'target.mlm.linear_2'), 'cls/predictions/output_bias', BIAS),
    (('target.nsp_linear_1', 'target.sp.linear_1'), 'bert/pooler/dense', DENSE),
    (('target.nsp_linear_2', 'target.sp.linear_2'), 'cls/seq_relationship/output', NSP)] for old in olds]
_MODULES += [('encoder.transformer.%d.' + theirs, 'bert/encoder/layer_%d/' + ours, kind) for theirs, ours, kind in [
    ('self_attn.linear_layers.0', 'attention/self/query', DENSE),
    ('self_attn.linear_layers.1', 'attention/self/key', DENSE),
    ('self_attn.linear_layers.2', 'attention/self/value', DENSE),
    ('self_attn.final_linear', 'attention/output/dense', DENSE),
    ('layer_norm_1', 'attention/output/LayerNorm', NORM), ('feed_forward.linear_1', 'intermediate/dense', DENSE),
    ('feed_forward.linear_2', 'output/dense', DENSE), ('layer_norm_2', 'output/LayerNorm', NORM)]]


def is_uer(names):
    """Whether names of tensors are UER-py's."""
    return any(name + '.weight' in by_ending(names) for name in _WORDS)


class UerSource(TensorSource):
    """What a Checkpoint reads, from a folder with a BERT of UER-py; see `huggingface.TensorSource`.

    The sizes are the tensors'; of the config, which may be missing, the number of heads (else a head is 64 wide),
    the activation (GELU in its erf form) and dropout count.

    Raises: UserError where the vocabulary is missing, or the model is no BERT.
    """
    kind = 'UER-py'

    def __init__(self, folder, tensors):
        self.vocab_path = find_vocab(folder)
        super(UerSource, self).__init__(folder, tensors, of_modules(_MODULES, layers_in(tensors.shapes)),
                                        ('target.mlm_linear_2.', 'target.mlm.linear_2.'))
        self.config_path, raw = self.weights_path, {}
        if glob.glob(os.path.join(glob.escape(folder), CONFIGS)):
            self.config_path = find_file(folder, 'config', [CONFIGS])
            raw = read_config(self.config_path)
        self.config = self._translated(raw)

    def _translated(self, raw):
        """The config under Google's keys."""
        check_computed(raw, self.config_path, _ONLY, unset=())  # to UER-py null is a value: another one than these
        config, (segments, *_) = {'model_type': 'bert'}, self.shapes.get('bert/embeddings/token_type_embeddings', (2,))
        if segments != 2:
            raise UserError('%s has %d rows for segments, and a BERT of UER-py has 3, the first of them for padding.'
                            % (self.weights_path, 1 + segments))
        for key, name, axis in _SIZES:
            if name in self.shapes and axis < len(self.shapes[name]):
                config[key] = self.shapes[name][axis]
        config['num_hidden_layers'] = layers_in(self.tensors.shapes)
        for key, theirs in _KEYS.items():
            if raw.get(theirs, config.get(key)) != config.get(key) and key in config:
                raise UserError('%s says %s %r, but %s has %d.' % (
                    self.config_path, theirs, raw[theirs], self.weights_path, config[key]))
            if theirs in raw:
                config[key] = raw[theirs]
        if 'num_attention_heads' not in config:
            config['num_attention_heads'], rest = divmod(config.get('hidden_size', 0), _HEAD_SIZE)
            if rest or not config['num_attention_heads']:
                raise UserError('%s is of no usual width, so the number of heads must be told: write a config.json '
                                'with "heads_num" beside it.' % self.weights_path)
        act = raw.get('hidden_act', 'gelu')
        return dict(config, hidden_act=_ACTIVATIONS.get(str(act), act),
                    do_lower_case=lower_case(self.folder, raw) is not False)
