"""PtuningEmbedding: an embedding table of which a few rows train."""
import numpy as np

from pet_keras.backend import Embedding, K, keras, tf
from pet_keras.errors import UserError
from pet_keras.networks.prompt_encoder import PromptEncoder


@keras.utils.register_keras_serializable(package='pet_keras')
class PtuningEmbedding(Embedding):
    """An Embedding of which only the rows of a few tokens train: the layer of kexue.fm 8295.

    The author masks one table, `embeddings * mask + stop_gradient(embeddings) * (1 - mask)`. The values
    and gradients here are the same, but the trained rows are a small variable of their own, `prompt`, and
    the table, `embeddings`, is not trainable: no gradient of the table's size is ever made, and neither
    weight decay nor an optimizer's momentum can touch the other rows.

    As bert4keras' Embedding it has two modes. `mode='embedding'`: int `[batch, length]` →
    `[batch, length, output_dim]`. `mode='dense'`, the tied output head: `[batch, length, output_dim]` →
    logits `[batch, length, input_dim]`, where trained tokens get logits of their trained rows.

    Arguments:
        input_dim, output_dim, mask_zero, …: as in keras.layers.Embedding; regularizer and constraint are the
            trained rows'.
        trainable_token_ids: the rows that train. Ids of `input_dim` and above are tokens beyond the
            table: they can be looked up, but the head has no logit for them.
        encoder: 'lstm', 'mlp' or None, see PromptEncoder; `absorb_encoder` ends it.
        trainable_table: True trains the other rows too; the prompt still has its start, its encoder and its
            learning rate (`prompt_weights`) to itself.

    Set the rows with `set_prompt`; `prompt_from_table` takes what the table holds, `prompt_to_table` puts
    them there.
    """
    def __init__(self, input_dim, output_dim, trainable_token_ids=(), encoder=None, trainable_table=False, **kwargs):
        super(PtuningEmbedding, self).__init__(input_dim, output_dim, **kwargs)
        self.trainable_token_ids, self.trainable_table = [int(i) for i in trainable_token_ids], trainable_table
        if not self.trainable_token_ids:
            raise UserError('PtuningEmbedding: give at least one of trainable_token_ids.')
        if len(set(self.trainable_token_ids)) < len(self.trainable_token_ids) or min(self.trainable_token_ids) < 0:
            raise UserError('PtuningEmbedding: trainable_token_ids must be different and not negative.')
        self.encoder = PromptEncoder(output_dim, encoder, name='encoder') if encoder else None
        self._row_of = np.full(max(input_dim, 1 + max(self.trainable_token_ids)), -1, 'int32')
        self._row_of[self.trainable_token_ids] = np.arange(len(self.trainable_token_ids))
        # the rows of tokens inside the table, and each one's column among the logits
        self._inside = np.flatnonzero(np.array(self.trainable_token_ids) < input_dim)
        self._one_hot = np.zeros((len(self._inside), input_dim), 'float32')
        self._one_hot[np.arange(len(self._inside)), self._inside_ids()] = 1.

    def build(self, input_shape=None):
        self.embeddings = self.add_weight(
            name='embeddings', shape=(self.input_dim, self.output_dim), initializer=self.embeddings_initializer,
            trainable=self.trainable_table, experimental_autocast=False)

        def start(shape, dtype=None):  # a no-op: the rows that the table has
            return self._rows_in_table()
        shape = (len(self.trainable_token_ids), self.output_dim)
        self.prompt = self.add_weight(name='prompt', shape=shape, initializer=start, experimental_autocast=False,
                                      regularizer=self.embeddings_regularizer, constraint=self.embeddings_constraint)
        if self.encoder:
            self._non_trainable_weights.append(self._trainable_weights.pop())  # until the encoder is absorbed
            self.encoder_input = self.add_weight(name='encoder_input', shape=shape, initializer=start,
                                                 experimental_autocast=False)
            with tf.name_scope('encoder'):
                self.encoder.build(shape)
        self.built = True

    def rows(self):
        """The prompt's rows as the model sees them, `[n, output_dim]`."""
        if self.encoder:
            return tf.cast(self.encoder(tf.convert_to_tensor(self.encoder_input)), 'float32')
        return tf.convert_to_tensor(self.prompt)

    def table(self):
        """The embedding table `[input_dim, output_dim]` with the prompt's rows in it."""
        return tf.tensor_scatter_nd_update(self._other_rows(), self._inside_ids()[:, None],
                                           tf.gather(self.rows(), self._inside))

    def _other_rows(self):
        table = tf.convert_to_tensor(self.embeddings)
        return table if self.trainable_table else tf.stop_gradient(table)

    def call(self, inputs, mode='embedding'):
        dtype, rows = self._dtype_policy.compute_dtype, self.rows()
        if mode == 'embedding':
            ids = tf.cast(inputs, 'int32')
            row = tf.gather(self._row_of, ids)
            others = tf.gather(self._other_rows(), tf.minimum(ids, self.input_dim - 1))
            return tf.cast(tf.where(row[..., None] < 0, others, tf.gather(rows, tf.maximum(row, 0))), dtype)
        others = K.dot(inputs, tf.cast(tf.transpose(self._other_rows()), dtype))
        if not len(self._inside):
            return others
        own = K.dot(inputs, tf.cast(tf.transpose(tf.gather(rows, self._inside)), dtype))
        return others * tf.cast(1. - self._one_hot.sum(axis=0), dtype) + K.dot(own, tf.cast(self._one_hot, dtype))

    def compute_output_shape(self, input_shape):
        if len(input_shape) == 2:
            return tuple(input_shape) + (self.output_dim,)
        return tuple(input_shape[:2]) + (self.input_dim,)

    def set_prompt(self, rows):
        """Sets the rows (with an encoder: what it reads), float `[n, output_dim]`, in the order of the ids."""
        self.prompt.assign(rows)
        if self.encoder:
            self.encoder_input.assign(rows)

    def prompt_from_table(self):
        """Starts each row from the table's row of that token."""
        self.set_prompt(self._rows_in_table())

    def prompt_to_table(self):
        """Puts the rows into the table, where a checkpoint holds them."""
        self.embeddings.assign(self.table())

    @property
    def prompt_weights(self):
        """The variables that the prompt trains with: its rows, or what its encoder has."""
        return [w for w in self.trainable_weights if w is not self.embeddings]

    def _rows_in_table(self):
        """The table's rows of the prompt's tokens; tokens beyond it get its last row."""
        return tf.gather(tf.convert_to_tensor(self.embeddings),  # of the variable it would copy the table, once a step
                         np.minimum(self.trainable_token_ids, self.input_dim - 1))

    def _inside_ids(self):
        return np.array(self.trainable_token_ids)[self._inside]

    def absorb_encoder(self):
        """Keeps what the encoder puts out as the rows, and drops the encoder. Call it after training."""
        if self.encoder:
            self.prompt.assign(self.rows())
            self._trainable_weights, self._non_trainable_weights = [self.prompt], []
            (self._trainable_weights if self.trainable_table else self._non_trainable_weights).insert(
                0, self.embeddings)
            self.encoder = self.encoder_input = None

    def get_config(self):
        return dict(super(PtuningEmbedding, self).get_config(), trainable_token_ids=self.trainable_token_ids,
                    encoder=self.encoder.kind if self.encoder else None, trainable_table=self.trainable_table)
