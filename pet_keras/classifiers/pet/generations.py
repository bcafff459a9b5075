"""What a generation of iPET learns from: texts that models of the generation before have labelled.

Source: arXiv 2001.07676, section 3.4. Beyond it, where there are too few texts: a set is at most as large as all
unlabelled texts, and no text is drawn twice.
"""
import numpy as np

from pet_keras.classifiers.pet.soft_labels import soften

GROWTH = 5  # d: a set is so many times as large as that of the generation before
TEACHERS = .25  # λ: the share of the other models that label a model's texts
FIRST, LIKELIEST = 10, 100  # without labelled texts: size of the first set; each label's come from so many texts


def choose_teachers(models, i, rng):
    """Indices of the models that label texts for model `i` of so many: a random part of the others, at least one."""
    others = np.delete(np.arange(models), i)
    return rng.choice(others, max(1, round(TEACHERS * len(others))), replace=False)


def sizes(labelled, generation, texts):
    """How many texts of each label are drawn for a generation, int `[labels]`.

    With the labelled texts the set has the labels' shares of these, and GROWTH ** generation times their number.
    Without labelled texts it has equal shares, and begins with FIRST texts.

    Arguments: `labelled`, how many labelled texts each label has, int `[labels]`; `generation`, from 1; `texts`, how
    many can be drawn.
    """
    labelled = np.asarray(labelled)
    if labelled.any():
        wanted = labelled * (float(GROWTH) ** generation - 1)
    else:
        wanted = np.full(len(labelled), max(1, FIRST // len(labelled))) * float(GROWTH) ** (generation - 1)
    return np.floor(wanted * min(1., texts / wanted.sum()) + 1e-6).astype(int)


def draw(scores, counts, rng, likeliest=0):
    """Draws texts for each label, the more likely the more probable the label is for them.

    Of a label's texts those are drawn for which it is the most probable one. Where these are too few, or with
    `likeliest`, it is drawn from so many for which it is more probable than for the others.

    Arguments: `scores` float `[texts, labels]`; `counts`, how many of each label, int `[labels]`, in all at most as
    many as there are texts; `rng`, a NumPy Generator.

    Returns: a list of `(index of a text, index of its label)`.
    """
    proba = soften(scores)
    best, free, drawn = proba.argmax(axis=1), np.ones(len(proba), bool), []
    spare = np.bincount(best, minlength=len(counts)) - counts
    for k in np.argsort(spare, kind='stable').tolist():  # a label that is short of texts chooses first
        found = np.flatnonzero(free & (best == k))
        if likeliest or len(found) < counts[k]:
            found = np.flatnonzero(free)
            found = found[np.argsort(-proba[found, k], kind='stable')][:max(likeliest, counts[k])]
        p = proba[found, k] + 1e-12  # a choice needs enough texts that are possible at all
        chosen = rng.choice(found, counts[k], replace=False, p=p / p.sum()) if counts[k] else []
        free[chosen] = False
        drawn += [(int(i), k) for i in chosen]
    return drawn
