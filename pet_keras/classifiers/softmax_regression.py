"""Softmax regression: a linear classifier on features that stay as they are, solved to its one optimum."""
import numpy as np

from pet_keras.classifiers.metrics import classification_report, log_softmax
from pet_keras.errors import UserError

INSTALL = 'Type:  pip install "pet-keras[sklearn]"'


def softmax_regression(features, targets, penalty):
    """What minimises the mean cross-entropy + penalty / 2 × the sum of the kernel's squares.

    It is convex, so there is one answer and nothing to draw; L-BFGS finds it (SciPy).

    Arguments: `features`, array or sparse matrix `[texts, features]`; `targets` float `[texts, labels]`, rows sum to 1.

    Returns: (kernel float64 `[features, labels]`, bias float64 `[labels]`).
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise UserError('A linear classifier is solved by SciPy, which is missing. ' + INSTALL) from None
    texts, labels = targets.shape

    def loss(weights):
        kernel, bias = _parts(weights, labels)
        log_p = log_softmax(features @ kernel + bias)
        error = (np.exp(log_p) - targets) / texts
        return (-(targets * log_p).sum() / texts + penalty / 2. * (kernel ** 2).sum(),
                np.concatenate([features.T @ error + penalty * kernel, error.sum(axis=0)[None]]).ravel())
    start = np.zeros((features.shape[1] + 1) * labels)
    return _parts(minimize(loss, start, jac=True, method='L-BFGS-B', options={'maxiter': 2000}).x, labels)


def best_regression(features, targets, penalties, dev=None):
    """The regression whose penalty is best on dev, by accuracy and among equals by likelihood.

    Arguments: `penalties`, a list of numbers, of which without `dev` the first is taken; `dev`, (features, the labels'
    indices), or None.

    Returns: (kernel, bias, penalty).
    """
    found = []
    for penalty in penalties if dev else penalties[:1]:
        kernel, bias = softmax_regression(features, targets, penalty)
        score = 0.
        if dev:
            labels = list(range(len(bias)))
            report = classification_report(dev[1], log_softmax(dev[0] @ kernel + bias), labels)
            score = report['accuracy'], report['log_likelihood']
        found.append((score, kernel, bias, penalty))
    return max(found, key=lambda one: one[0])[1:]


def one_hot(targets, labels):
    """Label indices and soft labels (arrays) as float `[texts, labels]`."""
    return np.array([np.eye(labels)[target] if isinstance(target, int) else target for target in targets])


def _parts(weights, labels):
    weights = weights.reshape(-1, labels)
    return weights[:-1], weights[-1]
