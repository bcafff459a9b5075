"""Each family in each format, against reference logits, and through the whole library."""
import os

import numpy as np
import pytest

from folders import error, path, rewrite, set_config
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.cloze.task import Task
from pet_keras.networks.models import build, model_inputs

GOLDEN = {  # folder, or a file of it → family, format
    'google-bert': ('bert', 'Google TensorFlow'), 'bert': ('bert', 'Hugging Face (model.safetensors)'),
    'bert/pytorch_model.bin': ('bert', 'Hugging Face (pytorch_model.bin)'),
    'bert-bfloat16': ('bert', 'Hugging Face (model.safetensors)'),
    'bert-sharded': ('bert', 'Hugging Face (model.safetensors.index.json)'),
    'bert-tf-h5': ('bert', 'Hugging Face (tf_model.h5)'), 'bert-uer': ('bert', 'UER-py (mixed_corpus_bert_model.bin)'),
    'bert-uer-new': ('bert', 'UER-py (pytorch_model.bin)'), 'albert': ('albert', 'Hugging Face (model.safetensors)'),
    'electra-generator': ('electra', 'Hugging Face (model.safetensors)'),
    'roformer': ('roformer', 'Hugging Face (model.safetensors)'), 'nezha': ('nezha', 'Google TensorFlow'),
    'nezha-gpt': ('nezha', 'Google TensorFlow'), 'gpt2': ('gpt2', 'Hugging Face (model.safetensors)'),
    'openai-gpt': ('gpt', 'Hugging Face (model.safetensors)'), 'cdial-gpt': ('gpt', 'Hugging Face (pytorch_model.bin)')}
CAUSAL = ('nezha-gpt', 'gpt2', 'openai-gpt', 'cdial-gpt')
ONE_EACH = ['bert', 'albert', 'electra-generator', 'roformer', 'nezha', *CAUSAL]


def build_it(folder):
    return build(Checkpoint(folder))


def _logits(checkpoint, io):
    model = build(checkpoint)
    inputs = model_inputs(model, io['token_ids'], io['segment_ids'], io['positions'])
    return model([np.array(a, 'int32') for a in inputs], training=False).numpy()


@pytest.mark.parametrize('name', GOLDEN)
def test_logits_equal_those_of_an_independent_implementation(name, golden):
    checkpoint = golden(name)
    assert (checkpoint.family, checkpoint.source.format) == GOLDEN[name]
    assert checkpoint.is_causal == (name in CAUSAL)
    with np.load(path(checkpoint.folder, 'io.npz')) as io:
        np.testing.assert_allclose(_logits(checkpoint, io), io['logits'], atol=1e-4)


@pytest.mark.parametrize('name', [name for name in ONE_EACH if name != 'nezha'] + ['bert-uer'])
def test_a_copy_in_google_s_format_is_the_same_model_to_the_last_bit(name, golden, tmp_path):
    checkpoint = golden(name)
    transformer = build(checkpoint, return_keras_model=False)
    checkpoint.write(str(tmp_path), transformer)
    copy = Checkpoint(str(tmp_path), checkpoint.application)
    assert copy.source.format == 'Google TensorFlow' and copy.family == checkpoint.family
    assert copy.fingerprint == checkpoint.fingerprint
    for variable, _ in transformer.variables():
        assert copy.load_variable(variable).tobytes() == checkpoint.load_variable(variable).tobytes()


def test_one_model_has_one_fingerprint_in_every_format(golden):
    assert len({golden(name).fingerprint for name in ('google-bert', 'bert', 'bert/pytorch_model.bin')}) == 1
    assert len({golden(name).fingerprint for name in ('bert-sharded', 'bert-tf-h5', 'bert-uer', 'bert-uer-new')}) == 1


@pytest.mark.filterwarnings('ignore:.*untrained')  # random weights
@pytest.mark.parametrize('name', [name for name in ONE_EACH if name != 'cdial-gpt'])  # which is openai-gpt again
def test_a_classifier_on_it_scores_learns_is_saved_and_loaded(name, golden, tmp_path):
    task = Task({'P1': '{text}总之很[MASK]'}, {'好': '好', '坏': '差'})
    classifier = ClozeClassifier(task, golden(name), maxlen=32)
    before = classifier.predict_proba(['房间很干净', '吵'])
    classifier.fit([('房间很干净', None, '好'), ('吵', None, '坏')], epochs=1, learning_rate=1e-3)
    after = classifier.predict_proba(['房间很干净', '吵'])
    assert np.isfinite(after).all() and np.abs(after - before).max() > 1e-4
    classifier.save(str(tmp_path / 'saved'))
    np.testing.assert_allclose(load(str(tmp_path / 'saved')).predict_proba(['房间很干净', '吵']), after, atol=1e-6)


@pytest.mark.filterwarnings('ignore:.*untrained')
def test_a_prompt_on_a_hugging_face_folder_finds_it_again(golden, tmp_path):
    task = Task({'P1': '[MASK]满意。{text}'}, {'好': '很', '坏': '不'})
    classifier = ClozeClassifier(task, golden('electra-generator'), '[unused1][MASK]。{text}', train='prompt')
    classifier.save(str(tmp_path))
    np.testing.assert_allclose(load(str(tmp_path)).predict_proba(['吵']), classifier.predict_proba(['吵']), atol=1e-6)


# what a family is told by, without golden files

def test_a_roformer_is_told_by_its_config_and_has_other_answers_than_a_nezha(copy):
    rewrite(copy, lambda variables: variables.pop('bert/embeddings/position_embeddings'))
    nezha = Checkpoint(copy)
    set_config(copy, model_type='roformer')
    roformer = Checkpoint(copy)
    assert (nezha.family, roformer.family) == ('nezha', 'roformer')
    assert roformer.max_position is None and roformer.fingerprint != nezha.fingerprint
    io = {'token_ids': [[101, 700, 103, 800]], 'segment_ids': [[0] * 4], 'positions': [[2]]}
    assert np.abs(_logits(roformer, io) - _logits(nezha, io)).max() > 1e-3


def test_a_bert_that_lost_its_positions_is_no_nezha(copy):
    rewrite(copy, lambda variables: variables.pop('bert/embeddings/position_embeddings'))
    set_config(copy, model_type='bert')
    assert 'position_embeddings should have shape (64, 16) and is missing' in error(copy, build_it)


def test_another_layer_norm_epsilon_is_computed_with_and_makes_another_model(tiny, copy):
    io = {'token_ids': [[101, 700, 103, 800]], 'segment_ids': [[0] * 4], 'positions': [[2]]}
    before, digits = _logits(Checkpoint(tiny), io), Checkpoint(tiny).fingerprint
    set_config(copy, layer_norm_eps=1e-12)
    assert Checkpoint(copy).fingerprint == digits
    set_config(copy, layer_norm_eps=.1)
    assert Checkpoint(copy).fingerprint != digits
    assert np.abs(_logits(Checkpoint(copy), io) - before).max() > 1e-3
    set_config(copy, layer_norm_eps='little')
    assert error(copy, build_it).startswith(path(copy, 'bert_config.json') + ' does not describe a model')


def test_an_albert_stores_one_layer_and_applies_it_in_each(golden):
    checkpoint = golden('albert')
    described = checkpoint.describe()
    layer = sum(int(np.prod(shape)) for name, shape in checkpoint.shapes.items() if '/inner_group_0/' in name)
    assert described['layers'] == 3 and layer > 0
    assert described['parameters_applied'] == described['parameters'] + 2 * layer


def test_embeddings_that_would_have_to_be_mapped_to_their_own_width_are_refused(copy):
    name = 'bert/encoder/embedding_hidden_mapping_in/kernel'
    rewrite(copy, lambda variables: variables.update({name: np.eye(16, dtype='float32')}))
    assert '%s has %s' % (path(copy, 'bert_model.ckpt'), name) in error(copy, build_it)


ELECTRA = {'bert/embeddings': 'electra/embeddings', 'bert/encoder': 'generator/encoder',
           'cls/predictions/transform': 'generator_predictions', 'cls/predictions': 'generator_predictions'}


def _to_electra(variables):
    for name in list(variables):
        start = next(start for start in ELECTRA if name.startswith(start))
        variables[ELECTRA[start] + name[len(start):]] = variables.pop(name)


def test_google_s_electra_release_is_read_as_its_generator(tiny, copy):
    io = {'token_ids': [[101, 700, 103, 800]], 'segment_ids': [[0] * 4], 'positions': [[2]]}
    rewrite(copy, _to_electra)
    rewrite(copy, lambda variables: variables.update({  # the discriminator, which may have more layers
        'electra/encoder/layer_%d/output/dense/bias' % i: np.ones(24, 'float32') for i in range(3)}))
    os.rename(path(copy, 'bert_config.json'), path(copy, 'base_generator_config.json'))
    with open(path(copy, 'base_discriminator_config.json'), 'w') as writer:
        writer.write('{}')
    checkpoint = Checkpoint(copy)
    assert checkpoint.family == 'electra' and checkpoint.mlm_head_has_bias
    np.testing.assert_allclose(_logits(checkpoint, io), _logits(Checkpoint(tiny), io), atol=1e-6)


def test_a_discriminator_is_told_from_a_generator(copy):
    def change(variables):
        _to_electra(variables)
        for name in [name for name in variables if name.startswith('generator_predictions/')]:
            variables.pop(name)
    rewrite(copy, change)
    message = error(copy, lambda folder: Checkpoint(folder).check())
    assert 'generator_predictions/dense/kernel is missing' in message and 'only the generator has one' in message
