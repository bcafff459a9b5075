"""What a language model would write in the blanks of a text."""
import re

import numpy as np

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.cloze.batching import batches_by_length, pad
from pet_keras.cloze.pattern import shorten, tokenize
from pet_keras.errors import UserError
from pet_keras.networks.diagnosis import check_numbers
from pet_keras.networks.models import build, model_inputs

_SPECIAL = re.compile(r'(\[(?:MASK|SEP|PAD|CLS|UNK|unused\d+)\])')
EXAMPLE = '科学技术是第一生[MASK]力'


def fill_mask(texts, checkpoint, top=10, batch_size=32, model=None):
    """The likeliest tokens of every `[MASK]`, with their probabilities: a softmax over the whole vocabulary.

    A masked model (arXiv 1810.04805, section 3.1) fills all blanks of a text in one pass, each as if the others stayed
    blank. A causal one writes on: the blanks stand at the end of the text, and each follows the likeliest token of the
    one before. In both `[SEP]` ends a segment, and `[unused1]`… are tokens.

    Arguments:
        texts: a list of str (or one str), each with at least one `[MASK]`.
        checkpoint: a Checkpoint, or anything that makes one.
        top: tokens a blank.
        batch_size: texts a step.
        model: the network that `build` made of the checkpoint, where there is one already.

    Returns: for each text a list of its blanks, each a list of `top` pairs (token, probability), by probability and,
    of equal ones, by id. Pieces of words are shown as the vocabulary has them: `##ing`.

    Raises: UserError for a text without `[MASK]`, longer than the model reads, with a special token that the
    vocabulary lacks, or, of a causal model, with something after its blanks.

    >>> [[[(token, probability)]]] = fill_mask(['今天天气很[MASK]。'], 'bert-mini-zh', top=1)
    >>> token
    '好'
    """
    checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    if top < 1 or batch_size < 1:
        raise UserError('top and batch_size are at least 1.')
    tokenizer = checkpoint.tokenizer()
    encoded = [_encode(text, tokenizer, checkpoint) for text in ([texts] if isinstance(texts, str) else texts)]
    if not encoded:
        return []
    model = model or build(checkpoint)

    def best(token_ids, segment_ids, positions):
        """[[(token, probability), …] a position] of each sequence."""
        found = [None] * len(token_ids)
        for batch in batches_by_length(list(map(len, token_ids)), batch_size):
            inputs = [pad([part[i] for i in batch]) for part in (token_ids, segment_ids, positions)]
            logits = model(model_inputs(model, *inputs), training=False).numpy()
            check_numbers(logits, checkpoint)
            for i, rows in zip(batch, logits):
                found[i] = [_best(row, tokenizer, top) for row in rows[:len(positions[i])]]
        return found

    token_ids, segment_ids, positions = map(list, zip(*encoded))
    if not checkpoint.is_causal:
        return best(token_ids, segment_ids, positions)
    filled = [[] for _ in encoded]
    for step in range(max(map(len, positions))):
        left = [i for i, blanks in enumerate(positions) if len(blanks) > step]
        ends = [positions[i][step] for i in left]  # the logits of the next token stand where the last one is read
        rows = best([token_ids[i][:end] for i, end in zip(left, ends)],
                    [segment_ids[i][:end] for i, end in zip(left, ends)], [[end - 1] for end in ends])
        for i, end, (row,) in zip(left, ends, rows):
            filled[i].append(row)
            token_ids[i][end] = tokenizer.token_to_id(row[0][0])
    return filled


def filled_text(text, blanks):
    """A text with the likeliest token in each of its blanks, as `fill_mask` returns them for it.

    >>> filled_text('[MASK]京[MASK]', [[('北', 0.9)], [('##er', 0.4)]])
    '北京er'
    """
    words = iter([re.sub('^##(?=.)', '', pairs[0][0]) for pairs in blanks])
    return re.sub(r'\[MASK\]', lambda match: next(words), text)


def _best(logits, tokenizer, top):
    """The `top` pairs (token, probability) of one position; logits `[vocab_size]`."""
    p = np.exp(logits.astype('float64') - logits.max())
    p /= p.sum()
    return [(tokenizer.id_to_token(int(i)), float(p[i])) for i in np.argsort(-p, kind='stable')[:top]]


def _encode(text, tokenizer, checkpoint):
    """`(token ids, segment ids, positions of the blanks)` of a text, lists of int."""
    tokens = ['[CLS]']
    for part in _SPECIAL.split(text):
        if not _SPECIAL.fullmatch(part):
            tokens += tokenize(tokenizer, part)
        elif part in tokenizer._token_dict or part == '[MASK]':
            tokens.append(part)
        else:
            raise UserError('%r: the vocabulary has no %s.' % (shorten(text), part))
    blanks = [i for i, token in enumerate(tokens) if token == '[MASK]']
    if not blanks:
        raise UserError('%r has no [MASK], the blank to fill: write e.g. %s.' % (shorten(text), EXAMPLE))
    if not checkpoint.is_causal:
        tokens.append('[SEP]')
    elif blanks != list(range(blanks[0], len(tokens))):
        raise UserError('%r: a causal language model reads from left to right, so [MASK] must be the last, as in '
                        '%s.' % (shorten(text), EXAMPLE[:-1]))
    length, limit = len(tokens) - checkpoint.is_causal, checkpoint.max_position  # the last blank is written, not read
    if limit and length > limit:
        raise UserError('%r takes %d tokens; %s reads at most %d. Leave something out: nothing is cut, for it could be '
                        'the blank.' % (shorten(text), length, checkpoint.name, limit))
    ends = np.cumsum([0] + [token == '[SEP]' for token in tokens[:-1]])
    return tokenizer.tokens_to_ids(tokens), np.minimum(ends, 1).tolist(), blanks
