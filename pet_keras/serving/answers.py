"""What a server says of its models, and how it says their answers. It loads no TensorFlow."""
import numpy as np

from pet_keras.cloze.fields import PAIR, TEXT
from pet_keras.errors import UserError


def check_servable(task, long=None):
    """Raises UserError for a task, or a way of reading long texts, that a service or an export cannot carry out."""
    if task.slots not in (TEXT, PAIR) or task.candidates:
        raise UserError('Task %s asks about fields or candidates beside the text: pet-keras predict answers it; a '
                        'service or an exported model reads one text or two.' % task.name)
    if long:
        raise UserError('A model of long=%r reads parts of a text: pet-keras predict does that; several prompts on one '
                        'model, or an exported one, read its head.' % long)


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
