"""Whether a model's head was trained: measured, by letting it fill common characters of the shipped sentences."""
from collections import Counter

import numpy as np

from pet_keras.backend import tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.cloze.batching import question_batches
from pet_keras.cloze.cloze import Question
from pet_keras.data.shipped import shipped_texts
from pet_keras.errors import UserError
from pet_keras.networks.models import build, model_inputs

_LEAST, _EVERY = 8, 7  # a character is common if it occurs that often in the sentences; one in so many is a blank
_SURELY = 3.  # times the unigram rate: no head that was measured as untrained came near
_FOLLOWS = 0.3  # nine times the deviation of a random bias' correlation over 900 characters
_CHINESE = 0.8  # of the sentences' tokens a Chinese vocabulary knows more

FIGURES = ('blanks', 'accuracy', 'unigram_accuracy', 'log_likelihood', 'unigram_log_likelihood', 'bias_correlation')


def diagnose_mlm_head(checkpoint):
    """Whether the head of a checkpoint was trained, by measuring, as a dict of what JSON holds.

    One in seven of the common characters of the 305 shipped sentences is a blank, 498 in all, and the model fills it:
    a masked model sees the rest of the sentence, a causal one what stands before. Of its output bias the rank
    correlation (Spearman) with the characters' frequency in the sentences is taken.

    Arguments: a Checkpoint, a folder, or a shipped model's name.

    Returns: `verdict`, 'trained', 'untrained', 'missing', or 'unknown' where the vocabulary is not Chinese; `reason`,
    a sentence; and, None where they were not measured,
        blanks: how many characters were filled;
        accuracy, unigram_accuracy: share of them that the likeliest token is right about, and that the commonest
            of them alone would be;
        log_likelihood, unigram_log_likelihood: mean of the right token's log-probability, in nats, and what it is
            under the characters' own frequencies;
        bias_correlation: from -1 to 1; 0 for a constant bias, None for a model that has none.

    Accuracy decides: three times the unigram rate is trained, whatever the bias, which some releases leave at zero;
    less than the rate is untrained. In between it is trained if the bias follows frequency (0.3), or, without a
    bias, if its log-likelihood is the better. `docs/diagnosis.md` has the figures behind these thresholds.

    Raises: UserError where the files cannot be read or do not fit together, or the weights are no numbers.

    >>> diagnose_mlm_head('bert-mini-zh')['verdict']
    'trained'
    """
    checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    if not (checkpoint.has_mlm_head or checkpoint.family.startswith('gpt')):
        return _result('missing', 'the weights hold no MLM head, so it cannot fill a blank')
    return measure(build(checkpoint, return_keras_model=False), checkpoint)


def measure(transformer, checkpoint, most=None):
    """As `diagnose_mlm_head`, of a network that `build` made of the checkpoint, with its present weights.

    Arguments: `most`, how many sentences to take, those with the most blanks; None takes all.
    """
    with open(shipped_texts('sentences.txt'), encoding='utf-8') as reader:
        sentences = reader.read().splitlines()
    tokenizer = checkpoint.tokenizer()
    tokens = [tokenizer.tokenize(sentence) for sentence in sentences]
    known = np.mean([token in checkpoint.vocab for row in tokens for token in row])
    if known < _CHINESE:
        return _result('unknown', 'its vocabulary holds %.0f %% of the characters of the Chinese sentences to measure '
                       'on' % (100 * known))
    often = {c: n for c, n in Counter(''.join(sentences)).items() if c.isalpha() and c in checkpoint.vocab}
    clozes = _clozes(tokens, {c for c, n in often.items() if n >= _LEAST}, tokenizer, checkpoint.is_causal)
    unigram = np.array(list(Counter(target for _, targets in clozes for target in targets).values()))
    unigram = unigram / unigram.sum()
    right, log_likelihoods = _fill(transformer.model, clozes[:most])
    check_numbers(log_likelihoods, checkpoint)
    bias = transformer.layers.get('MLM-Bias')
    if bias is not None:
        bias = spearman(bias.beta.numpy()[[checkpoint.vocab[c] for c in often]], list(often.values()))
    figures = (len(right), float(np.mean(right)), float(unigram.max()), float(np.mean(log_likelihoods)),
               float(unigram @ np.log(unigram)), bias)
    return _result(*verdict(*figures), *figures)


def check_numbers(values, checkpoint):
    """Raises UserError where some of a network's answers are NaN or infinite."""
    if not np.isfinite(values).all():
        raise UserError('%s gives no numbers (NaN or infinite): its weights are damaged.' % checkpoint.name)


def looks_untrained(transformer, checkpoint):
    """A quick look, at a dozen sentences: True where the likeliest token is right less often than the commonest
    character would be, and the log-likelihood too is below the unigram model's."""
    found = measure(transformer, checkpoint, most=12)
    return found['verdict'] == 'untrained' and found['log_likelihood'] < found['unigram_log_likelihood']


def verdict(blanks, accuracy, unigram_accuracy, log_likelihood, unigram_log_likelihood, bias_correlation):
    """('trained' or 'untrained', why) for the figures of `diagnose_mlm_head`.

    >>> verdict(498, 0.45, 0.06, -2.4, -4.7, 0.)[0], verdict(498, 0.01, 0.06, -8.7, -4.7, 0.64)[0]
    ('trained', 'untrained')
    """
    if accuracy >= _SURELY * unigram_accuracy:
        flat = bias_correlation is not None and bias_correlation < _FOLLOWS
        return 'trained', 'it fills far more blanks than the commonest character would' + (
            ', though its bias does not follow frequency' if flat else '')
    if accuracy < unigram_accuracy:
        return 'untrained', ('it fills fewer blanks than the commonest character would; or vocab.txt is of another '
                             'release, or a causal model is read as a masked one or the reverse')
    why = 'it fills hardly more blanks than the commonest character would, '
    if bias_correlation is None:
        better = log_likelihood > unigram_log_likelihood
        return ('trained' if better else 'untrained'), why + (
            'but is the likelier model' if better else 'and is no likelier model')
    follows = bias_correlation >= _FOLLOWS
    return ('trained' if follows else 'untrained'), why + (
        'but its bias follows frequency' if follows else 'and its bias does not follow frequency')


def spearman(a, b):
    """Spearman's rank correlation; equal values share their mean rank. 0 where all values of one are equal.

    >>> round(spearman([1., 2., 9.], [10, 20, 30]), 3), round(spearman([1., 2., 9.], [5, 0, -5]), 3)
    (1.0, -1.0)
    """
    a, b = _ranks(a), _ranks(b)
    spread = a.std() * b.std()
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread else 0.


def _ranks(values):
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _clozes(tokens, common, tokenizer, causal):
    """[(Question, target ids)] of each sentence with a blank, the most blanks first."""
    places = [(row, column) for row, sentence in enumerate(tokens) for column, token in enumerate(sentence)
              if token in common][::_EVERY]
    clozes = []
    for row, sentence in enumerate(tokens):
        blanks = [column for owner, column in places if owner == row]
        ids = np.array(tokenizer.tokens_to_ids(sentence))
        targets = ids[blanks].tolist() if blanks else []
        if not causal and blanks:
            ids[blanks] = tokenizer._token_mask_id
        clozes.append((Question(ids.tolist(), [0] * len(ids), [column - causal for column in blanks]), targets))
    return sorted((cloze for cloze in clozes if cloze[1]), key=lambda cloze: -len(cloze[1]))


def _fill(model, clozes):
    """(whether the likeliest token is right, log-probability of the right one) of each blank: two lists."""
    right, log_likelihoods = [], []
    for batch, *inputs in question_batches([[question] for question, _ in clozes], 64):
        log_proba = tf.nn.log_softmax(tf.cast(model(model_inputs(model, *inputs), training=False), 'float32')).numpy()
        for i, row in zip(batch, log_proba):
            for target, at_blank in zip(clozes[i][1], row):
                right.append(bool(at_blank.argmax() == target))
                log_likelihoods.append(float(at_blank[target]))
    return right, log_likelihoods


def _result(found, reason, *figures):
    return dict({'verdict': found, 'reason': reason}, **dict(zip(FIGURES, figures or [None] * len(FIGURES))))
