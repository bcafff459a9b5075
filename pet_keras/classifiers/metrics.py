"""Classification figures from log-probabilities."""
import numpy as np


def classification_report(true_labels, log_proba, labels):
    """Accuracy and per-label figures.

    Arguments: `true_labels` list of str; `log_proba` float `[n, labels]`; `labels` list of str.

    Returns: dict with `accuracy` and `macro_f1` (percent), `log_likelihood` (mean natural log of the
    true label's probability), `n`, `confusion` (rows true, columns predicted) and `labels`, a dict
    label → precision, recall, f1 (percent) and support.
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
            'macro_f1': float(np.mean([f['f1'] for f in by_label.values()])),
            'log_likelihood': float(np.asarray(log_proba)[np.arange(len(true)), true].mean()),
            'n': len(true), 'confusion': confusion.tolist(), 'labels': by_label}
