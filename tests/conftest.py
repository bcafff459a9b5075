"""Fixtures that the test files share: a tiny checkpoint, the shipped tokenizer, the public data sets."""
import pet_keras  # noqa: F401  first: it sets the Keras switches that must stand before TensorFlow loads

import json
import os
import shutil

import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint, shipped_checkpoints

ROOT = os.path.dirname(os.path.abspath(__file__))
TRACED_FOLDERS = 'classifiers', 'networks'  # folders of tests of what TensorFlow traces; not those below them
NO_DATA = 'PET_KERAS_DATA is not set: it names the folder that holds data/ and golden/'


def pytest_collection_modifyitems(items):
    """Whole commands and documents first: of several processes none is then left alone with them at the end."""
    items.sort(key=lambda item: os.path.dirname(str(item.path)) not in (ROOT, os.path.join(ROOT, 'cli')))


@pytest.fixture(scope='module', autouse=True)
def _without_graphs(request):
    """Elsewhere functions run eagerly, in half the time: tracing a graph takes longer than a tiny model runs.

    A module may have a `TRACED` of its own. Every command that is a process of its own runs as a user's does.
    """
    from pet_keras.backend import tf
    folder = os.path.relpath(os.path.dirname(str(request.path)), ROOT)
    tf.config.run_functions_eagerly(not getattr(request.module, 'TRACED', folder in TRACED_FOLDERS))
    yield
    tf.config.run_functions_eagerly(False)


def google_variables(config, head=True, seed=0):
    """Random weights of a BERT under Google's names, as a dict name → float32 array."""
    rng = np.random.default_rng(seed)
    hidden, inner, variables = config['hidden_size'], config['intermediate_size'], {}

    def normal(name, *shape):
        variables[name] = rng.normal(0., 0.3, shape).astype('float32')

    def dense(name, *shape):
        normal(name + '/kernel', *shape)
        normal(name + '/bias', shape[-1])

    def layer_norm(name):
        normal(name + '/beta', hidden)
        normal(name + '/gamma', hidden)
        variables[name + '/gamma'] += 1.

    normal('bert/embeddings/word_embeddings', config['vocab_size'], hidden)
    normal('bert/embeddings/position_embeddings', config['max_position_embeddings'], hidden)
    normal('bert/embeddings/token_type_embeddings', config['type_vocab_size'], hidden)
    layer_norm('bert/embeddings/LayerNorm')
    for i in range(config['num_hidden_layers']):
        layer = 'bert/encoder/layer_%d/' % i
        for part in ('query', 'key', 'value'):
            dense(layer + 'attention/self/' + part, hidden, hidden)
        dense(layer + 'attention/output/dense', hidden, hidden)
        layer_norm(layer + 'attention/output/LayerNorm')
        dense(layer + 'intermediate/dense', hidden, inner)
        dense(layer + 'output/dense', inner, hidden)
        layer_norm(layer + 'output/LayerNorm')
    if head:
        dense('cls/predictions/transform/dense', hidden, hidden)
        layer_norm('cls/predictions/transform/LayerNorm')
        normal('cls/predictions/output_bias', config['vocab_size'])
    return variables


def save_variables(folder, variables):
    """Writes arrays by name as `folder/bert_model.ckpt`."""
    from pet_keras.backend import tf
    tf.raw_ops.SaveV2(prefix=os.path.join(str(folder), 'bert_model.ckpt'), tensor_names=list(variables),
                      shape_and_slices=[''] * len(variables), tensors=[tf.constant(v) for v in variables.values()])


def make_checkpoint(folder, dropout=0., head=True, seed=0, **config):
    """Writes a tiny random BERT in Google's format, with the shipped vocabulary; returns the folder as a str.

    Arguments: `head` False leaves the MLM head out; `config` overrides keys of the config.
    """
    folder = str(folder)
    os.makedirs(folder, exist_ok=True)
    vocab_path = os.path.join(folder, 'vocab.txt')
    shutil.copyfile(os.path.join(shipped_checkpoints()['bert-mini-zh'], 'vocab.txt'), vocab_path)
    with open(vocab_path, encoding='utf-8') as reader:
        vocab_size = sum(1 for _ in reader)
    config = dict({
        'vocab_size': vocab_size, 'hidden_size': 16, 'num_hidden_layers': 2, 'num_attention_heads': 2,
        'intermediate_size': 32, 'max_position_embeddings': 64, 'type_vocab_size': 2, 'hidden_act': 'gelu',
        'hidden_dropout_prob': dropout, 'attention_probs_dropout_prob': dropout, 'initializer_range': 0.02,
    }, **config)
    with open(os.path.join(folder, 'bert_config.json'), 'w', encoding='utf-8') as writer:
        json.dump(config, writer)
    save_variables(folder, google_variables(config, head, seed))
    return folder


@pytest.fixture(scope='session', name='make_checkpoint')
def _make_checkpoint():
    return make_checkpoint


@pytest.fixture(scope='session')
def tiny(tmp_path_factory):
    """Folder of a tiny random checkpoint with MLM head. Read it only."""
    return make_checkpoint(tmp_path_factory.mktemp('tiny'))


@pytest.fixture(scope='session')
def tokenizer():
    return Checkpoint('bert-mini-zh').tokenizer()


@pytest.fixture(scope='session')
def data_folder():
    """The folder of the public data sets (data/) and the reference outputs (golden/)."""
    folder = os.environ.get('PET_KERAS_DATA')
    if not folder:
        pytest.skip(NO_DATA)
    return folder


@pytest.fixture(scope='session')
def still(tmp_path_factory, make_checkpoint):
    """A masked checkpoint of one layer, without dropout."""
    return make_checkpoint(tmp_path_factory.mktemp('still'), num_hidden_layers=1)


@pytest.fixture(scope='session')
def causal(tmp_path_factory, make_checkpoint):
    """A causal one, without segment ids."""
    return make_checkpoint(tmp_path_factory.mktemp('causal'), num_hidden_layers=1, type_vocab_size=0,
                           application='lm')


@pytest.fixture
def interrupt():
    """Calls a function that trains, and interrupts the training where its epoch number `epoch` (from 0) begins."""
    def call(epoch, train):
        from pet_keras.classifiers.training import Trainer
        train_epoch = Trainer._train_epoch

        def stopping(self, number, streams):
            if number == epoch:
                raise KeyboardInterrupt
            return train_epoch(self, number, streams)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trainer, '_train_epoch', stopping)
            with pytest.raises(KeyboardInterrupt):
                train()
    return call


@pytest.fixture
def run(capsys):
    """Runs the command line in this process: (exit status, standard output, standard error)."""
    def call(*args):
        from pet_keras.cli.main import main
        capsys.readouterr()
        status = main([str(a) for a in args])
        captured = capsys.readouterr()
        return status, captured.out, captured.err
    return call


@pytest.fixture
def fails(run):
    """Runs a command that must fail as a user should see it: status 1 and one line; returns the line."""
    def call(*args):
        status, _, err = run(*args)
        assert status == 1
        assert err.startswith('pet-keras: error: ') and err.count('\n') == 1 and err.endswith('\n'), err
        return err
    return call
