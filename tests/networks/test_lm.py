import glob
import json
import math
import os
import shutil

import numpy as np
import pytest

import numpy_bert
from pet_keras.backend import keras, tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.cloze import Cloze
from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.networks.label_scores import label_word_logits
from pet_keras.networks.models import build, build_lm, build_mlm

TOKENS = ['[CLS]', '房', '间', '很', '干', '净', '总', '之', '[SEP]']


@pytest.fixture(scope='module')
def causal(tmp_path_factory, make_checkpoint):
    """A causal checkpoint of two layers, without segment ids."""
    return make_checkpoint(tmp_path_factory.mktemp('causal'), type_vocab_size=0, application='lm')


@pytest.fixture(scope='module')
def model(causal):
    return build_lm(causal)


def _dense(x, v, name):
    return x @ v[name + '/kernel'] + v[name + '/bias']


def _norm(x, v, name, epsilon=1e-12):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x ** 2).mean(-1, keepdims=True) + epsilon) * v[name + '/gamma'] + v[name + '/beta']


def _attend(x, v, names, heads):
    """Causal attention of one sequence; `names` of the variables for query, key and value."""
    query, key, value = [_dense(x, v, name).reshape(len(x), heads, -1) for name in names]
    context = np.zeros_like(value)
    for n in range(len(x)):
        for h in range(heads):
            weights = numpy_bert.softmax(key[:n + 1, h] @ query[n, h] / math.sqrt(query.shape[-1]))
            context[n, h] = weights @ value[:n + 1, h]
    return context.reshape(len(x), -1)


def causal_logits(folder, token_ids, segment_ids=None):
    """Logits `[length, vocab_size]` of one sequence in NumPy: query i attends to 0 … i, one query at a time."""
    v, config = numpy_bert.variables(folder)
    heads, table = config['num_attention_heads'], v['bert/embeddings/word_embeddings']
    x = table[token_ids] + v['bert/embeddings/position_embeddings'][:len(token_ids)]
    if config['type_vocab_size']:
        x = x + v['bert/embeddings/token_type_embeddings'][segment_ids]
    x = _norm(x, v, 'bert/embeddings/LayerNorm')
    for i in range(config['num_hidden_layers']):
        layer = 'bert/encoder/layer_%d/' % i
        context = _attend(x, v, [layer + 'attention/self/' + part for part in ('query', 'key', 'value')], heads)
        x = _norm(x + _dense(context, v, layer + 'attention/output/dense'), v, layer + 'attention/output/LayerNorm')
        inner = numpy_bert.gelu(_dense(x, v, layer + 'intermediate/dense'))
        x = _norm(x + _dense(inner, v, layer + 'output/dense'), v, layer + 'output/LayerNorm')
    x = _norm(numpy_bert.gelu(_dense(x, v, 'cls/predictions/transform/dense')), v,
              'cls/predictions/transform/LayerNorm')
    return x @ table.T + v['cls/predictions/output_bias']


def _run(model, *inputs):
    return model([np.array(a, 'int32') for a in inputs], training=False).numpy()


# --- logits ---------------------------------------------------------------------------------------------

def test_logits_equal_those_of_a_causal_numpy_bert_in_a_padded_batch(causal, model):
    rng, lengths, positions = np.random.default_rng(0), [12, 7, 3], [[11, 0], [3, 6], [2, 1]]
    token_ids = np.zeros((3, 12), int)
    for row, length in enumerate(lengths):
        token_ids[row, :length] = rng.integers(1, 5000, length)
    assert len(model.inputs) == 2  # no segment ids
    logits = _run(model, token_ids, positions)
    for row, length in enumerate(lengths):
        expected = causal_logits(causal, token_ids[row, :length])
        np.testing.assert_allclose(logits[row], expected[positions[row]], atol=1e-5)


def test_a_bert_opened_as_a_language_model_reads_from_left_to_right(tiny):
    ids, segments = numpy_bert.token_ids(tiny, TOKENS), [0] * 4 + [1] * 5
    checkpoint = Checkpoint(tiny, application='lm')
    assert checkpoint.is_causal and not Checkpoint(tiny).is_causal
    logits = _run(build_lm(checkpoint), [ids], [segments], [range(9)])[0]
    np.testing.assert_allclose(logits, causal_logits(tiny, ids, segments), atol=1e-5)
    assert np.abs(logits[:8] - numpy_bert.mlm_logits(tiny, ids, segments)[:8]).max(axis=1).min() > 1e-2


def test_a_later_token_never_changes_an_earlier_logit(causal, model):
    ids = numpy_bert.token_ids(causal, TOKENS)
    logits = _run(model, [ids], [range(9)])[0]
    for changed in range(1, 9):
        others = ids[:changed] + [ids[changed] + 7] + ids[changed + 1:]
        found = _run(model, [others], [range(9)])[0]
        np.testing.assert_allclose(found[:changed], logits[:changed], atol=1e-6)
        assert np.abs(found[changed:] - logits[changed:]).max(axis=1).min() > 1e-3


def test_label_word_logits_gives_the_columns_of_the_causal_logits(causal):
    transformer, wanted = build_lm(causal, return_keras_model=False), [700, 4, 5969]
    inputs = [numpy_bert.token_ids(causal, TOKENS)], [[3, 8]]
    np.testing.assert_allclose(_run(keras.models.Model(transformer.inputs, label_word_logits(transformer, wanted)), *inputs),
                               _run(transformer.model, *inputs)[..., wanted], atol=1e-5)


def test_each_builder_refuses_the_other_kind_and_build_takes_both(tiny, causal):
    with pytest.raises(UserError, match='causal language model.*build_lm'):
        build_mlm(causal)
    with pytest.raises(UserError, match="not marked as a causal.*application='lm'"):
        build_lm(tiny)
    assert [len(build(Checkpoint(folder)).inputs) for folder in (tiny, causal)] == [3, 2]


# --- label words ----------------------------------------------------------------------------------------

def _chain(folder, prefix, word):
    """The probability of a word after a prefix, one token after the other."""
    ids, p = numpy_bert.token_ids(folder, prefix), 1.
    for token_id in numpy_bert.token_ids(folder, list(word)):
        p *= numpy_bert.softmax(causal_logits(folder, ids)[-1])[token_id]
        ids = ids + [token_id]
    return p


@pytest.mark.parametrize('words', [
    {'好': ['满意', '开心'], '坏': '失望'},
    {'好': ['好', '满意'], '坏': ['糟糕透', '差']},
], ids=['two tokens', 'one to three'])
def test_a_word_is_scored_by_the_chain_rule(words, causal):
    task = Task({'P1': '{text}总之我[MASK]。'}, words, word_score='product')
    texts = ['房间很干净', '吵']
    found = ClozeClassifier(task, causal).predict_proba(texts)
    for text, scores in zip(texts, found):
        prefix = ['[CLS]', *text, *'总之我']
        expected = [np.mean([_chain(causal, prefix, word) for word in task.verbalizer.words[label]])
                    for label in task.labels]
        np.testing.assert_allclose(scores, np.array(expected) / sum(expected), atol=1e-5)


def test_a_text_after_the_blank_is_refused(causal, tokenizer):
    words = {'好': '好', '坏': '差'}
    for pattern in ('[MASK]满意。{text}', '{text_a}[MASK]{text_b}'):
        with pytest.raises(UserError, match='left to right.*before .MASK.'):
            ClozeClassifier(Task({'P1': pattern}, words), causal)
        Cloze(Pattern(pattern), [(0, [5]), (1, [6])], tokenizer, 40)  # a masked model takes it


def test_a_lesson_asks_for_the_next_token_everywhere_in_the_text_and_for_the_word(tokenizer):
    words = [(0, tokenizer.tokens_to_ids(['满', '意'])), (1, tokenizer.tokens_to_ids(['失', '望']))]
    cloze = Cloze(Pattern('{text}总之[MASK]'), words, tokenizer, 40, causal=True)
    text, rng = tokenizer.tokens_to_ids(['很', '干', '净']), np.random.default_rng(0)
    lesson = cloze.lesson([text], 1, rng, 0.15)
    shown = tokenizer.ids_to_tokens(lesson.token_ids)
    assert shown == ['[CLS]', '很', '干', '净', '总', '之', '失', '望', '[SEP]']
    pairs = {(shown[p], token) for p, token in zip(lesson.positions, tokenizer.ids_to_tokens(lesson.targets))}
    assert pairs == {('[CLS]', '很'), ('很', '干'), ('干', '净'), ('之', '失'), ('失', '望')}
    assert cloze.lesson([text], 0, rng, 0).targets == words[0][1]  # no auxiliary loss
    unlabelled = cloze.lesson([text], None, rng, 0.15)
    assert tokenizer.ids_to_tokens(unlabelled.token_ids) == ['[CLS]', '很', '干', '净', '[SEP]']


def test_a_causal_model_needs_neither_mask_nor_unused_tokens_nor_padding_first(make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path / 'model', num_hidden_layers=1, type_vocab_size=0, application='lm')
    task, texts = Task({'P1': '{text}总之我[MASK]。'}, {'好': '满意', '坏': '失望'}), ['房间很干净', '吵']
    expected = ClozeClassifier(task, folder).predict_proba(texts)
    path = os.path.join(folder, 'vocab.txt')
    with open(path, encoding='utf-8') as reader:
        tokens = reader.read().replace('[MASK]', 'no mask').replace('[unused', 'used[').split('\n')
    swapped = [tokens.index('[CLS]')] + [0 if i == tokens.index('[CLS]') else i for i in range(1, len(tokens) - 1)]
    with open(path, 'w', encoding='utf-8') as writer:  # [CLS] is token 0, as in CDial's vocabulary
        writer.write('\n'.join([tokens[i] for i in swapped] + ['']))
    reader = tf.train.load_checkpoint(os.path.join(folder, 'bert_model.ckpt'))
    variables = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    for name in ('bert/embeddings/word_embeddings', 'cls/predictions/output_bias'):
        variables[name] = variables[name][swapped]
    _save(folder, variables)
    assert Checkpoint(folder).vocab['[CLS]'] == 0
    np.testing.assert_allclose(ClozeClassifier(task, folder).predict_proba(texts), expected, atol=1e-5)
    prompt = ClozeClassifier(task, folder, '{text}[unused1][unused2][MASK]', train='prompt')
    prompt.fit([('房间干净', None, '好'), ('吵', None, '坏')], epochs=1)
    assert np.isfinite(prompt.predict_proba(texts)).all()


# --- other architectures --------------------------------------------------------------------------------

def _save(folder, variables):
    tf.raw_ops.SaveV2(prefix=os.path.join(folder, 'bert_model.ckpt'), tensor_names=list(variables),
                      shape_and_slices=[''] * len(variables), tensors=[tf.constant(v) for v in variables.values()])


def _converted(source, folder):
    """A GPT or GPT2 of Hugging Face's release as a TensorFlow checkpoint with bert4keras' names."""
    from safetensors.numpy import load_file
    with open(os.path.join(source, 'config.json'), encoding='utf-8') as reader:
        config = json.load(reader)
    weights = {name[len('transformer.'):]: value
               for name, value in load_file(os.path.join(source, 'model.safetensors')).items()}
    is_gpt2 = config['model_type'] == 'gpt2'
    tokens, positions = ('wte', 'wpe') if is_gpt2 else ('tokens_embed', 'positions_embed')
    variables = {'gpt/embeddings/word_embeddings': weights[tokens + '.weight'],
                 'gpt/embeddings/position_embeddings': weights[positions + '.weight']}

    def norm(name, theirs):
        variables[name + '/gamma'], variables[name + '/beta'] = weights[theirs + '.weight'], weights[theirs + '.bias']
    if is_gpt2:
        norm('gpt/output/LayerNorm', 'ln_f')
    side = 'input' if is_gpt2 else 'output'  # GPT2 normalises before each part, GPT after it
    for i in range(config['n_layer']):
        layer, theirs = 'gpt/transformer/layer_%d/' % i, 'h.%d.' % i
        for kind, axis in (('weight', 1), ('bias', 0)):
            parts = np.split(weights[theirs + 'attn.c_attn.' + kind], 3, axis)
            for part, value in zip(('query', 'key', 'value'), parts):
                variables[layer + 'attention/self/%s/%s' % (part, 'kernel' if axis else 'bias')] = value
        for name, of in (('attention/output/dense', 'attn.c_proj'), ('intermediate/dense', 'mlp.c_fc'),
                         ('output/dense', 'mlp.c_proj')):
            variables[layer + name + '/kernel'] = weights[theirs + of + '.weight']
            variables[layer + name + '/bias'] = weights[theirs + of + '.bias']
        norm(layer + 'attention/%s/LayerNorm' % side, theirs + 'ln_1')
        norm(layer + '%s/LayerNorm' % side, theirs + 'ln_2')
    os.makedirs(folder)
    shutil.copyfile(os.path.join(source, 'vocab.txt'), os.path.join(folder, 'vocab.txt'))
    with open(os.path.join(folder, 'bert_config.json'), 'w', encoding='utf-8') as writer:
        json.dump({'vocab_size': config['vocab_size'], 'hidden_size': config['n_embd'],
                   'num_hidden_layers': config['n_layer'], 'num_attention_heads': config['n_head'],
                   'intermediate_size': 4 * config['n_embd'], 'max_position_embeddings': config['n_positions'],
                   'type_vocab_size': 0, 'hidden_act': 'gelu_new', 'hidden_dropout_prob': 0.1,
                   'attention_probs_dropout_prob': 0.1}, writer)
    _save(folder, variables)
    return folder


# Measured: both agree within 7e-6, on logits of up to 10. "gelu" in GPT's config means the tanh form. The config that
# is written here says no epsilon, so GPT's own counts.
@pytest.mark.parametrize('name,family', [('openai-gpt', 'gpt'), ('gpt2', 'gpt2')])
def test_logits_equal_the_golden_ones(name, family, data_folder, tmp_path):
    source = os.path.join(data_folder, 'golden', name)
    if not os.path.isdir(source):
        pytest.skip('no golden/%s in %s' % (name, data_folder))
    folder, golden = _converted(source, str(tmp_path / name)), np.load(os.path.join(source, 'io.npz'))
    checkpoint = Checkpoint(folder)
    assert checkpoint.family == family and checkpoint.is_causal
    logits = _run(build_lm(checkpoint), golden['token_ids'], golden['positions'])
    np.testing.assert_allclose(logits, golden['logits'], atol=2e-5)


def test_describe_says_that_a_gpt_is_a_language_model(data_folder, tmp_path):
    source = os.path.join(data_folder, 'golden', 'gpt2')
    if not os.path.isdir(source):
        pytest.skip('no golden/gpt2 in %s' % data_folder)
    assert Checkpoint(_converted(source, str(tmp_path / 'gpt2'))).describe()['application'] == 'lm'


@pytest.fixture(scope='module')
def gpt2_ml(tmp_path_factory, make_checkpoint):
    """A tiny GPT2-ML, under the names of that release, with random weights."""
    folder, rng, width, inner = make_checkpoint(tmp_path_factory.mktemp('gpt2_ml')), np.random.default_rng(3), 16, 32
    vocab_size, variables = Checkpoint(folder).config['vocab_size'], {}

    def add(name, *shape):
        variables['newslm/' + name] = rng.normal(0, 0.3, shape).astype('float32')
    add('embeddings/word_embed', vocab_size, width)
    add('embeddings/pos_embed', 64, width)
    norms = ['embeddings/LayerNorm_embed_norm']
    for layer in ('layer00/', 'layer01/'):
        for name in ('query_layer', 'key_layer', 'value_layer', 'context_projection_layer', 'intermediate', 'output'):
            shape = {'intermediate': (width, inner), 'output': (inner, width)}.get(name, (width, width))
            add(layer + name + '/kernel', *shape)
            add(layer + name + '/bias', shape[1])
        norms += [layer + 'LayerNorm_mlp_ln0', layer + 'LayerNorm_mlp_ln1']
    for name in norms:
        add(name + '/beta', width)
        add(name + '/gamma', width)
    for path in glob.glob(os.path.join(folder, 'bert_model.ckpt*')):
        os.remove(path)
    _save(folder, variables)
    return folder


def test_gpt2_ml_has_the_logits_of_its_release_in_numpy(gpt2_ml):
    v, _ = numpy_bert.variables(gpt2_ml)
    ids = np.random.default_rng(0).integers(1, 5000, 9)
    x = v['newslm/embeddings/word_embed'][ids] + v['newslm/embeddings/pos_embed'][:9]
    x = _norm(x, v, 'newslm/embeddings/LayerNorm_embed_norm', 1e-5)
    for i in range(2):  # attention, residual, norm, feed-forward, residual, norm
        layer = 'newslm/layer%02d/' % i
        context = _attend(x, v, [layer + part + '_layer' for part in ('query', 'key', 'value')], 2)
        x = x + _dense(context, v, layer + 'context_projection_layer')
        inner = numpy_bert.gelu(_dense(_norm(x, v, layer + 'LayerNorm_mlp_ln0', 1e-5), v, layer + 'intermediate'))
        x = _norm(x + _dense(inner, v, layer + 'output'), v, layer + 'LayerNorm_mlp_ln1', 1e-5)
    checkpoint = Checkpoint(gpt2_ml)
    assert checkpoint.family == 'gpt2_ml' and checkpoint.is_causal
    found = _run(build_lm(checkpoint), [ids], [range(9)])[0]
    np.testing.assert_allclose(found, x @ v['newslm/embeddings/word_embed'].T, atol=1e-4)


def test_a_prompt_trains_on_a_frozen_gpt2_ml(gpt2_ml):
    classifier = ClozeClassifier(Task({'P1': '{text}总之我[MASK]。'}, {'好': '满意', '坏': '失望'}), gpt2_ml,
                                 '{text}[unused1][unused2][MASK]', train='prompt')
    start = classifier.embedding.rows().numpy()
    classifier.fit([('房间干净', None, '好'), ('吵', None, '坏')], epochs=1)
    assert [tuple(v.shape) for v in classifier.model.trainable_variables] == [(2, 16)]
    assert (np.abs(classifier.embedding.rows().numpy() - start).max(axis=1) > 1e-3).all()


@pytest.fixture(scope='module')
def nezha(tmp_path_factory, make_checkpoint):
    """A NEZHA: a BERT without position embeddings."""
    folder = make_checkpoint(tmp_path_factory.mktemp('nezha'), num_hidden_layers=1)
    reader = tf.train.load_checkpoint(os.path.join(folder, 'bert_model.ckpt'))
    _save(folder, {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
                   if 'position_embeddings' not in name})
    return folder


def test_a_nezha_is_known_and_has_no_longest_sequence(nezha):
    checkpoint = Checkpoint(nezha)
    assert checkpoint.family == 'nezha' and checkpoint.max_position is None
    masked, causal = build_mlm(checkpoint), build_lm(Checkpoint(nezha, 'lm'))
    long = np.random.default_rng(0).integers(1, 5000, (2, 80))  # the config says max_position_embeddings 64
    for model in (masked, causal):
        logits = _run(model, long, np.zeros_like(long), [[0, 79], [40, 1]])
        assert logits.shape == (2, 2, checkpoint.config['vocab_size']) and np.isfinite(logits).all()
    # It tells the order of tokens, and reads from left to right only when asked
    ids, run = numpy_bert.token_ids(nezha, TOKENS), lambda model, ids: _run(model, [ids], [[0] * 9], [range(9)])[0]
    swapped, changed = ids[:1] + [ids[2], ids[1]] + ids[3:], ids[:5] + [700] + ids[6:]
    assert np.abs(run(masked, ids)[8] - run(masked, swapped)[8]).max() > 1e-3
    assert np.abs(run(masked, changed)[:5] - run(masked, ids)[:5]).max() > 1e-3
    np.testing.assert_allclose(run(causal, changed)[:5], run(causal, ids)[:5], atol=1e-6)
    assert np.abs(run(causal, changed)[5:] - run(causal, ids)[5:]).max(axis=1).min() > 1e-3


def test_a_nezha_trained_from_left_to_right_classifies_long_texts(nezha):
    task = Task({'P1': '{text}总之我[MASK]。'}, {'好': '满意', '坏': '失望'})
    classifier = ClozeClassifier(task, Checkpoint(nezha, 'lm'), maxlen=100)
    assert classifier.maxlen == 100
    proba = classifier.predict_proba(['房间' * 50, '吵'])
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1.)
