"""Patterns and verbalizers ranked on texts: with labels by AUC, without by how much the answers depend on the text."""
import collections

import numpy as np

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.calibration import match_prior
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.metrics import area_under_roc, log_softmax
from pet_keras.errors import UserError

# pattern: a string; words: dict label → words. information in bits; auc, accuracy (percent) and their 95 % intervals
# are None without labelled texts
Ranked = collections.namedtuple('Ranked', 'name pattern words information auc auc_interval accuracy accuracy_interval')


def rank_patterns(task, candidates, unlabelled=(), labelled=(), checkpoint=DEFAULT, folds=5, seed=0, verbose=0):
    """Candidates from the best to the worst, as a list of Ranked.

    - `information`: mutual information of text and answer in bits, H(mean p) - mean H(p) over all texts, after the
      labels' prior is corrected (arXiv 2203.11364, section 3: templates of much information are accurate, and no label
      is needed to see it).
    - `auc`: area under the ROC curve on the labelled texts, threshold-free.
    - `accuracy`: on the labelled texts, cross-validated: each fold is answered with the prior that the others give.

    Intervals are 95 % percentiles over 1,000 bootstrap samples of the labelled texts. Nothing is trained.

    Arguments:
        task: a Task, whose labels the candidates ask about.
        candidates: list of (name, pattern string, words); words None takes the task's.
        unlabelled, labelled: lists of Example; one of them at least. A label's words are not read from them.
        checkpoint: as in ClozeClassifier.
        verbose: 1 prints a line a candidate.

    Raises: UserError for no texts, or a candidate that cannot be asked.
    """
    if not labelled and not unlabelled:
        raise UserError('Ranking needs texts: unlabelled ones, or, better, some with labels.')
    if task.candidates:
        raise UserError('Task %s has other label words for each text, which a ranking cannot compare: see pet-keras '
                        'evaluate.' % task.name)
    texts = [e._replace(label=None) for e in list(unlabelled) + list(labelled)]
    truth = np.array([task.labels.index(task.label_of(e.label)) for e in labelled], int)
    ranked, classifier = [], None
    for name, pattern, words in candidates:
        asked = task if words is None else task.with_words(words)
        if classifier is None:
            classifier = ClozeClassifier(asked, checkpoint, pattern)
        classifier.task, classifier.pattern = asked, pattern
        scores = classifier.label_scores(texts)
        words = asked.verbalizer_of(classifier.pattern).words
        ranked.append(_figures(name, pattern, words, scores, truth, folds, seed))
        if verbose:
            print('%s: %.3f bits%s' % (name, ranked[-1].information, '' if ranked[-1].auc is None else
                                       ', AUC %.3f' % ranked[-1].auc), flush=True)
    return sorted(ranked, key=lambda r: (r.information if r.auc is None else r.auc), reverse=True)


def _figures(name, pattern, words, scores, truth, folds, seed):
    labels = scores.shape[1]
    equal = np.ones(labels) / labels
    information = mutual_information(scores + match_prior(scores, equal))
    if not len(truth):
        return Ranked(name, pattern, words, information, None, None, None, None)
    own, rng = scores[len(scores) - len(truth):], np.random.default_rng(seed)
    right, fold = np.zeros(len(truth), bool), rng.permutation(len(truth)) % max(2, min(folds, len(truth)))
    for k in range(fold.max() + 1):
        others = fold != k
        prior = np.bincount(truth[others], minlength=labels) + .5
        answers = own[~others] + match_prior(own[others], prior / prior.sum())
        right[~others] = answers.argmax(axis=1) == truth[~others]
    auc = area_under_roc(truth, log_softmax(own))
    drawn = rng.integers(len(truth), size=(1000, len(truth)))
    areas = [area_under_roc(truth[i], own[i]) for i in drawn]
    areas = [area for area in areas if area is not None]
    return Ranked(name, pattern, words, information, auc, _interval(areas), 100. * right.mean(),
                  _interval(100. * right[drawn].mean(axis=1)))


def _interval(values):
    return tuple(float(v) for v in np.percentile(values, [2.5, 97.5])) if len(values) else None


def mutual_information(scores):
    """H(mean p) - mean H(p) in bits, where p is the softmax of scores `[texts, labels]`."""
    log_p = log_softmax(scores)
    p = np.exp(log_p)
    mean = p.mean(axis=0)
    entropy = -np.sum(np.where(mean > 0, mean * np.log(np.maximum(mean, 1e-300)), 0.))
    return float((entropy + (p * log_p).sum(axis=1).mean()) / np.log(2.))
