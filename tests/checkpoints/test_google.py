import json
import os
import shutil

import numpy as np
import pytest

from folders import error, files, path, rewrite, set_config
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.google import GoogleSource, write_google

# finding

@pytest.mark.parametrize('name, what', [
    ('bert_config.json', 'no config (bert_config.json)'), ('vocab.txt', 'no vocabulary (vocab.txt)'),
    ('bert_model.ckpt.index', 'no weights (bert_model.ckpt.index)')])
def test_each_missing_file_is_named_with_its_folder(copy, name, what):
    os.remove(path(copy, name))
    message = error(copy)
    assert message.startswith(copy) and what in message


def test_an_index_without_data_is_an_incomplete_download(copy):
    os.remove(path(copy, 'bert_model.ckpt.data-00000-of-00001'))
    message = error(copy)
    assert 'bert_model.ckpt.index has no .data file' in message and 'incomplete' in message


def test_files_of_other_names_are_found(copy):
    for old, new in (('bert_config.json', 'my_config_base.json'), ('vocab.txt', 'my_vocab.txt')):
        os.rename(path(copy, old), path(copy, new))
    for ending in ('index', 'data-00000-of-00001'):
        os.rename(path(copy, 'bert_model.ckpt.' + ending), path(copy, 'model.ckpt-99.' + ending))
    checkpoint = Checkpoint(copy).check()
    assert checkpoint.weights_path == path(copy, 'model.ckpt-99') and checkpoint.has_mlm_head


def test_google_s_name_wins_over_other_files_of_the_kind(copy):
    for ending in ('index', 'data-00000-of-00001'):
        shutil.copy(path(copy, 'bert_model.ckpt.' + ending), path(copy, 'model.ckpt-99.' + ending))
    assert Checkpoint(copy).weights_path == path(copy, 'bert_model.ckpt')


def test_several_index_files_are_all_named(copy):
    for name in ('model.ckpt-1', 'model.ckpt-2'):
        shutil.copy(path(copy, 'bert_model.ckpt.index'), path(copy, name + '.index'))
    os.remove(path(copy, 'bert_model.ckpt.index'))
    message = error(copy)
    assert message.startswith(copy) and 'several files that could be the weights' in message
    assert 'model.ckpt-1.index, model.ckpt-2.index' in message


def test_a_folder_with_spaces_and_chinese_in_its_name_is_read(tiny, tmp_path):
    folder = shutil.copytree(tiny, str(tmp_path / '我的 best 模型'))
    assert Checkpoint(folder).check().folder == folder


def test_weights_that_cannot_be_read_are_named(copy):
    with open(path(copy, 'bert_model.ckpt.index'), 'r+b') as writer:
        writer.truncate(100)
    message = error(copy, lambda folder: Checkpoint(folder).shapes)
    assert message.startswith(path(copy, 'bert_model.ckpt') + ' cannot be read')


def test_brackets_in_a_folder_s_name_are_no_pattern(tiny, tmp_path):
    folder = shutil.copytree(tiny, str(tmp_path / 'model [1]'))
    assert GoogleSource(folder).vocab_path == path(folder, 'vocab.txt')


# reading

def test_a_source_has_the_config_as_it_stands_and_each_variable_by_name(make_checkpoint, tmp_path):
    source = GoogleSource(make_checkpoint(tmp_path, hidden_act='gelu', directionality='bidi'))
    assert source.config['hidden_act'] == 'gelu' and source.config['directionality'] == 'bidi'
    assert source.shapes['bert/embeddings/position_embeddings'] == (64, 16) and len(source.shapes) == 42
    for name, shape in source.shapes.items():
        assert source.read(name).shape == shape and source.read(name).dtype == np.float32


def test_a_variable_that_cannot_be_read_is_named(copy):
    source = GoogleSource(copy)
    with open(path(copy, 'bert_model.ckpt.data-00000-of-00001'), 'r+b') as writer:
        writer.truncate(100)
    message = error(copy, lambda folder: source.read('cls/predictions/output_bias'))
    assert '\n' not in message
    assert message.startswith(path(copy, 'bert_model.ckpt') + ' cannot be read (variable cls/predictions/output_bias)')
    assert 'Is the download complete?' in message


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_half_precision_is_read_as_float32(copy, transformer, dtype):
    from pet_keras.backend import tf
    from pet_keras.networks.models import build_mlm
    before = GoogleSource(copy)
    halves = {name: tf.cast(before.read(name), dtype) for name in before.shapes}
    rewrite(copy, lambda variables: variables.update(halves))
    for name in halves:
        value = GoogleSource(copy).read(name)
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, tf.cast(halves[name], 'float32'))
    built = dict(build_mlm(copy, return_keras_model=False).variables())
    assert set(built) == set(halves)
    for name, weight in built.items():
        np.testing.assert_array_equal(weight.numpy(), tf.cast(halves[name], 'float32'))


def test_numbers_of_other_types_are_read_as_they_are(copy):
    rewrite(copy, lambda variables: variables.update(global_step=np.array(7, 'int64')))
    assert GoogleSource(copy).read('global_step').dtype == np.int64


# writing

def test_what_is_written_is_read_again(tmp_path, tiny):
    config, variables = {'名': '字', 'eps': 1e-12}, {'b': np.arange(6.).reshape(2, 3), 'a': np.float16(.5)}
    folder = str(tmp_path / 'written')
    write_google(folder, config, path(tiny, 'vocab.txt'), variables.items())
    source = GoogleSource(folder)
    assert '"名"' in files(folder)['bert_config.json'].decode()
    assert source.config == config and source.shapes == {'a': (), 'b': (2, 3)}
    for name, value in variables.items():
        assert source.read(name).dtype == np.float32
        np.testing.assert_array_equal(source.read(name), value)


def test_written_weights_are_bit_equal_and_carry_the_same_names(tiny, transformer, tmp_path):
    folder = str(tmp_path / 'deep' / 'folder')
    Checkpoint(tiny).write(folder, transformer)
    before, after = Checkpoint(tiny), Checkpoint(folder).check()
    assert set(after.shapes) == set(before.shapes)
    for name in before.shapes:
        written = after.load_variable(name)
        assert written.dtype == np.float32 and written.tobytes() == before.load_variable(name).tobytes(), name
    assert sorted(os.listdir(folder)) == sorted(os.listdir(tiny))
    assert files(folder)['vocab.txt'] == files(tiny)['vocab.txt']
    assert json.loads(files(folder)['bert_config.json']) == json.loads(files(tiny)['bert_config.json'])


def test_float16_writes_half_the_bytes_and_the_nearest_numbers(tiny, transformer, tmp_path):
    full, half = str(tmp_path / 'full'), str(tmp_path / 'half')
    Checkpoint(tiny).write(full, transformer)
    Checkpoint(tiny).write(half, transformer, 'float16')
    sizes = [os.path.getsize(path(folder, 'bert_model.ckpt.data-00000-of-00001')) for folder in (full, half)]
    assert sizes[1] * 2 == sizes[0]
    for name in Checkpoint(tiny).shapes:
        expected = Checkpoint(full).load_variable(name).astype('float16').astype('float32')
        np.testing.assert_array_equal(Checkpoint(half).load_variable(name), expected)


def test_what_tensorflow_says_while_it_writes_is_not_heard(tiny, transformer, tmp_path, monkeypatch, capfd):
    from pet_keras.backend import tf
    save = tf.raw_ops.SaveV2
    monkeypatch.setattr(tf.raw_ops, 'SaveV2', lambda **kwargs: os.write(2, b'oneDNN supports DT_HALF') and save(**kwargs))
    Checkpoint(tiny).write(str(tmp_path), transformer, 'float16')
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('dtype', ['bfloat16', 'float64', 'int8', None])
def test_another_type_is_refused(tiny, transformer, copy, dtype):
    before = files(copy)
    assert error(copy, lambda folder: Checkpoint(tiny).write(folder, transformer, dtype)) == (
        "dtype=%r: choose 'float32' or 'float16'." % dtype)
    assert files(copy) == before


@pytest.mark.parametrize('number', [65520., -1e38, np.inf])
def test_numbers_beyond_float16_are_refused_before_anything_is_replaced(tiny, tmp_path, number):
    variables = {'a': np.float32([1., 65504.]), 'b/c': np.float32([0., number])}
    message = error(str(tmp_path / 'new'), lambda folder: write_google(
        folder, {}, path(tiny, 'vocab.txt'), variables.items(), 'float16'))
    assert message == "b/c holds numbers beyond float16, whose largest is 65504: write float32."
    assert not os.path.exists(str(tmp_path / 'new'))


def test_a_checkpoint_may_be_written_over_itself(copy, transformer):
    Checkpoint(copy).write(copy, transformer)
    before = files(copy)
    Checkpoint(copy).write(copy, transformer)
    assert files(copy) == before and len(before) == 4


def test_files_of_other_names_are_written_under_google_s(copy, transformer, tmp_path):
    os.rename(path(copy, 'bert_config.json'), path(copy, 'my_config.json'))
    target = str(tmp_path / 'target')
    Checkpoint(copy).write(target, transformer)
    assert 'bert_config.json' in os.listdir(target) and Checkpoint(target).check()


def fail(*args, **kwargs):
    raise OSError('No space left on device')


def test_a_write_that_cannot_rename_leaves_the_old_files_whole_and_no_partial_ones(
        make_checkpoint, transformer, tiny, tmp_path, monkeypatch):
    folder = make_checkpoint(tmp_path, seed=1)
    before = files(folder)
    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError, match='No space left'):
        Checkpoint(tiny).write(folder, transformer)
    assert files(folder) == before


def test_a_write_that_tensorflow_breaks_off_leaves_the_old_files_whole_and_no_partial_ones(
        make_checkpoint, transformer, tiny, tmp_path, monkeypatch):
    from pet_keras.backend import tf
    folder = make_checkpoint(tmp_path, seed=1)
    before = files(folder)

    def full_disk(prefix, **kwargs):
        for ending in ('.data-00000-of-00001.tempstate123', '.data-00000-of-00001'):
            with open(prefix + ending, 'wb') as writer:
                writer.write(b'half')
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')
    monkeypatch.setattr(tf.raw_ops, 'SaveV2', full_disk)
    with pytest.raises(OSError, match='bert_model.ckpt cannot be written: No space left'):
        Checkpoint(tiny).write(folder, transformer)
    assert files(folder) == before


def test_what_tensorflow_s_own_checkpoints_say_of_themselves_is_no_variable(tiny, tmp_path):
    from pet_keras.backend import tf
    for name in ('bert_config.json', 'vocab.txt'):
        shutil.copy(os.path.join(tiny, name), str(tmp_path))
    weight = tf.Variable([[1., 2.]])
    tf.train.Checkpoint(weight=weight).write(str(tmp_path / 'bert_model.ckpt'))
    source = GoogleSource(str(tmp_path))
    assert [list(source.read(name).shape) for name in source.shapes] == [[1, 2]]


def test_a_tokenizer_s_config_beside_it_says_whether_capitals_are_kept(copy):
    with open(path(copy, 'tokenizer_config.json'), 'w') as writer:
        writer.write('{"do_lower_case": false}')
    assert Checkpoint(copy).config['do_lower_case'] is False
    set_config(copy, do_lower_case=True)
    assert Checkpoint(copy).config['do_lower_case'] is True
