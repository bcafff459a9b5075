import numpy as np
import pytest
from scripted import LABELLED, TASK, UNLABELLED, same_bits

from pet_keras.backend import drawn_from, tf
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.vat import VatClassifier, _divergence
from pet_keras.errors import UserError

TEXTS = ['房间很干净', '又吵又脏再也不来了', '好']
FIT = {'epochs': 2, 'batch_size': 8, 'learning_rate': 1e-3}


@pytest.fixture(scope='module')
def classifier(still):
    made = VatClassifier(TASK, still, epsilon=.5, xi=.3)
    rng = np.random.default_rng(0)  # a head of such weights gives answers that are not all near one half
    made.head.set_weights([rng.normal(0, .2, w.shape) for w in made.head.get_weights()])
    return made


@pytest.fixture(scope='module')
def inputs(classifier):
    """What the network is fed of three texts of different lengths."""
    lessons = [classifier.lesson(classifier.tokenize(e), None) for e in classifier.examples(TEXTS)]
    (inputs, _), = classifier.batches([lessons])
    return list(map(tf.constant, inputs))


def _answer(classifier, inputs, embeddings=None):
    """Probabilities float64 `[texts, labels]`, computed outside the class."""
    logits = classifier.model(inputs) if embeddings is None else classifier._rest([embeddings] + inputs)
    p = np.exp(logits.numpy()[:, 0].astype('float64'))
    return p / p.sum(axis=1, keepdims=True)


def _drawn(function, *args):
    """What it gives if it draws what each other call here draws, as in a training step."""
    with drawn_from(tf.constant([0, 0])):
        return function(*args)


def _kl(p, q):
    return (p * (np.log(p) - np.log(q))).sum(axis=1)


def test_the_network_from_the_embeddings_on_is_the_network(classifier, inputs):
    embeddings = classifier._embed(inputs)
    assert embeddings.shape == (3, inputs[0].shape[1], 16)
    np.testing.assert_allclose(_answer(classifier, inputs, embeddings), _answer(classifier, inputs), atol=1e-6)


def test_the_divergence_is_that_of_numpy():
    p, logits = np.array([[.2, .8], [.5, .5]]), np.array([[1., 2.], [-1., 3.]])
    q = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_divergence(tf.constant(np.log(p)), tf.constant(logits)), _kl(p, q), atol=1e-9)


def test_the_move_is_the_step_that_finite_differences_give(classifier, inputs):
    """The gradient of KL at ξd, place by place, from the network's answers alone."""
    embeddings, p = classifier._embed(inputs), _answer(classifier, inputs)
    is_text = (inputs[0].numpy() > 0)[:, :, None]
    d = is_text * _drawn(tf.random.normal, embeddings.shape).numpy()
    trial = .3 * d / np.sqrt((d ** 2).sum(axis=(1, 2), keepdims=True))
    gradient, h = np.zeros(embeddings.shape), .02
    for place in range(embeddings.shape[1]):
        for column in range(16):
            step = np.zeros(embeddings.shape, 'float32')
            step[:, place, column] = h
            up, down = [_kl(p, _answer(classifier, inputs, embeddings + trial.astype('float32') + s)) for s in (
                step, -step)]
            gradient[:, place, column] = (up - down) / (2 * h)
    gradient *= is_text
    wanted = .5 * gradient / np.sqrt((gradient ** 2).sum(axis=(1, 2), keepdims=True))
    found = _drawn(classifier.move, inputs, embeddings, tf.constant(np.log(p), 'float32')).numpy()
    np.testing.assert_allclose(np.sqrt((found ** 2).sum(axis=(1, 2))), .5, atol=1e-5)
    assert not found[~is_text[..., 0]].any()
    agreement = (found * wanted).sum(axis=(1, 2)) / .25  # cosine of the angle between them
    assert agreement.min() > .99, agreement


def test_the_move_changes_answers_more_than_moves_of_its_length_by_chance(classifier, inputs):
    embeddings, p = classifier._embed(inputs), _answer(classifier, inputs)
    worst = _kl(p, _answer(classifier, inputs, embeddings + _drawn(
        classifier.move, inputs, embeddings, tf.constant(np.log(p), 'float32'))))
    for seed in range(5):
        d = np.random.default_rng(seed).normal(size=embeddings.shape) * (inputs[0].numpy() > 0)[:, :, None]
        d *= .5 / np.sqrt((d ** 2).sum(axis=(1, 2), keepdims=True))
        assert (_kl(p, _answer(classifier, inputs, embeddings + d.astype('float32'))) < worst).all()


def test_the_objective_is_cross_entropy_plus_the_weighted_divergence_at_the_move(classifier, still):
    examples = classifier.examples(LABELLED[:2], labelled=True)
    lessons = [classifier.lesson(classifier.tokenize(e), TASK.labels.index(e.label)) for e in examples] + [
        classifier.lesson(classifier.tokenize(e), None) for e in classifier.examples(TEXTS)]
    (inputs, targets), = classifier.batches([lessons], 1.)
    inputs = list(map(tf.constant, inputs))
    p = _answer(classifier, inputs)
    embeddings = classifier._embed(inputs)
    move = _drawn(classifier.move, inputs, embeddings, tf.constant(np.log(p), 'float32'))
    entropy = -np.mean([np.log(p[i, TASK.labels.index(e.label)]) for i, e in enumerate(examples)])
    for weight in (1., 3.):
        classifier.vat_weight = weight
        wanted = entropy + weight * _kl(p, _answer(classifier, inputs, embeddings + move)).mean()
        assert float(_drawn(classifier.objective, classifier.model, inputs, targets)) == pytest.approx(wanted, rel=1e-4)
    classifier.vat_weight = 1.


def test_no_gradient_flows_through_the_move_or_the_first_answer(classifier, inputs):
    """The gradient of the head's bias is that of KL(p ‖ q(r)) with p and r held: the mean of q - p."""
    targets = np.zeros((3, 1), 'int32'), np.zeros((3, 1), 'float32')
    with tf.GradientTape() as tape:
        loss = _drawn(classifier.objective, classifier.model, inputs, targets)
    gradient = tape.gradient(loss, classifier.head.bias)
    embeddings, p = classifier._embed(inputs), _answer(classifier, inputs)
    move = _drawn(classifier.move, inputs, embeddings, tf.constant(np.log(p), 'float32'))
    q = _answer(classifier, inputs, embeddings + move)
    np.testing.assert_allclose(gradient, (q - p).mean(axis=0), rtol=1e-3)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        move = tf.reduce_sum(_drawn(classifier.move, inputs, embeddings, tf.constant(np.log(p), 'float32')) ** 2)
    assert tape.gradient(move, embeddings) is None


def test_an_unlabelled_text_changes_what_is_learned_and_a_soft_label_is_one_text(still):
    def learn(labelled, *data):
        return VatClassifier(TASK, still).fit(labelled, *data, **FIT).model.get_weights()
    alone = learn(LABELLED)
    assert not same_bits(alone, learn(LABELLED, UNLABELLED))
    hard = [e._replace(label={e.label: 1.}) for e in LABELLED]
    for one, other in zip(alone, learn(hard)):
        np.testing.assert_allclose(one, other, atol=1e-3)
    assert not same_bits(alone, FineTuningClassifier(TASK, still).fit(LABELLED, **FIT).model.get_weights())


def test_it_learns_and_a_saved_one_predicts_the_same(still, tmp_path):
    classifier = VatClassifier(TASK, still, epsilon=.3, xi=.2, vat_weight=.7)
    classifier.fit(LABELLED, UNLABELLED, epochs=8, batch_size=8, learning_rate=5e-3, dev=LABELLED,
                   out=str(tmp_path / 'out'))
    assert classifier.evaluate(LABELLED)['accuracy'] > 80. and classifier.step_seconds > 0
    again = load(str(tmp_path / 'out'))
    assert type(again) is VatClassifier and (again.epsilon, again.xi, again.vat_weight) == (.3, .2, .7)
    np.testing.assert_array_equal(again.predict_log_proba(TEXTS), classifier.predict_log_proba(TEXTS))


def test_an_interrupted_run_resumes_to_the_same_bits(still, interrupt, tmp_path):
    def fit(**more):
        return VatClassifier(TASK, still).fit(LABELLED, UNLABELLED, **dict(FIT, epochs=3), **more)
    whole, out = fit(), str(tmp_path / 'out')
    interrupt(2, lambda: fit(out=out))
    resumed = fit(out=out, resume=True)
    assert resumed.history == whole.history and same_bits(resumed.model.get_weights(), whole.model.get_weights())
    with pytest.raises(UserError, match='epsilon|holds no interrupted run'):
        VatClassifier(TASK, still, epsilon=2.).fit(LABELLED, UNLABELLED, out=out, resume=True, **FIT)


def test_what_it_cannot_do_is_said(still):
    with pytest.raises(UserError, match='needs labelled texts'):
        VatClassifier(TASK, still).fit(None, UNLABELLED)
    for wrong in ({'epsilon': 0}, {'xi': -1.}, {'vat_weight': 0.}):
        with pytest.raises(UserError, match='above 0'):
            VatClassifier(TASK, still, **wrong)
