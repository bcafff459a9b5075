"""bert4keras networks whose output is logits at given positions."""
import warnings

from pet_keras.backend import BERT, GPT, GPT2, GPT2_ML, NEZHA, Input, LM_Mask, build_transformer_model, keras
from pet_keras.checkpoint import Checkpoint
from pet_keras.errors import UserError
from pet_keras.layers import GatherPositions, WordLogits

_FAMILIES = {'bert': BERT, 'nezha': NEZHA, 'gpt': GPT, 'gpt2': GPT2, 'gpt2_ml': GPT2_ML}


class AtPositions(object):
    """Mixed into a bert4keras model: one more input, positions, and no vocabulary product elsewhere.

    The product over `[batch, length, vocab_size]` is most of the memory and time of the published
    scripts; over `[batch, n, vocab_size]` it is next to nothing.
    """
    def get_inputs(self):
        inputs = super(AtPositions, self).get_inputs()
        self.one_input = not isinstance(inputs, list)
        self.positions = self.apply(layer=Input, shape=(None,), dtype='int32', name='Input-Gather-Positions')
        return ([inputs] if self.one_input else inputs) + [self.positions]

    def apply_embeddings(self, inputs):
        inputs = inputs[:-1]
        return super(AtPositions, self).apply_embeddings(inputs[0] if self.one_input else inputs)

    def apply(self, inputs=None, layer=None, arguments=None, **kwargs):
        if (arguments or {}).get('mode') == 'dense':
            self.features = inputs  # what the vocabulary product is taken of
        return super(AtPositions, self).apply(inputs, layer, arguments, **kwargs)

    def apply_final_layers(self, inputs):
        x = self.apply(inputs=[inputs, self.positions], layer=GatherPositions, name='Gather-Positions')
        return super(AtPositions, self).apply_final_layers(x)


def build_mlm(checkpoint, return_keras_model=True, **kwargs):
    """The masked language model of a checkpoint, as a Keras model.

    Inputs: `token_ids [batch, length]`, `segment_ids [batch, length]`, `positions [batch, n]`.
    Output: logits `[batch, n, vocab_size]` at these positions, in the order asked.

    Arguments:
        checkpoint: a Checkpoint, a folder, or a shipped model's name.
        return_keras_model: False returns the bert4keras object, whose `model` it is.
        kwargs: anything bert4keras' `build_transformer_model` takes, e.g. `dropout_rate=0.`.

    Raises: UserError where there is no MLM head, or the files do not fit together.
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    checkpoint.check()
    if checkpoint.application != 'mlm' or checkpoint.family not in ('bert', 'nezha'):
        raise UserError('%s is a causal language model: it has no blank to fill.' % checkpoint.folder)
    base = type('MaskedLM', (AtPositions, _FAMILIES[checkpoint.family]), {})
    return _build(checkpoint, base, return_keras_model, with_mlm='linear', **kwargs)


def _build(checkpoint, base, return_keras_model, **kwargs):
    kwargs.setdefault('hidden_act', checkpoint.hidden_act)
    with warnings.catch_warnings():  # bert4keras shares one unseeded initializer; every weight is then loaded
        warnings.filterwarnings('ignore', message='The initializer TruncatedNormal is unseeded')
        transformer = build_transformer_model(checkpoint.config_path, checkpoint.weights_path, model=base,
                                              return_keras_model=False, **kwargs)
    return transformer.model if return_keras_model else transformer


def label_word_model(transformer, token_ids):
    """The same network with logits `[batch, n, len(token_ids)]` of a few words only.

    Arguments: `transformer` from `build_mlm(..., return_keras_model=False)`; `token_ids` list of int.
    """
    logits = WordLogits(transformer.layers['Embedding-Token'], transformer.layers.get('MLM-Bias'), token_ids,
                        name='Label-Word-Logits')(transformer.features)
    return keras.models.Model(transformer.inputs, logits)
