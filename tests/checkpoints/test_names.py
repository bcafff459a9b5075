import pytest

from pet_keras.checkpoints.names import (MLM_HEAD, family, hugging_face_names, is_of_cloze, is_of_optimizer, is_shared,
                                         layer_norm_eps, mlm_head, of_electra, word_table)

NETWORK = ['bert/embeddings/word_embeddings', 'bert/encoder/layer_11/output/dense/bias', 'gpt/output/LayerNorm/gamma',
           'newslm/layer00/query_layer/kernel', 'electra/embeddings/LayerNorm/beta',
           'generator/encoder/layer_0/output/dense/bias', 'generator_predictions/output_bias']


@pytest.mark.parametrize('name', NETWORK + MLM_HEAD)
def test_a_network_s_variables_are_of_the_cloze(name):
    assert is_of_cloze(name) and not is_of_optimizer(name)


@pytest.mark.parametrize('ending', ['adam_m', 'adam_v', 'Adam', 'Adam_1', 'LAMB', 'adafactor_vr'])
@pytest.mark.parametrize('name', NETWORK)
def test_an_optimizer_s_moments_are_not(name, ending):
    assert is_of_optimizer('%s/%s' % (name, ending)) and not is_of_cloze('%s/%s' % (name, ending))


def test_the_step_counter_is_the_optimizer_s():
    assert is_of_optimizer('global_step') and not is_of_cloze('global_step')


@pytest.mark.parametrize('name', ['bert/pooler/dense/kernel', 'cls/seq_relationship/output_weights',
                                  'output_weights', 'loss_scale', 'electra/encoder/layer_0/output/dense/bias',
                                  'discriminator_predictions/dense/bias', '_CHECKPOINTABLE_OBJECT_GRAPH'])
def test_heads_that_a_cloze_does_without_count_as_parameters_only(name):
    assert not is_of_cloze(name) and not is_of_optimizer(name)


# families

WORDS, POSITIONS = 'bert/embeddings/word_embeddings', 'bert/embeddings/position_embeddings'
SHARED = 'bert/encoder/transformer/group_0/inner_group_0/LayerNorm/beta'


@pytest.mark.parametrize('names, config, found', [
    ([WORDS, POSITIONS], {}, 'bert'), ([WORDS], {}, 'nezha'), ([WORDS], {'model_type': 'roformer'}, 'roformer'),
    ([WORDS, POSITIONS], {'model_type': 'roformer'}, 'bert'), ([WORDS], {'model_type': 'bert'}, 'bert'),
    ([WORDS], {'model_type': 'bert', 'use_relative_position': True}, 'nezha'),
    ([WORDS, POSITIONS, SHARED], {}, 'albert'), (['electra/embeddings/word_embeddings'], {}, 'electra'),
    (['gpt/embeddings/word_embeddings'], {}, 'gpt'),
    (['gpt/output/LayerNorm/gamma'], {}, 'gpt2'), (['newslm/embeddings/word_embed'], {}, 'gpt2_ml'),
    (['encoder/embeddings'], {}, None), ([], {'model_type': 'bert'}, None)])
def test_a_family_is_told_by_its_variables_and_where_they_do_not_tell_by_the_config(names, config, found):
    assert family(names, config) == found
    assert found in (None, 'gpt2') or word_table(found) in names


def test_electra_calls_everything_of_its_generator_otherwise():
    assert [of_electra(name) for name in (WORDS, 'bert/encoder/layer_1/output/dense/bias',
                                          'bert/encoder/embedding_hidden_mapping_in/bias')] == [
        'electra/embeddings/word_embeddings', 'generator/encoder/layer_1/output/dense/bias',
        'generator/embeddings_project/bias']
    assert mlm_head('electra') == ['generator_predictions/dense/kernel', 'generator_predictions/dense/bias',
                                   'generator_predictions/LayerNorm/gamma', 'generator_predictions/LayerNorm/beta',
                                   'generator_predictions/output_bias']
    assert mlm_head('albert') == mlm_head('bert') == MLM_HEAD


def test_only_an_albert_shares_its_layers():
    assert is_shared(SHARED) and not is_shared('bert/encoder/layer_0/output/dense/bias')
    assert not is_shared('bert/encoder/embedding_hidden_mapping_in/bias')


def test_the_epsilon_is_the_config_s_or_the_family_s():
    assert layer_norm_eps('gpt2', {'layer_norm_eps': 1e-6}) == layer_norm_eps('bert', {'layer_norm_eps': 1e-6}) == 1e-6
    assert layer_norm_eps('gpt', {}) == layer_norm_eps('gpt2_ml', {}) == 1e-5
    assert layer_norm_eps('bert', {}) == layer_norm_eps('roformer', {}) == 1e-12


@pytest.mark.parametrize('of', ['bert', 'albert', 'electra', 'nezha', 'roformer', 'gpt', 'gpt2'])
def test_each_of_our_names_has_one_in_hugging_face_s_format(of):
    names = hugging_face_names(of, 2)
    ours = [name for _, name, _ in names]
    assert len(set(ours)) == len(ours) and '%d' not in ''.join(ours)
    assert family(ours, {'model_type': of}) in (of, 'bert')  # a table of positions is among those that may be there
    thirds = {(theirs, how) for theirs, _, how in names if how in (0, 1, 2)}
    assert len(thirds) == (12 if of.startswith('gpt') else 0)
    assert all(how == 'T' for _, name, how in names if name.endswith('kernel') and not of.startswith('gpt'))
