"""What a network is trained on."""
from pet_keras.backend import keras, tf


def weighted_crossentropy(targets, weights, logits):
    """The sum of the targets' cross-entropies, each times its weight; see `batching.lesson_batches`.

    Arguments: `targets` int `[batch, n]`; `weights` float `[batch, n]`, 0 for padding; `logits`
    `[batch, n, classes]`.
    """
    loss = keras.losses.sparse_categorical_crossentropy(targets, tf.cast(logits, 'float32'), from_logits=True)
    return tf.reduce_sum(loss * weights)
