"""Calibration: offsets on the labels' scores that correct a model's taste for some label words.

A language model likes some words better than others whatever the text says (arXiv 2102.09690, section 3). Each method
measures that taste and takes it off; they differ in the texts it is measured on, and in the mean that is taken.
"""
import numpy as np

from pet_keras.classifiers.metrics import log_softmax
from pet_keras.cloze.pattern import tokenize
from pet_keras.errors import UserError

METHODS = {
    'prior': "each label's mean probability over texts of the task's kind becomes its share: an equal one, or as told",
    'mean': "each label's mean score over texts of the task's kind is taken off",
    'contextual': 'each probability is divided by its mean over texts without content (arXiv 2102.09690, section 4)',
    'pmi': 'the score that the pattern gives without a text, or with a premise, is taken off (arXiv 2104.08315)',
}
NEED_TEXTS = ('prior', 'mean')  # the others ask a pattern alone, which only a cloze has


def offset_of(classifier, examples, method, prior, batch_size, premise):
    """The offset that `TextClassifier.calibrate` sets, float `[labels]`; arguments and errors as there."""
    if prior is not None and method != 'prior' or premise is not None and method != 'pmi':
        raise UserError("prior belongs to method='prior' and premise to 'pmi', not to %r." % method)
    if method in NEED_TEXTS:
        if not examples:
            raise UserError('Nothing to calibrate on: method=%r needs texts.' % method)
        scores = classifier.label_scores(examples, batch_size) - classifier.offset
        if method == 'mean':
            offset = less_mean_score(scores)
            return offset - offset.mean()
        known = [classifier.task.label_of(e.label) for e in examples if e.label is not None]
        return match_prior(scores, prior_of(prior, classifier.labels, known if len(known) == len(examples) else []))
    if examples is not None:
        raise UserError('method=%r asks the pattern alone and has no use for texts: leave them out, or take %s.' % (
            method, ' or '.join(NEED_TEXTS)))
    count = len(classifier.task.slots.names)
    if method == 'contextual':
        texts = [[ids] * count for ids in content_free(classifier.tokenizer, classifier.checkpoint.is_causal)]
    else:
        texts = [[[]] * count if premise is None else classifier.tokenize(classifier.examples([premise])[0])]
    scores = classifier.score_questions([classifier.questions(ids) for ids in texts]) - classifier.offset
    offset = less_mean_probability(scores) if method == 'contextual' else less_mean_score(scores)
    return offset - offset.mean()


def check_method(classifier, method):
    """Raises UserError for a method of calibration that does not suit the classifier, or a task that none does."""
    if classifier.task.candidates:
        raise UserError('Task %s has other label words for each text, so there is no taste for some of them to '
                        'correct.' % classifier.task.name)
    if method not in METHODS:
        raise UserError('method=%r: choose one of %s.' % (method, ', '.join(METHODS)))
    if method not in classifier.calibrations:
        raise UserError('method=%r asks a pattern without a text, and %s has no pattern: take %s.' % (
            method, classifier.kind, ' or '.join(classifier.calibrations)))


def match_prior(scores, prior):
    """Offsets with which the mean probability of each label over some texts is its share in `prior`.

    Each round adds log(prior / mean probability) (iterative scaling); the first one, with equal shares, is batch
    calibration (arXiv 2309.17249). What it climbs, the sum of prior × offset less the mean log-sum-exp of
    the scores, is concave: there is one solution.

    Arguments: `scores` float `[texts, labels]`, not normalised; `prior` float `[labels]`, above 0, sum 1.

    Returns: float `[labels]`, mean 0.
    """
    scores, offset = np.asarray(scores, 'float64'), np.zeros(np.shape(scores)[1])
    for _ in range(1000):
        step = np.log(prior) + less_mean_probability(scores + offset)
        offset = offset + step
        if np.abs(step).max() < 1e-8:
            break
    return offset - offset.mean()


def less_mean_score(scores):
    """Offsets that take off each label's mean score, float `[labels]`; `scores` float `[texts, labels]`.

    A constant that all labels of a text share does not matter.
    """
    return -np.mean(scores, axis=0, dtype='float64')


def less_mean_probability(scores):
    """Offsets that divide each label's probability by its mean over the texts, float `[labels]`.

    Arguments: `scores` float `[texts, labels]`, not normalised.
    """
    scores = np.asarray(scores, 'float64')
    return np.log(len(scores)) - np.logaddexp.reduce(log_softmax(scores), axis=0)


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


def content_free(tokenizer, causal):
    """Texts without content, as lists of token ids: 无 (the paper's N/A), `[MASK]` and nothing.

    A causal model has never read `[MASK]`, so it is left out there.
    """
    return [tokenizer.tokens_to_ids(tokenize(tokenizer, '无')), []] + [[tokenizer._token_mask_id]] * (not causal)
