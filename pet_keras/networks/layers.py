"""Layers of the cloze models."""
from pet_keras.backend import Layer, tf


class WordLogits(Layer):
    """Logits of a few words only: the product with their rows of the tied output embedding.

    Input: `[batch, n, embedding_size]`. Output: `[batch, n, len(token_ids)]`.

    Arguments:
        embedding: the token Embedding layer, whose table is the output matrix.
        bias: the layer that adds the output bias (bert4keras' `MLM-Bias`), or None.
        token_ids: list of int, the vocabulary rows wanted.
    """
    def __init__(self, embedding, bias, token_ids, **kwargs):
        super(WordLogits, self).__init__(**kwargs)
        self.embedding, self.bias, self.token_ids = embedding, bias, list(token_ids)

    def call(self, inputs):
        rows = self.embedding(tf.constant(self.token_ids))
        logits = tf.einsum('bnh,wh->bnw', inputs, tf.cast(rows, inputs.dtype))
        if self.bias is not None:
            logits += tf.cast(tf.gather(self.bias.beta, self.token_ids), logits.dtype)
        return logits


class WordLogProbs(Layer):
    """Log-probabilities of a few words, normalised over the vocabulary.

    Input: logits `[batch, n, vocab_size]`. Output: float32 `[batch, n, len(token_ids)]`.
    """
    def __init__(self, token_ids, **kwargs):
        super(WordLogProbs, self).__init__(**kwargs)
        self.token_ids = list(token_ids)

    def call(self, inputs):
        return tf.gather(tf.nn.log_softmax(tf.cast(inputs, 'float32')), self.token_ids, axis=-1)

