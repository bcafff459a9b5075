import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from folders import error, path
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.names import layer_norm_eps

LAYER = {'self_attn.linear_layers.0': 'attention/self/query', 'self_attn.linear_layers.1': 'attention/self/key',
         'self_attn.linear_layers.2': 'attention/self/value', 'self_attn.final_linear': 'attention/output/dense',
         'feed_forward.linear_1': 'intermediate/dense', 'feed_forward.linear_2': 'output/dense'}
OLD = {'words': 'embedding.word_embedding', 'positions': 'embedding.position_embedding',
       'segments': 'embedding.segment_embedding', 'dense': 'target.mlm_linear_1', 'norm': 'target.layer_norm',
       'bias': 'target.mlm_linear_2', 'nsp': 'target.nsp_linear_2'}
NEW = {'words': 'embedding.word.embedding', 'positions': 'embedding.pos.embedding',
       'segments': 'embedding.seg.embedding', 'dense': 'target.mlm.linear_1', 'norm': 'target.mlm.layer_norm',
       'bias': 'target.mlm.linear_2', 'nsp': 'target.sp.linear_2'}


def _tensors(folder, names):
    """A tiny BERT as UER-py writes one."""
    read, bert = Checkpoint(folder).load_variable, 'bert/embeddings/'
    segments, found = read(bert + 'token_type_embeddings'), {}
    found[names['words'] + '.weight'] = found[names['bias'] + '.weight'] = read(bert + 'word_embeddings')
    found[names['positions'] + '.weight'] = read(bert + 'position_embeddings')
    found[names['segments'] + '.weight'] = np.concatenate([np.full_like(segments[:1], 9.), segments])

    def dense(theirs, ours):
        found[theirs + '.weight'], found[theirs + '.bias'] = read(ours + '/kernel').T.copy(), read(ours + '/bias')

    def norm(theirs, ours):
        found[theirs + '.gamma'], found[theirs + '.beta'] = read(ours + '/gamma'), read(ours + '/beta')
    norm('embedding.layer_norm', bert + 'LayerNorm')
    for i in range(2):
        there, here = 'encoder.transformer.%d.' % i, 'bert/encoder/layer_%d/' % i
        for theirs, ours in LAYER.items():
            dense(there + theirs, here + ours)
        norm(there + 'layer_norm_1', here + 'attention/output/LayerNorm')
        norm(there + 'layer_norm_2', here + 'output/LayerNorm')
    dense(names['dense'], 'cls/predictions/transform/dense')
    norm(names['norm'], 'cls/predictions/transform/LayerNorm')
    found[names['bias'] + '.bias'] = read('cls/predictions/output_bias')
    found[names['nsp'] + '.weight'], found[names['nsp'] + '.bias'] = np.ones((2, 16), 'float32'), np.ones(2, 'float32')
    return found


def _write(tmp_path, tiny, tensors, **config):
    folder = str(tmp_path / 'uer')
    os.makedirs(folder, exist_ok=True)
    shutil.copy(path(tiny, 'vocab.txt'), folder)
    save_file(tensors, path(folder, 'model.safetensors'))  # the names say whose it is, not the file's format
    if config:
        with open(path(folder, 'base_config.json'), 'w') as writer:
            json.dump(config, writer)
    return folder


CONFIG = {'emb_size': 16, 'hidden_size': 16, 'feedforward_size': 32, 'heads_num': 2, 'layers_num': 2, 'dropout': .1}


@pytest.mark.parametrize('names', [OLD, NEW], ids=['names of 2019', 'names after'])
def test_it_is_the_same_model_as_in_google_s_format(tiny, tmp_path, names):
    checkpoint, google = Checkpoint(_write(tmp_path, tiny, _tensors(tiny, names), **CONFIG)).check(), Checkpoint(tiny)
    assert checkpoint.source.format == 'UER-py (model.safetensors)' and checkpoint.source.left_out == []
    assert checkpoint.fingerprint == google.fingerprint
    for name in google.shapes:
        assert checkpoint.load_variable(name).tobytes() == google.load_variable(name).tobytes(), name
    assert checkpoint.config['hidden_dropout_prob'] == .1 and checkpoint.hidden_act == 'gelu_erf'
    assert checkpoint.load_variable('cls/seq_relationship/output_weights').shape == (2, 16)


def test_the_segment_of_the_padding_is_dropped(tiny, tmp_path):
    checkpoint = Checkpoint(_write(tmp_path, tiny, _tensors(tiny, OLD), **CONFIG))
    assert checkpoint.shapes['bert/embeddings/token_type_embeddings'] == (2, 16)
    assert np.abs(checkpoint.load_variable('bert/embeddings/token_type_embeddings')).max() < 9.


def test_without_a_config_the_sizes_are_the_tensors(make_checkpoint, tmp_path):
    wide = make_checkpoint(tmp_path / 'wide', hidden_size=128, num_hidden_layers=2)
    checkpoint = Checkpoint(_write(tmp_path, wide, _tensors(wide, OLD)))
    wanted = {'hidden_size': 128, 'num_hidden_layers': 2, 'num_attention_heads': 2, 'intermediate_size': 32,
              'max_position_embeddings': 64, 'type_vocab_size': 2, 'vocab_size': Checkpoint(wide).config['vocab_size']}
    assert {key: checkpoint.config[key] for key in wanted} == wanted
    assert checkpoint.fingerprint == Checkpoint(wide).fingerprint


def test_without_a_config_and_of_no_usual_width_the_heads_must_be_told(tiny, tmp_path):
    assert 'heads_num' in error(_write(tmp_path, tiny, _tensors(tiny, OLD)))


@pytest.mark.parametrize('key, value', [('layers_num', 3), ('hidden_size', 32), ('feedforward_size', 64)])
def test_a_config_that_says_another_size_than_the_tensors_is_told(tiny, tmp_path, key, value):
    folder = _write(tmp_path, tiny, _tensors(tiny, OLD), **dict(CONFIG, **{key: value}))
    assert error(folder).startswith('%s says %s %d, but' % (path(folder, 'base_config.json'), key, value))


@pytest.mark.parametrize('key, value', [('layernorm_positioning', 'pre'), ('parameter_sharing', True),
                                        ('mask', 'causal'), ('feed_forward', 'gated')])
def test_a_network_that_is_no_bert_is_refused(tiny, tmp_path, key, value):
    folder = _write(tmp_path, tiny, _tensors(tiny, NEW), **dict(CONFIG, **{key: value}))
    assert error(folder).startswith('%s: %s %r' % (path(folder, 'base_config.json'), key, value))


def test_an_output_table_of_its_own_is_refused(tiny, tmp_path):
    tensors = _tensors(tiny, OLD)
    tensors['target.mlm_linear_2.weight'] = tensors['target.mlm_linear_2.weight'] + 1.
    assert 'target.mlm_linear_2.weight' in error(_write(tmp_path, tiny, tensors, **CONFIG),
                                                lambda folder: Checkpoint(folder).check())


def test_a_table_of_two_segments_is_refused_for_it_would_lose_one(tiny, tmp_path):
    tensors = _tensors(tiny, NEW)
    tensors['embedding.seg.embedding.weight'] = tensors['embedding.seg.embedding.weight'][1:]
    assert 'has 2 rows for segments' in error(_write(tmp_path, tiny, tensors))


def test_its_layer_norm_is_bert_s_and_the_tokenizer_s_config_beside_it_counts(tiny, tmp_path):
    """UER-py's own divides by the sample deviation plus 1e-6."""
    folder = _write(tmp_path, tiny, _tensors(tiny, NEW), **CONFIG)
    assert layer_norm_eps('bert', Checkpoint(folder).config) == 1e-12
    with open(path(folder, 'tokenizer_config.json'), 'w') as writer:
        writer.write('{"do_lower_case": false}')
    assert Checkpoint(folder).config['do_lower_case'] is False


def test_null_is_no_default_of_uer_s(tiny, tmp_path):
    assert 'layernorm_positioning None' in error(
        _write(tmp_path, tiny, _tensors(tiny, NEW), **dict(CONFIG, layernorm_positioning=None)))
