"""A task from labels alone: their names are the label words, unless others are given."""
import re

from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError


def parse_labels(string):
    """Labels as a person types them → dict label → words. `好评=好,差评=差` gives words of their own.

    Raises: UserError for fewer than two labels, a label given twice, one without a name.
    """
    found = {}
    for part in re.split(r'[,，、;；\n]', string):
        label, equals, word = (piece.strip() for piece in part.partition('='))
        if not label and not part.strip():
            continue
        if not label or label in found or equals and not word:
            raise UserError('Labels %r: write each once, as 好评,差评, or with its word, as 好评=好,差评=差.' % string)
        found[label] = [word or label]
    if len(found) < 2:
        raise UserError('Labels %r: give two or more, as 好评,差评.' % string)
    return found


def make_task(words, pattern, name='labels'):
    """The Task of these labels. Arguments: `words`, dict label → words; `pattern`, a string, or several."""
    patterns = [pattern] if isinstance(pattern, str) else list(pattern)
    return Task({'P%d' % i: string for i, string in enumerate(patterns, 1)}, words, name=name)


def filled(words, pattern, example):
    """A pattern as a person reads it, dict label → the cloze of an Example with the label's first word in the blank."""
    return {label: Pattern(pattern).fill(*[text for text in example[:2] if text is not None], word=those[0])
            for label, those in words.items()}
