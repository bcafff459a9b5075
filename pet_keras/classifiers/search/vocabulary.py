"""What a model thinks of every token in a blank, and which tokens a text can be written in."""
import re

import numpy as np

from pet_keras.cloze.batching import question_batches
from pet_keras.cloze.cloze import Cloze
from pet_keras.networks.models import model_inputs


def blank_log_probs(classifier, examples):
    """Log-probabilities of every token in a blank of one token, float64 `[examples, vocab_size]`.

    Of a long text its head, its tail, or its first window is read, as the classifier's `long` says.
    """
    model, causal = classifier.model, classifier.checkpoint.is_causal
    one = Cloze(classifier.pattern, [(0, [classifier.tokenizer._token_mask_id])], classifier.tokenizer,
                classifier.maxlen, causal)
    questions = [one.questions(classifier.parts(classifier.tokenize(example))[0]) for example in examples]
    found = [None] * len(examples)
    for batch, *inputs in question_batches(questions, 64):
        logits = model(model_inputs(model, *inputs), training=False).numpy()[:, 0].astype('float64')
        for i, row in zip(batch, logits):
            found[i] = row - np.logaddexp.reduce(row)
    return np.array(found)


def writable_tokens(tokenizer, punctuation=''):
    """Ids of the tokens that a text can be written in and is read back as: single Chinese characters, and these."""
    return sorted(i for token, i in tokenizer._token_dict.items() if re.fullmatch('[\u4e00-\u9fff]', token) or (
        token in set(punctuation) and i < tokenizer._vocab_size))
