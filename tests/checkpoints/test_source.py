import errno
import json
import os
import shutil

import pytest

from folders import error, path
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.google import GoogleSource
from pet_keras.checkpoints.source import open_source


@pytest.fixture
def golden_copy(data_folder, tmp_path):
    """A copy of a folder of golden/, to spoil."""
    def copy(*names):
        for name in names:
            for file in os.listdir(os.path.join(data_folder, 'golden', name)):
                shutil.copyfile(os.path.join(data_folder, 'golden', name, file), str(tmp_path / file))
        return str(tmp_path)
    return copy


def opened(folder):
    return open_source(folder).format


def test_google_s_files_count_first_then_safetensors_then_bin_then_h5(golden_copy):
    folder = golden_copy('bert-tf-h5', 'bert', 'google-bert')
    for file, found in (('bert_model.ckpt.index', 'Google TensorFlow'),
                        ('model.safetensors', 'Hugging Face (model.safetensors)'),
                        ('pytorch_model.bin', 'Hugging Face (pytorch_model.bin)'),
                        ('tf_model.h5', 'Hugging Face (tf_model.h5)')):
        assert opened(folder) == found
        os.remove(path(folder, file))
    assert 'holds no weights' in error(folder, open_source)


def test_a_whole_file_counts_before_a_sharded_one(golden_copy):
    folder = golden_copy('bert-sharded', 'bert')
    assert opened(folder) == 'Hugging Face (model.safetensors)'
    os.remove(path(folder, 'model.safetensors'))
    assert opened(folder) == 'Hugging Face (model.safetensors.index.json)'


@pytest.mark.parametrize('name', ['pytorch_model.bin', 'model.safetensors', 'bert_model.ckpt', 'bert_model.ckpt.index',
                                  'bert_model.ckpt.data-00000-of-00001'])
def test_the_file_that_is_named_counts(golden_copy, name):
    folder = golden_copy('bert', 'google-bert')
    checkpoint = Checkpoint(path(folder, name))
    assert checkpoint.folder == folder
    assert checkpoint.weights_path == path(folder, name.replace('.index', '').replace('.data-00000-of-00001', ''))
    assert Checkpoint(checkpoint.name).fingerprint == checkpoint.fingerprint  # as a saved prompt finds it


def test_a_file_is_found_from_its_own_folder(golden_copy, monkeypatch):
    monkeypatch.chdir(golden_copy('bert'))
    checkpoint = Checkpoint('pytorch_model.bin')
    monkeypatch.chdir(os.sep)
    assert Checkpoint(checkpoint.name).source.format == 'Hugging Face (pytorch_model.bin)'
    assert checkpoint.mlm_head_has_bias


def test_what_is_written_into_the_folder_of_another_format_is_read_from_then_on(golden_copy):
    from pet_keras.networks.models import build
    folder = golden_copy('bert')
    checkpoint = Checkpoint(path(folder, 'pytorch_model.bin'))
    before = checkpoint.fingerprint
    checkpoint.write(folder, build(checkpoint, return_keras_model=False))
    assert checkpoint.source.format == 'Google TensorFlow' and checkpoint.fingerprint == before


def test_the_format_is_told_by_the_content_not_by_the_name(golden_copy):
    folder = golden_copy('bert')
    os.remove(path(folder, 'pytorch_model.bin'))
    os.rename(path(folder, 'model.safetensors'), path(folder, 'weights.bin'))
    assert opened(folder) == 'Hugging Face (weights.bin)'


def test_several_files_of_no_usual_name_must_be_told_apart(golden_copy):
    folder = golden_copy('bert-uer')
    shutil.copy(path(folder, 'mixed_corpus_bert_model.bin'), path(folder, 'another.bin'))
    message = error(folder, open_source)
    assert message.startswith(folder) and 'another.bin, mixed_corpus_bert_model.bin' in message
    assert opened(path(folder, 'another.bin')) == 'UER-py (another.bin)'


@pytest.mark.parametrize('name, kind', [('flax_model.msgpack', 'Flax'), ('model.onnx', 'ONNX'),
                                        ('model_state.pdparams', 'PaddlePaddle')])
def test_weights_of_another_kind_are_named(copy, name, kind):
    for file in os.listdir(copy):
        if 'ckpt' in file:
            os.remove(path(copy, file))
    with open(path(copy, name), 'w') as writer:
        writer.write('x')
    message = error(copy, open_source)
    assert message.startswith(copy) and kind in message and name in message


@pytest.mark.parametrize('name', ['added.safetensors', 'training_args.bin', 'optimizer.pt'])
def test_what_lies_beside_the_weights_is_not_taken_for_them(copy, name):
    with open(path(copy, name), 'w') as writer:
        writer.write('x')
    assert isinstance(open_source(copy), GoogleSource)
    for file in os.listdir(copy):
        if 'ckpt' in file:
            os.remove(path(copy, file))
    assert 'holds no weights (bert_model.ckpt.index)' in error(copy, open_source)


@pytest.mark.parametrize('name', ['bert', 'bert-sharded', 'bert-tf-h5', 'bert-uer', 'cdial-gpt'])
@pytest.mark.parametrize('share', [.02, .5, .99])
def test_a_file_that_is_cut_is_told_in_one_line(golden_copy, name, share):
    folder = golden_copy(name)
    if name == 'bert':
        os.remove(path(folder, 'model.safetensors'))
    cut = max((path(folder, file) for file in os.listdir(folder)), key=os.path.getsize)
    os.truncate(cut, int(os.path.getsize(cut) * share))
    message = error(folder, lambda folder: Checkpoint(folder).describe())
    assert os.path.basename(cut) in message and '\n' not in message


def test_settings_of_the_tokenizer_and_of_generation_are_no_config(golden_copy):
    folder = golden_copy('bert-sharded')
    os.rename(path(folder, 'config.json'), path(folder, 'my_config.json'))
    with open(path(folder, 'tokenizer_config.json'), 'w') as writer:
        json.dump({'do_lower_case': True}, writer)
    assert open_source(folder).config_path == path(folder, 'my_config.json')


def test_an_index_without_its_data_does_not_hide_other_weights(golden_copy):
    folder = golden_copy('bert', 'google-bert')
    os.remove(path(folder, 'bert_model.ckpt.data-00000-of-00001'))
    assert opened(folder) == 'Hugging Face (model.safetensors)'


@pytest.mark.parametrize('name, says', [
    ('nobody/there', 'a repository of the Hub is hf:nobody/there'),
    ('bert-base-chinese', 'a repository of the Hub is hf:owner/bert-base-chinese'),
    ('/nobody/there', 'a shipped model. Type'), ('', "No checkpoint ''"),
    ('bert_config.json', 'is a config, not weights')])
def test_a_name_that_is_nearly_right_is_told_what_would_be(copy, monkeypatch, name, says):
    monkeypatch.chdir(copy)
    assert says in error(name)


@pytest.mark.parametrize('name', ['bert_model.ckpt.index', 'bert_model.ckpt.data-00000-of-00001', 'bert_config.json',
                                  'vocab.txt'])
def test_a_pointer_of_git_is_told_from_the_file_it_points_to(copy, name):
    with open(path(copy, name), 'wb') as writer:
        writer.write(b'version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 12\n')
    message = error(copy)
    assert message.startswith(path(copy, name) + " is not the file itself but Git's pointer") and 'lfs pull' in message


def test_a_folder_that_may_not_be_read_is_told(copy, monkeypatch):
    def refuse(folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
    monkeypatch.setattr(os, 'listdir', refuse)
    assert error(copy) == copy + ' cannot be read: Permission denied.'
