"""An example: one text or a pair of them, and its label."""
from collections import namedtuple

Example = namedtuple('Example', 'text text_b label', defaults=(None, None))


def without(examples, others):
    """The examples whose texts do not stand in `others`: what a model has not seen of them."""
    seen = {(e.text, e.text_b) for e in others}
    return [e for e in examples if (e.text, e.text_b) not in seen]
