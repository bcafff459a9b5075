import json
import os
import shutil

import numpy as np
import pytest

from folders import path, rewrite, set_config, set_vocab
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.fingerprint import fingerprint

SAVED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'saved', '0.1')
TABLE, BIAS = 'bert/embeddings/word_embeddings', 'bert/encoder/layer_1/output/dense/bias'


def _digits(folder):
    return Checkpoint(folder).fingerprint


def test_a_fingerprint_is_twelve_hexadecimal_digits(tiny):
    assert len(_digits(tiny)) == 12 and int(_digits(tiny), 16) >= 0


def test_the_fingerprint_of_a_model_stays_from_version_to_version():
    assert _digits(os.path.join(SAVED, 'model')) == 'c136514b787a'  # prompts out there carry such digits


# what it does not see: the files

def test_it_is_that_of_the_model_not_of_the_folder_or_the_time_of_writing(make_checkpoint, tiny, copy, tmp_path):
    assert _digits(copy) == _digits(make_checkpoint(tmp_path / 'again')) == _digits(tiny)


def _reordered(variables):
    for name in sorted(variables, reverse=True):
        variables[name] = variables.pop(name)


def _with_what_a_release_carries(variables):
    hidden = variables['bert/embeddings/LayerNorm/beta']
    variables.update({
        'bert/pooler/dense/kernel': np.ones((16, 16), 'float32'), 'bert/pooler/dense/bias': hidden,
        'cls/seq_relationship/output_weights': np.ones((2, 16), 'float32'), TABLE + '/adam_m': variables[TABLE],
        BIAS + '/LAMB': variables[BIAS], 'global_step': np.array(7), 'output_weights': np.ones((3, 16), 'float32')})


def _in_float64(variables):
    variables.update({name: value.astype('float64') for name, value in variables.items()})


@pytest.mark.parametrize('change', [_reordered, _with_what_a_release_carries, _in_float64])
def test_it_does_not_see_the_layout_of_the_weights_file(tiny, copy, change):
    rewrite(copy, change)
    assert Checkpoint(copy).source.legacy_fingerprint != Checkpoint(tiny).source.legacy_fingerprint  # others, indeed
    assert _digits(copy) == _digits(tiny)


def test_it_does_not_see_names_of_files_nor_line_ends(tiny, copy):
    set_vocab(copy, lambda tokens: None, newline='\r\n')
    os.rename(path(copy, 'vocab.txt'), path(copy, 'my_vocab.txt'))
    os.rename(path(copy, 'bert_config.json'), path(copy, 'my_config.json'))
    assert _digits(copy) == _digits(tiny)


@pytest.mark.parametrize('keys', [
    {'hidden_dropout_prob': .5}, {'attention_probs_dropout_prob': None}, {'initializer_range': .1},
    {'architectures': ['BertForMaskedLM']}, {'hidden_act': 'gelu_erf'}, {'hidden_act': None}, {'type_vocab_size': None},
    {'application': 'mlm'}, {'do_lower_case': True}], ids=str)
def test_it_does_not_see_settings_that_change_no_answer_nor_how_a_default_is_written(tiny, copy, keys):
    set_config(copy, **keys)
    assert _digits(copy) == _digits(tiny)


def test_it_does_not_see_the_order_of_the_config_s_keys(tiny, copy):
    set_config(copy, hidden_act=None, num_attention_heads=None)
    set_config(copy, num_attention_heads=2, hidden_act='gelu')
    assert _digits(copy) == _digits(tiny)


def _to_float16(variables):
    variables.update({name: value.astype('float16') for name, value in variables.items()})


def test_rounding_to_float16_makes_another_model_but_storing_it_so_does_not(tiny, copy):
    from pet_keras.backend import tf
    rewrite(copy, _to_float16)
    rounded = _digits(copy)
    assert tf.train.load_variable(Checkpoint(copy).weights_path, TABLE).dtype == np.float16 and rounded != _digits(tiny)
    rewrite(copy, lambda variables: variables.update({n: v.astype('float32') for n, v in variables.items()}))
    assert tf.train.load_variable(Checkpoint(copy).weights_path, TABLE).dtype == np.float32 and _digits(copy) == rounded


def test_a_model_stored_in_float16_is_built_and_written_with_the_same_fingerprint(copy, tmp_path):
    from pet_keras.networks.models import build_mlm
    rewrite(copy, _to_float16)
    rewrite(copy, _with_what_a_release_carries)
    folder = str(tmp_path / 'written')
    Checkpoint(copy).write(folder, build_mlm(copy, return_keras_model=False))
    assert 'global_step' not in Checkpoint(folder).shapes and _digits(folder) == _digits(copy)


class Source(object):
    """A source of another format: arrays by name, in any order."""
    def __init__(self, names):
        self.shapes = {name: (2,) for name in names}

    def read(self, name):
        return np.ones(self.shapes[name])


def test_any_source_of_shapes_and_arrays_has_one_and_their_order_does_not_count():
    names = ['bert/encoder/b', 'bert/encoder/a']
    assert fingerprint(Source(names), {}, {}) == fingerprint(Source(names[::-1]), {}, {})
    assert fingerprint(Source(['bert/encoder/b', 'bert/encoder/aa']), {}, {}) != fingerprint(Source(names), {}, {})


# what it sees: all that changes an answer

@pytest.mark.parametrize('name', [TABLE, BIAS, 'bert/embeddings/LayerNorm/gamma', 'cls/predictions/output_bias',
                                  'cls/predictions/transform/dense/kernel'])
def test_one_bit_of_a_weight_changes_it(tiny, copy, name):
    def change(variables):
        variables[name].view('uint32').flat[-1] ^= 1
    rewrite(copy, change)
    assert _digits(copy) != _digits(tiny)


def test_two_variables_that_change_places_change_it(tiny, copy):
    def swap(variables):
        query, key = ['bert/encoder/layer_0/attention/self/%s/kernel' % part for part in ('query', 'key')]
        variables[query], variables[key] = variables[key], variables[query]
    rewrite(copy, swap)
    assert _digits(copy) != _digits(tiny)


def test_the_same_numbers_in_another_shape_change_it(copy):
    name, before = 'bert/encoder/layer_0/intermediate/dense/kernel', _digits(copy)
    rewrite(copy, lambda variables: variables.update({name: variables[name].reshape(32, 16)}))
    assert _digits(copy) != before


@pytest.mark.parametrize('keys', [
    {'hidden_act': 'gelu_new'}, {'num_attention_heads': 4}, {'application': 'lm'}, {'do_lower_case': False},
    {'type_vocab_size': 0}, {'num_hidden_layers': 1}, {'segment_vocab_size': 0}, {'attention_head_size': 4},
    {'attention_key_size': 4}, {'residual_attention_scores': True}, {'hierarchical_position': True},
    {'shared_segment_embeddings': True}], ids=str)
def test_a_setting_that_changes_answers_changes_it(tiny, copy, keys):
    set_config(copy, **keys)
    assert _digits(copy) != _digits(tiny)


def test_the_application_counts_also_where_it_is_an_argument(tiny, copy):
    set_config(copy, application='lm')
    assert Checkpoint(tiny, 'lm').fingerprint == _digits(copy) != _digits(tiny)


def test_a_gpt_is_causal_whether_it_is_said_or_not(copy):
    rewrite(copy, lambda variables: variables.update({'gpt/embeddings/word_embeddings': variables[TABLE]}))
    assert Checkpoint(copy).family == 'gpt' and Checkpoint(copy, 'lm').fingerprint == _digits(copy)


def _swap(tokens):
    tokens[700], tokens[701] = tokens[701], tokens[700]


@pytest.mark.parametrize('change', [lambda tokens: tokens.__setitem__(tokens.index('很'), '狠狠'), _swap],
                         ids=['another token', 'another order'])
def test_a_token_of_the_vocabulary_changes_it(tiny, copy, change):
    set_vocab(copy, change)
    assert _digits(copy) != _digits(tiny)


# how it is taken

def test_each_weight_is_read_once_and_the_digits_are_kept(tiny, monkeypatch):
    checkpoint, read = Checkpoint(tiny), []
    of_the_file = checkpoint.source.read
    monkeypatch.setattr(checkpoint.source, 'read', lambda name: read.append(name) or of_the_file(name))
    assert checkpoint.fingerprint == checkpoint.fingerprint == _digits(tiny)
    assert sorted(read) == sorted(checkpoint.shapes)


def test_a_checkpoint_that_is_written_over_itself_has_the_fingerprint_of_the_new_weights(copy):
    from pet_keras.networks.models import build_mlm
    checkpoint, transformer = Checkpoint(copy), build_mlm(copy, return_keras_model=False)
    before = checkpoint.fingerprint
    layer = transformer.layers['MLM-Bias']
    layer.set_weights([layer.get_weights()[0] + 1.])
    checkpoint.write(copy + os.sep, transformer)
    assert checkpoint.fingerprint == _digits(copy) != before


# digits of before

def test_the_digits_of_a_prompt_that_version_0_1_saved_are_recognised():
    with open(os.path.join(SAVED, 'prompt', 'prompt.json'), encoding='utf-8') as reader:
        digits = json.load(reader)['fingerprint']
    checkpoint = Checkpoint(os.path.join(SAVED, 'model'))
    assert checkpoint.fingerprint != digits and checkpoint.is_fingerprint(digits)
    assert checkpoint.is_fingerprint(checkpoint.fingerprint)


def test_digits_of_another_model_are_not_recognised(tiny, copy):
    before = Checkpoint(tiny)
    rewrite(copy, lambda variables: variables[BIAS].__iadd__(1.))
    after = Checkpoint(copy)
    assert not after.is_fingerprint(before.fingerprint) and not after.is_fingerprint(before.source.legacy_fingerprint)


def test_digits_of_version_0_1_are_recognised_without_a_look_at_the_weights(tiny, monkeypatch):
    checkpoint = Checkpoint(tiny)
    monkeypatch.setattr(checkpoint.source, 'read', None)
    assert checkpoint.is_fingerprint(checkpoint.source.legacy_fingerprint)


def test_a_folder_of_version_0_1_that_is_read_and_written_is_recognised_by_both_digits(tmp_path):
    from pet_keras.networks.models import build_mlm
    before = Checkpoint(shutil.copytree(os.path.join(SAVED, 'model'), str(tmp_path / 'model')))
    before.write(str(tmp_path / 'again'), build_mlm(before, return_keras_model=False))
    after = Checkpoint(str(tmp_path / 'again'))
    assert after.is_fingerprint(before.source.legacy_fingerprint) and after.is_fingerprint(before.fingerprint)
