"""What a stranger's model folder, checkpoint or file tries, and cannot do: run code, reach other files, download."""
import json
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from pet_keras.checkpoints import hub
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.bag_of_words import BagOfWordsClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.pet.ensemble import Ensemble
from pet_keras.classifiers.priming import PrimingClassifier
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.experiments import records
from pet_keras.experiments.grid import Grid
from scripted import LABELLED, TASK


class Code(object):
    """A pickle of it makes a file when it is read."""
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture
def mark(tmp_path):
    """A path at which code that runs would leave a file; none may stand there in the end."""
    path = str(tmp_path / 'code was run')
    yield path
    assert not os.path.exists(path)


@pytest.fixture(scope='module')
def saved(still, tmp_path_factory):
    """A trained prompt."""
    folder = str(tmp_path_factory.mktemp('prompt') / 'model')
    ClozeClassifier(TASK, still, '[unused1][MASK]满意。{text}', train='prompt').save(folder)
    return folder


@pytest.fixture
def prompt(saved, tmp_path):
    return shutil.copytree(saved, str(tmp_path / 'stranger'))


def _change(folder, name, **fields):
    path = os.path.join(folder, name)
    with open(path, encoding='utf-8') as reader:
        found = json.load(reader)
    for key, value in fields.items():
        found[key] = dict(found[key], **value) if isinstance(value, dict) else value
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(found, writer)


def test_a_model_folder_downloads_nothing(prompt, monkeypatch):
    hub_module = pytest.importorskip('huggingface_hub')

    def asked(*_, **__):
        raise AssertionError('the Hub was asked')
    monkeypatch.setattr(hub_module.HfApi, 'model_info', asked)
    monkeypatch.setattr(hub, '_cached', lambda hub, name, repo, revision, problem: (_ for _ in ()).throw(problem))
    _change(prompt, 'model.json', checkpoint={'name': 'hf:stranger/model'})
    with pytest.raises(UserError, match='hf:stranger/model is not in the cache, and nothing is downloaded because a '
                                        'file names it.*--checkpoint'):
        load(prompt)


@pytest.mark.parametrize('name', ['/etc', '/etc/passwd', '/dev/zero', '../../etc', 'file:///etc/passwd', '', '\x00'])
def test_of_another_place_a_model_folder_may_name_a_checkpoint_alone(name, prompt):
    _change(prompt, 'model.json', checkpoint={'name': name})
    with pytest.raises(UserError):
        load(prompt)


def test_another_checkpoint_than_it_was_trained_on_is_refused(prompt, tmp_path, make_checkpoint):
    mine = make_checkpoint(tmp_path / 'mine', num_hidden_layers=1, seed=9)
    _change(prompt, 'model.json', checkpoint={'name': mine})
    with pytest.raises(UserError, match='was trained on another checkpoint'):
        load(prompt)


@pytest.mark.parametrize('fields', [
    {'kind': 'os.system'}, {'kind': ['cloze']}, {'tuning': {'train': 'builtins.eval'}}, {'tuning': {'train': ['all']}},
    {'tuning': {'train': '__import__("os").system("true")'}}, {'pattern': '{text.__class__}[MASK]'},
    {'maxlen': '9' * 99}])
def test_names_in_a_header_are_looked_up_and_never_run(fields, prompt):
    _change(prompt, 'model.json', **fields)
    with pytest.raises(UserError):
        load(prompt)


def test_weights_that_are_a_pickle_are_not_unpickled(prompt, mark):
    with open(os.path.join(prompt, 'added.safetensors'), 'wb') as writer:
        pickle.dump(Code(mark), writer)
    with pytest.raises(UserError, match='added.safetensors is damaged'):
        load(prompt)


@pytest.mark.parametrize('format', ['pickle', 'zip'])
def test_a_checkpoint_that_is_a_pickle_with_code_is_refused(format, still, mark, tmp_path):
    folder, data = str(tmp_path / 'checkpoint'), pickle.dumps({'bert.embeddings.word_embeddings.weight': Code(mark)})
    shutil.copytree(still, folder, ignore=shutil.ignore_patterns('*ckpt*'))
    path = os.path.join(folder, 'pytorch_model.bin')
    if format == 'pickle':
        with open(path, 'wb') as writer:
            writer.write(data)
    else:
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('archive/data.pkl', data)
    with pytest.raises(UserError):
        Checkpoint(folder).check()


@pytest.mark.parametrize('shard', ['../outside.safetensors', '/etc/passwd', 'C:\\x', 'a/../../outside.safetensors'])
def test_the_index_of_a_sharded_model_stays_in_its_folder(shard, still, tmp_path):
    folder = str(tmp_path / 'checkpoint')
    shutil.copytree(still, folder, ignore=shutil.ignore_patterns('*ckpt*'))
    (tmp_path / 'outside.safetensors').write_bytes(b'')
    with open(os.path.join(folder, 'model.safetensors.index.json'), 'w') as writer:
        json.dump({'weight_map': {'a': shard}}, writer)
    with pytest.raises(UserError, match='not in its folder'):
        Checkpoint(folder)


def test_a_resumed_run_reads_no_state_from_elsewhere(still, interrupt, tmp_path):
    out = str(tmp_path / 'out')
    interrupt(1, lambda: ClozeClassifier(TASK, still).fit(LABELLED[:4], epochs=2, out=out))
    _change(os.path.join(out, 'resume'), 'progress.json', last='../../elsewhere')
    with pytest.raises(UserError, match='progress.json is damaged'):
        ClozeClassifier(TASK, still).fit(LABELLED[:4], epochs=2, out=out, resume=True)


def test_a_state_that_was_cut_short_is_named(still, interrupt, tmp_path):
    out = str(tmp_path / 'out')
    interrupt(1, lambda: ClozeClassifier(TASK, still).fit(LABELLED[:4], epochs=2, out=out))
    for name in os.listdir(os.path.join(out, 'resume')):
        if '.data-' in name:
            os.truncate(os.path.join(out, 'resume', name), 100)
    with pytest.raises(UserError, match='state. is damaged .*cannot go on'):
        ClozeClassifier(TASK, still).fit(LABELLED[:4], epochs=2, out=out, resume=True)


@pytest.mark.parametrize('text', ['!!python/object/apply:os.system ["true"]', 'name: !!python/name:os.system'])
def test_an_experiment_file_makes_no_objects(text, tmp_path):
    pytest.importorskip('yaml')
    (tmp_path / 'grid.yaml').write_text(text)
    with pytest.raises(UserError, match='is not YAML'):
        Grid(str(tmp_path / 'grid.yaml'))


def test_scores_that_are_a_pickle_are_not_unpickled(mark, tmp_path):
    os.makedirs(str(tmp_path / 'scores'))
    path = records.scores_path(str(tmp_path), 'k', 'P1', 'a')
    with open(path, 'wb') as writer:
        np.savez(writer, log_proba=np.array([Code(mark)], object), truth=np.zeros(1))
    with pytest.raises(UserError, match='is damaged'):
        records.scores(str(tmp_path), {'key': 'k', 'pattern': 'P1'}, 'a')


@pytest.mark.parametrize('pattern', ['{text.__init__.__globals__}[MASK]', '{text!r}[MASK]', '{text:>99999999}[MASK]',
                                     '{0}{text}[MASK]'])
def test_a_pattern_is_no_format_string(pattern):
    with pytest.raises(UserError, match='is not one of {text}|must hold {text} once'):
        Task({'P1': pattern}, {'正面': '很', '负面': '不'})


@pytest.fixture(scope='module')
def two_models(still, tmp_path_factory):
    """A saved Ensemble."""
    folder = str(tmp_path_factory.mktemp('ensemble') / 'model')
    Ensemble('sentiment', still, ['P1', 'P3']).save(folder)
    return folder


@pytest.mark.parametrize('fields', [
    {'places': ['model0', '../other']}, {'places': ['model0', '/tmp']}, {'places': []}, {'places': None},
    {'places': ['model0']}, {'seeds': 30000000}, {'seeds': 10 ** 30}, {'seeds': None}, {'member_weights': [1.]},
    {'member_weights': ['a', 'b']}, {'member_weights': [1., float('nan')]}, {'maxlen': 'x'}, {'maxlen': None},
    {'patterns': -1}, {'offset': 'x'}, {'offset': {}}, {'report': 3}], ids=str)
def test_an_ensemble_opens_no_folder_but_its_own_and_what_cannot_be_is_damage(fields, two_models, tmp_path):
    folder = shutil.copytree(two_models, str(tmp_path / 'stranger'))
    shutil.copytree(two_models + '/model1', str(tmp_path / 'other'))
    header = json.loads((tmp_path / 'stranger' / 'model.json').read_text('utf-8'))
    (tmp_path / 'stranger' / 'model.json').write_text(json.dumps(dict(header, **fields)), 'utf-8')
    with pytest.raises(UserError, match='damaged|seeds is from 1|pattern'):
        load(folder)


@pytest.mark.parametrize('fields', [{'characters': 10 ** 9}, {'characters': 'x'}, {'characters': None}], ids=str)
def test_a_bag_of_words_has_no_terms_without_end(fields, tmp_path):
    BagOfWordsClassifier(TASK).fit(LABELLED, out=str(tmp_path / 'bag'))
    _change(str(tmp_path / 'bag'), 'model.json', **fields)
    with pytest.raises(UserError, match='damaged|characters is from 1 to 10'):
        load(str(tmp_path / 'bag'))


@pytest.mark.parametrize('shown', ['x', [[1]], [['好', None, '天气']], [3]], ids=str)
def test_texts_to_show_that_are_none_are_damage(shown, causal, tmp_path):
    PrimingClassifier(Task({'P1': '{text}[MASK]'}, {'正面': '好', '负面': '坏'}), causal).fit(
        LABELLED, out=str(tmp_path / 'primed'))
    _change(str(tmp_path / 'primed'), 'model.json', shown=shown)
    with pytest.raises(UserError, match='damaged'):
        load(str(tmp_path / 'primed'))
