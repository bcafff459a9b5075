"""What a classifier is given, as Examples of its task."""
from pet_keras.data.example import Example, as_example
from pet_keras.data.spool import Pile
from pet_keras.errors import UserError


def examples_of(task, items, labelled=False):
    """Items as Examples, with the task's spelling of their labels; UserError for what does not fit."""
    if isinstance(items, (str, Example)):
        raise UserError('Give a list of texts, not one text.')
    if isinstance(items, Pile) and (not labelled or items.labels == task.labels and not task.candidates):
        for example in items[:1]:
            task.texts(example)  # they have what the task asks about, or none of them
        return items
    examples = []
    for i, item in enumerate(items):
        example = as_example(item, i)
        if labelled and example.label is None:
            raise UserError('Item %d, %.60r, has no label: a labelled text is Example(text, label=%r).' % (
                i, item, task.labels[0]))
        task.texts(example)
        examples.append(example._replace(label=_label(task, example)) if labelled else example)
    return examples


def _label(task, example):
    """An example's label, hard or soft, in the task's spelling."""
    label = task.label_of(example.label)
    if task.candidates and isinstance(label, dict):
        raise UserError('A label of task %s is a candidate of one text, so it cannot be soft.' % task.name)
    if task.candidates and task.labels.index(label) >= len(example.words):
        raise UserError('The label %s is that of none of the candidates %s.' % (label, ', '.join(example.words)))
    return label


def check_hard(examples, what='A text to evaluate or calibrate on'):
    """Raises UserError for a soft label; `what` names such a text."""
    if any(isinstance(example.label, dict) for example in examples):
        raise UserError('%s needs one label, not a soft one.' % what)
