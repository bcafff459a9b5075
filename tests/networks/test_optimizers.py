import numpy as np
import pytest

from pet_keras.backend import keras, tf
from pet_keras.networks.optimizers import Adam, Decay, PromptAdam


def _steps(optimizer, count=6, seed=0):
    """The values of a table and a vector after some steps, the table's gradients of a lookup."""
    rng = np.random.default_rng(seed)
    table, vector = tf.Variable(np.ones((5, 3), 'float32')), tf.Variable(np.ones(4, 'float32'))
    optimizer.build([table, vector])
    for _ in range(count):
        rows = tf.IndexedSlices(tf.constant(rng.normal(size=(3, 3)), 'float32'), tf.constant([1, 4, 1]), (5, 3))
        optimizer.apply_gradients([(rows, table), (tf.constant(rng.normal(size=4), 'float32'), vector)])
    return [table.numpy(), vector.numpy()]


@pytest.mark.parametrize('schedule', [1e-2, keras.optimizers.schedules.PolynomialDecay(1e-2, 9, 0.)],
                         ids=['constant', 'decay'])
def test_it_takes_the_steps_of_keras_adam(schedule):
    for ours, keras_own in zip(_steps(Adam(schedule)), _steps(keras.optimizers.Adam(schedule))):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-5)
        assert np.abs(ours - 1).max() > .01


def test_a_decay_falls_to_nothing_or_stays():
    falling, constant = Decay(.8, 4), Decay(.8, np.inf)
    np.testing.assert_allclose([falling(tf.constant(n)) for n in range(6)], [.8, .6, .4, .2, 0, 0], rtol=1e-6)
    assert float(constant(tf.constant(10 ** 6))) == pytest.approx(.8)


def test_after_a_restart_it_is_as_new():
    optimizer, variable, values = Adam(Decay(.5, 3)), tf.Variable(1.), []
    optimizer.build([variable])
    for rate, steps in ((.5, 3), (.1, np.inf)):
        new = Adam(Decay(rate, steps))
        other = tf.Variable(1.)
        optimizer.restart(rate, steps)
        variable.assign(1.)
        for gradient in (1., -.3):
            optimizer.apply_gradients([(tf.constant(gradient), variable)])
            new.apply_gradients([(tf.constant(gradient), other)])
        assert variable.numpy() == other.numpy()
        values.append(variable.numpy())
    assert values[0] != values[1]


def test_a_prompts_steps_are_longer_by_the_ratio():
    ours, prompt = tf.Variable([1.]), tf.Variable([1.])
    optimizer = PromptAdam(.01, [prompt], 5.)
    optimizer.build([ours, prompt])
    optimizer.apply_gradients([(tf.constant([1.]), ours), (tf.constant([1.]), prompt)])
    assert float(1 - prompt[0]) == pytest.approx(5 * float(1 - ours[0]), rel=1e-4)
