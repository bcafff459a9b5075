"""Gradients that are written out, against those that TensorFlow derives from bert4keras' own layers."""
import numpy as np
import pytest

from pet_keras.backend import LayerNormalization, MultiHeadAttention, keras, tf
from pet_keras.backend import gelu_erf as derived_gelu
from pet_keras.networks.low_memory import LayerNorm, gelu_erf
from pet_keras.networks.models import build_mlm
from pet_keras.networks.unpadded import UnpaddedAttention


def values_and_gradients(function, *arrays):
    """What a function of arrays gives, and the gradient of a weighted sum of it by each array."""
    variables = [tf.Variable(array) for array in arrays]
    with tf.GradientTape() as tape:
        y = function(*variables)
        total = tf.reduce_sum(y * np.cos(np.arange(y.shape.num_elements())).reshape(y.shape))
    return [y.numpy()] + [g.numpy() for g in tape.gradient(total, variables)]


def assert_close(found, wanted, error):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted):
        np.testing.assert_allclose(one, other, atol=error)


def test_gelu_is_bert4keras_with_the_gradient_of_finite_differences():
    x = np.linspace(-6., 6., 301)
    found, step = values_and_gradients(gelu_erf, x), 1e-6
    assert_close(found, values_and_gradients(derived_gelu, x), 1e-12)
    by_steps = (derived_gelu(x + step) - derived_gelu(x - step)) / (2 * step) * np.cos(np.arange(301))
    np.testing.assert_allclose(found[1], by_steps, atol=1e-8)


@pytest.mark.parametrize('shape', [(5, 8), (2, 3, 8)])
def test_the_layer_norm_is_bert4keras(shape):
    rng = np.random.default_rng(0)
    layers = [kind(epsilon=1e-3, dtype='float64') for kind in (LayerNorm, LayerNormalization)]

    def by(layer):
        def call(x, gamma, beta):
            layer.build(shape)
            layer.gamma, layer.beta = gamma, beta
            return layer.call(x)
        return values_and_gradients(call, rng_x, *weights)
    rng_x, weights = rng.normal(2., 3., shape), [rng.normal(size=8) for _ in range(2)]
    assert_close(by(layers[0]), by(layers[1]), 1e-12)


@pytest.mark.parametrize('bias', [None, (4, 4), (2, 4, 4)])
def test_attention_is_bert4keras(bias):
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(2, 4, 3, 5)) for _ in range(3)]
    kept = tf.constant([[True] * 4, [True] * 2 + [False] * 2])
    allowed = [] if bias is None else [tf.constant(np.broadcast_to(np.tri(4) > 0, bias))]

    def by(kind):
        layer = kind(3, 5, dtype='float64')
        return values_and_gradients(lambda *qkv: layer.pay_attention_to(
            [*qkv, *allowed], [None, kept], a_bias=bool(allowed) or None)[0], *x)
    assert_close(by(UnpaddedAttention), by(MultiHeadAttention), 1e-12)


def test_the_networks_are_made_of_them(tiny):
    transformer = build_mlm(tiny, return_keras_model=False)
    kinds = {type(layer) for layer in transformer.model.layers}
    assert LayerNorm in kinds and LayerNormalization not in kinds
    assert transformer.layers['Transformer-0-FeedForward'].i0_dense.activation is gelu_erf
    assert keras.utils.get_custom_objects()['LayerNorm'] is LayerNorm
