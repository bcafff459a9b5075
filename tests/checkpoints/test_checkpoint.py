import os
import subprocess
import sys

import numpy as np
import pytest

from folders import HEAD, error, path, rewrite, set_config, set_vocab
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.shipped import shipped_checkpoints

IMPORTED = '''
import sys
from pet_keras.checkpoints.checkpoint import Checkpoint, shipped_checkpoints
checkpoint = Checkpoint(sorted(shipped_checkpoints())[0])
checkpoint.is_fingerprint(checkpoint.source.legacy_fingerprint)
print([name for name in ('tensorflow', 'bert4keras') if name in sys.modules])
'''


# finding

def test_a_checkpoint_is_found_and_its_config_read_without_tensorflow():
    ran = subprocess.run([sys.executable, '-c', IMPORTED], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == '[]'


def test_the_shipped_model_is_found_by_name_and_by_folder():
    folder = shipped_checkpoints()['bert-mini-zh']
    by_name, by_folder = Checkpoint('bert-mini-zh'), Checkpoint(folder)
    assert by_name.folder == by_folder.folder == folder and by_name.name == 'bert-mini-zh'
    assert by_name.check() is by_name and by_name.describe()['mlm_head'] == 'present'


def test_an_unknown_name_is_named_with_the_way_to_find_names():
    message = error('bert-huge')
    assert "'bert-huge'" in message
    assert 'pet-keras checkpoint list' in message and 'pretrained/README.md' in message


def test_a_name_of_the_hub_is_fetched(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr('pet_keras.checkpoints.checkpoint.fetch', lambda name, download: asked.append(name) or tiny)
    checkpoint = Checkpoint('hf:owner/name@main')
    assert asked == ['hf:owner/name@main'] and (checkpoint.name, checkpoint.folder) == (asked[0], tiny)


# checking

def _cut(tokens):
    del tokens[-90:]


@pytest.mark.parametrize('change, more', [(lambda tokens: tokens.append('多一'), 1), (_cut, -90)],
                         ids=['longer', 'shorter'])
def test_a_vocabulary_of_another_size_is_an_error_that_names_both_files(copy, change, more):
    size = Checkpoint(copy).config['vocab_size']
    set_vocab(copy, change)
    message = error(copy, lambda folder: Checkpoint(folder).check())
    assert path(copy, 'vocab.txt') in message and path(copy, 'bert_config.json') in message
    assert 'holds %d tokens' % (size + more) in message and 'vocab_size %d' % size in message


def test_a_vocabulary_and_config_that_fit_each_other_but_not_the_weights_are_an_error(copy):
    set_vocab(copy, lambda tokens: tokens.append('多一'))
    rows = Checkpoint('bert-mini-zh').config['vocab_size']
    set_config(copy, vocab_size=rows + 1)
    message = error(copy, lambda folder: Checkpoint(folder).check())
    assert 'embeddings of %d tokens' % rows in message and 'holds %d' % (rows + 1) in message


@pytest.mark.parametrize('token', ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'])
def test_a_vocabulary_without_a_special_token_is_an_error_that_names_it(copy, token):
    set_vocab(copy, lambda tokens: tokens.__setitem__(tokens.index(token), 'something'))
    assert error(copy, lambda folder: Checkpoint(folder).check()) == '%s has no %s.' % (path(copy, 'vocab.txt'), token)


def test_a_masked_models_vocabulary_begins_with_the_padding(copy):
    def swap(tokens):
        tokens[0], tokens[5] = tokens[5], tokens[0]
    set_vocab(copy, swap)
    assert 'first token must be [PAD]' in error(copy, lambda folder: Checkpoint(folder).check())


def test_weights_of_another_kind_of_model_are_an_error(copy):
    def rename(variables):
        variables['encoder/embeddings'] = variables.pop('bert/embeddings/word_embeddings')
    rewrite(copy, rename)
    assert 'not a BERT, NEZHA or GPT' in error(copy, lambda folder: Checkpoint(folder).check())


def test_a_missing_mlm_head_fails_the_check_and_says_where_models_with_one_are(make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path, head=False)
    checkpoint = Checkpoint(folder)
    assert not checkpoint.has_mlm_head and not checkpoint.mlm_head_has_bias
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
        'folder': tiny, 'format': 'Google TensorFlow', 'family': 'bert', 'application': 'mlm', 'layers': 2,
        'hidden_size': 16, 'heads': 2, 'parameters': embeddings + 2 * layer + head,
        'parameters_applied': embeddings + 2 * layer + head, 'vocab_size': len(Checkpoint('bert-mini-zh').vocab),
        'max_position': 64, 'hidden_act': 'gelu_erf', 'mlm_head': 'present', 'damaged': []}
    assert len(fingerprint) == 12 and int(fingerprint, 16) >= 0


def test_an_mlm_head_with_a_bias_of_zeros_is_described_as_one(copy):
    def zero(variables):
        variables[HEAD + 'output_bias'] *= 0
    rewrite(copy, zero)
    checkpoint = Checkpoint(copy)
    assert checkpoint.has_mlm_head and not checkpoint.mlm_head_has_bias
    assert checkpoint.describe()['mlm_head'] == 'present (its bias is all zero)'
    checkpoint.check()


@pytest.mark.parametrize('name', ['gpt/embeddings/word_embeddings', 'newslm/embeddings/word_embed'])
def test_a_gpt_s_head_is_its_table(copy, name):
    def rename(variables):
        variables[name] = variables.pop('bert/embeddings/word_embeddings')
        for variable in [v for v in variables if v.startswith('cls/')]:
            variables.pop(variable)
    rewrite(copy, rename)
    assert Checkpoint(copy).describe()['mlm_head'] == 'tied to the embeddings'


@pytest.mark.parametrize('name', [None, 'zzz/adam_m', 'cls/seq_relationship/output_weights', 'zzz'])
@pytest.mark.parametrize('share', [.5, .99])
def test_a_file_that_is_cut_is_noticed_whichever_variables_are_at_its_end(copy, name, share):
    if name:
        rewrite(copy, lambda variables: variables.update({name: np.ones(10 ** 6, 'float32')}))
    data = path(copy, 'bert_model.ckpt.data-00000-of-00001')
    os.truncate(data, int(os.path.getsize(data) * share))
    message = error(copy, lambda folder: Checkpoint(folder).describe())
    assert message.startswith(path(copy, 'bert_model.ckpt') + ' cannot be read') and '\n' not in message


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


def test_the_config_has_every_default(copy):
    set_config(copy, hidden_act='gelu_new', max_position_embeddings=None, do_lower_case=None)
    checkpoint = Checkpoint(copy)
    assert checkpoint.hidden_act == checkpoint.config['hidden_act'] == 'gelu_tanh'
    assert checkpoint.max_position == checkpoint.config['max_position_embeddings'] == 512
    assert checkpoint.config['do_lower_case'] is True


def test_the_application_is_the_argument_s_then_the_config_s_then_mlm(copy):
    assert Checkpoint(copy).application == 'mlm'
    set_config(copy, application='lm')
    assert Checkpoint(copy).application == 'lm' and Checkpoint(copy, 'mlm').application == 'mlm'


def test_the_tokenizer_keeps_capitals_only_where_the_config_says_so(copy):
    assert Checkpoint(copy).tokenizer().tokenize('A')[1:-1] == ['a']
    set_config(copy, do_lower_case=False)
    assert Checkpoint(copy).tokenizer().tokenize('A')[1:-1] == ['A']


def test_a_release_with_pooler_nsp_head_and_step_counter_is_a_bert_with_an_mlm_head(data_folder):
    checkpoint = Checkpoint(os.path.join(data_folder, 'golden', 'google-bert')).check()
    assert checkpoint.family == 'bert' and checkpoint.mlm_head_has_bias
    assert any(name.startswith('bert/pooler') for name in checkpoint.shapes) and 'global_step' in checkpoint.shapes
    sizes = [int(np.prod(shape)) for name, shape in checkpoint.shapes.items() if name != 'global_step']
    assert checkpoint.describe()['parameters'] == sum(sizes)


# writing

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


def test_the_config_is_written_as_it_was_read(copy, transformer, tmp_path):
    set_config(copy, hidden_act='gelu_new', directionality='bidi', type_vocab_size=None)
    folder = str(tmp_path / 'target')
    Checkpoint(copy, application='lm').write(folder, transformer)
    assert Checkpoint(folder).source.config == Checkpoint(copy).source.config
    assert Checkpoint(folder).fingerprint == Checkpoint(copy).fingerprint


def test_a_checkpoint_under_other_names_that_is_written_over_itself_is_what_was_written(copy, transformer):
    for ending in ('index', 'data-00000-of-00001'):
        os.rename(path(copy, 'bert_model.ckpt.' + ending), path(copy, 'model.ckpt-99.' + ending))
    checkpoint = Checkpoint(copy)
    checkpoint.write(copy, transformer)
    assert checkpoint.weights_path == path(copy, 'bert_model.ckpt') == Checkpoint(copy).weights_path
