import json

import numpy as np
import pytest

from folders import error, path, set_config
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.config import CONFIGS, find_file, network_arguments, normalise, read_config
from pet_keras.errors import UserError

SIZES = {'vocab_size': 9, 'hidden_size': 4, 'num_hidden_layers': 1, 'num_attention_heads': 2, 'intermediate_size': 8}


def test_a_config_is_read_as_utf_8_with_or_without_a_byte_order_mark(tmp_path):
    for encoding in ('utf-8', 'utf-8-sig'):
        (tmp_path / 'config.json').write_text(json.dumps({'名': '字'}, ensure_ascii=False), encoding=encoding)
        assert read_config(str(tmp_path / 'config.json')) == {'名': '字'}


@pytest.mark.parametrize('content', [b'', b'{"vocab_size": ', b'\xff\xfe'])
def test_a_config_that_is_not_json_is_named(copy, content):
    with open(path(copy, 'bert_config.json'), 'wb') as writer:
        writer.write(content)
    assert error(copy).startswith(path(copy, 'bert_config.json') + ' is not JSON')


def test_a_config_that_is_nested_too_deeply_is_named(copy):
    with open(path(copy, 'bert_config.json'), 'w') as writer:
        writer.write('[' * 100000)
    assert error(copy).startswith(path(copy, 'bert_config.json') + ' is not JSON')


def test_a_config_that_is_a_list_is_named(tmp_path):
    (tmp_path / 'config.json').write_text('[1]')
    assert error(str(tmp_path / 'config.json'), read_config) == str(tmp_path / 'config.json') + ' is not a JSON object.'


@pytest.mark.parametrize('key', sorted(SIZES))
@pytest.mark.parametrize('value', [None, '9', 4.])
def test_a_config_without_a_size_is_named_with_the_size(key, value):
    raw = dict(SIZES, **{key: value})
    assert error('a/config.json', lambda file: normalise(raw, file)).startswith('a/config.json has no %r' % key)
    raw.pop(key)
    assert error('a/config.json', lambda file: normalise(raw, file)).startswith('a/config.json has no %r' % key)


def test_what_a_config_leaves_out_is_filled_in():
    assert normalise(SIZES, 'config') == dict(
        SIZES, hidden_act='gelu_erf', max_position_embeddings=512, type_vocab_size=2, hidden_dropout_prob=0,
        attention_probs_dropout_prob=0, application='mlm', do_lower_case=True)


def test_what_a_config_says_is_kept_also_where_it_is_nothing_or_unknown():
    said = dict(SIZES, hidden_act='relu', max_position_embeddings=7, type_vocab_size=0, hidden_dropout_prob=.3,
                attention_probs_dropout_prob=.2, application='lm', do_lower_case=False, model_type='x', other=1)
    assert normalise(said, 'config') == said


def test_the_dict_that_was_read_is_left_as_it_was():
    raw = dict(SIZES, hidden_act='gelu')
    normalise(raw, 'config')
    assert raw == dict(SIZES, hidden_act='gelu')


@pytest.mark.parametrize('name, activation', [
    ('gelu', 'gelu_erf'), ('gelu_erf', 'gelu_erf'), ('gelu_new', 'gelu_tanh'), ('gelu_tanh', 'gelu_tanh'),
    ('gelu_pytorch_tanh', 'gelu_tanh'), ('gelu_fast', 'gelu_tanh'), ('gelu_python', 'gelu_erf'),
    ('relu', 'relu'), (None, 'gelu_erf'), (['gelu'], ['gelu'])])
def test_the_config_decides_the_form_of_gelu(name, activation):
    assert normalise(dict(SIZES, hidden_act=name), 'config')['hidden_act'] == activation


def test_the_arguments_of_the_network_are_all_keys_but_those_that_bert4keras_would_take_for_its_own():
    config = normalise(dict(SIZES, model='electra', config_path='x', checkpoint_path='y', return_keras_model=True,
                            attention_key_size=3), 'config')
    arguments = network_arguments(config)
    assert set(config) - set(arguments) == {
        'model', 'application', 'config_path', 'checkpoint_path', 'return_keras_model'}
    assert arguments['attention_key_size'] == 3 and arguments['hidden_act'] == 'gelu_erf'


def test_such_keys_in_a_config_change_nothing(copy, transformer):
    from pet_keras.networks.models import build_mlm
    set_config(copy, model='electra', config_path='x', checkpoint_path='y', return_keras_model=True)
    inputs = [np.array([[101, 103, 500, 102]]), np.zeros((1, 4)), np.array([[1]])]
    np.testing.assert_array_equal(build_mlm(copy).predict_on_batch(inputs), transformer.model.predict_on_batch(inputs))


def test_a_model_is_built_from_a_config_with_a_byte_order_mark(copy):
    from pet_keras.networks.models import build_mlm
    with open(path(copy, 'bert_config.json'), 'r+', encoding='utf-8') as file:
        content = file.read()
        file.seek(0)
        file.write('\ufeff' + content)
    assert build_mlm(copy).output_shape[-1] == Checkpoint(copy).config['vocab_size']


@pytest.mark.parametrize('there, found', [
    (['config.json', 'bert_config.json'], 'config.json'), (['bert_config.json', 'x_config.json'], 'bert_config.json'),
    (['x_config.json', 'tokenizer_config.json', 'generation_config.json'], 'x_config.json'),
    (['base_generator_config.json', 'base_discriminator_config.json'], 'base_generator_config.json')], ids=str)
def test_the_first_pattern_that_matches_one_file_finds_it(tmp_path, there, found):
    for name in there:
        (tmp_path / name).write_text('{}')
    assert find_file(str(tmp_path), 'config', ['config.json', 'bert_config.json', CONFIGS]) == str(tmp_path / found)


def test_a_file_that_is_not_there_or_there_twice_is_told(tmp_path):
    assert error(str(tmp_path), lambda folder: find_file(folder, 'config', ['a.json', CONFIGS])).startswith(
        '%s holds no config (a.json)' % tmp_path)
    for name in ('a_config.json', 'b_config.json'):
        (tmp_path / name).write_text('{}')
    assert 'could be the config: a_config.json, b_config.json' in error(
        str(tmp_path), lambda folder: find_file(folder, 'config', [CONFIGS]))



@pytest.mark.parametrize('key, value', [
    ('num_attention_heads', 0), ('num_attention_heads', -4), ('hidden_size', True), ('max_position_embeddings', '64'),
    ('type_vocab_size', -1), ('do_lower_case', 'false'), ('application', 'seq2seq')])
def test_a_setting_that_is_no_such_number_or_word_is_named_with_its_value(key, value):
    with pytest.raises(UserError) as caught:
        normalise(dict(SIZES, **{key: value}), 'config.json')
    assert str(caught.value).startswith('config.json: %s is %r' % (key, value))


def test_a_null_is_a_setting_left_out():
    nulls = dict(SIZES, hidden_act=None, max_position_embeddings=None, type_vocab_size=None, do_lower_case=None)
    assert normalise(nulls, 'config.json') == normalise(SIZES, 'config.json')


@pytest.mark.parametrize('key, value', [('max_relative_position', 32), ('num_hidden_groups', 3),
                                        ('position_embedding_type', 'relative_key')])
def test_a_setting_that_bert4keras_computes_otherwise_is_refused_in_every_format(key, value):
    with pytest.raises(UserError, match='%s .* changes what the model computes' % key):
        normalise(dict(SIZES, **{key: value}), 'config.json')


def test_a_config_has_no_say_in_how_the_network_is_built():
    """A prefix of layer names, say, would leave every weight that it hides at random."""
    given = dict(SIZES, prefix='x-', name='y', layers={}, sequence_length=3, with_pool=True, with_mlm=False)
    assert network_arguments(normalise(given, 'config.json')) == network_arguments(normalise(SIZES, 'config.json'))


def test_segments_that_share_the_words_table_are_left_out():
    """bojone's CDial: a segment is a speaker's token, and segment 0 would add the row of token 0 to every word."""
    sizes = dict(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    config = normalise(dict(sizes, shared_segment_embeddings=True, type_vocab_size=9), 'config.json')
    assert config['type_vocab_size'] == 0 and 'shared_segment_embeddings' not in config
