"""The rows of a prompt's tokens: where they stand, and what they start from."""
import numpy as np

from pet_keras.cloze.prompt_pattern import unused_tokens
from pet_keras.errors import UserError


def add_tokens(tokenizer, tokens):
    """Gives the tokens that the vocabulary lacks ids beyond it."""
    missing = [token for token in tokens if token not in tokenizer._token_dict]
    tokenizer._token_dict = dict(tokenizer._token_dict,
                                 **{token: tokenizer._vocab_size + i for i, token in enumerate(missing)})


def initial_rows(embedding, task, pattern, tokenizer, how, seed, causal=False):
    """The rows that a PtuningEmbedding starts from, float `[n, hidden]`: 'unused', 'random' or 'words'.

    Only the pattern's tokens are set; label words keep their rows. Tokens beyond the vocabulary, which have
    none, start at random. 'words' are those of the task's first natural pattern, for a causal model of the first
    whose blank comes last.
    """
    rows, table = embedding.prompt.numpy(), embedding.embeddings.numpy()
    random = np.random.default_rng(seed).normal(0, table.std(), rows.shape).astype('float32')
    n = len(unused_tokens(pattern.string))  # they come first
    if how == 'random':
        return np.concatenate([random[:n], rows[n:]])
    if how == 'words':
        natural = [p for p in task.patterns.values() if not unused_tokens(p.string)]
        natural = [p for p in natural if p.mask_is_last] * causal + natural
        words = ''.join(value for kind, value in (natural[0].pieces if natural else []) if kind == 'text')
        ids = tokenizer.tokens_to_ids(tokenizer.tokenize(words)[1:-1])
        if not ids:
            raise UserError("prompt_init='words' takes the words of the task's first natural pattern, and task %s "
                            "has none." % task.name)
        return np.concatenate([table[[ids[i % len(ids)] for i in range(n)]], rows[n:]])
    if how != 'unused':
        raise UserError("prompt_init=%r: choose 'unused', 'random' or 'words'." % how)
    beyond = np.array(embedding.trainable_token_ids) >= len(table)
    return np.where(beyond[:, None], random, rows)
