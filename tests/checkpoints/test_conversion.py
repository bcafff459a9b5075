import errno
import json
import os
import shutil
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from folders import error, files, path, rewrite, set_config, set_vocab
from pet_keras.checkpoints import conversion
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.conversion import convert
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.checkpoints.tensor_files.writing import write_safetensors
from pet_keras.checkpoints.vocabulary import padding_tokens
from pet_keras.networks.models import build

BERT = ('google-bert', 'bert', 'bert/pytorch_model.bin', 'bert-bfloat16', 'bert-sharded', 'bert-tf-h5', 'bert-uer',
        'bert-uer-new')
OTHERS = ('albert', 'electra-generator', 'roformer', 'nezha', 'nezha-gpt', 'gpt2', 'openai-gpt', 'cdial-gpt')


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / 'out')


@pytest.fixture
def hugging_face(tiny, tmp_path):
    """The tiny checkpoint in Hugging Face's format."""
    folder = str(tmp_path / 'hf')
    convert(tiny, folder, 'safetensors')
    return folder


def variables(checkpoint):
    return {name: checkpoint.load_variable(name).tobytes() for name in checkpoint.shapes}


def read_json(folder, name):
    with open(path(folder, name), encoding='utf-8') as reader:
        return json.load(reader)


def refusal(folder, out, **settings):
    """The message with which a conversion is refused, after which nothing new is there."""
    there = os.path.exists(out)
    message = error(folder, lambda folder: convert(folder, out, **settings))
    assert os.path.exists(out) == there
    return message


# there and back

@pytest.mark.parametrize('name', BERT + OTHERS)
def test_there_and_back_is_the_same_to_the_last_bit(name, golden, tmp_path):
    checkpoint, last = golden(name), golden(name)
    for n, to in enumerate(('safetensors', 'google', 'google', 'safetensors')):
        found = convert(last, str(tmp_path / str(n)), to)
        last = Checkpoint(str(tmp_path / str(n)))  # whose files alone say what it is
        assert last.fingerprint == found['fingerprint'] == checkpoint.fingerprint
        assert (last.family, last.is_causal) == (checkpoint.family, checkpoint.is_causal)
        assert found['tensors'] > 20
    assert variables(last) == {name: value for name, value in variables(checkpoint).items() if name != 'global_step'}


@pytest.mark.parametrize('name', ['bert', 'albert', 'electra-generator', 'roformer', 'gpt2', 'openai-gpt'])
def test_the_tensors_and_the_config_are_those_of_transformers(name, golden, tmp_path):
    """The golden folders were written by transformers."""
    convert(golden('google-bert' if name == 'bert' else name), str(tmp_path / 'google'), 'google')
    convert(str(tmp_path / 'google'), str(tmp_path / 'again'), 'safetensors')
    theirs, ours = load_file(path(golden(name).folder, 'model.safetensors')), load_file(
        path(str(tmp_path / 'again'), 'model.safetensors'))
    for tensor in set(theirs) - {'roformer.encoder.embed_positions.weight'}:  # a table of sines, made anew
        np.testing.assert_array_equal(ours[tensor], theirs[tensor])
    wanted, config = read_json(golden(name).folder, 'config.json'), read_json(str(tmp_path / 'again'), 'config.json')
    keys = {'model_type', 'architectures', 'hidden_size', 'embedding_size', 'n_embd', 'n_layer', 'n_head', 'vocab_size',
            'n_positions', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size', 'layer_norm_eps',
            'layer_norm_epsilon', 'hidden_act', 'afn', 'activation_function', 'type_vocab_size', 'attn_pdrop',
            'max_position_embeddings', 'hidden_dropout_prob', 'attention_probs_dropout_prob', 'resid_pdrop'}
    keys &= set(wanted)
    assert len(keys) > 7 and {key: config[key] for key in keys} == {key: wanted[key] for key in keys}


def test_a_vocabulary_that_the_config_does_not_count_is_told_and_nothing_is_written(copy, out):
    set_vocab(copy, lambda tokens: tokens.append('多一'))
    assert 'holds 5971 tokens' in error(copy, lambda folder: convert(folder, out)) and not os.path.exists(out)


def test_a_causal_model_is_one_in_the_copy_without_being_told(tiny, tmp_path):
    for n, to in enumerate(('google', 'safetensors')):
        convert(Checkpoint(tiny, 'lm'), str(tmp_path / to), to)
        assert Checkpoint(str(tmp_path / to)).is_causal and not Checkpoint(tiny).is_causal
    config = read_json(str(tmp_path / 'safetensors'), 'config.json')
    assert config['is_decoder'] and config['architectures'] == ['BertLMHeadModel']


def test_the_tokenizer_s_config_says_whether_capitals_are_kept(copy, out):
    set_config(copy, do_lower_case=False)
    convert(copy, out, 'safetensors')
    assert read_json(out, 'tokenizer_config.json')['do_lower_case'] is False
    assert Checkpoint(out).config['do_lower_case'] is False
    assert files(out)['vocab.txt'] == files(copy)['vocab.txt']


@pytest.mark.parametrize('act, meant', [('gelu', 'gelu_erf'), ('gelu_new', 'gelu_tanh'), ('relu', 'relu')])
def test_an_activation_and_an_epsilon_stay_what_they_are(act, meant, copy, out):
    set_config(copy, hidden_act=act, layer_norm_eps=1e-5)
    convert(copy, out, 'safetensors')
    assert Checkpoint(out).hidden_act == meant and read_json(out, 'config.json')['layer_norm_eps'] == 1e-5


@pytest.mark.parametrize('name, act, written', [
    ('gpt2', 'gelu_tanh', 'gelu_new'), ('gpt2', 'gelu', 'gelu_python'), ('openai-gpt', 'gelu_tanh', 'gelu'),
    ('openai-gpt', 'gelu', None)])
def test_a_gpt_s_activation_has_the_name_that_means_it_there(name, act, written, golden, tmp_path):
    google, out = str(tmp_path / 'google'), str(tmp_path / 'out')
    convert(golden(name), google)
    set_config(google, hidden_act=act)
    if written is None:
        assert "hidden_act 'gelu_erf' has no name in a gpt" in refusal(google, out, to='safetensors')
        return
    convert(google, out, 'safetensors')
    config = read_json(out, 'config.json')
    assert config['activation_function' if name == 'gpt2' else 'afn'] == written
    assert Checkpoint(out).hidden_act == Checkpoint(google).hidden_act


# what the model does without

def _add(variables):
    variables.update({
        'bert/pooler/dense/kernel': np.eye(16, dtype='float32'), 'bert/pooler/dense/bias': np.ones(16, 'float32'),
        'cls/seq_relationship/output_weights': np.ones((2, 16), 'float32'),
        'cls/seq_relationship/output_bias': np.ones(2, 'float32'),
        'cls/predictions/output_bias/adam_m': np.full(5970, 1e-9, 'float32'),
        'global_step': np.array(2 ** 40 + 1), 'beta1_power': np.array(.9)})


def test_from_google_s_format_to_itself_everything_is_kept_whole_numbers_as_such(copy, out):
    rewrite(copy, _add)
    found = convert(copy, out, 'google', 'float16')
    copied = Checkpoint(out)
    step = copied.load_variable('global_step')
    assert found['dropped'] == [] and (step, step.dtype) == (np.int64(2 ** 40 + 1), 'int64')
    assert copied.load_variable('cls/predictions/output_bias/adam_m')[0] == np.float32(1e-9)  # 0 in float16
    assert convert(copy, out + '2', 'google')['dropped'] == [] and variables(Checkpoint(out + '2')).keys() == variables(
        Checkpoint(copy)).keys()


def test_hugging_face_s_format_has_the_pooler_and_nsp_and_what_it_has_not_is_named(copy, out):
    rewrite(copy, _add)
    found = convert(copy, out, 'safetensors')
    assert found['dropped'] == ['beta1_power', 'cls/predictions/output_bias/adam_m', 'global_step']
    tensors = load_file(path(out, 'model.safetensors'))
    assert {'bert.pooler.dense.weight', 'cls.seq_relationship.weight', 'cls.seq_relationship.bias'} <= set(tensors)
    assert convert(out, out + '2', 'google')['dropped'] == []
    assert variables(Checkpoint(out + '2')).items() <= variables(Checkpoint(copy)).items()


def test_unknown_tensors_stay_in_hugging_face_s_format_and_are_named_in_google_s(hugging_face, out):
    file = path(hugging_face, 'model.safetensors')
    extra = {'adapter.b': np.array([True, False]), 'adapter.x': np.full(3, .5, 'float16'),
             'bert.embeddings.position_ids': np.arange(64)[None]}
    save_file(dict(load_file(file), **extra), file)
    assert convert(hugging_face, out, 'google')['dropped'] == sorted(extra)
    assert convert(hugging_face, out + '2', 'safetensors')['dropped'] == []
    copied = load_file(path(out + '2', 'model.safetensors'))
    for name, value in extra.items():
        np.testing.assert_array_equal(copied[name], value)
    assert copied['bert.embeddings.position_ids'].dtype == 'int64'


def test_an_unknown_tensor_under_a_name_of_the_format_does_not_take_its_place(hugging_face, out):
    file = path(hugging_face, 'model.safetensors')
    tensors = {name.replace('bert.', '', 1): value for name, value in load_file(file).items()}
    stranger = 'bert.pooler.dense.bias'
    save_file(dict(tensors, **{stranger: np.zeros(16, 'float32'), 'pooler.dense.bias': np.ones(16, 'float32')}), file)
    assert convert(hugging_face, out, 'safetensors')['dropped'] == [stranger]
    assert load_file(path(out, 'model.safetensors'))[stranger].all()


def test_uer_s_padding_segment_is_named(golden, out):
    for to in ('google', 'safetensors'):
        assert 'segment 0' in convert(golden('bert-uer'), os.path.join(out, to), to)['dropped'][0]


# types

@pytest.mark.parametrize('to', ['google', 'safetensors'])
def test_float16_takes_half_the_bytes_and_holds_the_nearest_numbers(to, tiny, out):
    found = convert(tiny, out, to, 'float16')
    full, half = Checkpoint(tiny), Checkpoint(out)
    assert found['bytes'] * 2 == convert(tiny, out + '2', to)['bytes']
    assert found['fingerprint'] == half.fingerprint != full.fingerprint
    for name in full.shapes:
        assert half.load_variable(name).tobytes() == full.load_variable(name).astype('float16').astype(
            'float32').tobytes()
    if to == 'safetensors':
        assert set(open_tensors(half.weights_path).dtypes.values()) == {'float16'}
        assert read_json(out, 'config.json')['torch_dtype'] == 'float16'


@pytest.mark.parametrize('to', ['google', 'safetensors'])
@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_a_type_that_is_kept_is_kept_to_the_last_bit(dtype, to, hugging_face, out):
    file = path(hugging_face, 'model.safetensors')
    before = [(name, value.shape, dtype, lambda value=value: value) for name, value in load_file(file).items()]
    write_safetensors(file, before)
    found, source, copied = convert(hugging_face, out, to, 'keep'), Checkpoint(hugging_face), Checkpoint(out)
    assert found['dtype'] == dtype and set(copied.source.dtypes.values()) == {dtype}
    assert copied.fingerprint == source.fingerprint and variables(copied) == variables(source)
    back = convert(out, out + '2', 'safetensors', 'keep')
    assert back['bytes'] == found['bytes'] and files(out + '2')['model.safetensors'] == files(
        hugging_face)['model.safetensors']


@pytest.mark.parametrize('to', ['google', 'safetensors'])
def test_rows_without_a_token_stay_and_are_cut_first(to, copy, tmp_path):
    set_vocab(copy, lambda tokens: tokens.__delitem__(slice(-5, None)))
    found = convert(copy, str(tmp_path / 'all'), to)
    whole = Checkpoint(str(tmp_path / 'all'))
    assert (found['tokens'], found['fingerprint']) == (5970, Checkpoint(copy).fingerprint)
    assert padding_tokens(whole.vocab) == 5 and files(copy)['vocab.txt'] == files(whole.folder)['vocab.txt']
    convert(copy, str(tmp_path / 'cut'), to, keep_tokens=['sentiment'])
    cut = Checkpoint(str(tmp_path / 'cut'))
    assert padding_tokens(cut.vocab) == 0
    table = 'bert/embeddings/word_embeddings'
    np.testing.assert_array_equal(cut.load_variable(table)[cut.vocab['很']],
                                  whole.load_variable(table)[whole.vocab['很']])


def test_cdial_s_shared_segments_are_left_out_and_do_not_stand_in_the_way(golden, tmp_path):
    convert(golden('cdial-gpt'), str(tmp_path / 'google'))
    set_config(str(tmp_path / 'google'), shared_segment_embeddings=True, type_vocab_size=5970)
    tensorflow = Checkpoint(str(tmp_path / 'google'))
    assert len(build(tensorflow).inputs) == 2 and tensorflow.fingerprint == golden('cdial-gpt').fingerprint
    assert convert(tensorflow, str(tmp_path / 'back'), 'safetensors')['fingerprint'] == tensorflow.fingerprint


@pytest.mark.parametrize('to', ['google', 'safetensors'])
def test_a_number_beyond_float16_is_named_and_nothing_is_written(to, copy, out):
    name = 'bert/encoder/layer_0/output/dense/bias'
    rewrite(copy, lambda variables: variables[name].__setitem__(0, 1e5))
    message = refusal(copy, out, to=to, dtype='float16')
    assert 'beyond the largest float16' in message and 'output' in message
    convert(copy, out, to)


# what a format cannot hold

def test_a_family_without_names_in_hugging_face_s_format_is_refused(copy, out):
    rewrite(copy, lambda variables: variables.update({'newslm/embeddings/word_embed': variables.pop(
        'bert/embeddings/word_embeddings')}))
    message = refusal(copy, out, to='safetensors')
    assert message.startswith(copy) and 'family gpt2_ml' in message and '--to google' in message
    convert(copy, out, 'google')


def test_a_causal_albert_is_refused(golden, out):
    checkpoint = Checkpoint(golden('albert').folder, 'lm')
    assert 'causal model of family albert' in refusal(checkpoint, out, to='safetensors')


def test_a_variable_of_the_model_without_name_is_refused_and_a_head_for_another_task_dropped(copy, out):
    rewrite(copy, lambda variables: variables.update({'cls/squad/output_bias': np.ones(2, 'float32')}))
    assert convert(copy, out, 'safetensors')['dropped'] == ['cls/squad/output_bias']
    name = 'bert/encoder/layer_0/attention/self/relative/kernel'
    rewrite(copy, lambda variables: variables.update({name: np.ones(2, 'float32')}))
    message = refusal(copy, out + '2', to='safetensors')
    assert path(copy, 'bert_model.ckpt') in message and name in message and '--to google' in message


@pytest.mark.parametrize('keys, named', [({'attention_key_size': 4}, 'attention_key_size'),
                                         ({'hidden_act': 'swish'}, "hidden_act 'swish'")], ids=str)
def test_a_setting_that_hugging_face_s_models_have_not_is_refused(keys, named, copy, out):
    set_config(copy, **keys)
    message = refusal(copy, out, to='safetensors')
    assert path(copy, 'bert_config.json') in message and named in message


def test_an_output_table_of_its_own_is_refused_not_dropped(hugging_face, out):
    file = path(hugging_face, 'model.safetensors')
    tensors = load_file(file)
    tensors['cls.predictions.decoder.weight'] = tensors['bert.embeddings.word_embeddings.weight'] + 1
    save_file(tensors, file)
    for to in ('google', 'safetensors'):
        assert 'wrong answers' in refusal(hugging_face, out, to=to)


@pytest.mark.parametrize('settings', [{'to': 'onnx'}, {'dtype': 'int8'}], ids=str)
def test_another_format_or_type_is_refused(settings, tiny, out):
    assert "'%s'" % list(settings.values())[0] in refusal(tiny, out, **settings)


# where it is written

def test_nothing_is_written_over(tiny, copy, tmp_path):
    before = files(copy)
    assert 'own folder' in refusal(copy, os.path.join(str(tmp_path), '.', 'copy'))
    assert 'not empty' in refusal(tiny, copy)
    assert files(copy) == before
    assert 'is a file' in refusal(tiny, path(copy, 'vocab.txt'))


def test_an_empty_folder_and_one_with_a_rest_of_an_interrupted_conversion_are_written_to(tiny, tmp_path):
    os.makedirs(str(tmp_path / 'out' / 'save.partial'))
    (tmp_path / 'out' / 'save.partial' / 'vocab.txt').write_text('half')
    convert(tiny, str(tmp_path / 'out'), 'safetensors')
    assert sorted(os.listdir(str(tmp_path / 'out'))) == ['config.json', 'model.safetensors', 'tokenizer_config.json',
                                                         'vocab.txt']


def test_a_conversion_that_was_interrupted_when_all_was_written_is_whole(tiny, out):
    convert(tiny, out + '2', 'google')
    os.makedirs(out)
    shutil.move(out + '2', path(out, 'save.whole'))
    assert 'not empty' in error(tiny, lambda folder: convert(folder, out))
    assert Checkpoint(out).fingerprint == Checkpoint(tiny).fingerprint


def _fails(tiny, out, to, match):
    with pytest.raises(OSError, match=match):
        convert(tiny, out, to)
    assert not os.path.exists(out)
    os.makedirs(out)
    with pytest.raises(OSError, match=match):
        convert(tiny, out, to)
    assert os.listdir(out) == []


def test_too_little_room_is_told_beforehand(tiny, out, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda folder: SimpleNamespace(free=1000))
    _fails(tiny, out, 'safetensors', r'needs 0\.\d MB, and 0\.0 MB are free')


def test_a_disk_that_is_full_after_all_leaves_nothing(tiny, out, monkeypatch):
    from pet_keras.backend import tf

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def tensorflow_full(**kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')
    monkeypatch.setattr(tf.raw_ops, 'SaveV2', tensorflow_full)
    _fails(tiny, out, 'google', 'bert_model.ckpt cannot be written: No space left')
    monkeypatch.setattr(os, 'fsync', full)
    _fails(tiny, out + '2', 'safetensors', 'No space left')


def test_a_place_that_may_not_be_written_to_is_an_os_error(tiny, out, monkeypatch):
    def forbidden(path, *args):
        raise PermissionError(errno.EACCES, 'Permission denied', path)
    monkeypatch.setattr(os, 'mkdir', forbidden)
    with pytest.raises(OSError, match='Permission denied.*out'):
        convert(tiny, out)
    assert not os.path.exists(out)


def test_a_copy_that_is_another_model_is_not_kept(tiny, out, monkeypatch):
    write = conversion.write_safetensors

    def spoil(file, tensors):
        name, shape, stored, read = tensors[3]
        write(file, tensors[:3] + [(name, shape, stored, lambda: read() + 1e-3)] + tensors[4:])
    monkeypatch.setattr(conversion, 'write_safetensors', spoil)
    assert 'not the same model' in refusal(tiny, out, to='safetensors')


def test_to_safetensors_a_model_is_never_whole_in_memory(out):
    Checkpoint('bert-mini-zh').fingerprint  # TensorFlow is loaded before it is measured
    tracemalloc.start()
    try:
        found = convert('bert-mini-zh', out, 'safetensors')
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < .9 * found['bytes']  # of which the table alone is a third


def test_progress_is_shown_where_it_is_asked_for(tiny, out, capsys):
    convert(tiny, out, 'safetensors', verbose=1)
    shown = capsys.readouterr().err
    size = os.path.getsize(path(out, 'model.safetensors'))
    assert shown.endswith('%d of %d MB\n' % (size / 1e6, size / 1e6))
    assert shown.count('\r') == len(Checkpoint(out).shapes)
    convert(tiny, out + '2', 'safetensors')
    assert capsys.readouterr().err == ''
