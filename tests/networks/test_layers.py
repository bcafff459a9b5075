import numpy as np

from pet_keras.backend import keras, tf
from pet_keras.networks.layers import GatherPositions


def test_gather_takes_each_rows_own_positions_in_the_order_asked():
    hidden = np.arange(2 * 4 * 3, dtype='float32').reshape(2, 4, 3)
    positions = np.array([[3, 0], [1, 1]], 'int32')
    picked = GatherPositions()([tf.constant(hidden), tf.constant(positions)]).numpy()
    np.testing.assert_array_equal(picked, [[hidden[0, 3], hidden[0, 0]], [hidden[1, 1], hidden[1, 1]]])


def test_gather_takes_positions_of_any_number_type():
    hidden = tf.reshape(tf.range(12.), (1, 4, 3))
    picked = GatherPositions()([hidden, tf.constant([[2., 1.]])]).numpy()
    np.testing.assert_array_equal(picked[0], hidden.numpy()[0, [2, 1]])


def test_gather_passes_no_mask_on():
    tokens, positions = keras.layers.Input((None,)), keras.layers.Input((None,), dtype='int32')
    embedded = keras.layers.Embedding(5, 2, mask_zero=True)(tokens)
    picked = GatherPositions()([embedded, positions])
    assert getattr(embedded, '_keras_mask', None) is not None
    assert getattr(picked, '_keras_mask', None) is None
