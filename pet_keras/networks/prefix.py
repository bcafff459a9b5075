"""PrefixTuning: keys and values before the text, in every layer, train; the checkpoint stays as it is."""
import functools

import numpy as np

from pet_keras.backend import Layer, apply_rotary_position_embeddings, keras, tf
from pet_keras.errors import UserError
from pet_keras.networks.tuning import AllWeights
from pet_keras.networks.unpadded import UnpaddedAttention


class PrefixEncoder(Layer):
    """What the prefixes of all layers are made of while they train: arXiv 2101.00190, section 4.3.

    A smaller matrix `[length, size]`, P' there, through the hidden layer of an MLP. The MLP's output matrix is cut by
    layers: each Prefix has its own part. Output: `[length, size]`.
    """
    def __init__(self, length, size, **kwargs):
        super(PrefixEncoder, self).__init__(**kwargs)
        self.length, self.size = length, size
        self.hidden = keras.layers.Dense(size, 'tanh', name='hidden')

    def build(self, input_shape=None):
        self.rows = self.add_weight(name='rows', shape=(self.length, self.size), initializer=_start())
        with tf.name_scope('hidden'):
            self.hidden.build((None, self.size))
        super(PrefixEncoder, self).build(input_shape)

    def call(self, inputs=None):
        return self.hidden(tf.convert_to_tensor(self.rows))


class Prefix(Layer):
    """The prefix of one layer's attention: keys `[length, heads, key_size]`, values `[length, heads, head_size]`.

    Arguments: `encoder`, a PrefixEncoder or None; `absorb` ends it.
    """
    def __init__(self, length, heads, key_size, head_size, encoder=None, **kwargs):
        super(Prefix, self).__init__(**kwargs)
        self.length, self.shapes = length, [(length, heads, key_size), (length, heads, head_size)]
        self.encoder = encoder
        self.parts = [keras.layers.Dense(heads * size, name=name) for name, size in (
            ('key', key_size), ('value', head_size))] if encoder else []

    def build(self, input_shape=None):
        self.own = [self.add_weight(name=name, shape=shape, initializer=_start(), trainable=not self.encoder)
                    for name, shape in zip(('keys', 'values'), self.shapes)]
        if self.encoder:
            if not self.encoder.built:
                with tf.name_scope('encoder'):
                    self.encoder.build()
            for part in self.parts:
                with tf.name_scope(part.name):
                    part.build((None, self.encoder.size))
        super(Prefix, self).build(input_shape)

    def call(self, inputs=None):
        if not self.encoder:
            return [tf.convert_to_tensor(weight) for weight in self.own]
        hidden = self.encoder(None)
        return [tf.reshape(part(hidden), shape) for part, shape in zip(self.parts, self.shapes)]

    def absorb(self):
        """Keeps what the encoder puts out as the keys and values, and drops the encoder."""
        if self.encoder:
            for weight, value in zip(self.own, self(None)):
                weight.assign(value)
            self.encoder, self.parts = None, []
            self._trainable_weights, self._non_trainable_weights = self._non_trainable_weights, []


class PrefixAttention(UnpaddedAttention):
    """Attention that also reads a prefix, whatever the text: equation 3 of arXiv 2101.00190; arXiv 2110.07602, 3.2.

    A prefix has no place in the sequence. With rotary places (RoFormer) its keys are not rotated, as if they stood
    first; with relative ones (NEZHA) it gets no vector of a distance: one for all of it would be part of its own keys
    and values. Arguments: `make_prefix`, a function of sizes that makes a Prefix; the others are bert4keras'.
    """
    def __init__(self, make_prefix, **kwargs):
        super(PrefixAttention, self).__init__(**kwargs)
        self.make_prefix = make_prefix

    def build(self, input_shape):
        super(PrefixAttention, self).build(input_shape)
        self.checkpoint_layers = [self.q_dense, self.k_dense, self.v_dense, self.o_dense]
        self.prefix = self.make_prefix(heads=self.heads, key_size=self.key_size, head_size=self.head_size,
                                       name='prefix')  # after the layer's own weights: see AtPositions.variables

    def pay_attention_to(self, inputs, mask=None, **kwargs):
        (q, k, v), others, (q_mask, kept) = inputs[:3], list(inputs[3:]), mask
        if kwargs.get('p_bias') == 'rotary':
            q, k = apply_rotary_position_embeddings(others.pop(), q, k)
            kwargs = dict(kwargs, p_bias=None)
        elif kwargs.get('p_bias') == 'typical_relative':
            others[-1] = _before(others[-1], self.prefix.length, 0., axis=1)
        if kwargs.get('a_bias'):
            others[0] = _before(others[0], self.prefix.length, True)
        keys, values = self.prefix(None)
        k, v = (tf.concat([tf.broadcast_to(own, tf.concat([tf.shape(x)[:1], tf.shape(own)], 0)), x], 1)
                for own, x in ((keys, k), (values, v)))
        kept = _before(kept, self.prefix.length, True)
        return super(PrefixAttention, self).pay_attention_to([q, k, v] + others, [q_mask, kept], **kwargs)


def _start():
    return keras.initializers.RandomNormal(stddev=.02)


def _before(x, length, value, axis=-1):
    """x with `length` more places, of one value, before an axis."""
    shape = tf.unstack(tf.shape(x))
    shape[axis] = length
    return tf.concat([tf.cast(tf.fill(shape, value), x.dtype), x], axis)


class PrefixTuning(AllWeights):
    """Keys and values of a few places before the text train, in every layer: prefix-tuning and P-tuning v2.

    Sources: arXiv 2101.00190, section 4; arXiv 2110.07602, section 3.2. Layers that share their weights (ALBERT) share
    the prefix.

    Arguments:
        length: places in the prefix.
        mlp: None, or the width of the MLP that the prefix is reparameterised through while it trains (section 4.3 of
            the first); only what it puts out is kept.
    """
    name, keeps_checkpoint, schedule = 'prefix', True, 'constant'
    RATE, MLP_RATE = 1e-2, 1e-3

    def __init__(self, length=8, mlp=None):
        if length < 0 or (mlp is not None and mlp < 1):
            raise UserError('A prefix has a length of 0 or more, and its mlp is None or a width of 1 or more.')
        self.length, self.mlp = length, mlp
        self.encoder = PrefixEncoder(length, mlp, name='encoder') if mlp else None

    def layer(self, layer, arguments):
        if layer is UnpaddedAttention:
            return PrefixAttention, dict(arguments, make_prefix=functools.partial(
                Prefix, length=self.length, encoder=self.encoder))
        return layer, arguments

    def attach(self, transformer):
        super(PrefixTuning, self).attach(transformer)
        self.prefixes = []
        for layer in transformer.model.layers:
            if isinstance(layer, PrefixAttention):
                self.prefixes.append(layer.prefix)
                for own in layer.checkpoint_layers:
                    own.trainable = False
            else:
                layer.trainable = False

    def learning_rate(self, labelled):
        return self.MLP_RATE if self.encoder else self.RATE

    def epochs(self, labelled):
        return 16 if labelled else 1

    def finish(self):
        for prefix in self.prefixes:
            prefix.absorb()
        self.encoder = None

    def tensors(self):
        keys, values = zip(*[prefix(None) for prefix in self.prefixes])
        return {'prefix/keys': np.stack(keys), 'prefix/values': np.stack(values)}

    def set_tensors(self, tensors):
        self.finish()
        for name, weights in zip(('prefix/keys', 'prefix/values'), zip(*[prefix.own for prefix in self.prefixes])):
            if len(tensors[name]) != len(weights):
                raise ValueError('%s are of %d layers, not %d' % (name, len(tensors[name]), len(weights)))
            for weight, value in zip(weights, tensors[name]):
                weight.assign(value)

    def settings(self):
        return {'train': self.name, 'length': self.length, 'mlp': self.encoder.size if self.encoder else None}

    def describe(self):
        return 'a prefix of %d keys and values a layer trains' % self.length
