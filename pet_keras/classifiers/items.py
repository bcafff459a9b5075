"""What a classifier is given, as Examples of its task."""
import numbers

from pet_keras.data.example import Example, as_example
from pet_keras.errors import UserError


def examples_of(task, items, labelled=False):
    """Items as Examples, with the task's spelling of their labels; UserError for what does not fit."""
    if isinstance(items, (str, Example)):
        raise UserError('Give a list of texts, not one text.')
    examples = []
    for i, item in enumerate(items):
        example = as_example(item, i)
        task.texts(example)
        examples.append(example._replace(label=_label(task, example)) if labelled else example)
    return examples


def _label(task, example):
    """An example's label, hard or soft, in the task's spelling."""
    label = example.label
    if not isinstance(label, dict):
        found = task.label_of(label)
        if task.candidates and task.labels.index(found) >= len(example.words):
            raise UserError('The label %s is that of none of the candidates %s.' % (found, ', '.join(example.words)))
        return found
    if task.candidates:
        raise UserError('A label of task %s is a candidate of one text, so it cannot be soft.' % task.name)
    shares = list(label.values())
    if not all(isinstance(p, numbers.Real) and p >= 0 for p in shares) or not abs(sum(shares) - 1) <= 1e-3:
        raise UserError('A soft label is a dict of label: probability, and they sum to 1; not %r.' % label)
    found = dict.fromkeys(task.labels, 0.)
    for name, share in label.items():
        found[task.label_of(name)] += float(share)
    return found


def check_hard(examples):
    """Raises UserError for a soft label."""
    if any(isinstance(example.label, dict) for example in examples):
        raise UserError('A text to evaluate or calibrate on needs one label, not a soft one.')
