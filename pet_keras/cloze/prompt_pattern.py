"""Patterns of [unused] tokens, which P-tuning learns."""
import re

from pet_keras.errors import UserError

_UNUSED = re.compile(r'\[unused\d+\]')
WHERE = ('before', 'after', 'both')


def prompt_pattern(n, where='before', causal=False, is_pair=False):
    """A pattern string of `n` prompt tokens, `[unused1]` to `[unusedN]`.

    Arguments:
        where: 'before' the text, 'after' it, or 'both': half before, half after.
        causal: the blank ends the sequence; else it stands in the middle of the prompt tokens
            (where='both': after the last one).

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
    text = '{text_a}[SEP]{text_b}' if is_pair else '{text}'
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
