"""Folders of version 0.1 in tests/saved: a whole model, and a prompt that was trained on it."""
import json
import os
import shutil

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.model_folder import read_header
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.serving.prompt_server import PromptServer

SAVED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'saved', '0.1')
MODEL, PROMPT = os.path.join(SAVED, 'model'), os.path.join(SAVED, 'prompt')
TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})


@pytest.fixture(scope='module')
def expected():
    """What version 0.1 answered: texts, and the probabilities of model and prompt."""
    with open(os.path.join(SAVED, 'probabilities.json'), encoding='utf-8') as reader:
        return json.load(reader)


@pytest.mark.parametrize('open_it', [load, ClozeClassifier.load])
def test_a_model_saved_by_version_0_1_still_answers_the_same(open_it, expected):
    classifier = open_it(MODEL)
    np.testing.assert_allclose(classifier.predict_proba(expected['texts']), expected['model'], atol=1e-6)
    assert classifier.pattern.string == '[MASK]满意。{text}' and classifier.maxlen == 24
    assert [h['epoch'] for h in classifier.history] == [0, 1, 2]


def test_a_prompt_saved_by_version_0_1_is_recognised_by_its_checkpoint(expected, make_checkpoint, tmp_path):
    classifier = load(PROMPT, MODEL)
    np.testing.assert_allclose(classifier.predict_proba(expected['texts']), expected['prompt'], atol=1e-6)
    assert classifier.train == 'prompt' and [h['epoch'] for h in classifier.history] == [1, 2]
    with pytest.raises(UserError, match='another checkpoint'):
        load(PROMPT, make_checkpoint(tmp_path / 'other', num_hidden_layers=1))


def test_a_prompt_saved_by_version_0_1_is_served(expected, tmp_path):
    shutil.copytree(PROMPT, str(tmp_path / 'prompt'))
    path = str(tmp_path / 'prompt' / 'prompt.json')
    with open(path, encoding='utf-8') as reader:
        fields = json.load(reader)
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(dict(fields, checkpoint=MODEL), writer)
    found = PromptServer({'reviews': str(tmp_path / 'prompt')}).predict_log_proba(
        [('reviews', text) for text in expected['texts']])
    np.testing.assert_allclose(np.exp(found), expected['prompt'], atol=1e-6)


def test_what_version_0_1_saved_can_be_saved_anew(expected, tmp_path):
    load(PROMPT, MODEL).save(str(tmp_path / 'prompt'))
    again = load(str(tmp_path / 'prompt'))
    np.testing.assert_allclose(again.predict_proba(expected['texts']), expected['prompt'], atol=1e-6)
    header = read_header(str(tmp_path / 'prompt'))
    assert header['checkpoint']['fingerprint'] == again.checkpoint.fingerprint


# --- of every kind ----------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def folders(still, tmp_path_factory):
    """Folder of each kind."""
    made = {}
    for name, classifier in (('cloze', ClozeClassifier(TASK, still)), ('fine-tuning', FineTuningClassifier(TASK, still)),
                             ('prompt', ClozeClassifier(TASK, still, '[unused1][MASK]{text}', train='prompt'))):
        made[name] = str(tmp_path_factory.mktemp('saved') / name)
        classifier.offset = [0.5, -2.]
        classifier.save(made[name])
    return made


@pytest.mark.parametrize('name,cls', [('cloze', ClozeClassifier), ('fine-tuning', FineTuningClassifier),
                                      ('prompt', ClozeClassifier)])
def test_load_finds_the_kind_and_the_offset(name, cls, folders):
    classifier = load(folders[name])
    assert type(classifier) is cls and classifier.train == ('prompt' if name == 'prompt' else 'all')
    np.testing.assert_array_equal(classifier.offset, [0.5, -2.])


def test_a_class_says_which_folders_are_not_its_own(folders):
    with pytest.raises(UserError, match="kind 'fine-tuning': open it with pet_keras.load"):
        ClozeClassifier.load(folders['fine-tuning'])
    with pytest.raises(UserError, match="kind 'cloze'"):
        FineTuningClassifier.load(folders['prompt'])


def test_a_model_is_not_saved_over_one_of_another_kind(folders, still):
    with pytest.raises(UserError, match='another model .fine-tuning'):
        ClozeClassifier(TASK, still).save(folders['fine-tuning'])


def test_a_prompt_server_takes_prompts_alone_and_their_offsets(folders):
    for name in ('cloze', 'fine-tuning'):
        with pytest.raises(UserError, match='not a prompt'):
            PromptServer({'a': folders[name]})
    text = '房间很干净'
    np.testing.assert_allclose(PromptServer({'a': folders['prompt']}).predict_log_proba([('a', text)])[0],
                               load(folders['prompt']).predict_log_proba([text])[0], atol=1e-5)


@pytest.mark.parametrize('change', [{'kind': 'forest'}, {'kind': None}], ids=str)
def test_a_kind_that_is_not_known_is_named(change, folders, tmp_path):
    folder = str(tmp_path / 'copy')
    shutil.copytree(folders['prompt'], folder)
    path = os.path.join(folder, 'model.json')
    with open(path, encoding='utf-8') as reader:
        fields = dict(json.load(reader), **change)
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(fields, writer)
    with pytest.raises(UserError, match='does not know'):
        load(folder)


@pytest.mark.parametrize('content', ['', '[]', 'null', '{"kind": "cloze"}', '{"kind": "cloze", "checkpoint": 3}'])
def test_a_header_that_is_damaged_is_named(content, folders, tmp_path):
    folder = str(tmp_path / 'copy')
    shutil.copytree(folders['prompt'], folder)
    with open(os.path.join(folder, 'model.json'), 'w') as writer:
        writer.write(content)
    with pytest.raises(UserError, match='model.json is damaged'):
        load(folder)


@pytest.mark.parametrize('tensors', [{}, {'classifier/kernel': np.zeros((16, 2), 'float32')},
                                     {'classifier/kernel': np.zeros((16, 3), 'float32'),
                                      'classifier/bias': np.zeros(3, 'float32')}], ids=['none', 'no bias', 'shapes'])
def test_an_output_layer_that_does_not_fit_is_named(tensors, folders, tmp_path):
    from safetensors.numpy import save_file
    folder = str(tmp_path / 'copy')
    shutil.copytree(folders['fine-tuning'], folder)
    save_file(tensors, os.path.join(folder, 'added.safetensors'))
    with pytest.raises(UserError, match='copy.* is damaged'):
        load(folder)


def test_the_offset_moves_the_labels_scores_and_can_change(folders):
    classifier, texts = load(folders['cloze']), ['房间很干净', '又吵又脏']
    with_offset = classifier.label_scores(texts)
    classifier.offset = [0, 0]
    without_offset = classifier.label_scores(texts)
    np.testing.assert_allclose(with_offset - without_offset, [[0.5, -2.]] * 2, atol=1e-12)
    assert not np.allclose(np.exp(without_offset).sum(axis=1), 1.)  # not normalised over the labels
    classifier.fit([Example('好', label='正面')], epochs=1, learning_rate=1e-9)
    np.testing.assert_allclose(classifier.label_scores(texts), without_offset, atol=1e-4)
