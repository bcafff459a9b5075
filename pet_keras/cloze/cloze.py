"""How a model is asked and taught: the blank of a masked model, the next token of a causal one.

A masked model sees `[MASK]` and answers there. A causal model answers where it reads the token before,
and for the later tokens of a word it must be shown the earlier ones (teacher forcing).
"""
from collections import namedtuple

import numpy as np

from pet_keras.cloze.batching import batches_by_length, pad
from pet_keras.cloze.masking import random_masking, word_groups
from pet_keras.cloze.pattern import plain_pattern
from pet_keras.errors import UserError

# One sequence: its ids, where logits are wanted, and the words it scores there: (index, column of each token)
Question = namedtuple('Question', 'token_ids segment_ids positions words')
# One training sequence: the ids shown, where, and the ids wanted there
Lesson = namedtuple('Lesson', 'token_ids segment_ids positions targets')


class Cloze(object):
    """A pattern and label words, bound to a tokenizer and to a way of reading.

    Arguments: `pattern`; `words`, a list of (label index, token ids); `tokenizer`; `maxlen` tokens;
    `causal`, True for a model that sees only what stands before.

    Raises: UserError for a pattern that does not fit the tokenizer, or asks a causal model about a blank
    that comes before the text.
    """
    def __init__(self, pattern, words, tokenizer, maxlen, causal=False):
        self.pattern, self.words, self.tokenizer = pattern, words, tokenizer
        self.maxlen, self.causal = maxlen, causal
        self.plain = plain_pattern(pattern.is_pair)
        kinds = [kind for kind, _ in pattern.pieces]
        if causal and 'hole' in kinds[kinds.index('mask'):]:
            raise UserError('Pattern %r: a causal language model reads from left to right, so the text must come '
                            'before [MASK]: {text}总之[MASK], or prompt_pattern(8, causal=True).' % pattern.string)
        self.columns = sorted({token for _, ids in words for token in ids})  # the token ids whose logits are wanted
        self._fillers = {}  # what stands in the blank → the words that it asks about
        for k, (_, ids) in enumerate(words):
            shown = ids[:-1] if causal else [tokenizer._token_mask_id] * (len(ids) - 1)
            self._fillers.setdefault(tuple(shown) + (tokenizer._token_mask_id,), []).append(
                (k, [self.columns.index(token) for token in ids]))
        pattern.encode(tokenizer, *[''] * (1 + pattern.is_pair), word_length=max(map(len, self._fillers)),
                       maxlen=maxlen)

    @property
    def needs_whole_vocabulary(self):
        """Whether words can be compared only after the softmax over the vocabulary.

        Words of one length share its denominator at every position, which cancels between labels. Words
        of different lengths do not, nor do longer words of a causal model, each of which reads its own
        beginning.
        """
        lengths = {len(ids) for _, ids in self.words}
        return len(lengths) > 1 or (self.causal and lengths != {1})

    def questions(self, texts):
        """Every sequence needed to score the words on one example; `texts`: token ids of one text or two."""
        for filler, words in self._fillers.items():
            encoded = self._encode(self.pattern, texts, filler)
            yield Question(encoded.token_ids, encoded.segment_ids,
                           [p - self.causal for p in encoded.mask_positions], words)

    def lesson(self, texts, label, rng, mask_rate, whole_words=False):
        """The training sequence of one example: the answer in the blank, and an auxiliary loss on the text.

        A labelled text stands in the pattern, an unlabelled one (`label` None) alone. The auxiliary loss is
        BERT's random masks, on whole words if wanted, or for a causal model every next token of the text;
        `mask_rate` 0 leaves it out.
        """
        word, pattern = [], self.plain
        if label is not None:
            choice = [ids for k, ids in self.words if k == label]
            word, pattern = choice[rng.integers(len(choice))], self.pattern
        encoded = self._encode(pattern, texts, word if self.causal else [self.tokenizer._token_mask_id] * len(word))
        ids, blank = np.array(encoded.token_ids), encoded.mask_positions
        if self.causal:
            drawn = np.array(encoded.text_positions if mask_rate else [], int)
            targets = ids[drawn]
        else:
            groups = word_groups(self.tokenizer.ids_to_tokens(ids[encoded.text_positions])) if whole_words else None
            ids, drawn, targets = random_masking(ids, encoded.text_positions, rng, self.tokenizer._vocab_size,
                                                 self.tokenizer._token_mask_id, mask_rate, groups)
        return Lesson(ids, encoded.segment_ids, [p - self.causal for p in blank + drawn.tolist()],
                      list(word) + targets.tolist())

    def _encode(self, pattern, texts, filler):
        encoded = pattern.encode(self.tokenizer, *texts, word_length=len(filler), maxlen=self.maxlen)
        for position, token_id in zip(encoded.mask_positions, filler):
            encoded.token_ids[position] = token_id
        return encoded


def lesson_batches(lessons, order):
    """Padded arrays `((token_ids, segment_ids, positions), targets)`; targets are 0 where there is none."""
    for batch in order:
        ids, segments, positions, targets = zip(*[lessons[i] for i in batch])
        n = max(1, max(map(len, positions)))
        yield (pad(ids), pad(segments), pad(positions, n)), pad(targets, n)


def score_words(questions, rows, scorer, batch_size=64, progress=None):
    """Log-probabilities of words, up to a constant an example.

    Arguments:
        questions: list of Question; `rows`: the example that each belongs to.
        scorer: `(indices of the questions, token_ids, segment_ids, positions)` → log-probabilities
            `[batch, n, columns]`.
        progress: called with the number of questions done.

    Returns: list of dicts, word index → float, one an example.
    """
    if batch_size < 1:
        raise UserError('batch_size is at least 1.')
    scores = [{} for _ in range(1 + max(rows, default=-1))]
    for batch in batches_by_length([len(q.token_ids) for q in questions], batch_size):
        part = [questions[i] for i in batch]
        log_probs = np.asarray(scorer(batch, pad([q.token_ids for q in part]), pad([q.segment_ids for q in part]),
                                      pad([q.positions for q in part])))
        for case, i in zip(log_probs, batch):
            for k, columns in questions[i].words:
                scores[rows[i]][k] = float(sum(case[n, column] for n, column in enumerate(columns)))
        if progress:
            progress(len(batch))
    return scores


def ask(cloze, tokens, rows=None):
    """`(questions, rows)` of examples given as lists of token ids; `rows` numbers them if not 0, 1, 2, …"""
    pairs = [(question, row) for row, texts in zip(rows or range(len(tokens)), tokens)
             for question in cloze.questions(texts)]
    return [q for q, _ in pairs], [row for _, row in pairs]


def merge_scores(scores, verbalizer, words):
    """Label log-probabilities `[n, labels]` from what `score_words` returns for one task."""
    return verbalizer.merge(np.reshape([[case[k] for k in range(len(words))] for case in scores], [-1, len(words)]),
                            [label for label, _ in words])
