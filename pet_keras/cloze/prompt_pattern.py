"""Patterns of [unused] tokens, which P-tuning learns."""
import re

from pet_keras.cloze.fields import PAIR, TEXT
from pet_keras.errors import UserError

_UNUSED = re.compile(r'\[unused\d+\]')
WHERE = ('before', 'after', 'both')


def prompt_pattern(n, where='before', causal=False, is_pair=False, texts=None):
    """A pattern string of `n` prompt tokens, `[unused1]` to `[unusedN]`.

    Arguments:
        where: 'before' the text, 'after' it, or 'both': half before, half after.
        causal: the blank ends the sequence; else it stands in the middle of the prompt tokens
            (where='both': after the last one).
        is_pair: whether it asks about two texts.
        texts: how the texts stand in it, `{text}[SEP]{keywords}`, in place of `{text}` or the two; where the blank is
            among them, half of the prompt tokens stand before all and half after.

    >>> prompt_pattern(4)
    '[unused1][unused2][MASK][unused3][unused4]{text}'
    >>> prompt_pattern(4, 'both', causal=True)
    '[unused1][unused2]{text}[unused3][unused4][MASK]'
    """
    if n < 1:
        raise UserError('A prompt has 1 token or more, not %d.' % n)
    if where not in WHERE:
        raise UserError('where=%r: choose one of %s.' % (where, ', '.join(WHERE)))
    tokens = ['[unused%d]' % i for i in range(1, n + 1)]
    first, second = ''.join(tokens[:(n + 1) // 2]), ''.join(tokens[(n + 1) // 2:])
    text = texts or (PAIR if is_pair else TEXT).texts
    if '[MASK]' in text:
        return first + text + second
    if where == 'both':
        return first + text + second + '[MASK]'
    if causal:
        return (first + second + text if where == 'before' else text + first + second) + '[MASK]'
    prompt = first + '[MASK]' + second
    return prompt + text if where == 'before' else text + prompt


def unused_tokens(string):
    """The `[unused]` tokens of a string, each once, in order."""
    return list(dict.fromkeys(_UNUSED.findall(string)))


def prompt_tokens(pattern, verbalizer):
    """The `[unused]` tokens of a pattern and of its label words, each once, in order."""
    return unused_tokens(pattern.string + ''.join(word for words in verbalizer.words.values() for word in words))
