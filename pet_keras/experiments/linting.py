"""What a checkpoint will make of a task, before any text is classified: words, patterns, and the labels' balance."""
import random
import re
import warnings
from collections import namedtuple

import numpy as np

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.names import mlm_head
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.prompt_pattern import prompt_tokens
from pet_keras.cloze.task import Task
from pet_keras.cloze.verbalizer import word_tokens
from pet_keras.errors import UserError

LEVELS = ('error', 'warning', 'note')
# level: one of LEVELS; where: 'words, 正面' or 'P1'; problem and advice: a sentence each
Finding = namedtuple('Finding', 'level where problem advice')

COMMON = 2500  # characters; so many are taught first, and make up 98 % of a text (现代汉语常用字表, 1988)
_ROOM = 32  # tokens; a text of fewer is hardly a sentence
_LONG = ('text', 'text_a', 'text_b', 'before', 'after')  # holes; a field of a task is a few words
_TEXTS = 500  # are scored
_CUT = .1  # of the texts may be longer than the room
_CHARACTER = re.compile('[\u4e00-\u9fff]')


def lint(task, checkpoint=None, unlabelled=None, maxlen=128):
    """Where a task will do badly with a checkpoint, as a list of Finding, errors first.

    - a label word that is not in the vocabulary, has the tokens of another label's, is cut into pieces (Latin letters,
      digits), has another length than the others, or is rare in the checkpoint's own eyes: of a low output bias, which
      in a trained model follows frequency;
    - a pattern that the vocabulary or `maxlen` has no place for, that leaves little room, or that a causal model
      cannot use;
    - with `unlabelled`, how many of these texts are cut, and for each pattern without prompt tokens the labels' mean
      probabilities and which share of the texts each label gets. At most 500 texts are scored, drawn at random. Only
      this builds the network.

    Arguments: `task`, a Task, a shipped task's name or a file; `checkpoint` as in ClozeClassifier, None the default;
    `unlabelled`, a list of texts as in `predict`; `maxlen`, tokens.

    Raises: UserError for what is no task, and a checkpoint that cannot fill a blank.

    >>> task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不太'})
    >>> [found.problem for found in lint(task) if found.level == 'warning']
    ["Words of different lengths compete: '很' has 1 token, '不太' has 2 tokens."]
    """
    task = task if isinstance(task, Task) else Task.load(task)
    checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint or DEFAULT)
    tokenizer = checkpoint.check().tokenizer()
    maxlen = min(maxlen, checkpoint.max_position or maxlen)
    found, verbalizers = [], {}
    for name, pattern in task.patterns.items():
        verbalizer = task.verbalizer_of(pattern)
        verbalizers.setdefault(id(verbalizer), (
            'words' if verbalizer is task.verbalizer else 'words of %s' % name, verbalizer))
    rare = _rare(checkpoint)
    for where, verbalizer in verbalizers.values():
        found += _of_words(where, verbalizer, tokenizer, rare)
    unusable = {finding.where.split(',')[0] for finding in found if finding.level == 'error'}
    rooms = {}
    for name, pattern in task.patterns.items():
        where, verbalizer = verbalizers[id(task.verbalizer_of(pattern))]
        of_pattern, room = _of_pattern(name, pattern, verbalizer, tokenizer, maxlen, checkpoint.is_causal)
        found += of_pattern
        if room and where not in unusable:
            rooms[name] = room
    found += _of_causality(task, checkpoint.is_causal)
    if unlabelled is not None:
        found += _of_texts(task, rooms, checkpoint, unlabelled, maxlen)
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _rare(checkpoint):
    """The characters that are not among the COMMON ones by the checkpoint's output bias; empty where it has none."""
    name = None if checkpoint.family.startswith('gpt') else mlm_head(checkpoint.family)[-1]
    bias = checkpoint.load_variable(name) if name in checkpoint.shapes else np.zeros(1)
    if not bias.any():
        return set()
    characters = [token for token in checkpoint.vocab if _CHARACTER.fullmatch(token)]
    return set(sorted(characters, key=lambda token: -bias[checkpoint.vocab[token]])[COMMON:])


def _of_words(where, verbalizer, tokenizer, rare):
    """What is to be said of the words of one verbalizer."""
    owner, lengths, other = {}, {}, 'Take another word'
    for label, words in verbalizer.words.items():
        for word in words:
            tokens, place = word_tokens(word, tokenizer), '%s, %s' % (where, label)
            lengths.setdefault(len(tokens), word)
            missing = [token for token in tokens if token not in tokenizer._token_dict]
            if missing or not tokens:
                yield Finding('error', place, '%r is not in the vocabulary (%s).' % (word, '、'.join(missing)), other + (
                    ', or a checkpoint whose vocabulary has it.'))
                continue
            if owner.setdefault(tuple(tokens), label) != label:
                yield Finding('error', place, '%r has the tokens of a word of %s (%s).' % (
                    word, owner[tuple(tokens)], ' '.join(tokens)), other + '.')
            for part in re.findall('[A-Za-z]+|[0-9]+', re.sub(r'\[unused\d+\]', '', word)):
                pieces = word_tokens(part, tokenizer)
                if len(pieces) > 1:
                    yield Finding('warning', place, '%r is cut into %s, which the model fills one by one.' % (
                        part, ' '.join(pieces)), other + ': a Chinese one, or one that is a token.')
            seldom = [token for token in tokens if token in rare]
            if seldom:
                yield Finding('warning', place, '%r is rare in the eyes of the checkpoint (%s): by its output bias it '
                              'is not among the %d commonest characters.' % (word, '、'.join(seldom), COMMON), other + (
                                  ' that people would use.'))
    if len(lengths) > 1 and verbalizer.word_score is None:
        yield Finding('warning', where, 'Words of different lengths compete: %s.' % ', '.join(
            '%r has %d token%s' % (word, n, 's' * (n != 1)) for n, word in sorted(lengths.items())), (
                'Take words of one length, or say "word_score" in the task.'))


def _of_pattern(name, pattern, verbalizer, tokenizer, maxlen, causal):
    """([Finding], tokens that its texts have room for together; 0 where the pattern cannot be used)."""
    words = [word for words in verbalizer.words.values() for word in words] or verbalizer.shown  # an example's own
    length = max([len(word_tokens(word, tokenizer)) for word in words] + [1])
    texts = max(1, sum(hole in _LONG for hole in pattern.holes))
    try:
        whole = pattern.room(tokenizer, length, maxlen)
    except UserError as e:
        return [Finding('error', name, str(e), 'Change the pattern, or the checkpoint.')], 0
    room = whole // texts
    if room >= _ROOM:
        return [], whole
    return [Finding('warning', name, 'It takes %d of %d tokens and leaves %d for %s.' % (
        maxlen - whole, maxlen, room, {1: 'the text', 2: 'each of two texts'}.get(texts, 'each of %d texts' % texts)),
        'Shorten it, or set a larger maxlen if the checkpoint allows it.')], whole


def _asks_first(pattern):
    """Whether a text, or the second of two, stands after the blank, where a causal model has not read it yet."""
    kinds = [kind for kind, _ in pattern.pieces]
    return 'hole' in kinds[kinds.index('mask'):]


def _of_causality(task, causal):
    """Which patterns a causal model could not use."""
    first = [name for name, pattern in task.patterns.items() if _asks_first(pattern)]
    advice = 'Add a pattern that ends with [MASK].'
    if len(first) == len(task.patterns):
        yield Finding('error' if causal else 'note', 'patterns', 'A causal model could use none of them: it would be '
                      'asked before it has read the text.', advice)
    for name, pattern in task.patterns.items() if causal else ():
        if name in first and len(first) < len(task.patterns):
            yield Finding('warning', name, 'A causal model cannot use it: the blank stands before the text.', (
                'Choose another one.'))
        elif name not in first and not pattern.mask_is_last:
            yield Finding('note', name, 'A causal model does not read what follows the blank.', advice)


def _of_texts(task, rooms, checkpoint, unlabelled, maxlen):
    """How many texts are cut, and how the labels share them, for each pattern that can be asked."""
    classifier, texts = None, list(unlabelled)
    random.Random(0).shuffle(texts)  # the first ones would be of one source or topic
    texts = texts[:_TEXTS]
    for name in rooms:
        pattern = task.patterns[name]
        if prompt_tokens(pattern, task.verbalizer_of(pattern)) or checkpoint.is_causal and _asks_first(pattern):
            continue
        if classifier is None:
            with warnings.catch_warnings():  # of what is a finding here
                warnings.simplefilter('ignore')
                classifier = ClozeClassifier(task, checkpoint, name, maxlen, check_head=False)
            examples = classifier.examples(texts)
            if not examples:
                raise UserError('unlabelled holds no text.')
            lengths = [sum(map(len, classifier.tokenize(example)[:len(task.slots.names)])) for example in examples]
        classifier.pattern = name
        cut = np.mean(np.array(lengths) > rooms[name])
        if cut > _CUT:
            yield Finding('warning', name, '%.0f %% of the texts are longer than the %d tokens that they have room '
                          'for, and are cut at the end.' % (100 * cut, rooms[name]), (
                              'Set a larger maxlen, or shorten the texts or the pattern.'))
        yield _balance(name, classifier, examples)


def _balance(name, classifier, examples):
    """How the labels share the texts."""
    proba = classifier.predict_proba(examples)
    mean, shares = proba.mean(axis=0), np.bincount(proba.argmax(axis=1), minlength=proba.shape[1]) / len(proba)
    even = 1 / len(mean)
    is_bad = mean.max() > 2 * even or mean.min() < even / 2
    told = '; '.join('%s %.3f, %.1f %%' % (classifier.labels[k], mean[k], 100 * shares[k]) for k in np.argsort(-mean))
    return Finding('warning' if is_bad else 'note', name, 'Mean probability and share of %d texts: %s.' % (
        len(examples), told), 'If the texts do not have these shares, --calibrate mends it.' if is_bad else (
            'Nothing to do.'))
