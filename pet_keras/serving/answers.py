"""What a server says of its models, and how it says their answers. It loads no TensorFlow."""
import numpy as np


def description(name, kind, task, pattern, patterns=(), fills=False, is_causal=False):
    """The fields of GET /v1/models for one model.

    Arguments: `pattern`, the Pattern that it asks with, or None; `patterns`, names of those of the task's that may be
    asked for.
    """
    known = {key: task.patterns[key] for key in patterns}
    return {'name': name, 'kind': kind, 'description': task.description, 'labels': task.labels, 'pair': task.is_pair,
            'pattern': pattern and pattern.string, 'words': task.verbalizer_of(pattern).words if pattern else {},
            'patterns': {key: {'pattern': other.string, 'words': task.verbalizer_of(other).words}
                         for key, other in known.items()},
            'fills': fills, 'causal': is_causal, 'example': task.example}


def predictions(labels, log_probs):
    """[{'label', 'probabilities': {label: p}}] of arrays of log-probabilities."""
    return [{'label': labels[int(scores.argmax())], 'probabilities': dict(zip(labels, np.exp(scores).tolist()))}
            for scores in log_probs]


def warm_up(engines):
    """Asks each model once, so that the first client does not wait for its graph."""
    for name, engine in engines.items():
        fields = engine.describe(name)
        engine.classify([(name, None, fields['example'] or ['好'] * (1 + fields['pair']))])
        if fields['fills']:
            engine.fill([(name, '好[MASK]', 1)])
