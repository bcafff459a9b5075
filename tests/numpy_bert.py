"""BERT and its MLM head in NumPy: what the tests of models and classifier compare with.

Written from arXiv 1810.04805 and the variables' names in Google's releases, in float64, one sequence at a
time; it shares no code with pet_keras or bert4keras.
"""
import json
import math
import os

import numpy as np


def variables(folder):
    """Every variable of the folder's checkpoint, by name, and its config."""
    import tensorflow as tf
    reader = tf.train.load_checkpoint(os.path.join(folder, 'bert_model.ckpt'))
    found = {name: reader.get_tensor(name).astype('float64') for name in reader.get_variable_to_shape_map()
             if name != 'global_step'}
    with open(os.path.join(folder, 'bert_config.json'), encoding='utf-8') as stream:
        return found, json.load(stream)


def gelu(x):
    """The exact form, with the error function."""
    return x * 0.5 * (1. + np.vectorize(math.erf, otypes=['float64'])(x / math.sqrt(2.)))


def gelu_tanh(x):
    """The approximation that "gelu_new" names."""
    return 0.5 * x * (1. + np.tanh(math.sqrt(2. / math.pi) * (x + 0.044715 * x ** 3)))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _norm(x, v, name):
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-12) * v[name + '/gamma'] + v[name + '/beta']


def _dense(x, v, name):
    return x @ v[name + '/kernel'] + v[name + '/bias']


def mlm_logits(folder, token_ids, segment_ids=None, act=gelu, prefix=None, adapters=None):
    """Logits `[length, vocab_size]` of one sequence; a token id of 0 is padding, which nothing attends to.

    Arguments:
        prefix: of each layer (keys, values), each `[n, heads, size]`, which every token attends to.
        adapters: of each layer two of (kernel, bias, kernel, bias): after attention, and after feed-forward.
    """
    v, config = variables(folder)

    def adapted(x, which):
        if adapters is None:
            return x
        down, down_bias, up, up_bias = adapters[i][which]
        return x + gelu(x @ down + down_bias) @ up + up_bias
    token_ids = np.asarray(token_ids)
    segment_ids = np.zeros_like(token_ids) if segment_ids is None else np.asarray(segment_ids)
    length, heads = len(token_ids), config['num_attention_heads']
    table = v['bert/embeddings/word_embeddings']
    x = (table[token_ids] + v['bert/embeddings/token_type_embeddings'][segment_ids]
         + v['bert/embeddings/position_embeddings'][:length])
    x = _norm(x, v, 'bert/embeddings/LayerNorm')
    unseen = np.where(token_ids == 0, -np.inf, 0.)
    for i in range(config['num_hidden_layers']):
        layer = 'bert/encoder/layer_%d/' % i
        q, k, value = [_dense(x, v, layer + 'attention/self/' + part).reshape(length, heads, -1).transpose(1, 0, 2)
                       for part in ('query', 'key', 'value')]
        if prefix is not None:
            k, value = [np.concatenate([own.transpose(1, 0, 2), x], 1) for own, x in zip(prefix[i], (k, value))]
        before = np.zeros(k.shape[1] - length)
        weights = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1]) + np.concatenate([before, unseen]))
        context = (weights @ value).transpose(1, 0, 2).reshape(length, -1)
        context = adapted(_dense(context, v, layer + 'attention/output/dense'), 0)
        x = _norm(x + context, v, layer + 'attention/output/LayerNorm')
        inner = act(_dense(x, v, layer + 'intermediate/dense'))
        x = _norm(x + adapted(_dense(inner, v, layer + 'output/dense'), 1), v, layer + 'output/LayerNorm')
    x = _norm(act(_dense(x, v, 'cls/predictions/transform/dense')), v, 'cls/predictions/transform/LayerNorm')
    return x @ table.T + v['cls/predictions/output_bias']


def token_ids(folder, tokens):
    """Ids of tokens, looked up in the folder's vocab.txt."""
    with open(os.path.join(folder, 'vocab.txt'), encoding='utf-8') as stream:
        vocab = {line.rstrip('\n'): i for i, line in enumerate(stream)}
    return [vocab[token] for token in tokens]


def word_probability(folder, tokens, word, segment_ids=None):
    """The probability that `word` stands where `tokens` has its run of `[MASK]`: a product over its tokens."""
    logits = mlm_logits(folder, token_ids(folder, tokens), segment_ids)
    places = [i for i, token in enumerate(tokens) if token == '[MASK]']
    assert len(places) == len(word)
    probabilities = softmax(logits)
    return float(np.prod([probabilities[i, n] for i, n in zip(places, token_ids(folder, word))]))
