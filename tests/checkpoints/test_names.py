import pytest

from pet_keras.checkpoints.names import MLM_HEAD, is_of_cloze, is_of_optimizer

NETWORK = ['bert/embeddings/word_embeddings', 'bert/encoder/layer_11/output/dense/bias', 'gpt/output/LayerNorm/gamma',
           'newslm/layer00/query_layer/kernel']


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
                                  'output_weights', 'loss_scale', '_CHECKPOINTABLE_OBJECT_GRAPH'])
def test_heads_that_a_cloze_does_without_count_as_parameters_only(name):
    assert not is_of_cloze(name) and not is_of_optimizer(name)
