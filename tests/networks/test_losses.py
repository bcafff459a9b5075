import numpy as np

from pet_keras.backend import tf
from pet_keras.networks.losses import weighted_crossentropy


def _crossentropy(targets, weights, logits):
    """The sum of weight x -log softmax, position by position."""
    return sum(w * (np.log(np.exp(scores.astype('float64')).sum()) - scores[target])
               for row in zip(targets, weights, logits) for target, w, scores in zip(*row))


def _random(seed):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 7, (3, 4)), rng.random((3, 4)).astype('float32'),
            rng.normal(size=(3, 4, 7)).astype('float32'))


def test_loss_is_the_sum_of_the_crossentropies_by_weight():
    targets, weights, logits = _random(0)
    np.testing.assert_allclose(weighted_crossentropy(targets, weights, logits),
                               _crossentropy(targets, weights, logits), rtol=1e-5)


def test_loss_leaves_out_positions_without_weight_whatever_stands_there():
    targets, weights, logits = _random(1)
    weights[0, 1:] = weights[1] = 0.
    expected = _crossentropy(targets, weights, logits)
    logits[weights == 0] = 1000.
    np.testing.assert_allclose(weighted_crossentropy(targets, weights, logits), expected, rtol=1e-5)


def test_loss_of_a_batch_without_weights_is_0_and_so_is_its_gradient():
    logits = tf.Variable(_random(2)[2])
    with tf.GradientTape() as tape:
        loss = weighted_crossentropy(tf.zeros((3, 4), 'int32'), tf.zeros((3, 4)), logits)
    assert float(loss) == 0.
    np.testing.assert_array_equal(tf.convert_to_tensor(tape.gradient(loss, logits)), 0.)


def test_loss_of_half_precision_logits_is_taken_in_float32():
    loss = weighted_crossentropy(tf.constant([[1]]), tf.constant([[1.]]), tf.zeros((1, 1, 4), 'float16'))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(float(loss), np.log(4.), rtol=1e-6)


def test_its_gradient_is_that_of_the_formula():
    targets, weights, logits = _random(3)
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = 2. * weighted_crossentropy(targets, weights, variable)
    odds = np.exp(logits.astype('float64'))
    probabilities = odds / odds.sum(-1, keepdims=True) - np.eye(7)[targets]
    np.testing.assert_allclose(tape.gradient(loss, variable), 2. * weights[..., None] * probabilities, atol=1e-6)
