import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from folders import HEAD, error, files, path
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.huggingface import TensorSource, by_ending
from pet_keras.checkpoints.names import hugging_face_names
from pet_keras.errors import UserError

WORDS, DECODER = 'bert.embeddings.word_embeddings.weight', 'cls.predictions.decoder.weight'


@pytest.fixture
def folder(tiny, tmp_path):
    """The tiny BERT in Hugging Face's format."""
    checkpoint, found, tensors = Checkpoint(tiny), str(tmp_path / 'hf'), {}
    os.makedirs(found)
    for theirs, ours, how in hugging_face_names('bert', 2):
        if ours in checkpoint.shapes:
            value = checkpoint.load_variable(ours)
            tensors[theirs] = np.ascontiguousarray(value.T if how == 'T' else value)
    save_file(tensors, path(found, 'model.safetensors'))
    config = dict(checkpoint.source.config, model_type='bert', layer_norm_eps=1e-12, torch_dtype='float32', name='x')
    _write(found, config)
    shutil.copy(path(tiny, 'vocab.txt'), found)
    return found


def _write(folder, content, name='config.json'):
    with open(path(folder, name), 'w', encoding='utf-8') as writer:
        json.dump(content, writer)


def set_keys(folder, **keys):
    with open(path(folder, 'config.json'), encoding='utf-8') as reader:
        _write(folder, {key: value for key, value in dict(json.load(reader), **keys).items() if value != 'left out'})


def retensor(folder, change):
    """Writes the weights again after `change` has changed the dict name → array."""
    tensors = load_file(path(folder, 'model.safetensors'))
    change(tensors)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path(folder, 'model.safetensors'))


def check(folder):
    return Checkpoint(folder).check()


# names

def test_it_is_the_same_model_as_in_google_s_format(folder, tiny):
    checkpoint, google = check(folder), Checkpoint(tiny)
    assert checkpoint.shapes == google.shapes and checkpoint.source.left_out == []
    for name in google.shapes:
        value = checkpoint.load_variable(name)
        assert value.dtype == np.float32 and value.tobytes() == google.load_variable(name).tobytes(), name
    assert checkpoint.fingerprint == google.fingerprint
    described = checkpoint.describe()
    assert described.pop('format') == 'Hugging Face (model.safetensors)' and described.pop('folder') == folder
    assert described == {k: v for k, v in google.describe().items() if k not in ('format', 'folder')}


def _without_prefix(tensors):
    for name in [name for name in tensors if name.startswith('bert.')]:
        tensors[name[len('bert.'):]] = tensors.pop(name)


def _with_another_prefix(tensors):
    for name in list(tensors):
        tensors['module.' + name] = tensors.pop(name)


def _with_gamma_and_beta(tensors):
    for name in [name for name in tensors if 'LayerNorm' in name]:
        tensors[name.replace('.weight', '.gamma').replace('.bias', '.beta')] = tensors.pop(name)


def _with_the_bias_in_the_decoder(tensors):
    tensors['cls.predictions.decoder.bias'] = tensors.pop('cls.predictions.bias')


def _with_a_tied_decoder(tensors):
    tensors.update({DECODER: tensors[WORDS], 'cls.predictions.decoder.bias': tensors['cls.predictions.bias']})


@pytest.mark.parametrize('change', [_without_prefix, _with_another_prefix, _with_gamma_and_beta, _with_a_tied_decoder,
                                    _with_the_bias_in_the_decoder])
def test_names_of_other_releases_are_understood(folder, tiny, change):
    retensor(folder, change)
    checkpoint = check(folder)
    assert checkpoint.fingerprint == Checkpoint(tiny).fingerprint and checkpoint.source.left_out == []


def test_what_is_not_known_is_left_out_and_named(folder, tiny):
    retensor(folder, lambda tensors: tensors.update({'bert.embeddings.position_ids': np.arange(64)[None],
                                                     'adapter.x': np.ones(3, 'float32')}))
    checkpoint = check(folder)
    assert checkpoint.source.left_out == ['adapter.x', 'bert.embeddings.position_ids']
    assert checkpoint.fingerprint == Checkpoint(tiny).fingerprint == checkpoint.describe()['fingerprint']


def test_an_output_table_of_its_own_is_refused_not_dropped(folder):
    retensor(folder, lambda tensors: tensors.update({DECODER: tensors[WORDS] + 1.}))
    message = error(folder, check)
    assert message.startswith(path(folder, 'model.safetensors')) and DECODER in message and 'wrong answers' in message


@pytest.mark.parametrize('value', [np.float32(1.), np.zeros((0, 0), 'float32')], ids=['no axis', 'empty'])
def test_a_tensor_of_any_shape_is_told_from_the_one_that_should_be_there(folder, value):
    from pet_keras.networks.models import build_lm, build_mlm
    retensor(folder, lambda tensors: tensors.update({'bert.encoder.layer.0.output.dense.weight': value}))
    assert 'output/dense/kernel should have shape (32, 16)' in error(folder, build_mlm)
    retensor(folder, lambda tensors: tensors.update({WORDS: value, 'h.0.attn.c_attn.weight': value}))
    error(folder, build_mlm)
    set_keys(folder, model_type='gpt2')
    error(folder, build_lm)


def test_a_quantised_model_is_refused(folder):
    retensor(folder, lambda tensors: tensors.update({WORDS: tensors[WORDS].astype('int8')}))
    assert 'quantised' in error(folder, lambda folder: Checkpoint(folder).describe())


def test_names_in_an_h5_are_those_of_pytorch_s_modules():
    found = by_ending(['bert/encoder/layer_._3/output/LayerNorm/gamma', 'mlm___cls/predictions/bias:0',
                       'bert/encoder/layer_._3/output/dense/kernel', 'bert/embeddings/position_embeddings/embeddings'])
    assert {'encoder.layer.3.output.LayerNorm.weight', 'cls.predictions.bias', 'encoder.layer.3.output.dense.weight',
            'embeddings.position_embeddings.weight'} <= set(found)


def test_of_a_name_that_stands_there_twice_the_shortest_counts():
    assert by_ending(['wrapper.bert.pooler.dense.bias', 'bert.pooler.dense.bias'])['pooler.dense.bias'] == (
        'bert.pooler.dense.bias')


# what is missing or wrong

def test_a_folder_without_head_is_told(folder):
    retensor(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if name.startswith('cls.')])
    message = error(folder, check)
    assert folder in message and 'no MLM head (%stransform/dense/kernel is missing)' % HEAD in message


def test_weights_of_another_shape_are_told_with_the_names_of_both_files(folder):
    from pet_keras.networks.models import build_mlm
    set_keys(folder, intermediate_size=48)
    message = error(folder, build_mlm)
    assert path(folder, 'config.json') in message and path(folder, 'model.safetensors') in message
    assert 'intermediate/dense/kernel should have shape (16, 48) and has (16, 32)' in message


def test_more_layers_than_the_config_says_are_told(folder):
    from pet_keras.networks.models import build_mlm
    set_keys(folder, num_hidden_layers=1)
    assert 'says 1 layers, but %s has more' % path(folder, 'model.safetensors') in error(folder, build_mlm)


def test_a_vocabulary_of_another_size_is_told(folder):
    with open(path(folder, 'vocab.txt'), 'a', encoding='utf-8') as writer:
        writer.write('多一\n')
    said = error(folder, lambda place: Checkpoint(place).check())
    assert path(folder, 'vocab.txt') in said and path(folder, 'config.json') in said


@pytest.mark.parametrize('keys, named', [
    ({'model_type': 'xlm-roberta'}, "model_type 'xlm-roberta'"), ({'model_type': ['bert']}, "model_type ['bert']"),
    ({'position_embedding_type': 'relative_key'}, 'position_embedding_type'), ({'rotary_value': True}, 'rotary_value'),
    ({'num_hidden_groups': 2}, 'num_hidden_groups'), ({'use_task_id': True}, 'use_task_id')], ids=str)
def test_a_model_that_bert4keras_does_not_compute_is_refused(folder, keys, named):
    set_keys(folder, **keys)
    assert error(folder).startswith(path(folder, 'config.json') + ': ' + named)


def test_a_roberta_of_facebook_s_is_refused(folder):
    set_keys(folder, model_type='roberta')
    retensor(folder, _without_prefix)
    assert "model_type 'roberta'" in error(folder)


@pytest.mark.parametrize('other, kind', [('sentencepiece.bpe.model', 'SentencePiece'),
                                         ('spiece.model', 'SentencePiece'), ('merges.txt', 'byte-level BPE')])
def test_a_tokenizer_of_another_kind_is_out_of_scope_and_said_to_be(folder, other, kind):
    os.rename(path(folder, 'vocab.txt'), path(folder, other))
    message = error(folder)
    assert message.startswith(folder) and other in message and kind in message and 'not read here' in message


def test_a_folder_without_any_vocabulary_is_told(folder):
    os.remove(path(folder, 'vocab.txt'))
    assert 'no vocabulary (vocab.txt)' in error(folder)


# tokenizer.json

def _to_json(folder, kind='WordPiece', first=0):
    with open(path(folder, 'vocab.txt'), encoding='utf-8') as reader:
        tokens = reader.read().split('\n')[:-1]
    os.remove(path(folder, 'vocab.txt'))
    vocab = {token: i + first for i, token in reversed(list(enumerate(tokens)))}
    _write(folder, {'model': {'type': kind, 'vocab': vocab}}, 'tokenizer.json')


def test_a_tokenizer_json_of_bert_s_kind_is_a_vocabulary(folder, tiny, tmp_path):
    from pet_keras.networks.models import build
    _to_json(folder)
    checkpoint = Checkpoint(folder)
    assert checkpoint.vocab == Checkpoint(tiny).vocab and checkpoint.fingerprint == Checkpoint(tiny).fingerprint
    checkpoint.write(str(tmp_path / 'google'), build(checkpoint, return_keras_model=False))
    assert files(str(tmp_path / 'google'))['vocab.txt'] == files(tiny)['vocab.txt']


def test_one_of_another_kind_is_out_of_scope(folder):
    _to_json(folder, 'Unigram')
    assert error(folder).startswith(path(folder, 'tokenizer.json') + ' is of kind Unigram')


def test_one_that_does_not_number_its_tokens_is_told(folder):
    _to_json(folder, first=1)
    assert 'numbers its tokens from 0' in error(folder)


# the config

def test_the_config_has_google_s_keys_alone(folder):
    config = Checkpoint(folder).source.config
    assert config['hidden_size'] == 16 and config['layer_norm_eps'] == 1e-12 and config['model_type'] == 'bert'
    assert not {'torch_dtype', 'name'} & set(config)


def test_the_tokenizer_s_config_says_whether_capitals_are_kept(folder):
    assert Checkpoint(folder).config['do_lower_case'] is True
    _write(folder, {'do_lower_case': False}, 'tokenizer_config.json')
    assert Checkpoint(folder).tokenizer().tokenize('A')[1:-1] == ['A']


def test_a_decoder_is_causal(folder):
    set_keys(folder, is_decoder=True)
    assert Checkpoint(folder).is_causal


@pytest.mark.parametrize('keys', [{'model_type': 'left out'}, {'layer_norm_eps': 'left out'}, {'model_type': 'roberta'},
                                  {'model_type': 'ernie'}], ids=str)
def test_a_bert_is_one_whatever_its_config_says_or_leaves_out(folder, tiny, keys):
    set_keys(folder, **keys)
    assert Checkpoint(folder).fingerprint == Checkpoint(tiny).fingerprint


@pytest.mark.parametrize('afn, meant', [('gelu', 'gelu_tanh'), ('relu', 'relu'), ('gelu_new', 'gelu_tanh')])
def test_the_keys_of_a_gpt_are_translated(folder, afn, meant):
    def change(tensors):
        tensors['transformer.tokens_embed.weight'] = tensors.pop(WORDS)
    retensor(folder, change)
    size = Checkpoint('bert-mini-zh').config['vocab_size']
    _write(folder, {'model_type': 'openai-gpt', 'vocab_size': size, 'n_embd': 16, 'n_layer': 2, 'n_head': 4,
                    'n_positions': 64, 'afn': afn, 'resid_pdrop': .1, 'attn_pdrop': .2, 'layer_norm_epsilon': 1e-5})
    checkpoint = Checkpoint(folder)
    assert checkpoint.family == 'gpt' and checkpoint.hidden_act == meant
    wanted = {'hidden_size': 16, 'num_hidden_layers': 2, 'num_attention_heads': 4, 'max_position_embeddings': 64,
              'intermediate_size': 64, 'hidden_dropout_prob': .1, 'attention_probs_dropout_prob': .2,
              'type_vocab_size': 0, 'layer_norm_eps': 1e-5}
    assert {key: checkpoint.config[key] for key in wanted} == wanted


@pytest.mark.parametrize('keys, meant', [({'activation_function': 'gelu'}, 'gelu_erf'), ({}, 'gelu_tanh'),
                                         ({'activation_function': 'gelu_new'}, 'gelu_tanh')])
def test_gelu_is_the_erf_form_in_a_gpt2_and_the_tanh_form_where_its_config_is_silent(folder, keys, meant):
    def change(tensors):
        tensors['transformer.wte.weight'] = tensors.pop(WORDS)
        tensors['transformer.ln_f.weight'] = np.ones(16, 'float32')
    retensor(folder, change)
    size = Checkpoint('bert-mini-zh').config['vocab_size']
    _write(folder, dict(keys, model_type='gpt2', vocab_size=size, n_embd=16, n_layer=2, n_head=4, n_positions=64))
    checkpoint = Checkpoint(folder)
    assert (checkpoint.family, checkpoint.hidden_act) == ('gpt2', meant)


def test_a_gpt_s_query_key_and_value_are_thirds_of_one_array(folder):
    def change(tensors):
        tensors['transformer.tokens_embed.weight'] = tensors.pop(WORDS)
        tensors['transformer.h.0.attn.c_attn.weight'] = np.arange(2 * 6, dtype='float32').reshape(2, 6)
    retensor(folder, change)
    set_keys(folder, model_type='openai-gpt', afn='gelu')
    checkpoint = Checkpoint(folder)
    for name, expected in (('query', [[0, 1], [6, 7]]), ('key', [[2, 3], [8, 9]]), ('value', [[4, 5], [10, 11]])):
        name = 'gpt/transformer/layer_0/attention/self/%s/kernel' % name
        assert checkpoint.shapes[name] == (2, 2) and checkpoint.load_variable(name).tolist() == expected


@pytest.mark.parametrize('name', ['bert.encoder.layer.0.attention.self.query.lora_A.weight',
                                  'bert.encoder.layer.0.crossattention.self.query.weight',
                                  'bert.encoder.layer.1.attention.self.distance_embedding.weight'])
def test_a_tensor_that_would_change_the_answers_is_refused_and_others_are_named(folder, name):
    def change(tensors):
        tensors['bert.pooler.dense.bias'] = np.ones(16, 'float32')
    retensor(folder, change)
    assert Checkpoint(folder).source.left_out == ['bert.pooler.dense.bias'] or 'bert/pooler/dense/bias' in Checkpoint(
        folder).shapes

    def worse(tensors):
        tensors[name] = np.ones((2, 2), 'float32')
    retensor(folder, worse)
    assert name in error(folder) and 'changes what the model computes' in error(folder)


def test_a_file_of_two_networks_is_refused_with_both_names(folder):
    retensor(folder, lambda tensors: tensors.update(
        {'teacher.' + name: value for name, value in list(tensors.items())}))
    message = error(folder)
    assert 'holds several networks' in message and 'teacher.' in message and message.count('word_embeddings') == 2


def test_the_next_sentence_head_of_an_h5_is_turned_to_stand_as_google_s_does():
    class File(object):
        path, kernel = 'tf_model.h5', np.arange(6, dtype='float32').reshape(3, 2)
        shapes = {'nsp___cls/tf_bert/nsp___cls/seq_relationship/kernel': (3, 2)}

        def read(self, name):
            return self.kernel
    source = TensorSource('.', File(), hugging_face_names('bert', 1, ''), ())
    assert source.shapes == {'cls/seq_relationship/output_weights': (2, 3)}
    np.testing.assert_array_equal(source.read('cls/seq_relationship/output_weights'), File.kernel.T)


def test_two_networks_of_an_h5_are_refused_and_its_second_copy_of_the_table_is_none():
    def source(*tops):
        names = {top + '/bert/embeddings/word_embeddings/weight:0': (3, 2) for top in tops}
        return TensorSource('.', SimpleNamespace(path='tf_model.h5', shapes=names), (), ())
    with pytest.raises(UserError, match='several networks .student/.*, teacher/'):
        source('student', 'teacher')
    assert len(source('bert', 'mlm___cls').left_out) == 2
