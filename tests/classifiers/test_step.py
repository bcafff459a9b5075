import numpy as np

from pet_keras.backend import keras, tf
from pet_keras.classifiers.step import Step


def _network():
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')(inputs))


def test_a_step_follows_the_gradient_of_the_objective_and_reports_the_mean_by_text():
    network, x, y = _network(), np.random.default_rng(0).normal(size=(5, 3)).astype('float32'), np.ones((5, 1), 'float32')
    step = Step(network, lambda network, inputs, targets: tf.reduce_mean((network(inputs, training=True) - targets) ** 2))
    step.compile(keras.optimizers.SGD(0.1))
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    w, losses = np.ones((3, 1)), []
    for a, b in batches:
        losses.append(((a @ w - b) ** 2).mean())
        w = w - 0.1 * 2 * a.T @ (a @ w - b) / len(a)
    history = step.fit(iter(batches), steps_per_epoch=2, verbose=0, shuffle=False).history
    np.testing.assert_allclose(network.get_weights()[0], w, rtol=1e-5)
    np.testing.assert_allclose(history['loss'], [(4 * losses[0] + losses[1]) / 5], rtol=1e-5)


def test_an_objective_may_run_the_network_twice_and_ask_for_gradients_of_its_inputs():
    """As virtual adversarial training does (arXiv 1704.03976): the loss at x moved along its own gradient."""
    network, x = _network(), np.array([[1., 2., 3.]], 'float32')

    def objective(network, inputs, targets):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            square = tf.reduce_sum(network(inputs, training=True) ** 2)
        gradient = tf.stop_gradient(tape.gradient(square, inputs))
        return tf.reduce_sum(network(inputs + gradient, training=True))
    step = Step(network, objective)
    step.compile(keras.optimizers.SGD(1.))
    step.fit(iter([(x, x)]), steps_per_epoch=1, verbose=0)
    gradient = 2 * 6. * np.ones(3)  # of (x w)^2 at w = 1
    np.testing.assert_allclose(network.get_weights()[0][:, 0], 1. - (x[0] + gradient), rtol=1e-5)


def test_regularizers_count():
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer='ones',
                                                     kernel_regularizer=keras.regularizers.L2(1.))(inputs))
    step = Step(network, lambda network, inputs, targets: 0. * tf.reduce_sum(network(inputs, training=True)))
    step.compile(keras.optimizers.SGD(0.25))
    step.fit(iter([(np.ones((1, 1)), np.ones((1, 1)))]), steps_per_epoch=1, verbose=0)
    np.testing.assert_allclose(network.get_weights()[0], [[0.5]])
