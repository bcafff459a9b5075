"""An example: one text or a pair of them, its label, and what else a task asks about."""
import json
from collections import namedtuple

from pet_keras.errors import UserError

# fields: dict name → text of the task's other holes; words: the label words where they are the example's own
Example = namedtuple('Example', 'text text_b label fields words', defaults=(None,) * 4)


def as_example(item, index=0):
    """An Example from one or its fields in order, from a text or from a pair of texts.

    Raises: UserError, with the item's index, for anything else: as its `str` it would be classified all the same.
    """
    example = item if isinstance(item, Example) else Example(item) if isinstance(item, str) else (
        Example(*item) if isinstance(item, (tuple, list)) and len(item) in (2, 3) else Example(None))
    texts = [text for text in (example.text, example.text_b) if text is not None]
    whole = isinstance(example.fields or {}, dict) and isinstance(example.words or [], (list, tuple))
    texts += [*(example.fields or {}).values(), *(example.words or [])] if whole else [None]
    if example.text is None or not all(isinstance(text, str) for text in texts):
        raise UserError('Item %d, %.60r, is not a text, a pair of texts or an Example of them.' % (index, item))
    return example


def as_list(example):
    """[text, text_b, label], and fields and words if it has any: what digests of examples are made of."""
    return list(example[:3] if example.fields is None and example.words is None else example)


def without(examples, others):
    """The examples whose texts do not stand in `others`: what a model has not seen of them, whatever was asked there.
    """
    seen = set(map(pair_of, others))
    return [e for e in examples if pair_of(e) not in seen]


def pair_of(example):
    """(text, second text or None): by these an example is known again."""
    return example[:2]


def different(examples):
    """The examples but for those whose texts stood there before, a list."""
    found = {}
    for example in examples:
        found.setdefault(pair_of(example), example)
    return list(found.values())


def json_of(items):
    """Yields the JSON of a list, UTF-8, item by item: of millions it is long."""
    yield b'['
    for i, item in enumerate(items):
        yield (', ' * (i > 0) + json.dumps(item)).encode()
    yield b']'
