"""What a network is trained on."""
from pet_keras.backend import custom_gradient, tf


def weighted_crossentropy(targets, weights, logits):
    """The sum of the targets' cross-entropies, each times its weight; see `batching.lesson_batches`.

    Arguments: `targets` int `[batch, n]`; `weights` float `[batch, n]`, 0 for padding; `logits`
    `[batch, n, classes]`.
    """
    targets, weights = tf.reshape(tf.cast(targets, 'int32'), [-1]), tf.reshape(weights, [-1])
    logits = tf.reshape(tf.cast(logits, 'float32'), [tf.size(targets), -1])
    return tf.reduce_sum(_crossentropy(targets, logits) * tf.cast(weights, 'float32'))


def _crossentropy(targets, logits):
    """Of each row of logits. Its gradient is written out: what Keras does takes two passes more over all classes."""
    places = tf.stack([tf.range(tf.size(targets)), targets], 1)

    @custom_gradient
    def call(logits):
        log_probs = tf.nn.log_softmax(logits)

        def gradient(upstream):
            return tf.tensor_scatter_nd_sub(tf.exp(log_probs) * upstream[:, None], places, upstream)
        return -tf.gather_nd(log_probs, places), gradient
    return call(logits)
