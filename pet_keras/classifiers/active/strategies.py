"""Query strategies: which texts to label next.

Each is a function of `(proba, features, labelled, n, rng)` that returns the indices of at most `n` texts, int, the
first the most wanted:

- `proba`: the labels' probabilities, float `[texts, labels]`;
- `features`: what the model makes of each text, float `[texts, hidden_size]`;
- `labelled`: bool `[texts]`: these are not chosen, and what lies near them is known already;
- `rng`: a NumPy Generator, where chance has a part.

Names and sources are those of small-text (arXiv 2107.10314) where it has the strategy.
"""
import numpy as np

_PER_CHOICE = 10  # texts that `mix` considers for each that it chooses: beta of arXiv 1901.05954, section 3.3
_ROUNDS = 20  # of k-means


def random(proba, features, labelled, n, rng):
    """Chance: what every other strategy has to beat."""
    return rng.permutation(np.flatnonzero(~labelled))[:n]


def least_confidence(proba, features, labelled, n, rng):
    """The lowest probability of the likeliest label: Lewis and Gale 1994."""
    return _lowest(proba.max(axis=1), labelled, n)


def margin(proba, features, labelled, n, rng):
    """The two likeliest labels as near as can be: Luo et al. 2005; "breaking ties" in small-text."""
    return _lowest(margins(proba), labelled, n)


def entropy(proba, features, labelled, n, rng):
    """The highest entropy of the labels: Holub et al. 2008."""
    return _lowest(np.sum(proba * np.log(np.maximum(proba, 1e-30)), axis=1), labelled, n)


def k_centre(proba, features, labelled, n, rng):
    """Again and again the text that is farthest from all that are labelled or chosen: arXiv 1708.00489, algorithm 1.

    Where nothing is labelled the first is the one nearest to the mean of all.
    """
    points, chosen = _unit(features), []
    nearest = np.full(len(points), np.inf)
    for start in range(0, int(labelled.sum()), 256):  # a block at a time: memory stays flat
        known = points[labelled][start:start + 256]
        nearest = np.minimum(nearest, _distances(points, known).min(axis=1))
    for _ in range(min(n, int((~labelled).sum()))):
        if np.isinf(nearest).all():
            best = int(_distances(points, points.mean(axis=0, keepdims=True)).argmin())
        else:
            best = int(np.where(labelled, -1., nearest).argmax())
        chosen.append(best)
        nearest = np.minimum(nearest, _distances(points, points[best:best + 1])[:, 0])
        nearest[best] = -2.  # never again, not even where several texts are the same
    return np.array(chosen, int)


def cluster(proba, features, labelled, n, rng):
    """The text nearest to the centre of each of `n` clusters, those of the largest first: arXiv 2010.09535, 3.2."""
    candidates = np.flatnonzero(~labelled)
    return candidates[_centres(_unit(features[candidates]), np.ones(len(candidates)), n, rng)]


def mix(proba, features, labelled, n, rng):
    """Of the 10 `n` texts of the smallest margin, the one nearest to the centre of each of `n` clusters.

    A text weighs in k-means by how small its margin is: arXiv 1901.05954, section 3.3.
    """
    candidates = margin(proba, features, labelled, _PER_CHOICE * n, rng)
    weights = 1. - margins(proba)[candidates] + 1e-6
    return candidates[_centres(_unit(features[candidates]), weights, n, rng)]


STRATEGIES = {'mix': mix, 'margin': margin, 'entropy': entropy, 'least-confidence': least_confidence,
              'k-centre': k_centre, 'cluster': cluster, 'random': random}


def margins(proba):
    """The probability of the likeliest label less that of the second, float `[texts]`."""
    top = np.partition(proba, proba.shape[1] - 2, axis=1)[:, -2:]
    return top[:, 1] - top[:, 0]


def _lowest(scores, labelled, n):
    """The indices of the lowest scores, those of equal ones in the order of the texts."""
    candidates = np.flatnonzero(~labelled)
    return candidates[np.argsort(scores[candidates], kind='stable')[:n]]


def _unit(features):
    """Features at the length 1, so that a distance is one of direction, as in small-text."""
    features = np.asarray(features, 'float32')
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _distances(a, b):
    """Squared Euclidean distances, float `[len(a), len(b)]`."""
    squares = np.einsum('ij,ij->i', a, a)[:, None] + np.einsum('ij,ij->i', b, b) - 2 * (a @ b.T)
    return np.maximum(squares, 0.)


def _centres(points, weights, k, rng):
    """The index of the point nearest to the centre of each of `k` clusters, the heaviest cluster first.

    Lloyd's k-means, started as k-means++ (Arthur and Vassilvitskii 2007); points and centres have weights.
    """
    k = min(k, len(points))
    if k == 0:
        return np.zeros(0, int)
    first = [int(rng.choice(len(points), p=weights / weights.sum()))]
    nearest = _distances(points, points[first])[:, 0]
    while len(first) < k:
        chances = np.where(np.isin(np.arange(len(points)), first), 0., weights * nearest + 1e-12)
        first.append(int(rng.choice(len(points), p=chances / chances.sum())))
        nearest = np.minimum(nearest, _distances(points, points[first[-1:]])[:, 0])
    centres, of = points[first], None
    for _ in range(_ROUNDS):
        before, of = of, _distances(points, centres).argmin(axis=1)
        if before is not None and (of == before).all():
            break
        shares = np.where(of[:, None] == np.arange(k), weights[:, None], 0.).astype('float32')
        totals = shares.sum(axis=0)[:, None]
        centres = np.where(totals > 0, shares.T @ points / np.maximum(totals, 1e-12), centres)
    distances, chosen = _distances(points, centres), []
    for c in np.argsort(-np.bincount(of, weights, k), kind='stable'):
        distances[chosen] = np.inf  # of two clusters without a point between them each still gives one text
        own = np.where(of == c, distances[:, c], np.inf)
        chosen.append(int((own if np.isfinite(own).any() else distances[:, c]).argmin()))
    return np.array(chosen, int)
