"""One training step: what it computes is the classifier's objective, the rest is Keras'."""
from pet_keras.backend import drawn_from, keras, tf


class Step(keras.Model):
    """A network and the objective it is trained on; Keras' `fit` runs it.

    Arguments:
        network: the Keras model whose trainable weights train.
        objective: function of (network, inputs, targets) that gives a scalar loss. It runs the network itself,
            as often as it likes.

    What a step draws (dropout) depends on `seed`, a variable, and on the number of the step, which the optimizer keeps:
    a resumed training draws what an undisturbed one would have.
    """
    def __init__(self, network, objective, **kwargs):
        super(Step, self).__init__(**kwargs)
        self.network, self.objective = network, objective
        self.mean_loss = keras.metrics.Mean(name='loss')
        self.seed = tf.Variable(0, trainable=False, dtype='int64', name='seed')

    def call(self, inputs, training=False):
        return self.network(inputs, training=training)

    @property
    def metrics(self):
        return [self.mean_loss]

    @tf.autograph.experimental.do_not_convert
    def train_step(self, data):
        inputs, targets = data
        with tf.GradientTape() as tape, drawn_from(tf.stack([self.seed, self.optimizer.iterations])):
            loss = self.objective(self.network, inputs, targets)
            if self.network.losses:  # regularizers
                loss += tf.add_n(self.network.losses)
        self.optimizer.minimize(loss, self.network.trainable_variables, tape=tape)
        self.mean_loss.update_state(loss, sample_weight=tf.shape(tf.nest.flatten(targets)[0])[0])
        return {'loss': self.mean_loss.result()}
