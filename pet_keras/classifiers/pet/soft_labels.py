"""Soft labels: what several models together say of a text."""
import json

import numpy as np

from pet_keras.classifiers.metrics import log_softmax


def combine(scores, weights=None):
    """The models' scores as one: their weighted mean (arXiv 2001.07676, section 3.3, step 2).

    Arguments: `scores` float `[models, texts, labels]`, not normalised; `weights` float `[models]`, or None for equal
    ones, which weights that are all 0 count as.

    Returns: float `[texts, labels]`.
    """
    return np.average(scores, axis=0, weights=weights if np.any(weights) else None)


def soften(scores, temperature=1.):
    """Probabilities float `[texts, labels]` of scores of this shape: their softmax, each divided by the temperature.

    Above 1 it leaves more to the labels that are not the likeliest (arXiv 1503.02531, section 2).
    """
    return np.exp(log_softmax(np.asarray(scores, 'float64') / temperature))


def write_labels(path, examples):
    """Writes Examples as JSON lines, which `read_examples` reads again: the texts, and `label`, hard or soft."""
    with open(path, 'w', encoding='utf-8') as writer:
        for e in examples:
            row = {'text': e.text} if e.text_b is None else {'text_a': e.text, 'text_b': e.text_b}
            row.update(e.fields or {})
            if e.words:
                row['candidates'] = e.words
            writer.write(json.dumps(dict(row, label=e.label), ensure_ascii=False) + '\n')
