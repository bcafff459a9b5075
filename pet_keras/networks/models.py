"""bert4keras networks whose output is logits at given positions."""
import re

from pet_keras.backend import ALBERT, BERT, GPT, GPT2, GPT2_ML, NEZHA, Embedding, Input, K, LayerNormalization, LM_Mask
from pet_keras.backend import MultiHeadAttention, RoFormer, build_transformer_model, tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.config import network_arguments
from pet_keras.checkpoints.names import is_of_cloze, layer_norm_eps, of_electra
from pet_keras.errors import UserError
from pet_keras.networks.low_memory import LayerNorm, gelu_erf
from pet_keras.networks.tuning import AllWeights, Prompt
from pet_keras.networks.unpadded import GatherPositions, Kept, Unpad, UnpaddedAttention


class ElectraGenerator(BERT):
    """ELECTRA's generator: a BERT under other names, whose embeddings are the discriminator's: arXiv 2003.10555."""
    def variable_mapping(self):
        mapping = super(ElectraGenerator, self).variable_mapping()
        return {layer: [of_electra(name) for name in names] for layer, names in mapping.items()}


_FAMILIES = {'bert': BERT, 'albert': ALBERT, 'electra': ElectraGenerator, 'nezha': NEZHA, 'roformer': RoFormer,
             'gpt': GPT, 'gpt2': GPT2, 'gpt2_ml': GPT2_ML}


class AtPositions(object):
    """Mixed into a bert4keras model: one more input, positions, and nothing is computed that they do not need.

    The product over `[batch, length, vocab_size]` is most of the memory and time of the published scripts; over
    `[batch, n, vocab_size]` it is next to nothing. Padding takes no part in any product (see `networks.unpadded`),
    and in the last layer only the asked places do, as far as its kind of attention allows.
    """
    _variables, tuning = None, AllWeights()  # see networks.tuning: it may put layers of its own into the network
    layer_norm_eps = None  # None: bert4keras' own
    initializer = 'zeros'  # every weight is read from the checkpoint

    def get_inputs(self):
        inputs = super(AtPositions, self).get_inputs()
        self.one_input = not isinstance(inputs, list)
        self.positions = self.apply(layer=Input, shape=(None,), dtype='int32', name='Input-Gather-Positions')
        return ([inputs] if self.one_input else inputs) + [self.positions]

    def apply_embeddings(self, inputs):
        self.kept = self.apply(inputs=[inputs[0], self.positions], layer=Kept, name='Kept')
        self.embedded = super(AtPositions, self).apply_embeddings(inputs[0] if self.one_input else inputs[:-1])
        return self.apply(inputs=[self.embedded, self.kept], layer=Unpad, name='Unpad')

    def apply_main_layers(self, inputs, index):
        self.read = None  # what the last layer reads, where it writes at the asked positions alone
        if index == self.num_hidden_layers - 1 and not isinstance(self, (NEZHA, GPT2, GPT2_ML)):
            self.read, inputs = inputs, self._at_positions(inputs)
        return super(AtPositions, self).apply_main_layers(inputs, index)

    def compute_position_bias(self, inputs=None):
        return super(AtPositions, self).compute_position_bias(self.embedded)  # it is one for padded sequences

    def apply(self, inputs=None, layer=None, arguments=None, **kwargs):
        if layer is LayerNormalization and self.layer_norm_eps:
            kwargs['epsilon'] = self.layer_norm_eps
        if layer is MultiHeadAttention:
            layer = UnpaddedAttention
            if self.read is None:
                inputs = inputs + [self.kept]
            else:
                inputs = [inputs[0], self.read, self.read] + inputs[3:] + [self.kept, self.positions]
                arguments = dict(arguments, asked=True)
        layer, kwargs = self.tuning.layer(LayerNorm if layer is LayerNormalization else layer, kwargs)
        if (arguments or {}).get('mode') == 'dense':
            self.features = inputs  # what the vocabulary product is taken of
        return super(AtPositions, self).apply(inputs, layer, arguments, **kwargs)

    def apply_final_layers(self, inputs):
        self.encoded = self._at_positions(inputs) if self.read is None else inputs  # before any head
        return super(AtPositions, self).apply_final_layers(self.encoded)

    def _at_positions(self, inputs):
        return self.apply(inputs=[inputs, self.kept, self.positions], layer=GatherPositions, name='Gather-Positions')

    def variables(self):
        """(name in the checkpoint, variable) of every weight that a checkpoint holds, as a list.

        It is made once, before anything is frozen: Keras lists a layer's weights anew by what trains. What a way of
        tuning adds to a layer must come after the layer's own, as sublayers do.
        """
        if self._variables is None:
            self._variables = list(self._named_variables())
        return self._variables

    def _named_variables(self):
        for layer, names in self.variable_mapping().items():
            if layer in self.layers:
                layer = self.layers[layer]
                weights = [layer.embeddings] if isinstance(layer, Embedding) else layer.weights
                yield from zip(names, weights)

    def load(self, checkpoint):
        """Reads all weights of a Checkpoint; UserError where its config and its weights differ."""
        pairs, shapes = self.variables(), checkpoint.shapes
        for name, weight in pairs:
            if tuple(shapes.get(name, ())) != tuple(weight.shape):
                raise UserError('%s and %s do not fit together: variable %s should have shape %s and %s.' % (
                    checkpoint.config_path, checkpoint.weights_path, name, tuple(weight.shape),
                    'has %s' % (tuple(shapes[name]),) if name in shapes else 'is missing'))
        beyond = re.compile(r'/layer_?0*%d/' % self.num_hidden_layers)
        if any(beyond.search(name) for name in shapes if is_of_cloze(name)):
            raise UserError('%s says %d layers, but %s has more.' % (
                checkpoint.config_path, self.num_hidden_layers, checkpoint.weights_path))
        mapping = [name for name in self.variable_mapping().get('Embedding-Mapping', ()) if name in shapes]
        if mapping and 'Embedding-Mapping' not in self.layers:
            raise UserError('%s has %s, but %s names no embedding_size other than hidden_size: bert4keras then maps no '
                            'embeddings.' % (checkpoint.weights_path, mapping[0], checkpoint.config_path))
        for name, weight in pairs:  # one at a time: two whole models would not always fit
            K.set_value(weight, checkpoint.load_variable(name))


def build_mlm(checkpoint, return_keras_model=True, prompt=None, tuning=None, **kwargs):
    """The masked language model of a checkpoint, as a Keras model.

    Inputs: `token_ids [batch, length]`, `segment_ids [batch, length]`, `positions [batch, n]`.
    Output: logits `[batch, n, vocab_size]` at these positions, in the order asked.

    Arguments:
        checkpoint: a Checkpoint, a folder, or a shipped model's name.
        return_keras_model: False returns the bert4keras object, whose `model` it is.
        prompt: None, or arguments of PtuningEmbedding, `{'trainable_token_ids': [1, 2], 'encoder': 'lstm'}`: all
            weights but these rows are frozen, unless `trainable_table` is among them and true.
        tuning: another way of tuning, see `networks.tuning`.
        kwargs: anything bert4keras' `build_transformer_model` takes, e.g. `dropout_rate=0.`.

    Raises: UserError where there is no MLM head, or the files do not fit together.
    """
    checkpoint = _opened(checkpoint).check()
    if checkpoint.is_causal:
        raise UserError('%s is a causal language model: it has no blank to fill. Use build_lm.' % checkpoint.folder)
    return _build(checkpoint, (AtPositions, _FAMILIES[checkpoint.family]), return_keras_model, tuning, prompt,
                  with_mlm='linear', **kwargs)


def build_lm(checkpoint, return_keras_model=True, prompt=None, tuning=None, **kwargs):
    """The causal language model of a checkpoint: as `build_mlm`, but the logits are those of the *next* token.

    For BERT-like architectures trained from left to right (`Checkpoint(..., application='lm')`: the shipped GPT,
    NEZHA-GPT, RoFormer-GPT) and bert4keras' GPT (GPT-OpenAI, CDial), GPT2 (CPM) and GPT2-ML.
    """
    checkpoint = _opened(checkpoint).check()
    if not checkpoint.family.startswith('gpt'):
        if checkpoint.application != 'lm':
            raise UserError("%s is not marked as a causal language model; if it is one, open it with "
                            "Checkpoint(..., application='lm')." % checkpoint.folder)
        return _build(checkpoint, (AtPositions, LM_Mask, _FAMILIES[checkpoint.family]), return_keras_model, tuning,
                      prompt, with_mlm='linear', **kwargs)
    return _build(checkpoint, (AtPositions, _FAMILIES[checkpoint.family]), return_keras_model, tuning, prompt,
                  final_activation='linear', **kwargs)


def build(checkpoint, **kwargs):
    """`build_lm` for a causal checkpoint, `build_mlm` for the others."""
    checkpoint = _opened(checkpoint)
    return (build_lm if checkpoint.is_causal else build_mlm)(checkpoint, **kwargs)


def _opened(checkpoint):
    return checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)


@tf.autograph.experimental.do_not_convert  # no layer needs it, and it would rewrite the source of each
def _build(checkpoint, bases, return_keras_model, tuning, prompt, **kwargs):
    tuning = tuning or (Prompt(**prompt) if prompt else AllWeights())
    _check_sizes(checkpoint)
    try:
        if kwargs.get('hidden_act', checkpoint.config['hidden_act']) == 'gelu_erf':
            kwargs['hidden_act'] = gelu_erf
        own = {'tuning': tuning, 'layer_norm_eps': float(layer_norm_eps(checkpoint.family, checkpoint.config))}
        transformer = build_transformer_model(model=type('ClozeModel', bases, own), return_keras_model=False,
                                              **dict(network_arguments(checkpoint.config), **kwargs))
    except UserError:
        raise
    except (TypeError, ValueError) as e:
        raise UserError('%s does not describe a model: %s' % (checkpoint.config_path, e)) from None
    transformer.load(checkpoint)
    tuning.attach(transformer)
    return transformer.model if return_keras_model else transformer


def _check_sizes(checkpoint):
    """UserError for a size that no weight can have: a network is built before its shapes are compared."""
    config, shapes = checkpoint.config, checkpoint.shapes
    largest = max([size for shape in shapes.values() for size in shape] or [0])
    most = dict.fromkeys(('hidden_size', 'intermediate_size', 'num_attention_heads', 'num_hidden_layers',
                          'embedding_size', 'type_vocab_size', 'attention_head_size', 'attention_key_size'), largest)
    if checkpoint.family != 'albert':  # whose layers share their weights
        most['num_hidden_layers'] = len(shapes)
    if checkpoint.max_position is not None:
        most['max_position_embeddings'] = largest
    for key, size in most.items():
        if isinstance(config.get(key), (int, float)) and config[key] > size:
            raise UserError('%s and %s do not fit together: %s is %s, and no weight is as large.' % (
                checkpoint.config_path, checkpoint.weights_path, key, config[key]))


def model_inputs(model, token_ids, segment_ids, positions, *more):
    """What a model built here is fed, as a list: some checkpoints take no segment ids. `more` comes after them."""
    segments = [segment_ids] if len(model.inputs) == 3 + len(more) else []
    return [token_ids, *segments, positions, *more]
