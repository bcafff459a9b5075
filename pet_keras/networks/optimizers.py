"""Adam, faster and without a second tracing, and with a learning rate of its own for a prompt."""
from pet_keras.backend import keras, tf


class Decay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls from `rate` to 0 over `steps`, or stays where `steps` is infinite.

    Both are variables: they can be set anew, and what was traced with them need not be.
    """
    def __init__(self, rate, steps):
        self.rate, self.steps = (tf.Variable(number, trainable=False, dtype='float32') for number in (rate, steps))

    def __call__(self, step):
        return self.rate * tf.maximum(1. - tf.cast(step, 'float32') / self.steps, 0.)


class Adam(keras.optimizers.Adam):
    """Keras' Adam (arXiv 1412.6980) in one operation a variable, where Keras takes a dozen passes over its memory."""
    def update_step(self, gradient, variable):
        i = self._index_dict[self._var_key(variable)]
        step, betas = tf.cast(self.iterations + 1, variable.dtype), [tf.cast(b, variable.dtype) for b in (
            self.beta_1, self.beta_2)]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[i].handle, v=self._velocities[i].handle,
            beta1_power=betas[0] ** step, beta2_power=betas[1] ** step, lr=tf.cast(self.learning_rate, variable.dtype),
            beta1=betas[0], beta2=betas[1], epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.convert_to_tensor(gradient))

    def restart(self, rate, steps):
        """As before its first step, with another Decay."""
        for variable in self.variables:
            variable.assign(tf.zeros_like(variable))
        self._learning_rate.rate.assign(rate)
        self._learning_rate.steps.assign(steps)


class PromptAdam(Adam):
    """Adam whose steps for the prompt's weights are `ratio` times those for the others."""
    def __init__(self, learning_rate, prompt_weights, ratio):
        super(PromptAdam, self).__init__(learning_rate)
        self._prompt_weights, self._ratio = {w.ref() for w in prompt_weights}, ratio

    def update_step(self, gradient, variable):
        if variable.ref() not in self._prompt_weights:
            return super(PromptAdam, self).update_step(gradient, variable)
        start = tf.identity(variable)
        super(PromptAdam, self).update_step(gradient, variable)
        variable.assign(start + self._ratio * (variable - start))
