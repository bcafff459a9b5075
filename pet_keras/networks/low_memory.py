"""bert4keras' GELU and layer norm with their gradients written out: fewer passes, and less is kept for the way back.

What TensorFlow derives keeps each intermediate result of each layer until the gradients are there.
"""
import numpy as np

from pet_keras.backend import LayerNormalization, custom_gradient, keras, tf


def gelu_erf(x):
    """`x Φ(x)`, Φ the distribution function of the normal distribution: arXiv 1606.08415, section 2."""
    return _gelu_erf(x)


@custom_gradient
def _gelu_erf(x):
    def gradient(upstream):
        density = tf.exp(-.5 * tf.square(x)) * (2. * np.pi) ** -.5
        return upstream * (.5 + .5 * tf.math.erf(x / np.sqrt(2.)) + x * density)
    return .5 * x * (1. + tf.math.erf(x / np.sqrt(2.))), gradient


def normalized(x, gamma, beta, epsilon):
    """Layer normalization of the last axis: arXiv 1607.06450, section 3. Kept are its result and a number a row."""
    @custom_gradient
    def call(x, gamma, beta):
        centred = x - tf.reduce_mean(x, -1, keepdims=True)
        scale = 1. / tf.sqrt(tf.reduce_mean(tf.square(centred), -1, keepdims=True) + epsilon)
        normal = centred * scale

        def gradient(upstream):
            rows = list(range(len(x.shape) - 1))
            inner = upstream * gamma
            means = [tf.reduce_mean(part, -1, keepdims=True) for part in (inner, inner * normal)]
            return (scale * (inner - means[0] - normal * means[1]), tf.reduce_sum(upstream * normal, rows),
                    tf.reduce_sum(upstream, rows))
        return normal * gamma + beta, gradient
    return call(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))


class LayerNorm(LayerNormalization):
    """bert4keras' layer norm as the networks here use it, by `normalized`."""
    def call(self, inputs):
        return normalized(inputs, self.gamma, self.beta, self.epsilon)


keras.utils.get_custom_objects().update({'LayerNorm': LayerNorm})
