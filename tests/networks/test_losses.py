import numpy as np

from pet_keras.backend import tf
from pet_keras.networks.losses import weighted_crossentropy


def _crossentropy(targets, logits):
    """Mean of -log softmax at the targets that are not 0, position by position."""
    losses = []
    for row, scores in zip(targets, logits):
        for target, score in zip(row, scores.astype('float64')):
            if target != 0:
                losses.append(np.log(np.exp(score).sum()) - score[target])
    return np.mean(losses) if losses else 0.


def _loss(targets, logits):
    targets = np.asarray(targets)
    return float(weighted_crossentropy(targets, (targets != 0).astype('float32'), tf.constant(logits)))


def test_loss_is_the_mean_crossentropy_of_every_position():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(3, 4, 7)).astype('float32'), rng.integers(1, 7, (3, 4))
    np.testing.assert_allclose(_loss(targets, logits), _crossentropy(targets, logits), rtol=1e-5)


def test_loss_leaves_out_positions_without_weight():
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(3, 4, 7)).astype('float32'), rng.integers(1, 7, (3, 4))
    targets[0, 1:] = targets[1] = 0
    expected = _crossentropy(targets, logits)
    np.testing.assert_allclose(_loss(targets, logits), expected, rtol=1e-5)
    logits[targets == 0] = 1000.  # whatever stands there
    np.testing.assert_allclose(_loss(targets, logits), expected, rtol=1e-5)


def test_loss_is_one_mean_over_the_batch_not_a_mean_of_means():
    logits = np.zeros((2, 3, 5), 'float32')
    logits[0, 0, 1] = 4.
    targets = np.array([[1, 0, 0], [2, 3, 4]])
    np.testing.assert_allclose(_loss(targets, logits), _crossentropy(targets, logits), rtol=1e-5)
    means = np.mean([_crossentropy(targets[:1], logits[:1]), _crossentropy(targets[1:], logits[1:])])
    assert abs(_loss(targets, logits) - means) > 0.1


def test_loss_of_a_batch_without_targets_is_0_and_so_is_its_gradient():
    logits = tf.Variable(np.random.default_rng(2).normal(size=(2, 3, 5)).astype('float32'))
    with tf.GradientTape() as tape:
        loss = weighted_crossentropy(tf.zeros((2, 3), 'int32'), tf.zeros((2, 3)), logits)
    assert float(loss) == 0.
    np.testing.assert_array_equal(tf.convert_to_tensor(tape.gradient(loss, logits)), 0.)


def test_loss_of_half_precision_logits_is_taken_in_float32():
    logits = np.zeros((1, 1, 4), 'float16')
    loss = weighted_crossentropy(tf.constant([[1]]), tf.constant([[1.]]), tf.constant(logits))
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(float(loss), np.log(4.), rtol=1e-6)


def test_loss_is_the_mean_by_weight():
    rng = np.random.default_rng(3)
    logits, targets = rng.normal(size=(2, 3, 5)).astype('float32'), rng.integers(0, 5, (2, 3))
    weights = rng.random((2, 3)).astype('float32') * .1  # in sum below 1
    expected = sum(weights[b, n] * (np.log(np.exp(logits[b, n]).sum()) - logits[b, n, targets[b, n]])
                   for b in range(2) for n in range(3)) / weights.sum()
    np.testing.assert_allclose(float(weighted_crossentropy(targets, weights, logits)), expected, rtol=1e-5)
