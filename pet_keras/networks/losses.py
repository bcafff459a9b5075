"""What a cloze is trained on."""
from pet_keras.backend import keras, tf


def masked_crossentropy(y_true, y_pred):
    """Mean cross-entropy over the positions whose target is not 0 (`[PAD]`).

    The author's loss (kexue.fm 7764): one mean over every masked position of the batch, whether it
    stands in the pattern, in a labelled text or in an unlabelled one.

    Arguments: `y_true` int `[batch, n]`; `y_pred` logits `[batch, n, vocab_size]`.
    """
    y_true = tf.cast(y_true, 'int32')
    weight = tf.cast(tf.not_equal(y_true, 0), 'float32')
    loss = keras.losses.sparse_categorical_crossentropy(y_true, tf.cast(y_pred, 'float32'), from_logits=True)
    return tf.reduce_sum(loss * weight) / tf.maximum(tf.reduce_sum(weight), 1.)


keras.utils.get_custom_objects()['masked_crossentropy'] = masked_crossentropy
