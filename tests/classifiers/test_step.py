import numpy as np
import pytest

from pet_keras.backend import Embedding, keras, tf
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.step import Step
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.networks.losses import weighted_crossentropy
from pet_keras.networks.tuning import AllWeights


def _network():
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')(inputs))


def test_a_step_follows_the_gradient_of_the_objective_and_reports_the_mean_by_text():
    network, x = _network(), np.random.default_rng(0).normal(size=(5, 3)).astype('float32')
    y = np.ones((5, 1), 'float32')
    step = Step(network, lambda network, inputs, targets: tf.reduce_mean((network(inputs) - targets) ** 2))
    step.compile(keras.optimizers.SGD(0.1))
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    w, losses = np.ones((3, 1)), []
    for a, b in batches:
        losses.append(((a @ w - b) ** 2).mean())
        w = w - 0.1 * 2 * a.T @ (a @ w - b) / len(a)
    history = step.fit(iter(batches), steps_per_epoch=2, verbose=0, shuffle=False).history
    np.testing.assert_allclose(network.get_weights()[0], w, rtol=1e-5)
    np.testing.assert_allclose(history['loss'], [(4 * losses[0] + losses[1]) / 5], rtol=1e-5)


class _Movable(Embedding):
    """The token embedding, with something added to what it puts out."""
    moved_by = None

    def call(self, inputs, mode='embedding'):
        x = super(_Movable, self).call(inputs, mode)
        return x if mode == 'dense' or self.moved_by is None else x + self.moved_by


class _MovableEmbedding(AllWeights):
    name = 'movable'

    def layer(self, layer, arguments):
        return (_Movable if arguments.get('name') == 'Embedding-Token' else layer), arguments


class _Virtual(FineTuningClassifier):
    """The divergence at the place where it grows fastest: virtual adversarial training (arXiv 1704.03976, section 3)
    on every row, beside the cross-entropy of the rows that have a label."""
    def divergence(self, network, inputs, clean, moved_by):
        layer = self.transformer.layers['Embedding-Token']
        layer.moved_by = moved_by
        log_q = tf.nn.log_softmax(network(inputs, training=True)[:, 0])
        layer.moved_by = None
        return tf.reduce_mean(tf.reduce_sum(tf.exp(clean) * (clean - log_q), -1))

    def objective(self, network, inputs, targets):
        logits = network(inputs, training=True)
        clean = tf.stop_gradient(tf.nn.log_softmax(logits[:, 0]))
        shape = tf.concat([tf.shape(inputs[0]), [self.checkpoint.config['hidden_size']]], 0)
        direction = 1e-2 * tf.nn.l2_normalize(tf.random.stateless_normal(shape, [0, 0]), axis=[1, 2])
        with tf.GradientTape() as tape:
            tape.watch(direction)
            near = self.divergence(network, inputs, clean, direction)
        self.found = 2. * tf.nn.l2_normalize(tf.stop_gradient(tape.gradient(near, direction)), axis=[1, 2])
        return weighted_crossentropy(*targets, logits) + self.divergence(network, inputs, clean, self.found)


def test_virtual_adversarial_training_is_an_objective_and_a_layer_put_into_the_network(still):
    task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
    classifier = _Virtual(task, still, train=_MovableEmbedding())
    inputs = [np.array([[2, 9, 30, 31, 3]]), np.zeros((1, 5)), np.array([[0]])]
    inputs, targets = [tf.constant(x, 'int32') for x in inputs], (np.array([[1]]), np.array([[1.]], 'float32'))
    loss = float(classifier.objective(classifier.model, inputs, targets))
    clean = tf.nn.log_softmax(classifier.model(inputs)[:, 0])
    crossentropy, rng = -float(clean[0, 1]), np.random.default_rng(0)
    found = loss - crossentropy
    for _ in range(20):  # no other move as long changes the answer as much
        other = rng.normal(size=classifier.found.shape)
        other = tf.constant(2. * other / np.linalg.norm(other), 'float32')
        assert 0 <= float(classifier.divergence(classifier.model, inputs, clean, other)) < found
    before = classifier.evaluate([Example('房间很干净', label='正面')])['log_likelihood']
    classifier.fit([Example('房间很干净', label='正面')], epochs=5, learning_rate=1e-3)
    assert classifier.evaluate([Example('房间很干净', label='正面')])['log_likelihood'] > before


def test_regularizers_count():
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer='ones',
                                                     kernel_regularizer=keras.regularizers.L2(1.))(inputs))
    step = Step(network, lambda network, inputs, targets: 0. * tf.reduce_sum(network(inputs, training=True)))
    step.compile(keras.optimizers.SGD(0.25))
    step.fit(iter([(np.ones((1, 1)), np.ones((1, 1)))]), steps_per_epoch=1, verbose=0)
    np.testing.assert_allclose(network.get_weights()[0], [[0.5]])


@pytest.mark.parametrize('dropout', [0., .5])
def test_the_next_training_traces_nothing_and_learns_as_a_new_classifier_would(dropout, still):
    texts = [Example('房间很好', label='正面'), Example('味道太差', label='负面')] * 3

    def learn(classifier, **settings):
        return classifier.fit(texts, epochs=2, batch_size=4, **settings)
    task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
    classifier = ClozeClassifier(task, still, dropout_rate=dropout)
    start = classifier.model.get_weights()
    learn(classifier, learning_rate=1e-2)
    step, traced = classifier.step, classifier.step.train_function
    classifier.model.set_weights(start)
    learn(classifier, learning_rate=3e-3, schedule='constant', seed=1)
    assert classifier.step is step and step.train_function is traced
    fresh = learn(ClozeClassifier(task, still, dropout_rate=dropout), learning_rate=3e-3, schedule='constant', seed=1)
    for ours, new in zip(classifier.model.get_weights(), fresh.model.get_weights()):
        np.testing.assert_array_equal(ours, new)


def test_an_objective_of_ones_own_is_traced_for_each_training(still):
    class Own(ClozeClassifier):
        def objective(self, network, inputs, targets):
            return super(Own, self).objective(network, inputs, targets)
    classifier = Own(Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}), still)
    texts, steps = [Example('房间很好', label='正面')], []
    for _ in range(2):
        classifier.fit(texts, epochs=1)
        steps.append(classifier.step)
    assert steps[0] is not steps[1]


def _one_step(checkpoint, texts, **settings):
    """The loss and the change of every weight by one step of plain gradient descent."""
    classifier = ClozeClassifier(Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}), checkpoint)
    classifier.tuning.optimizer = lambda learning_rate, ratio: keras.optimizers.SGD(1.)
    before = classifier.model.get_weights()
    classifier.fit(texts, ['今天天气很好我们去吃饭', '这本书纸张不错'] * 3, epochs=1, mask_rate=.4, **settings)
    return classifier.history[0]['loss'], [a - b for a, b in zip(classifier.model.get_weights(), before)]


@pytest.mark.parametrize('parts', [2, 3, 20], ids=['even', 'uneven', 'more than rows'])
def test_batches_that_are_accumulated_give_the_gradient_of_one_large_batch(still, parts):
    texts = [Example('房间很好' * n, label='正面') for n in (1, 2, 5)] + [Example('味道太差', label='负面')] * 3
    loss, whole = _one_step(still, texts, batch_size=60)
    other, added = _one_step(still, texts, batch_size=60 // parts, accumulate=parts)
    assert other == pytest.approx(loss, rel=1e-5)
    for a, b in zip(added, whole):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_regularizers_count_once_however_many_parts_a_batch_has():
    inputs = keras.Input((1,))
    network = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer='ones',
                                                     kernel_regularizer=keras.regularizers.L2(1.))(inputs))
    step = Step(network, lambda network, inputs, targets: 0. * tf.reduce_sum(network(inputs, training=True)), 2)
    step.compile(keras.optimizers.SGD(0.25))
    step.fit(iter([(np.ones((3, 1)), np.ones((3, 1)))]), steps_per_epoch=1, verbose=0)
    np.testing.assert_allclose(network.get_weights()[0], [[0.5]])
