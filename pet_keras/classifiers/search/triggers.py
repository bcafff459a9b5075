"""Patterns searched by gradient: trigger tokens, as AutoPrompt finds them."""
import collections
import re

import numpy as np

from pet_keras.backend import tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.metrics import log_softmax
from pet_keras.classifiers.search.vocabulary import writable_tokens
from pet_keras.cloze.batching import question_batches
from pet_keras.cloze.prompt_pattern import prompt_pattern, unused_tokens
from pet_keras.errors import UserError
from pet_keras.networks.models import model_inputs

PUNCTUATION = ',.!?:;，。！？：；、'

# log_likelihood: mean log-probability of the right label on the texts searched on; dev_…: None without dev texts
Trigger = collections.namedtuple('Trigger', 'pattern log_likelihood accuracy dev_log_likelihood dev_accuracy')


def search_triggers(task, labelled, checkpoint=DEFAULT, dev=(), triggers=3, template=None, candidates=10, passes=3,
                    most=512, seed=0, verbose=0, maxlen=128, long='head', precision='float32'):
    """Patterns whose trigger tokens make the right labels likely, as a list of Trigger, the best first.

    AutoPrompt, arXiv 2010.15980, section 2.2: every trigger starts as [MASK]. In turn each is exchanged: the gradient
    of the loss with respect to its embedding says which tokens would lower the loss most, to first order; these
    candidates are tried on the texts, and the best one stays if it is better than what stands there. It ends after a
    pass over all triggers that changes none. The loss here is that of the label among the task's labels (there, of the
    label's words among all words). Only single Chinese characters and punctuation are taken, so that the pattern reads
    as it was found, and none of the label words.

    Arguments:
        labelled, dev: lists of Example with labels. With `dev` these decide which of the patterns on the way is best.
        triggers: how many; they stand around the blank, before the text (for a causal model after it). Or
            `template`, a pattern string whose `[unused]` tokens are the triggers.
        candidates: tokens tried in the place of one trigger.
        passes: over the triggers, at most.
        most: of more labelled texts, so many are drawn by `seed` to search on.
        verbose: 1 prints a line for each pattern on the way.
        maxlen, long, precision: as in ClozeClassifier; of a long text in windows the first is read.

    Raises: UserError for no labelled texts, or a template without triggers.
    """
    if not labelled:
        raise UserError('A search needs labelled texts.')
    if task.candidates:
        raise UserError('Task %s has other label words for each text, for which nothing can be searched.' % task.name)
    if triggers < 1 or candidates < 1 or passes < 1:
        raise UserError('triggers, candidates and passes are at least 1.')
    search = _Search(task, checkpoint, template, triggers, maxlen=maxlen, long=long, precision=precision)
    drawn = [labelled[i] for i in np.random.default_rng(seed).permutation(len(labelled))[:most]]
    texts, dev = search.texts(drawn), search.texts(dev)
    found, places, unchanged, best = [], range(len(search.triggers)), 0, -np.inf
    for place in list(places) * passes:
        best, changed = search.exchange(place, texts, best, candidates)
        unchanged = 0 if changed else unchanged + 1
        if changed and None not in search.tokens:
            found.append(Trigger(search.string(), *search.figures(texts), *search.figures(dev)))
            if verbose:
                print('%s  log-likelihood %.3f, accuracy %.1f%%%s' % (found[-1][:3] + (
                    '; dev %.3f, %.1f%%' % found[-1][3:] if dev else '',)), flush=True)
        if unchanged == len(places):
            break
    return sorted(found, key=lambda one: (one.dev_accuracy, one.dev_log_likelihood) if dev else one.log_likelihood,
                  reverse=True)


class _Search(object):
    """The triggers so far, of which the rows of a prompt are the embeddings: nothing is tokenized or traced anew.

    `tokens`: the id of each trigger, None where none is chosen yet.
    """
    def __init__(self, task, checkpoint, template, triggers, **reading):
        causal = (checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)).is_causal
        template = template or prompt_pattern(triggers, 'after' if causal else 'before', causal, texts=task.slots.texts)
        self.template, self.triggers = template, unused_tokens(template)
        if not self.triggers:
            raise UserError('Pattern %r has no [unused] token, which a search would exchange.' % template)
        self.classifier = ClozeClassifier(task, checkpoint, template, train='prompt', check_head=False, **reading)
        self.network, _ = self.classifier.build_scorer()
        self.scorer, self.embedding = self.classifier.scorer(), self.classifier.embedding
        self.table, tokenizer = self.embedding.embeddings.numpy(), self.classifier.tokenizer
        self.tokens, self.rows = [None] * len(self.triggers), self.embedding.prompt.numpy()
        self.rows[:len(self.triggers)] = self.table[tokenizer._token_mask_id]
        words = {token for _, ids in self.classifier.words for token in ids}
        self.allowed = np.array([i for i in writable_tokens(tokenizer, PUNCTUATION) if i not in words])

    def texts(self, examples):
        """What `figures` reads: batches `(the labels' indices, token_ids, segment_ids, positions)`."""
        task, classifier = self.classifier.task, self.classifier
        labels = np.array([task.labels.index(task.label_of(e.label)) for e in examples], int)
        questions = [classifier.questions(classifier.parts(classifier.tokenize(e))[0]) for e in examples]
        return [(labels[batch], *inputs) for batch, *inputs in question_batches(questions, 32)]

    def figures(self, texts):
        """`(mean log-probability of the right label, accuracy in percent)` as the triggers stand; None of no texts."""
        if not texts:
            return None, None
        self.embedding.set_prompt(self.rows)
        likely, right = [], []
        for labels, *inputs in texts:
            scores = self.scorer.score(inputs, self.classifier.precision)
            likely.extend(log_softmax(scores)[np.arange(len(labels)), labels])
            right.extend(scores.argmax(axis=1) == labels)
        return float(np.mean(likely)), 100. * float(np.mean(right))

    def gradient(self, texts):
        """Of the summed log-probability of the right labels, by the triggers' embeddings: `[triggers, hidden]`."""
        self.embedding.set_prompt(self.rows)
        total = 0.
        for labels, *inputs in texts:
            with tf.GradientTape() as tape:
                scores = tf.nn.log_softmax(self.network(model_inputs(self.network, *inputs), training=False))
                likely = tf.reduce_sum(tf.gather(scores, labels, batch_dims=1))
            total = total + tf.convert_to_tensor(tape.gradient(likely, self.embedding.prompt)).numpy()
        return total[:len(self.triggers)]

    def exchange(self, place, texts, best, candidates):
        """Puts the best candidate there if it is better than `best`; returns the best log-likelihood and whether."""
        gains = self.table[self.allowed] @ self.gradient(texts)[place]
        chosen, old = self.tokens[place], self.rows[place].copy()
        new, likely = None, best if chosen is not None else -np.inf  # a mask does not stay
        for token in self.allowed[np.argsort(-gains, kind='stable')[:candidates]]:
            if token != chosen:
                self.rows[place] = self.table[token]
                score, _ = self.figures(texts)
                if score > likely:
                    new, likely = token, score
        self.rows[place] = old if new is None else self.table[new]
        self.tokens[place] = chosen if new is None else int(new)
        return (best, False) if new is None else (likely, True)

    def string(self):
        """The pattern with its triggers written out."""
        written = dict(zip(self.triggers, map(self.classifier.tokenizer.id_to_token, self.tokens)))
        return re.sub(r'\[unused\d+\]', lambda match: written[match.group()], self.template)
