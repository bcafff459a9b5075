"""An example: one text or a pair of them, and its label."""
from collections import namedtuple

from pet_keras.errors import UserError

Example = namedtuple('Example', 'text text_b label', defaults=(None, None))


def as_example(item, index=0):
    """An Example from one or its fields in order, from a text or from a pair of texts.

    Raises: UserError, with the item's index, for anything else: as its `str` it would be classified all the same.
    """
    example = item if isinstance(item, Example) else Example(item) if isinstance(item, str) else (
        Example(*item) if isinstance(item, (tuple, list)) and len(item) in (2, 3) else Example(None))
    texts = [text for text in (example.text, example.text_b) if text is not None]
    if example.text is None or not all(isinstance(text, str) for text in texts):
        raise UserError('Item %d, %.60r, is not a text, a pair of texts or an Example of them.' % (index, item))
    return example


def without(examples, others):
    """The examples whose texts do not stand in `others`: what a model has not seen of them."""
    seen = {(e.text, e.text_b) for e in others}
    return [e for e in examples if (e.text, e.text_b) not in seen]
