"""Classification figures from log-probabilities."""
import numpy as np

from pet_keras.errors import UserError


def log_softmax(scores):
    """Log-probabilities of scores float `[texts, labels]`."""
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def classification_report(true_labels, log_proba, labels):
    """Accuracy and per-label figures.

    Arguments: `true_labels` list of str; `log_proba` float `[n, labels]`; `labels` list of str.

    Returns: dict with `accuracy` and `macro_f1` (percent), `auc` (see `area_under_roc`), `log_likelihood`
    (mean natural log of the true label's probability), `n`, `confusion` (rows true, columns predicted) and
    `labels`, a dict label → precision, recall, f1 (percent) and support.
    """
    true = np.array([labels.index(label) for label in true_labels])
    predicted = np.asarray(log_proba).argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (true, predicted), 1)
    hits, by_label = np.diag(confusion), {}
    for k, label in enumerate(labels):
        precision = float(100. * hits[k] / max(confusion[:, k].sum(), 1))
        recall = float(100. * hits[k] / max(confusion[k].sum(), 1))
        f1 = 2 * precision * recall / (precision + recall) if hits[k] else 0.
        by_label[label] = {'precision': precision, 'recall': recall, 'f1': f1, 'support': int(confusion[k].sum())}
    return {'accuracy': float(100. * hits.sum() / len(true)),
            'auc': area_under_roc(true, log_proba),
            'macro_f1': float(np.mean([f['f1'] for f in by_label.values()])),
            'log_likelihood': float(np.asarray(log_proba)[np.arange(len(true)), true].mean()),
            'n': len(true), 'confusion': confusion.tolist(), 'labels': by_label}


def mean_report(reports, figures):
    """The mean over tasks of each of these figures (None where a task has none), and the reports in `tasks`.

    Arguments: `reports`, dict, name of a task → what `classification_report` gives.
    """
    if not reports:
        raise UserError('Nothing to evaluate: give the labelled texts of a task.')
    values = {figure: [report[figure] for report in reports.values()] for figure in figures}
    return dict({figure: None if None in each else float(np.mean(each)) for figure, each in values.items()},
                tasks=reports)


def area_under_roc(true, log_proba):
    """Area under the ROC curve: how well the scores rank, wherever the thresholds lie; 0.5 is chance.

    The probability that a text of a label gets a higher probability for it than a text of another label, equal
    ones counted half (the Mann-Whitney statistic); its mean over the labels that some texts have and some have
    not. None where there is no such label.

    Arguments: `true` int `[n]`; `log_proba` float `[n, labels]`.
    """
    true, areas = np.asarray(true), []
    for k in range(np.shape(log_proba)[1]):
        positive, others = true == k, np.delete(log_proba, k, axis=1)
        scores = np.asarray(log_proba)[:, k] - np.logaddexp.reduce(others, axis=1)  # log-odds: they do not saturate
        n, m = int(positive.sum()), int((~positive).sum())
        if n and m:
            _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
            ranks = (np.cumsum(counts) - (counts - 1) / 2.)[index]
            areas.append((ranks[positive].sum() - n * (n + 1) / 2.) / (n * m))
    return float(np.mean(areas)) if areas else None
