"""New patterns and label words to rank: mined from texts, paraphrased by the model, preferred by the model."""
import collections
import re

import numpy as np

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.search.vocabulary import blank_log_probs
from pet_keras.cloze.masking import segment
from pet_keras.networks.fill import fill_mask
from pet_keras.networks.models import build

_CLAUSE = re.compile(r'[，。！？；：,.!?;:\s~…、"“”()（）]+')


def mined_patterns(task, examples, most=10, longest=12):
    """Pattern strings mined from texts: clauses that occur with the words of different labels in one place.

    "很满意" and "不满意" in some texts give "[MASK]满意。{text}". The mining of arXiv 1911.12543, section 3.1 (contexts
    in which a relation's arguments meet), for a label word instead of two arguments. The more words of different labels
    a context has, and the more often, the earlier it comes. For a task of one text.

    Arguments: `examples`, list of Example (their labels are not read); `longest`, characters of a clause.
    """
    seen = collections.defaultdict(collections.Counter)  # context → label → how often
    words = [(label, word) for label, those in task.verbalizer.words.items() for word in those]
    for example in examples:
        for clause in _CLAUSE.split(example.text):
            if len(clause) > longest:
                continue
            for label, word in words:
                for found in re.finditer(re.escape(word), clause):
                    context = clause[:found.start()], clause[found.end():]
                    if any(context):
                        seen[context][label] += 1
    shared = [(len(counts), min(counts.values()), sum(counts.values()), context)
              for context, counts in seen.items() if len(counts) > 1]
    shared.sort(key=lambda row: (-row[0], -row[1], -row[2], row[3]))
    blank = '[MASK]' * max(len(word) for _, word in words)
    strings = []
    for _, _, _, (before, after) in shared:
        if not re.search(r'[{}\[\]]', before + after):
            strings += ['%s%s%s。{text}' % (before, blank, after), '{text}。%s%s%s' % (before, blank, after)]
    return strings[:most]


def paraphrased_patterns(task, pattern, examples, checkpoint, most=10):
    """Pattern strings in which one word of a pattern is another that the model puts there.

    Each word of the pattern's own text is blanked in turn over a few texts, with a word of each label in turn in the
    label's place; what the model finds likeliest on average takes its place, from left to right. (arXiv 1911.12543,
    section 3.2, paraphrases by translating there and back; a masked model does it without a second model.)

    Arguments: `pattern`, a Pattern of the task; `examples`, list of Example; 32 of them are read.
    """
    found, model = [], build(checkpoint)
    labels = [words[0] for words in task.verbalizer_of(pattern).words.values()]
    for place, (kind, text) in enumerate(pattern.pieces):
        words = segment(text) if kind == 'text' else []
        for i, word in enumerate(words):
            if not re.search(r'\w', word) or len(word) > 2:
                continue

            def pieces(new):
                """The pattern's pieces with `new` in the word's place."""
                own = ''.join(words[:i] + [new] + words[i + 1:])
                return pattern.pieces[:place] + [('text', own)] + pattern.pieces[place + 1:]

            def texts(new):
                """These, filled with texts and label words."""
                return [_filled(pieces(new), pattern.texts(*task.texts(example)), labels[k % len(labels)])
                        for k, example in enumerate(examples[:32])]
            found += [(score, ''.join(map(_string, pieces(new))))
                      for new, score in _substitutes(texts, len(word), checkpoint, model) if new != word]
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return list(dict.fromkeys(string for _, string in found))[:most]


def _filled(pieces, texts, word):
    return ''.join(re.sub(r'[\[\]]', '', texts[value])[:60] if kind == 'hole' else word if kind == 'mask' else value
                   for kind, value in pieces)


def _string(piece):
    kind, value = piece
    return '{%s}' % value if kind == 'hole' else '[MASK]' * value if kind == 'mask' else value


def _substitutes(strings, length, checkpoint, model, top=5):
    """[(word of `length` characters, mean log-probability)] of the likeliest, at most `top`.

    Arguments: `strings`, a function from what stands in the word's place to a list of texts.
    """
    beams = [('', 0.)]
    for step in range(length):
        texts = [strings(word + '[MASK]' * (length - step)) for word, _ in beams]
        filled = fill_mask([text for some in texts for text in some], checkpoint, top=50, model=model)
        longer = []
        for k, ((word, score), some) in enumerate(zip(beams, texts)):
            rows = [dict(blanks[0]) for blanks in filled[k * len(some):(k + 1) * len(some)]]
            # a mean of logarithms: the word has to suit every label's word (很错 spoils what 不错 praises)
            mean = {token: float(np.mean([np.log(row.get(token, 1e-5)) for row in rows]))
                    for token in set().union(*rows) if re.fullmatch(r'\w', token)}
            longer += [(word + token, score + mean[token]) for token in sorted(mean, key=mean.get)[-top:]]
        beams = sorted(longer, key=lambda pair: -pair[1])[:top]
    return beams


def preferred_words(task, pattern, labelled, checkpoint, top=5):
    """Dict label → the words of one token that the model itself puts into the blank of that label's texts.

    By the mean log-probability on the label's texts less the mean over the other labels' (arXiv 2012.15723, section
    5.1, takes the first alone; the difference keeps words out that are likely whatever the text says). Only words among
    the 100 likeliest of the label count.

    Arguments: `labelled`, list of Example with labels, some of each.
    """
    classifier = ClozeClassifier(task, checkpoint, pattern)
    tokenizer, log_proba = classifier.tokenizer, blank_log_probs(classifier, labelled)
    by_label = {label: [row for row, e in zip(log_proba, labelled) if e.label == label] for label in task.labels}
    means = {label: np.mean(rows, axis=0) for label, rows in by_label.items() if rows}
    found = {}
    for label, own in means.items():
        others = [mean for other, mean in means.items() if other != label]
        gain = own - np.mean(others, axis=0) if others else own
        likely = np.argsort(-own)[:100]
        tokens = [tokenizer.id_to_token(int(i)) for i in likely[np.argsort(-gain[likely])]]
        found[label] = [token for token in tokens if re.fullmatch(r'\w', token) and not token.isascii()][:top]
    return found
