"""A vocabulary cut to the tokens that some texts and tasks use: bert4keras' keep_tokens."""
import json
import os
import re
import unicodedata

import numpy as np

from pet_keras.checkpoints.names import mlm_head, word_table
from pet_keras.cloze.pattern import tokenize
from pet_keras.cloze.prompt_pattern import unused_tokens
from pet_keras.cloze.task import Task, shipped_tasks
from pet_keras.data.reading import format_by_ending, read_rows
from pet_keras.errors import UserError

UNUSED = 100  # how many [unused*] stay, whoever names them
_SPECIAL = re.compile(r'\[\S+\]|<\S+>')


def tokens_to_keep(names, checkpoint):
    """The ids, ascending, of the tokens with which these texts and tasks are read as before.

    Kept are, as far as the vocabulary has them: what the tokenizer makes of every text; a task's patterns, label words
    and example; special tokens and the first hundred `[unused*]`; each ASCII character, also as the continuation of a
    word, and all punctuation. Any other token is unknown afterwards.

    Arguments: `names`, a list of shipped tasks, tasks' JSON files, and files of texts (TSV, CSV, JSON lines or plain
    text, in which every column counts); `checkpoint`, a Checkpoint.

    Raises: UserError where one is neither, or cannot be read.
    """
    vocab, tokenizer = checkpoint.vocab, checkpoint.tokenizer()
    unused = [token for token in vocab if unused_tokens(token) == [token]]
    kept = set(unused[:UNUSED]) | {token for token in vocab if _is_general(token)}
    for text in (text for name in [names] * isinstance(names, str) or names for text in _texts(name)):
        kept.update(unused_tokens(text))
        for token in tokenize(tokenizer, text):
            kept.update([token] if token in vocab else _pieces(token, vocab, tokenizer._word_maxlen))
    return sorted(vocab[token] for token in kept if token in vocab)


def _is_general(token):
    """Whether a token belongs to texts of any kind."""
    if _SPECIAL.fullmatch(token):
        return unused_tokens(token) != [token]
    char = re.sub('^##(?=.)', '', token)
    return len(char) == 1 and (char.isascii() or unicodedata.category(char).startswith('P'))


def _pieces(word, vocab, longest):
    """The tokens that WordPiece finds in an unknown word before it gives up.

    Without them it might find others, get to the word's end, and make something of it that was unknown before.
    """
    start = 0
    while start < len(word) <= longest:
        mark = '##' if start else ''
        end = next((end for end in range(len(word), start, -1) if mark + word[start:end] in vocab), None)
        if end is None:
            return
        yield mark + word[start:end]
        start = end


def _texts(name):
    """The texts of a task or of a file."""
    if name in shipped_tasks() or _is_task_file(name):
        task = Task.load(name)
        yield from task.example
        for pattern in task.patterns.values():
            yield from (value for kind, value in pattern.pieces if kind in ('text', 'token'))
            yield from (word for words in task.verbalizer_of(pattern).words.values() for word in words)
    elif os.path.isfile(name):
        for row in _rows(name):
            yield from _strings(list(row.fields.values()))
    else:
        raise UserError('%r names no texts to keep the tokens of: it is neither a file nor one of the shipped tasks: '
                        '%s.' % (name, ', '.join(shipped_tasks())))


def _is_task_file(path):
    """Whether a file is a task: one JSON object with patterns and labels."""
    try:
        with open(path, encoding='utf-8-sig') as reader:
            fields = json.load(reader) if str(path).endswith('.json') else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and {'patterns', 'labels'} <= set(fields)


def _rows(path):
    """The rows of a file of single texts, or of pairs."""
    format = format_by_ending(path, 'text')
    try:
        return read_rows(path, None, False, format)
    except UserError:
        try:
            return read_rows(path, _Pairs, False, format)
        except UserError:
            pass
        raise


class _Pairs(object):
    """What a reader asks a task of pairs."""
    is_pair = True

    @staticmethod
    def complete(example, fields):
        return example


def _strings(value):
    """Every string in what JSON holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


class CutSource(object):
    """A Checkpoint's source with fewer tokens: their rows of the embeddings and of the output's bias are left.

    Attributes: `tokens`, those that are left, in order; all others are the source's.

    Arguments: `rows`, the ids to keep, ascending.

    Raises: UserError where the embeddings are not those of the vocabulary.
    """
    def __init__(self, checkpoint, rows):
        self._source, self.rows = checkpoint.source, np.array(rows)
        every = list(checkpoint.vocab)
        self.tokens, table = [every[row] for row in rows], word_table(checkpoint.family)
        if self._source.shapes[table][0] != len(every):
            raise UserError('%s has embeddings of %d tokens, but %s holds %d.' % (
                checkpoint.weights_path, self._source.shapes[table][0], checkpoint.vocab_path, len(every)))
        self.config = dict(self._source.config, vocab_size=len(rows))
        by_token = (table, mlm_head(checkpoint.family)[-1])
        # the optimizer's moments stand below the variable: .../word_embeddings/adam_m
        self._cut = {name for name, shape in self._source.shapes.items() if shape[:1] == (len(every),) and (
            name in by_token or name.startswith(tuple(part + '/' for part in by_token)))}
        self.shapes = {name: (len(rows),) + tuple(shape[1:]) if name in self._cut else shape
                       for name, shape in self._source.shapes.items()}

        # what is not known cannot be cut either
        self.left_out = [name for name in self._source.left_out if len(every) not in self._source.tensors.shapes[name]]

    def read(self, name):
        """One variable, as the source's `read` gives it."""
        value = self._source.read(name)
        return value[self.rows] if name in self._cut else value

    def __getattr__(self, name):
        return getattr(self._source, name)
