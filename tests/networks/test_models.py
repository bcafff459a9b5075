import json
import os

import numpy as np
import pytest

import numpy_bert
from pet_keras.backend import keras
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.errors import UserError
from pet_keras.networks.label_scores import label_word_logits
from pet_keras.networks.models import build_mlm

TOKENS = ['[CLS]', '[MASK]', '满', '意', '。', '房', '间', '很', '干', '净', '[SEP]']


@pytest.fixture(scope='module')
def model(tiny):
    return build_mlm(tiny)


def _run(model, token_ids, segment_ids, positions):
    return model([np.array(a, 'int32') for a in (token_ids, segment_ids, positions)], training=False).numpy()


def test_logits_equal_those_of_a_numpy_bert(tiny, model):
    ids = numpy_bert.token_ids(tiny, TOKENS)
    segments, positions = [0] * 5 + [1] * 6, [1, 7, 10]
    expected = numpy_bert.mlm_logits(tiny, ids, segments)[positions]
    np.testing.assert_allclose(_run(model, [ids], [segments], [positions])[0], expected, atol=1e-5)


def test_each_row_of_a_padded_batch_equals_its_own_numpy_bert(tiny, model):
    rng = np.random.default_rng(0)
    lengths = [12, 7, 3]
    token_ids, segment_ids = np.zeros((3, 12), int), np.zeros((3, 12), int)
    for row, length in enumerate(lengths):
        token_ids[row, :length] = rng.integers(1, 5000, length)
        segment_ids[row, length // 2:length] = 1
    positions = [[11, 0], [3, 6], [2, 1]]
    logits = _run(model, token_ids, segment_ids, positions)
    for row, length in enumerate(lengths):
        expected = numpy_bert.mlm_logits(tiny, token_ids[row, :length], segment_ids[row, :length])
        np.testing.assert_allclose(logits[row], expected[positions[row]], atol=1e-5)


def test_logits_of_a_checkpoint_with_pooler_and_nsp_head_equal_the_golden_ones(data_folder):
    folder = os.path.join(data_folder, 'golden', 'google-bert')
    if not os.path.isdir(folder):
        pytest.skip('no golden/google-bert in %s' % data_folder)
    golden = np.load(os.path.join(folder, 'io.npz'))
    logits = _run(build_mlm(folder), golden['token_ids'], golden['segment_ids'], golden['positions'])
    np.testing.assert_allclose(logits, golden['logits'], atol=1e-4)


def test_padding_a_sequence_with_zeros_changes_nothing(tiny, model):
    ids = numpy_bert.token_ids(tiny, TOKENS)
    short = _run(model, [ids], [[0] * len(ids)], [[1, 4]])
    padded = _run(model, [ids + [0] * 20], [[0] * (len(ids) + 20)], [[1, 4]])
    np.testing.assert_allclose(padded, short, atol=1e-6)


def test_what_segment_ids_the_padding_has_changes_nothing(tiny, model):
    ids = numpy_bert.token_ids(tiny, TOKENS) + [0] * 5
    zeros, ones = [0] * 16, [0] * 11 + [1] * 5
    np.testing.assert_allclose(_run(model, [ids], [zeros], [[1]]), _run(model, [ids], [ones], [[1]]), atol=1e-6)


def test_positions_may_come_in_any_order_and_twice(tiny, model):
    ids = numpy_bert.token_ids(tiny, TOKENS)
    all_logits = _run(model, [ids], [[0] * 11], [list(range(11))])[0]
    asked = [9, 1, 1, 0, 9]
    logits = _run(model, [ids], [[0] * 11], [asked])[0]
    np.testing.assert_allclose(logits, all_logits[asked], atol=1e-6)
    np.testing.assert_array_equal(logits[1], logits[2])
    assert np.abs(all_logits[9] - all_logits[1]).max() > 1e-3  # positions do differ


def test_label_word_logits_gives_the_columns_of_the_full_logits(tiny):
    transformer = build_mlm(tiny, return_keras_model=False)
    wanted = [700, 4, 5969, 1]
    ids = numpy_bert.token_ids(tiny, TOKENS)
    inputs = [ids, ids[::-1]], [[0] * 11] * 2, [[1, 3], [9, 0]]
    some = _run(keras.models.Model(transformer.inputs, label_word_logits(transformer, wanted)), *inputs)
    assert some.shape == (2, 2, 4)
    np.testing.assert_allclose(some, _run(transformer.model, *inputs)[..., wanted], atol=1e-5)


def test_label_word_logits_follows_the_weights_of_the_full_model(tiny):
    transformer = build_mlm(tiny, return_keras_model=False)
    words = keras.models.Model(transformer.inputs, label_word_logits(transformer, [3, 9]))
    inputs = [numpy_bert.token_ids(tiny, TOKENS)], [[0] * 11], [[1]]
    before = _run(words, *inputs)
    rng = np.random.default_rng(3)
    transformer.model.set_weights([w + rng.normal(0, 0.1, w.shape) for w in transformer.model.get_weights()])
    after = _run(words, *inputs)
    np.testing.assert_allclose(after, _run(transformer.model, *inputs)[..., [3, 9]], atol=1e-5)
    assert np.abs(after - before).max() > 1e-3


@pytest.mark.parametrize('name', ['gelu_new', 'gelu_tanh', 'gelu_pytorch_tanh'])
def test_the_config_may_ask_for_the_tanh_form_of_gelu(make_checkpoint, tmp_path, name):
    folder = make_checkpoint(tmp_path, hidden_act=name)
    ids = numpy_bert.token_ids(folder, TOKENS)
    logits = _run(build_mlm(folder), [ids], [[0] * 11], [[1]])[0, 0]
    exact, tanh = [numpy_bert.mlm_logits(folder, ids, act=act)[1] for act in (numpy_bert.gelu, numpy_bert.gelu_tanh)]
    assert np.abs(logits - tanh).max() < 0.1 * np.abs(logits - exact).max()
    np.testing.assert_allclose(logits, tanh, atol=1e-5)


def test_relu_in_the_config_is_relu(make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path, hidden_act='relu')
    ids = numpy_bert.token_ids(folder, TOKENS)
    expected = numpy_bert.mlm_logits(folder, ids, act=lambda x: np.maximum(x, 0))[1]
    np.testing.assert_allclose(_run(build_mlm(folder), [ids], [[0] * 11], [[1]])[0, 0], expected, atol=1e-5)


def test_a_checkpoint_without_mlm_head_is_refused_by_name(make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path, head=False)
    with pytest.raises(UserError, match='no MLM head.*cls/predictions'):
        build_mlm(folder)


def test_a_causal_model_is_refused(tiny, make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path, application='lm')
    with pytest.raises(UserError, match='causal'):
        build_mlm(folder)
    with pytest.raises(UserError, match='causal'):
        build_mlm(Checkpoint(tiny, application='lm'))


def test_dropout_of_the_config_can_be_turned_off(make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path, dropout=0.5)
    ids = np.array([numpy_bert.token_ids(folder, TOKENS)], 'int32')
    inputs = [ids, np.zeros_like(ids), np.array([[1]], 'int32')]
    dropping, still = build_mlm(folder), build_mlm(folder, dropout_rate=0., attention_dropout_rate=0.)
    scores = still(inputs, training=False).numpy()
    np.testing.assert_allclose(dropping(inputs, training=False).numpy(), scores, atol=1e-6)
    np.testing.assert_allclose(still(inputs, training=True).numpy(), scores, atol=1e-6)
    assert np.abs(dropping(inputs, training=True).numpy() - scores).max() > 1e-2


@pytest.mark.parametrize('key', ['hidden_size', 'num_attention_heads', 'num_hidden_layers', 'intermediate_size',
                                 'max_position_embeddings'])
def test_a_size_that_no_weight_has_is_named_before_the_network_is_built(key, make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path / 'c')
    path = os.path.join(folder, 'bert_config.json')
    with open(path) as reader:
        config = dict(json.load(reader), **{key: 10 ** 30})
    with open(path, 'w') as writer:
        json.dump(config, writer)
    with pytest.raises(UserError, match='do not fit together: %s is 10+, and no weight is as large' % key):
        build_mlm(folder)


def test_each_weight_is_set_before_the_next_is_read(tiny, monkeypatch):
    checkpoint, transformer, read = Checkpoint(tiny), build_mlm(tiny, return_keras_model=False), []
    weights = dict(transformer.variables())
    for weight in weights.values():
        weight.assign(weight + 1.)

    def load_variable(name):
        for before, value in read[-1:]:
            assert weights[before].numpy().tobytes() == value.tobytes()
        read.append((name, checkpoint.source.read(name)))
        return read[-1][1]
    monkeypatch.setattr(checkpoint, 'load_variable', load_variable)
    transformer.load(checkpoint)
    assert sorted(name for name, _ in read) == sorted(weights)
    assert all(weights[name].numpy().tobytes() == value.tobytes() for name, value in read)


@pytest.mark.parametrize('config', [{'num_hidden_layers': 3}, {'max_position_embeddings': 32}], ids=str)
def test_no_weight_is_read_where_one_does_not_fit(tiny, make_checkpoint, tmp_path, monkeypatch, config):
    other, transformer = Checkpoint(make_checkpoint(tmp_path, **config)), build_mlm(tiny, return_keras_model=False)
    monkeypatch.setattr(other, 'load_variable', None)
    with pytest.raises(UserError, match='has more' if 'num_hidden_layers' in config else 'should have shape'):
        transformer.load(other)
