"""Texts as the numbers that an exported graph reads. It needs NumPy alone: a copy stands beside every such graph."""
import json
import os
import unicodedata

import numpy as np

# what bert4keras' tokenizer takes for Chinese: every such character is a token
_CHINESE = ((0x4e00, 0x9fff), (0x3400, 0x4dbf), (0x20000, 0x2a6df), (0x2a700, 0x2ceaf), (0xf900, 0xfaff),
            (0x2f800, 0x2fa1f))
_LONGEST_WORD = 200  # characters; a longer one is unknown


class Questions(object):
    """What an exported classifier asks about a text: its pattern as token ids, its vocabulary and its labels.

    Arguments: `folder`, with `export.json` and `vocab.txt`. Raises: OSError or ValueError where they cannot be read.
    """
    def __init__(self, folder):
        with open(os.path.join(folder, 'export.json'), encoding='utf-8') as reader:
            fields = json.load(reader)
        with open(os.path.join(folder, 'vocab.txt'), encoding='utf-8', newline='\n') as reader:
            self._ids = {token: i for i, token in enumerate(reader.read().split('\n')[:-1])}
        self.labels, self.is_pair, self.maxlen = fields['labels'], fields['is_pair'], fields['maxlen']
        self._questions, self._lower_case = fields['questions'], fields['lower_case']
        self._translate, self.pattern = fields['translate'], fields.get('pattern')  # None: it was fine-tuned

    def inputs(self, examples):
        """What the graph is fed: a dict name → int32 array, a row a question, padded with 0.

        Arguments: `examples`, a list of str, or of pairs of str where the classifier reads two texts.
        """
        rows = [row for texts in examples for row in self.encode(*([texts] if isinstance(texts, str) else texts))]
        arrays = [np.zeros((len(rows), max(map(len, part), default=0)), 'int32') for part in zip(*rows)]
        for i, row in enumerate(rows):
            for array, numbers in zip(arrays, row):
                array[i, :len(numbers)] = numbers
        return dict(zip(('token_ids', 'segment_ids', 'positions'), arrays))

    def encode(self, *texts):
        """A tuple of lists (token ids, segment ids, positions asked about) for each question about one example.

        A text that does not fit is cut at its end, the longer one of two first; the pattern is never cut.
        """
        if len(texts) != 1 + self.is_pair:
            raise ValueError('This classifier reads %s.' % ('two texts' if self.is_pair else 'one text'))
        texts, found = [self.token_ids(text) for text in texts], []
        for question in self._questions:  # in it -1 stands for the text's tokens, -2 for those of the second
            shown, kept = question['token_ids'], list(map(len, texts))
            too_many = len(shown) - len(texts) + sum(kept) - self.maxlen
            while too_many > 0:
                longer = 0 if kept[0] == max(kept) else 1
                cut = min(too_many, kept[longer] - min(kept) or 1) if self.is_pair else too_many
                kept[longer], too_many = kept[longer] - cut, too_many - cut
            tokens = {-1 - k: text[:n] for k, (text, n) in enumerate(zip(texts, kept))}
            token_ids = [i for shown_id in shown for i in tokens.get(shown_id, [shown_id])]
            segment_ids = [segment for shown_id, segment in zip(shown, question['segment_ids'])
                           for _ in tokens.get(shown_id, [shown_id])]
            more = {shown.index(-1 - k): n - 1 for k, n in enumerate(kept)}  # by its place: tokens that a text adds
            found.append((token_ids, segment_ids, [place + sum(n for at, n in more.items() if at <= place)
                                                   for place in question['positions']]))
        return found

    def token_ids(self, text):
        """The ids of a text's tokens, a list of int, without `[CLS]` and `[SEP]`."""
        tokens = [self._translate.get(token, token) for word in self._words(text) for token in self._pieces(word)]
        return [self._ids.get(token, self._ids['[UNK]']) for token in tokens]

    def _words(self, text):
        """Chinese characters, punctuation marks, and what stands between these and white space."""
        if self._lower_case:  # and without accents
            text = unicodedata.normalize('NFD', text.lower())
            text = ''.join(ch for ch in text if unicodedata.category(ch) != 'Mn')
        spaced = []
        for ch in text:
            code, category = ord(ch), unicodedata.category(ch)
            is_mark = category.startswith('P') or code < 128 and category in ('Sm', 'Sc', 'Sk')
            if is_mark or any(first <= code <= last for first, last in _CHINESE):
                spaced.append(' %s ' % ch)
            elif ch in '\n\r\t' or category == 'Zs':
                spaced.append(' ')
            elif category not in ('Cc', 'Cf') and code != 0xfffd:
                spaced.append(ch)
        return ''.join(spaced).split()

    def _pieces(self, word):
        """The longest pieces of a word that the vocabulary has, from left to right; the word if there are none."""
        if len(word) > _LONGEST_WORD:
            return [word]
        pieces, start = [], 0
        while start < len(word):
            ends = range(len(word), start, -1)
            piece = next((piece for piece in ('##' * (start > 0) + word[start:end] for end in ends)
                          if piece in self._ids), None)
            if piece is None:
                return [word]
            pieces.append(piece)
            start += len(piece) - 2 * (start > 0)
        return pieces
