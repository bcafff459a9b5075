"""One training step: what it computes is the classifier's objective, the rest is Keras'."""
from pet_keras.backend import drawn_from, keras, tf
from pet_keras.classifiers.workers import Workers


class Step(keras.Model):
    """A network and the objective it is trained on; Keras' `fit` runs it.

    Arguments:
        network: the Keras model whose trainable weights train.
        objective: function of (network, inputs, targets) that gives a scalar loss. It runs the network itself,
            as often as it likes.
        workers: the Workers whose gradients are summed; `fit` is then given the part of this one.

    What a step draws (dropout) depends on `seed`, a variable, and on the number of the step, which the optimizer keeps:
    a resumed training draws what an undisturbed one would have.
    """
    def __init__(self, network, objective, workers=Workers(), **kwargs):
        super(Step, self).__init__(**kwargs)
        self.network, self.objective, self.workers = network, objective, workers
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
                loss += tf.add_n(self.network.losses) / self.workers.count
        loss, texts = self._minimize(tape, loss, tf.shape(tf.nest.flatten(targets)[0])[0])
        self.mean_loss.update_state(loss, sample_weight=texts)
        return {'loss': self.mean_loss.result()}

    def _minimize(self, tape, loss, texts):
        """Makes the step; returns the loss and the number of texts, of all workers together."""
        variables = self.network.trainable_variables
        if self.workers.count == 1:
            self.optimizer.minimize(loss, variables, tape=tape)
            return loss, texts
        pairs = [(g, v) for g, v in zip(tape.gradient(loss, variables), variables) if g is not None]
        *gradients, loss, texts = self.workers.sum(
            [tf.reshape(g, v.shape) for g, v in pairs] + [loss, tf.cast(texts, 'float32')])
        self.optimizer.apply_gradients([(g, v) for g, (_, v) in zip(gradients, pairs)])
        return loss, texts
