import json
import os
import shutil

import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint, shipped_checkpoints
from pet_keras.errors import UserError

HEAD = 'cls/predictions/'


@pytest.fixture
def copy(tiny, tmp_path):
    """A folder of its own with the tiny checkpoint, to spoil."""
    return shutil.copytree(tiny, str(tmp_path / 'copy'))


def error(folder, use=Checkpoint):
    with pytest.raises(UserError) as e:
        use(folder)
    return str(e.value)


def path(folder, name):
    return os.path.join(folder, name)


def set_config(folder, **keys):
    with open(path(folder, 'bert_config.json'), encoding='utf-8') as reader:
        config = dict(json.load(reader), **keys)
    with open(path(folder, 'bert_config.json'), 'w', encoding='utf-8') as writer:
        json.dump({key: value for key, value in config.items() if value is not None}, writer)


def rewrite(folder, change):
    """Writes the weights again after `change` has changed the dict name → array."""
    from pet_keras.backend import tf
    checkpoint = Checkpoint(folder)
    variables = {name: checkpoint.load_variable(name) for name in checkpoint.shapes}
    change(variables)
    tf.raw_ops.SaveV2(prefix=checkpoint.weights_path, tensor_names=list(variables),
                      shape_and_slices=[''] * len(variables), tensors=[tf.constant(v) for v in variables.values()])


def files(folder):
    """Content of each file, by name."""
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(path(folder, name), 'rb') as reader:
            found[name] = reader.read()
    return found


# finding

def test_the_shipped_model_is_found_by_name_and_by_folder():
    folder = shipped_checkpoints()['bert-mini-zh']
    by_name, by_folder = Checkpoint('bert-mini-zh'), Checkpoint(folder)
    assert by_name.folder == by_folder.folder == folder and by_name.name == 'bert-mini-zh'
    assert by_name.check() is by_name and by_name.describe()['mlm_head'] == 'present'


def test_an_unknown_name_is_named_with_the_way_to_find_names():
    message = error('bert-huge')
    assert "'bert-huge'" in message
    assert 'pet-keras checkpoint list' in message and 'pretrained/README.md' in message


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


# checking

@pytest.mark.parametrize('change', [lambda v: v + '多一\n', lambda v: v.split('\n', 1)[1]], ids=['longer', 'shorter'])
def test_a_vocabulary_of_another_size_is_an_error_that_names_both_files(copy, change):
    size = Checkpoint(copy).config['vocab_size']
    with open(path(copy, 'vocab.txt'), encoding='utf-8') as reader:
        changed = change(reader.read())
    with open(path(copy, 'vocab.txt'), 'w', encoding='utf-8') as writer:
        writer.write(changed)
    message = error(copy)
    assert path(copy, 'vocab.txt') in message and path(copy, 'bert_config.json') in message
    assert 'holds %d tokens' % changed.count('\n') in message and 'vocab_size %d' % size in message


def test_a_vocabulary_and_config_that_fit_each_other_but_not_the_weights_are_an_error(copy):
    with open(path(copy, 'vocab.txt'), 'a', encoding='utf-8') as writer:
        writer.write('多一\n')
    rows = Checkpoint('bert-mini-zh').config['vocab_size']
    set_config(copy, vocab_size=rows + 1)
    message = error(copy, lambda folder: Checkpoint(folder).check())
    assert 'embeddings of %d tokens' % rows in message and 'holds %d' % (rows + 1) in message


@pytest.mark.parametrize('token', ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'])
def test_a_vocabulary_without_a_special_token_is_an_error_that_names_it(copy, token):
    with open(path(copy, 'vocab.txt'), encoding='utf-8') as reader:
        tokens = reader.read().split('\n')
    tokens[tokens.index(token)] = 'something'
    with open(path(copy, 'vocab.txt'), 'w', encoding='utf-8') as writer:
        writer.write('\n'.join(tokens))
    assert error(copy, lambda folder: Checkpoint(folder).check()) == '%s has no %s.' % (path(copy, 'vocab.txt'), token)


def test_a_masked_models_vocabulary_begins_with_the_padding(copy):
    with open(path(copy, 'vocab.txt'), encoding='utf-8') as reader:
        tokens = reader.read().split('\n')
    tokens[0], tokens[5] = tokens[5], tokens[0]
    with open(path(copy, 'vocab.txt'), 'w', encoding='utf-8') as writer:
        writer.write('\n'.join(tokens))
    assert 'first token must be [PAD]' in error(copy, lambda folder: Checkpoint(folder).check())


@pytest.mark.parametrize('content', [b'', b'{"vocab_size": ', b'\xff\xfe'])
def test_a_config_that_is_not_json_is_named(copy, content):
    with open(path(copy, 'bert_config.json'), 'wb') as writer:
        writer.write(content)
    assert error(copy).startswith(path(copy, 'bert_config.json') + ' is not JSON')


@pytest.mark.parametrize('key', [
    'vocab_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads', 'intermediate_size'])
def test_a_config_without_a_size_is_named_with_the_size(copy, key):
    set_config(copy, **{key: None})
    assert '%s has no %r' % (path(copy, 'bert_config.json'), key) in error(copy)


def test_weights_that_cannot_be_read_are_named(copy):
    with open(path(copy, 'bert_model.ckpt.index'), 'r+b') as writer:
        writer.truncate(100)
    message = error(copy, lambda folder: Checkpoint(folder).shapes)
    assert message.startswith(path(copy, 'bert_model.ckpt') + ' cannot be read')


def test_weights_of_another_kind_of_model_are_an_error(copy):
    def rename(variables):
        variables['encoder/embeddings'] = variables.pop('bert/embeddings/word_embeddings')
    rewrite(copy, rename)
    assert 'not a BERT, NEZHA or GPT' in error(copy, lambda folder: Checkpoint(folder).check())


def test_a_missing_mlm_head_fails_the_check_and_says_where_models_with_one_are(make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path, head=False)
    checkpoint = Checkpoint(folder)
    assert not checkpoint.has_mlm_head and not checkpoint.mlm_head_is_trained
    assert checkpoint.describe()['mlm_head'] == 'missing'
    message = error(folder, lambda folder: Checkpoint(folder).check())
    assert folder in message and 'no MLM head' in message and 'pretrained/README.md' in message


@pytest.mark.parametrize('name', ['transform/dense/kernel', 'transform/LayerNorm/gamma', 'output_bias'])
def test_an_mlm_head_that_lacks_one_variable_fails_the_check_and_names_it(copy, name):
    rewrite(copy, lambda variables: variables.pop(HEAD + name))
    assert '%s is missing' % (HEAD + name) in error(copy, lambda folder: Checkpoint(folder).check())


# describing

def test_describe_says_what_the_folder_holds(tiny):
    described = Checkpoint(tiny).describe()
    fingerprint = described.pop('fingerprint')
    hidden, inner, vocab, positions = 16, 32, described['vocab_size'], 64
    embeddings = (vocab + positions + 2) * hidden + 2 * hidden
    layer = 4 * (hidden + 1) * hidden + 2 * hidden + (hidden + 1) * inner + (inner + 1) * hidden + 2 * hidden
    head = (hidden + 1) * hidden + 2 * hidden + vocab
    assert described == {
        'folder': tiny, 'family': 'bert', 'application': 'mlm', 'layers': 2, 'hidden_size': 16, 'heads': 2,
        'parameters': embeddings + 2 * layer + head, 'vocab_size': len(Checkpoint('bert-mini-zh').vocab),
        'max_position': 64, 'hidden_act': 'gelu_erf', 'mlm_head': 'present'}
    assert len(fingerprint) == 12 and int(fingerprint, 16) >= 0


def test_an_mlm_head_with_a_bias_of_zeros_is_described_as_untrained(copy):
    def zero(variables):
        variables[HEAD + 'output_bias'] *= 0
    rewrite(copy, zero)
    checkpoint = Checkpoint(copy)
    assert checkpoint.has_mlm_head and not checkpoint.mlm_head_is_trained
    assert 'untrained' in checkpoint.describe()['mlm_head']
    checkpoint.check()


def test_the_optimizer_s_variables_do_not_count_as_parameters(copy):
    before = Checkpoint(copy).describe()

    def add(variables):
        variables['bert/embeddings/word_embeddings/adam_m'] = np.ones((5, 5), 'float32')
        variables['global_step'] = np.array(7, 'int64')
    rewrite(copy, add)
    assert Checkpoint(copy).describe()['parameters'] == before['parameters']


def test_without_position_embeddings_the_family_is_nezha_and_the_length_unlimited(copy):
    rewrite(copy, lambda variables: variables.pop('bert/embeddings/position_embeddings'))
    assert Checkpoint(copy).family == 'nezha' and Checkpoint(copy).max_position is None


@pytest.mark.parametrize('name, activation', [
    ('gelu', 'gelu_erf'), ('gelu_new', 'gelu_tanh'), ('gelu_pytorch_tanh', 'gelu_tanh'), ('relu', 'relu'),
    (None, 'gelu_erf')])
def test_the_config_decides_the_form_of_gelu(copy, name, activation):
    set_config(copy, hidden_act=name)
    assert Checkpoint(copy).hidden_act == activation


def test_the_application_is_the_argument_s_then_the_config_s_then_mlm(copy):
    assert Checkpoint(copy).application == 'mlm'
    set_config(copy, application='lm')
    assert Checkpoint(copy).application == 'lm' and Checkpoint(copy, 'mlm').application == 'mlm'


def test_the_tokenizer_keeps_capitals_only_where_the_config_says_so(copy):
    assert Checkpoint(copy).tokenizer().tokenize('A')[1:-1] == ['a']
    set_config(copy, do_lower_case=False)
    assert Checkpoint(copy).tokenizer().tokenize('A')[1:-1] == ['A']


# fingerprints

def test_the_fingerprint_does_not_change_with_the_folder_s_name(tiny, copy):
    assert Checkpoint(copy).fingerprint == Checkpoint(tiny).fingerprint


def test_the_fingerprint_is_that_of_the_weights_not_of_the_time_they_were_written(make_checkpoint, tiny, tmp_path):
    assert Checkpoint(make_checkpoint(tmp_path)).fingerprint == Checkpoint(tiny).fingerprint


@pytest.mark.parametrize('name', ['bert/embeddings/word_embeddings', 'bert/encoder/layer_1/output/dense/bias'])
def test_the_fingerprint_changes_with_one_weight(copy, name):
    def change(variables):
        variables[name].flat[3] += 1e-6
    rewrite(copy, lambda variables: None)  # the order of the variables in the file counts too: the same here
    before = Checkpoint(copy).fingerprint
    rewrite(copy, lambda variables: None)
    assert Checkpoint(copy).fingerprint == before
    rewrite(copy, change)
    assert Checkpoint(copy).fingerprint != before


def test_the_fingerprint_changes_with_the_vocabulary(tiny, copy):
    with open(path(copy, 'vocab.txt'), encoding='utf-8') as reader:
        vocab = reader.read()
    with open(path(copy, 'vocab.txt'), 'w', encoding='utf-8') as writer:
        writer.write(vocab.replace('\n很\n', '\n狠\n'))
    assert Checkpoint(copy).fingerprint != Checkpoint(tiny).fingerprint


# writing

@pytest.fixture(scope='module')
def transformer(tiny):
    from pet_keras.networks.models import build_mlm
    return build_mlm(tiny, return_keras_model=False)


def test_written_weights_are_bit_equal_and_carry_the_same_names(tiny, transformer, tmp_path):
    folder = str(tmp_path / 'deep' / 'folder')
    Checkpoint(tiny).write(folder, transformer)
    before, after = Checkpoint(tiny), Checkpoint(folder).check()
    assert set(after.shapes) == set(before.shapes)
    for name in before.shapes:
        written = after.load_variable(name)
        assert written.dtype == np.float32 and written.tobytes() == before.load_variable(name).tobytes(), name
    assert sorted(os.listdir(folder)) == sorted(os.listdir(tiny))
    for name in ('vocab.txt', 'bert_config.json'):
        assert files(folder)[name] == files(tiny)[name]


def test_written_weights_are_the_present_ones_of_the_model(tiny, tmp_path):
    from pet_keras.networks.models import build_mlm
    transformer = build_mlm(tiny, return_keras_model=False)
    layer = transformer.layers['MLM-Bias']
    layer.set_weights([np.arange(len(layer.get_weights()[0]), dtype='float32')])
    Checkpoint(tiny).write(str(tmp_path), transformer)
    np.testing.assert_array_equal(Checkpoint(str(tmp_path)).load_variable(HEAD + 'output_bias'),
                                  layer.get_weights()[0])


def test_a_model_built_from_the_written_folder_answers_bit_for_bit_the_same(tiny, transformer, tmp_path):
    from pet_keras.networks.models import build_mlm
    Checkpoint(tiny).write(str(tmp_path), transformer)
    inputs = [np.array([[101, 103, 500, 102]]), np.zeros((1, 4)), np.array([[1]])]
    np.testing.assert_array_equal(build_mlm(str(tmp_path)).predict_on_batch(inputs),
                                  transformer.model.predict_on_batch(inputs))


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


# the reference checkpoint, with the extra variables that real releases carry

def test_a_release_with_pooler_nsp_head_and_step_counter_is_a_bert_with_an_mlm_head(data_folder):
    checkpoint = Checkpoint(os.path.join(data_folder, 'golden', 'google-bert')).check()
    assert checkpoint.family == 'bert' and checkpoint.mlm_head_is_trained
    assert any(name.startswith('bert/pooler') for name in checkpoint.shapes) and 'global_step' in checkpoint.shapes
    sizes = [int(np.prod(shape)) for name, shape in checkpoint.shapes.items() if name != 'global_step']
    assert checkpoint.describe()['parameters'] == sum(sizes)
