"""How a model is asked and taught: the blank of a masked model, the next token of a causal one.

A masked model sees `[MASK]` and answers there. A causal model answers where it reads the token before,
and for the later tokens of a word it must be shown the earlier ones (teacher forcing).
"""
import copy
from collections import namedtuple

import numpy as np

from pet_keras.cloze.masking import random_masking, word_groups
from pet_keras.cloze.pattern import plain_pattern
from pet_keras.errors import UserError

# One sequence, and where logits are wanted; words: where they are the example's own, the token ids of each label's that
# this sequence asks about, none for those that another does
Question = namedtuple('Question', 'token_ids segment_ids positions words', defaults=((),))
# One training sequence: the ids shown, where something is wanted, the ids (or classes) wanted, the weight of each,
# and how many of them, the first ones, are the label's; the others are auxiliary
Lesson = namedtuple('Lesson', 'token_ids segment_ids positions targets weights answers')


class Cloze(object):
    """A pattern and label words, bound to a tokenizer and to a way of reading.

    Arguments: `pattern`; `words`, a list of (label index, token ids); `tokenizer`; `maxlen` tokens;
    `causal`, True for a model that sees only what stands before.

    Raises: UserError for a pattern that does not fit the tokenizer, or asks a causal model about a blank
    that comes before the text.
    """
    def __init__(self, pattern, words, tokenizer, maxlen, causal=False):
        self.pattern, self.tokenizer = pattern, tokenizer
        self.maxlen, self.causal = maxlen, causal
        self.plain = plain_pattern(pattern.slots)
        kinds = [kind for kind, _ in pattern.pieces]
        if causal and 'hole' in kinds[kinds.index('mask'):]:
            raise UserError('Pattern %r: a causal language model reads from left to right, so the text must come '
                            'before [MASK]: {text}总之[MASK], or prompt_pattern(8, causal=True).' % pattern.string)
        self._ask_about(words)
        self.room = pattern.room(tokenizer, max(map(len, self._fillers)), maxlen)  # tokens of texts

    def _ask_about(self, words):
        self.words = words
        self.columns = sorted({token for _, ids in words for token in ids})  # the token ids whose logits are wanted
        shown = [self._shown(ids) for _, ids in words]
        self._fillers = list(dict.fromkeys(shown))  # what stands in the blank, in one sequence each
        # of each label, of each of its words: the question that asks about it, and the column of each token
        self.answers = [[(self._fillers.index(filler), [self.columns.index(token) for token in ids])
                         for (k, ids), filler in zip(words, shown) if k == label]
                        for label in range(1 + max(k for k, _ in words))]

    def _shown(self, word):
        """What stands in the blank where `word` is asked about, a tuple of token ids."""
        mask = self.tokenizer._token_mask_id
        return tuple(word[:-1] if self.causal else [mask] * (len(word) - 1)) + (mask,)

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
        """The sequences needed to score the words on one example; `texts`: token ids of one text or two."""
        return [Question(encoded.token_ids, encoded.segment_ids, [p - self.causal for p in encoded.mask_positions])
                for encoded in (self._encode(self.pattern, texts, filler) for filler in self._fillers)]

    def lesson(self, texts, label, rng, mask_rate, whole_words=False, auxiliary='text'):
        """The training sequence of one example: the answer in the blank, and an auxiliary loss on the text.

        A labelled text stands in the pattern, an unlabelled one (`label` None) alone; a soft label, an array of
        probabilities, asks for a word of each label by its share. The auxiliary loss is BERT's random masks, on
        whole words if wanted, or for a causal model every next token; `mask_rate` 0 leaves it out. It falls on the
        text, or with `auxiliary='all'` on the whole sequence but the blank, as in the author's scripts.
        """
        words = [] if label is None else self._words_to_learn(label, rng)
        mask, word = self.tokenizer._token_mask_id, words[0][1] if words else []
        encoded = self._encode(self.plain if label is None else self.pattern, texts,
                               word if self.causal else [mask] * len(word))
        ids, blank = np.array(encoded.token_ids), encoded.mask_positions
        places = np.array(encoded.text_positions, int)
        if auxiliary == 'all':  # a token beyond the vocabulary has no logit, the first one nothing before it
            places = np.setdiff1d(np.flatnonzero(ids < self.tokenizer._vocab_size), blank + [0] * self.causal)
        if self.causal:
            drawn = places if mask_rate else places[:0]
            targets = ids[drawn]
        else:
            groups = word_groups(self.tokenizer.ids_to_tokens(ids[places])) if whole_words else None
            ids, drawn, targets = random_masking(ids, places, rng, self.tokenizer._vocab_size, mask, mask_rate, groups)
        return Lesson(ids, encoded.segment_ids, [p - self.causal for p in blank * len(words) + drawn.tolist()],
                      [token for _, ids in words for token in ids] + targets.tolist(),
                      [share for share, ids in words for _ in ids] + [1.] * len(targets), len(blank) * len(words))

    def _words_to_learn(self, label, rng):
        """[(share, token ids)]: one word of the label, or of each label of a soft one."""
        labels = [(1., label)] if np.ndim(label) == 0 else [(float(p), k) for k, p in enumerate(label) if p > 0]
        words = []
        for share, k in labels:
            choice = [ids for owner, ids in self.words if owner == k]
            words.append((share, choice[rng.integers(len(choice))]))
        return words

    def check_soft(self, label):
        """Raises UserError where no one sequence asks about all words of a soft label, an array of probabilities."""
        if len({self._shown(ids) for k, ids in self.words if label[k] > 0}) > 1:
            raise UserError('A soft label needs label words that one sequence asks about: words of one length, and '
                            'of one token for a causal model.')

    def _encode(self, pattern, texts, filler):
        encoded = pattern.encode(self.tokenizer, *texts, word_length=len(filler), maxlen=self.maxlen)
        for position, token_id in zip(encoded.mask_positions, filler):
            encoded.token_ids[position] = token_id
        return encoded


class CandidateCloze(Cloze):
    """The cloze of a task whose label words belong to each example.

    What it is asked about is the token ids of the example's texts and, last, a list of its candidates' token ids.

    Arguments: `labels`, how many there are: an example may have fewer candidates; the others as of Cloze.
    """
    needs_whole_vocabulary = True  # which logits are wanted, only the example says

    def __init__(self, pattern, labels, tokenizer, maxlen, causal=False):
        blank = [tokenizer._token_mask_id] * sum(value for kind, value in pattern.pieces if kind == 'mask')
        super(CandidateCloze, self).__init__(pattern, [(0, blank)], tokenizer, maxlen, causal)
        self.labels = labels

    def _asking(self, candidates):
        """A copy of it that asks about these."""
        asking = copy.copy(self)
        asking._ask_about(list(enumerate(candidates)))
        return asking

    def questions(self, texts):
        """The sequences needed to score the example's candidates, each with those that it asks about."""
        *texts, candidates = texts
        asking, asked = self._asking(candidates), candidates + [[]] * (self.labels - len(candidates))
        return [question._replace(words=[ids if ids and self._shown(ids) == filler else [] for ids in asked])
                for question, filler in zip(Cloze.questions(asking, texts), asking._fillers)]

    def lesson(self, texts, label, *arguments, **settings):
        """The training sequence of one example: see Cloze."""
        *texts, candidates = texts
        return Cloze.lesson(self._asking(candidates), texts, label, *arguments, **settings)


def cloze_of(task, pattern, tokenizer, maxlen, causal=False):
    """The Cloze, or CandidateCloze, that asks a task's question in a Pattern; arguments and errors as theirs."""
    if task.candidates:
        return CandidateCloze(pattern, len(task.labels), tokenizer, maxlen, causal)
    return Cloze(pattern, task.verbalizer_of(pattern).token_ids(tokenizer), tokenizer, maxlen, causal)
