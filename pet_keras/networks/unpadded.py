"""Sequences of a batch laid end to end: padding is never multiplied by a weight.

Most of a network's work is done token by token, so it does not matter which token is whose; only attention has to
know. Between the layers the tokens of all sequences stand in one column, `[tokens, hidden_size]`.
"""
import numpy as np

from pet_keras.backend import K, Layer, MultiHeadAttention, custom_gradient, keras, tf


class Kept(Layer):
    """What of a padded batch is no padding: a sequence ends with its last token, or the last place asked about.

    Input: `[token_ids [batch, length], positions [batch, n]]`. Output: bool `[batch, length]`.
    """
    def call(self, inputs):
        token_ids, positions = inputs
        place = tf.range(tf.shape(token_ids)[1])
        last = tf.reduce_max(tf.where(tf.cast(token_ids, 'int32') > 0, place, 0), axis=1, keepdims=True)
        return place <= tf.maximum(last, tf.reduce_max(tf.cast(positions, 'int32'), axis=1, keepdims=True))

    def compute_mask(self, inputs, mask=None):
        return None


class Unpad(Layer):
    """`[x [batch, length, hidden_size], kept]` → `[tokens, hidden_size]`."""
    def call(self, inputs):
        x, kept = inputs
        return tf.gather_nd(x, tf.where(kept))

    def compute_mask(self, inputs, mask=None):
        return None


class GatherPositions(Layer):
    """Picks the vectors at the asked positions.

    Input: `[x [tokens, hidden_size], kept, positions [batch, n] int32]`. Output: `[batch, n, hidden_size]`. Padding
    a row of positions with 0 is harmless as long as the loss gives these places no weight.
    """
    def call(self, inputs):
        x, kept, positions = inputs
        first = tf.cumsum(tf.reduce_sum(tf.cast(kept, 'int32'), axis=1, keepdims=True), exclusive=True)
        return tf.gather(x, first + tf.cast(positions, 'int32'))


class UnpaddedAttention(MultiHeadAttention):
    """bert4keras' attention over sequences laid end to end.

    Input: what bert4keras' takes, `[q, k, v, ...]`, each `[tokens, hidden_size]`, then `kept`, and with
    `asked` also `positions [batch, n]`: q is then `[batch, n, hidden_size]`, the vectors at these.
    """
    def call(self, inputs, mask=None, asked=False, **kwargs):
        (q, k, v), others = inputs[:3], list(inputs[3:])
        positions, kept = others.pop() if asked else None, others.pop()
        if asked and kwargs.get('a_bias'):
            others[0] = tf.gather(others[0], tf.cast(positions, 'int32'))
        places = tf.where(kept)
        tokens = tf.maximum(tf.reshape(tf.cumsum(tf.reshape(tf.cast(kept, 'int32'), [-1])), tf.shape(kept)) - 1, 0)

        def heads(x, size):
            return K.reshape(x, (self.heads, size), -1)

        @custom_gradient
        def padded(x):
            # padding repeats a token, which is faster than zeros and changes nothing: none of it is attended to or kept
            return tf.gather(x, tokens), lambda upstream: tf.gather_nd(upstream, places)
        q = self.q_dense(q)
        o, _ = self.pay_attention_to(
            [heads(q if asked else padded(q), self.key_size), heads(padded(self.k_dense(k)), self.key_size),
             heads(padded(self.v_dense(v)), self.head_size)] + others, [None, kept], **kwargs)
        o = K.flatten(o, 2)
        return self.o_dense(o if asked else tf.gather_nd(o, places))

    def pay_attention_to(self, inputs, mask=None, **kwargs):
        (q, k, v), others, kept = inputs[:3], list(inputs[3:]), mask[1]
        if kwargs.get('p_bias') or self.normalization != 'softmax':
            return super(UnpaddedAttention, self).pay_attention_to(inputs, mask, **kwargs)
        # heads first, and the scale on q: a third of the time of bert4keras' einsums is spent on moving numbers
        q, k, v = [tf.transpose(x, [0, 2, 1, 3]) for x in (q, k, v)]
        scores = tf.matmul(q * self.key_size ** -.5 if self.attention_scale else q, k, transpose_b=True)
        allowed = kept[:, None, None]
        if kwargs.get('a_bias'):
            allowed &= others[0] if len(others[0].shape) == 2 else others[0][:, None]
        weights = tf.nn.softmax(scores + tf.cast(tf.where(allowed, 0., -np.inf), scores.dtype))
        if self.attention_dropout:
            weights = keras.layers.Dropout(self.attention_dropout)(weights)
        return tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3]), scores

    def compute_mask(self, inputs, mask=None):
        return None


keras.utils.get_custom_objects().update(
    {layer.__name__: layer for layer in (Kept, Unpad, GatherPositions, UnpaddedAttention)})
