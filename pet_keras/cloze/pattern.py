"""Patterns: one readable line of text that turns an example into a cloze."""
import re
from collections import namedtuple

from pet_keras.cloze.fields import PAIR, TEXT
from pet_keras.errors import UserError

_PIECE = re.compile(r'\{(\w*)\}|(\[(?:MASK|SEP|PAD|CLS|UNK|unused\d+)\])')


def shorten(string):
    """A pattern as an error message quotes it."""
    return string if len(string) <= 90 else string[:50] + '…' + string[-30:]


def tokenize(tokenizer, text):
    """Tokens of a text without `[CLS]` and `[SEP]`."""
    return tokenizer.tokenize(text)[1:-1]


def fitting_lengths(lengths, room):
    """How many tokens of each text fit into `room`: the longest is cut first, the first of equal ones.

    >>> fitting_lengths([100, 4], 10), fitting_lengths([100, 100], 11), fitting_lengths([9, 2, 9], 9)
    ([6, 4], [5, 6], [3, 2, 4])
    """
    if sum(lengths) <= room:
        return list(lengths)
    level = max(n for n in range(room + 1) if sum(min(length, n) for length in lengths) <= room)
    kept = [min(length, level) for length in lengths]
    for i in [i for i, length in enumerate(lengths) if length > level][::-1][:room - sum(kept)]:
        kept[i] += 1
    return kept


def plain_pattern(slots):
    """The pattern of an example's texts without a blank."""
    return Pattern(slots.texts.replace('[MASK]', ''), slots)


Encoded = namedtuple('Encoded', 'token_ids segment_ids mask_positions text_positions')


class Pattern(object):
    """A cloze: literal text, `{text}` (or `{text_a}` and `{text_b}`), and `[MASK]` for the label word.

    A run of `[MASK]` stands for the label word and takes as many tokens as the word has, so
    `[MASK]` and `[MASK][MASK]` serve words of any length. `[unused1]`… are prompt tokens; `[SEP]`
    ends a segment. Called PVP's pattern P in arXiv 2001.07676, section 3; 模板 in kexue.fm 7764.

    >>> Pattern('[MASK]满意。{text}').fill('房间很干净', word='很')
    '很满意。房间很干净'

    Arguments: `string`; `slots`, the Slots of a task that has holes of its own, of which a pattern takes what it needs.

    Raises: UserError for an unknown `{name}`, no text, or more than one run of `[MASK]`.
    """
    def __init__(self, string, slots=None):
        slots = None if slots in (TEXT, PAIR) else slots
        self.string, known = string, slots.names if slots else TEXT.names + PAIR.names
        self.pieces = []  # ('text', s) | ('token', '[unused1]') | ('mask', n) | ('hole', 'text')
        end = 0
        for match in _PIECE.finditer(string):
            self._literal(string[end:match.start()])
            hole, token = match.groups()
            if token is None:
                if hole not in known:
                    raise UserError('Pattern %r: {%s} is not one of {%s}.' % (string, hole, '}, {'.join(known)))
                self.pieces.append(('hole', hole))
            elif token == '[MASK]' and self.pieces and self.pieces[-1][0] == 'mask':
                self.pieces[-1] = ('mask', self.pieces[-1][1] + 1)
            else:
                self.pieces.append(('mask', 1) if token == '[MASK]' else ('token', token))
            end = match.end()
        self._literal(string[end:])
        self.holes = [value for kind, value in self.pieces if kind == 'hole']
        if slots and (not self.holes or len(set(self.holes)) < len(self.holes)):
            raise UserError('Pattern %r must hold one of {%s} or more, each once.' % (string, '}, {'.join(known)))
        if not slots and sorted(self.holes) not in (['text'], ['text_a', 'text_b']):
            raise UserError('Pattern %r must hold {text} once, or {text_a} and {text_b} once each.' % string)
        self.slots = slots or (PAIR if 'text_b' in self.holes else TEXT)
        if sum(kind == 'mask' for kind, _ in self.pieces) > 1:
            raise UserError('Pattern %r has [MASK] in more than one place: one label word fills one blank.' % string)

    def _literal(self, string):
        if string:
            self.pieces.append(('text', string))

    def __repr__(self):
        return 'Pattern(%r)' % self.string

    @property
    def has_mask(self):
        return any(kind == 'mask' for kind, _ in self.pieces)

    @property
    def mask_is_last(self):
        """Whether nothing but punctuation follows the blank: a causal model then has read all there is."""
        kinds = [kind for kind, _ in self.pieces]
        after = self.pieces[kinds.index('mask') + 1:] if self.has_mask else [('hole', '')]
        return all(kind == 'text' and not re.search(r'\w', value) for kind, value in after)

    @property
    def is_pair(self):
        return self.slots == PAIR

    def texts(self, *texts):
        """The example's texts by hole; UserError if there are too few, or too many."""
        texts = [text for text in texts if text is not None]
        if len(texts) != len(self.slots.names):
            raise UserError('Pattern %r takes %s.' % (self.string, (
                'two texts, but only one was given' if self.is_pair else 'one text, but two were given')
                if self.slots in (TEXT, PAIR) and len(texts) in (1, 2) else '%s, but %d texts were given' % (
                    ', '.join(self.slots.names), len(texts))))
        return dict(zip(self.slots.names, texts))

    def fill(self, *texts, word=None):
        """The cloze as a person reads it; `word` None leaves the blank as ____."""
        texts = self.texts(*texts)
        blank = word if word is not None else '____'
        return ''.join({'hole': lambda v: texts[v], 'mask': lambda v: blank}.get(kind, str)(value)
                       for kind, value in self.pieces)

    def room(self, tokenizer, word_length=1, maxlen=128):
        """How many tokens of texts fit between those of the pattern; UserError for fewer than it has holes."""
        return self._room(self._tokens(tokenizer, word_length), maxlen)

    def _room(self, fixed, maxlen):
        room = maxlen - 2 - sum(len(ids) for kind, ids in fixed if kind != 'hole')
        if room < len(self.holes):
            raise UserError('Pattern %r takes %d tokens and leaves no room for a text within maxlen=%d.' % (
                shorten(self.string), maxlen - room, maxlen))
        return room

    def encode(self, tokenizer, *texts, word_length=1, maxlen=128):
        """Token ids of the cloze, with the places of the blank and of the texts.

        Texts that do not fit are cut at their ends (the piece before a span at its beginning), the longest one first;
        the pattern is never cut.

        Arguments:
            tokenizer: bert4keras Tokenizer.
            texts: one for each of `slots.names`: str, or a list of token ids (a text tokenized before).
            word_length: tokens of the label word, the number of `[MASK]` written.
            maxlen: tokens in all, `[CLS]` and `[SEP]` included.

        Returns: Encoded(token_ids, segment_ids, mask_positions, text_positions), lists of int.

        Raises: UserError for a pattern with a character that the vocabulary has not, or too long for maxlen.
        """
        fixed, texts = self._tokens(tokenizer, word_length), self.texts(*texts)
        texts = {name: tokenizer.tokens_to_ids(tokenize(tokenizer, t)) if isinstance(t, str) else t
                 for name, t in texts.items() if name in self.holes}
        kept = fitting_lengths(list(map(len, texts.values())), self._room(fixed, maxlen))
        texts = {name: list(ids[len(ids) - n:] if self.slots.sides.get(name) == 'tail' else ids[:n])
                 for n, (name, ids) in zip(kept, texts.items())}
        token_ids, segment_ids, mask_positions, text_positions = [tokenizer._token_start_id], [0], [], []
        segment = 0
        for kind, value in fixed:
            ids = texts[value] if kind == 'hole' else value
            if kind in ('hole', 'mask'):
                places = range(len(token_ids), len(token_ids) + len(ids))
                (text_positions if kind == 'hole' else mask_positions).extend(places)
            token_ids.extend(ids)
            segment_ids.extend([segment] * len(ids))
            if kind == 'token' and ids[0] == tokenizer._token_end_id:
                segment = 1
        return Encoded(token_ids + [tokenizer._token_end_id], segment_ids + [segment], mask_positions, text_positions)

    def _tokens(self, tokenizer, word_length):
        """The pieces with ids for all but the holes."""
        fixed = []
        for kind, value in self.pieces:
            if kind == 'text':
                tokens = tokenize(tokenizer, value)
                unknown = [t for t in tokens if t not in tokenizer._token_dict]
                if unknown:
                    raise UserError('Pattern %r: %s is not in the vocabulary.' % (self.string, '、'.join(unknown)))
                value = tokenizer.tokens_to_ids(tokens)
            elif kind == 'token':
                if value not in tokenizer._token_dict:
                    raise UserError('Pattern %r: the vocabulary has no %s.' % (shorten(self.string), value))
                value = [tokenizer._token_dict[value]]
            elif kind == 'mask':
                value = [tokenizer._token_mask_id] * word_length
            fixed.append((kind, value))
        return fixed
