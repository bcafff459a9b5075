"""Label words searched on labelled texts: likely words, then the best combination of them."""
import collections
import itertools

import numpy as np

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.metrics import log_softmax
from pet_keras.classifiers.search.vocabulary import blank_log_probs, writable_tokens
from pet_keras.errors import UserError

# words: dict label → word. Accuracy in percent and the mean log-probability of the right label, on the labelled texts
# and on the dev texts, None without these
Words = collections.namedtuple('Words', 'words accuracy log_likelihood dev_accuracy dev_log_likelihood')


def search_words(task, labelled, checkpoint=DEFAULT, pattern=None, dev=(), top=30, keep=10, most=20000, fit=None,
                 maxlen=128, long='head', precision='float32'):
    """Words of one token for the labels, as a list of Words, the best first.

    LM-BFF, arXiv 2012.15723, section 5.1: for each label the `top` tokens whose log-probability in the blank, summed
    over the label's texts, is highest; of all their combinations the `keep` that are most accurate on the labelled
    texts without any training (of equal ones the likelier); these are ranked again on the dev texts. There each is
    fine-tuned for that; here only where `fit`, a dict of settings of `ClozeClassifier.fit`, asks for it.

    Arguments:
        labelled, dev: lists of Example with labels; of `labelled` some of each label.
        pattern: as in ClozeClassifier.
        most: combinations; `top` is lowered until there are no more, with many labels to 1. Where no combination is
            left without a word that two labels share, there is one: the labels choose in turn, not the likeliest word,
            but that which their own texts make likelier than all texts do.
        maxlen, long, precision: as in ClozeClassifier; of a long text in windows the search reads the first.

    Raises: UserError for a label without a text, or `fit` without dev texts.
    """
    if task.candidates:
        raise UserError('Task %s has other label words for each text, for which nothing can be searched.' % task.name)
    if fit is not None and not dev:
        raise UserError('Combinations are fine-tuned to be ranked on dev texts: give some.')
    if top < 1 or keep < 1:
        raise UserError('top and keep are at least 1.')
    reading = {'maxlen': maxlen, 'long': long, 'precision': precision}
    classifier = ClozeClassifier(task, checkpoint, pattern, **reading)
    truth, dev_truth = [np.array([task.labels.index(task.label_of(e.label)) for e in examples], int)
                        for examples in (labelled, dev)]
    missing = [label for k, label in enumerate(task.labels) if k not in truth]
    if missing:
        raise UserError('No labelled text has the label %s, so nothing says its word.' % ', '.join(missing))
    allowed = np.array(writable_tokens(classifier.tokenizer))
    log_probs = blank_log_probs(classifier, labelled)[:, allowed]
    top = max(1, min(top, int(most ** (1. / len(task.labels)) + 1e-9)))
    likely = [np.argsort(-log_probs[truth == k].sum(axis=0), kind='stable')[:top] for k in range(len(task.labels))]
    combinations = [words for words in itertools.product(*likely) if len(set(words)) == len(words)]
    combinations = combinations or [_one_each(log_probs, truth, len(task.labels))]
    figures = [_figures(log_probs[:, list(words)], truth) for words in combinations]
    best = sorted(range(len(combinations)), key=lambda i: figures[i], reverse=True)[:keep]
    dev_probs = blank_log_probs(classifier, dev)[:, allowed] if dev and fit is None else None
    found = []
    for i in best:
        words = {label: classifier.tokenizer.id_to_token(int(allowed[n]))
                 for label, n in zip(task.labels, combinations[i])}
        after = (None, None)
        if fit is not None:
            trained = ClozeClassifier(task.with_words(words), checkpoint, pattern, **reading)
            after = _fitted(trained, labelled, dev, fit)
        elif dev:
            after = _figures(dev_probs[:, list(combinations[i])], dev_truth)
        found.append(Words(words, *figures[i], *after))
    return sorted(found, key=lambda one: one[3:], reverse=True) if dev else found


def _one_each(log_probs, truth, labels):
    """A word for each of so many labels, indices; none is taken twice."""
    chosen, mean = [], log_probs.mean(axis=0)
    for k in range(labels):
        gain = log_probs[truth == k].mean(axis=0) - mean
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
    return tuple(chosen)


def _figures(scores, truth):
    """(accuracy in percent, mean log-probability of the right label) of scores `[texts, labels]`."""
    likely = log_softmax(scores)[np.arange(len(truth)), truth]
    return 100. * float(np.mean(scores.argmax(axis=1) == truth)), float(likely.mean())


def _fitted(classifier, labelled, dev, fit):
    """The figures on the dev texts after training, of the best epoch."""
    history = classifier.fit(labelled, dev=dev, **fit).history
    return max((record['dev_accuracy'], record['dev_log_likelihood']) for record in history)
