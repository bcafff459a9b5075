"""What a network is trained on."""
from pet_keras.backend import keras, tf


def weighted_crossentropy(targets, weights, logits):
    """Mean cross-entropy of the targets, each with its weight; 0 where all weights are.

    With weights of 1 it is the author's loss (kexue.fm 7764): one mean over every masked position of the
    batch, whether it stands in the pattern, in a labelled text or in an unlabelled one.

    Arguments: `targets` int `[batch, n]`; `weights` float `[batch, n]`, 0 for padding; `logits`
    `[batch, n, classes]`.
    """
    loss = keras.losses.sparse_categorical_crossentropy(targets, tf.cast(logits, 'float32'), from_logits=True)
    return tf.math.divide_no_nan(tf.reduce_sum(loss * weights), tf.reduce_sum(weights))
