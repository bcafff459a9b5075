"""One training step: what it computes is the classifier's objective, the rest is Keras'."""
import time

import numpy as np

from pet_keras.backend import drawn_from, keras, tf
from pet_keras.classifiers.workers import ALONE


def clocks():
    """Seconds by the clock, and those that this process' threads have worked, which other programs do not lengthen."""
    return np.array([time.perf_counter(), time.process_time()])


class Step(keras.Model):
    """A network and the objective it is trained on; Keras' `fit` runs it.

    Arguments:
        network: the Keras model whose trainable weights train.
        objective: function of (network, inputs, targets) that gives a scalar loss. It runs the network itself,
            as often as it likes.
        parts: how many parts of a batch are computed one after another, for the memory of one. Their gradients are
            added up: that of the whole batch, where the objective is a sum over its rows.
        workers: the Workers whose gradients are summed; `fit` is then given the part of this one.

    What a step draws (dropout) depends on `seed`, a variable, and on the number of the step, which the optimizer keeps:
    a resumed training draws what an undisturbed one would have.
    """
    def __init__(self, network, objective, parts=1, workers=ALONE, **kwargs):
        super(Step, self).__init__(**kwargs)
        self.network, self.objective, self.parts, self.workers = network, objective, parts, workers
        self.mean_loss = keras.metrics.Mean(name='loss')
        self.seed = tf.Variable(0, trainable=False, dtype='int64', name='seed')

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    @property
    def metrics(self):
        return [self.mean_loss]

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data):
        rows = tf.shape(tf.nest.flatten(data)[-1])[0]
        loss, gradients = self._gradients(data) if self.parts == 1 else self._added_up(data, rows)
        pairs = [(g, v) for g, v in zip(gradients, self.network.trainable_variables) if g is not None]
        if self.workers.count > 1:
            *gradients, loss, rows = self.workers.sum(
                [tf.reshape(g, v.shape) for g, v in pairs] + [loss, tf.cast(rows, 'float32')])
            pairs = [(g, v) for g, (_, v) in zip(gradients, pairs)]
        self.optimizer.apply_gradients(pairs)
        self.mean_loss.update_state(loss, sample_weight=rows)
        return {'loss': self.mean_loss.result()}

    def _gradients(self, data, part=0, parts=1, **settings):
        """(loss, gradients) of a batch, or of the part of this number of so many; each draws numbers of its own."""
        turn = self.optimizer.iterations * tf.cast(parts, 'int64') + tf.cast(part, 'int64')
        with tf.GradientTape() as tape, drawn_from(tf.stack([self.seed, turn])):
            loss = self.objective(self.network, *data)
            if self.network.losses:  # regularizers
                loss += tf.add_n(self.network.losses) / (tf.cast(parts, 'float32') * self.workers.count)
        return loss, tape.gradient(loss, self.network.trainable_variables, **settings)

    def _added_up(self, data, rows):
        """(loss, gradients) of a batch, a part of its rows at a time; every so-manieth row, so that parts are alike."""
        parts, variables = tf.minimum(self.parts, rows), self.network.trainable_variables

        def add(i, total, sums):
            part = tf.nest.map_structure(lambda x: tf.gather(x, tf.range(i, rows, parts)), data)
            loss, gradients = self._gradients(part, i, parts, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return i + 1, total + loss, [old + tf.convert_to_tensor(new) for old, new in zip(sums, gradients)]
        _, loss, gradients = tf.while_loop(lambda i, *_: i < parts, add, (
            0, 0., [tf.zeros_like(variable) for variable in variables]), parallel_iterations=1)
        return loss, gradients
