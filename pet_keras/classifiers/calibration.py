"""Calibration: offsets on the labels' scores that correct a model's taste for some label words."""
import numpy as np

from pet_keras.errors import UserError


def match_prior(scores, prior):
    """Offsets with which the mean probability of each label over some texts is its share in `prior`.

    A language model likes some words better than others whatever the text says; ranking survives that, a
    threshold does not (arXiv 2102.09690, section 3, on the bias; here it is measured on texts of the task).
    Each round adds log(prior / mean probability) (iterative scaling). What it climbs, the sum of prior × offset
    less the mean log-sum-exp of the scores, is concave: there is one solution.

    Arguments: `scores` float `[texts, labels]`, not normalised; `prior` float `[labels]`, above 0, sum 1.

    Returns: float `[labels]`, mean 0.
    """
    scores, offset = np.asarray(scores, 'float64'), np.zeros(np.shape(scores)[1])
    for _ in range(1000):
        log_proba = scores + offset
        log_proba = log_proba - np.logaddexp.reduce(log_proba, axis=1, keepdims=True)
        step = np.log(prior) - (np.logaddexp.reduce(log_proba, axis=0) - np.log(len(scores)))
        offset = offset + step
        if np.abs(step).max() < 1e-8:
            break
    return offset - offset.mean()


def prior_of(shares, labels, hard_labels):
    """The labels' shares, float `[labels]`: as given, as counted in `hard_labels`, or equal.

    Arguments: `shares`, dict label → share, or None; `hard_labels`, a list of labels, empty if none are known.

    Raises: UserError for a label without a share, or a share of 0 or less.
    """
    if shares is not None:
        missing = [label for label in labels if not shares.get(label, 0) > 0]
        if missing:
            raise UserError('A prior gives each label a share above 0; %s has none.' % ', '.join(missing))
        prior = np.array([shares[label] for label in labels], 'float64')
    elif hard_labels:
        prior = np.array([hard_labels.count(label) for label in labels]) + 0.5  # no label has the share 0
    else:
        prior = np.ones(len(labels))
    return prior / prior.sum()
