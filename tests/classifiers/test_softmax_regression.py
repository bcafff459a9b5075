import numpy as np
import pytest

pytest.importorskip('scipy')

from pet_keras.classifiers.softmax_regression import best_regression, one_hot, softmax_regression  # noqa: E402

RNG = np.random.default_rng(0)
FEATURES, LABELS = RNG.normal(size=(60, 5)), RNG.integers(0, 3, 60)
TARGETS = np.eye(3)[LABELS]


def test_it_is_the_solution_that_scikit_learn_finds():
    linear_model = pytest.importorskip('sklearn.linear_model')
    other = linear_model.LogisticRegression(C=1 / (60 * .01), tol=1e-10, max_iter=5000).fit(FEATURES, LABELS)
    kernel, bias = softmax_regression(FEATURES, TARGETS, .01)
    np.testing.assert_allclose(kernel, other.coef_.T, atol=1e-3)
    np.testing.assert_allclose(bias - bias.mean(), other.intercept_ - other.intercept_.mean(), atol=1e-3)


def test_at_the_solution_no_small_change_lowers_the_loss_of_soft_labels():
    soft = RNG.dirichlet([1., 1., 1.], 60)

    def loss(kernel, bias):
        logits = FEATURES @ kernel + bias
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -(soft * np.log(p)).sum(axis=1).mean() + .05 * (kernel ** 2).sum()
    kernel, bias = softmax_regression(FEATURES, soft, .1)
    for _ in range(20):
        step = RNG.normal(0, 1e-2, (6, 3))
        assert loss(kernel + step[:5], bias + step[5]) > loss(kernel, bias)


def test_a_sparse_matrix_gives_the_same():
    sparse = pytest.importorskip('scipy.sparse')
    for one, other in zip(softmax_regression(FEATURES, TARGETS, .1),
                          softmax_regression(sparse.csr_matrix(FEATURES), TARGETS, .1)):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_label_of_no_text_is_improbable_and_its_weights_are_numbers():
    kernel, bias = softmax_regression(FEATURES[LABELS < 2], TARGETS[LABELS < 2], .01)
    logits = FEATURES @ kernel + bias
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.isfinite(kernel).all() and np.isfinite(bias).all() and p[:, 2].max() < .02


def test_the_penalty_is_the_first_or_the_best_on_dev():
    assert best_regression(FEATURES, TARGETS, [100., .01])[2] == 100.
    kernel, bias, penalty = best_regression(FEATURES, TARGETS, [100., .01], (FEATURES, LABELS.tolist()))
    assert penalty == .01
    np.testing.assert_array_equal(kernel, softmax_regression(FEATURES, TARGETS, .01)[0])


def test_hard_and_soft_labels_become_rows():
    np.testing.assert_array_equal(one_hot([1, np.array([.3, .7])], 2), [[0, 1], [.3, .7]])
