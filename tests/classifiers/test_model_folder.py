"""Folders of version 0.1 in tests/saved: a whole model, and a prompt that was trained on it."""
import json
import os
import shutil

import numpy as np
import pytest

import pet_keras
from pet_keras.backend import tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.conversion import convert
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.model_folder import find_checkpoint, read_added, read_header, read_task
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.serving.prompt_server import PromptServer

TRACED = False  # it is not about training
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


def test_a_model_saved_before_its_header_named_the_application_loads_too(expected, tmp_path):
    shutil.copytree(MODEL, str(tmp_path / 'model'))
    path = str(tmp_path / 'model' / 'classifier.json')
    with open(path, encoding='utf-8') as reader:
        fields = json.load(reader)
    del fields['application']
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(fields, writer)
    np.testing.assert_allclose(load(str(tmp_path / 'model')).predict_proba(expected['texts']), expected['model'],
                               atol=1e-6)


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


@pytest.mark.parametrize('change', [{'kind': 'forest'}, {'kind': None}, {'kind': ['cloze']}], ids=str)
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


# --- what a save leaves -----------------------------------------------------------------------------------

def _saved(folder):
    """All that a folder holds of a model, by part."""
    header = read_header(folder)
    checkpoint = find_checkpoint(folder, header)
    weights = {name: checkpoint.load_variable(name).tobytes() for name in sorted(checkpoint.shapes)}
    added = {name: value.tobytes() for name, value in sorted(read_added(folder).items())}
    return [header, dict(checkpoint.source.config), sorted(checkpoint.vocab), weights, added,
            read_task(folder).verbalizer.words]


class Killed(BaseException):
    """Stands for a kill: nothing that follows it happens."""


@pytest.mark.parametrize('kind', ['cloze', 'fine-tuning', 'prompt'])
def test_whichever_rename_of_a_save_is_the_last_the_folder_holds_the_old_model_or_the_new(
        kind, still, make_checkpoint, tmp_path, monkeypatch):
    def classifier(checkpoint, word):
        task = Task({'P1': '[MASK]满意。{text}'}, {'正面': word, '负面': '不'})
        if kind == 'fine-tuning':
            return FineTuningClassifier(task, checkpoint)
        return ClozeClassifier(task, checkpoint, *(['[unused1][MASK]{text}', 64, 'prompt'] if kind == 'prompt' else []))
    old = classifier(still, '很')
    new = classifier(make_checkpoint(tmp_path / 'other', num_hidden_layers=2, seed=1), '好')
    old.offset, new.offset = [0., 1.], [2., 3.]
    old.save(str(tmp_path / 'old'))
    new.save(str(tmp_path / 'new'))
    expected = [_saved(str(tmp_path / name)) for name in ('old', 'new')]
    replace, remove, rmtree, found = os.replace, os.remove, shutil.rmtree, []
    for n in range(100):
        folder = shutil.copytree(str(tmp_path / 'old'), str(tmp_path / str(n)))
        done = [0]

        def counted(*args):
            if done[0] == n:
                monkeypatch.setattr(os, 'remove', lambda *args: None)
                monkeypatch.setattr(shutil, 'rmtree', lambda *args, **kwargs: None)
                raise Killed
            done[0] += 1
            replace(*args)
        monkeypatch.setattr(os, 'replace', counted)
        try:
            new.save(folder)
            whole = True
        except Killed:
            whole = False
        for module, name, original in ((os, 'replace', replace), (os, 'remove', remove), (shutil, 'rmtree', rmtree)):
            monkeypatch.setattr(module, name, original)
        found.append(expected.index(_saved(folder)))
        if found[-1] != (found[-2] if n else 0):  # the first of the new ones
            np.testing.assert_allclose(load(folder).predict_proba(['房间']), new.predict_proba(['房间']), atol=1e-6)
            load(folder).save(folder)  # from the files of the interrupted save, into their folder
            assert _saved(folder)[1:] == expected[1][1:]
            assert sorted(os.listdir(folder)) == sorted(os.listdir(str(tmp_path / 'new')))
        if whole:
            break
    assert found == sorted(found) and set(found) == {0, 1} and len(found) > 4
    assert sorted(os.listdir(folder)) == sorted(os.listdir(str(tmp_path / 'new')))


@pytest.mark.parametrize('names', [{}, {'bert_model.ckpt': 'model.ckpt-9'}], ids=['usual', 'other'])
@pytest.mark.parametrize('train', ['all', 'prompt'])
def test_a_model_is_not_saved_over_a_pretrained_checkpoint(names, train, still, tmp_path):
    folder = shutil.copytree(still, str(tmp_path / 'pretrained'))
    for file in os.listdir(folder):
        for old, new in names.items():
            os.rename(os.path.join(folder, file), os.path.join(folder, file.replace(old, new)))
    before = sorted((file, os.stat(os.path.join(folder, file)).st_mtime_ns) for file in os.listdir(folder))
    classifier = ClozeClassifier(TASK, folder, '[unused1][MASK]{text}', train=train)
    with pytest.raises(UserError, match='pretrained already holds a checkpoint.*choose another folder'):
        classifier.save(folder)
    assert sorted((file, os.stat(os.path.join(folder, file)).st_mtime_ns) for file in os.listdir(folder)) == before


@pytest.mark.parametrize('train', ['all', 'prompt'])
def test_a_model_is_not_saved_over_a_checkpoint_of_another_format(train, still, tmp_path):
    folder = str(tmp_path / 'pretrained')
    convert(still, folder, 'safetensors')
    before = sorted((file, os.stat(os.path.join(folder, file)).st_mtime_ns) for file in os.listdir(folder))
    classifier = ClozeClassifier(TASK, folder, '[unused1][MASK]{text}', train=train)
    with pytest.raises(UserError, match='pretrained already holds a checkpoint.*choose another folder'):
        classifier.save(folder)
    assert sorted((file, os.stat(os.path.join(folder, file)).st_mtime_ns) for file in os.listdir(folder)) == before


def test_a_model_is_saved_beside_files_that_are_no_checkpoint(still, tmp_path):
    folder = str(tmp_path / 'notes')
    os.makedirs(folder)
    shutil.copy(os.path.join(still, 'vocab.txt'), folder)
    with open(os.path.join(folder, 'README.md'), 'w') as writer:
        writer.write('notes')
    ClozeClassifier(TASK, still, '[unused1][MASK]{text}', train='prompt').save(folder)
    assert {'README.md', 'model.json'} <= set(os.listdir(folder))


def test_a_model_saved_as_float16_takes_half_the_bytes_and_answers_almost_the_same(folders, tmp_path):
    full, texts = load(folders['cloze']), ['房间很干净', '又吵又脏']
    full.save(str(tmp_path / 'half'), dtype='float16')
    data = os.path.join('%s', 'bert_model.ckpt.data-00000-of-00001')
    assert os.path.getsize(data % (tmp_path / 'half')) * 2 == os.path.getsize(data % folders['cloze'])
    half = load(str(tmp_path / 'half'))
    assert {w.dtype for w in half.model.weights} == {w.dtype for w in full.model.weights}
    np.testing.assert_allclose(half.predict_proba(texts), full.predict_proba(texts), atol=.02)


def test_a_folder_says_which_versions_wrote_it(folders):
    for folder in folders.values():
        versions = read_header(folder)['versions']
        assert versions == {'pet_keras': pet_keras.__version__, 'tensorflow': tf.__version__, 'bert4keras': '0.11.5'}


@pytest.mark.parametrize('name', ['cloze', 'prompt'])
def test_a_type_that_is_not_written_is_refused(name, folders, tmp_path):
    with pytest.raises(UserError, match="dtype='int8': choose 'float32' or 'float16'"):
        load(folders[name]).save(str(tmp_path / 'new'), dtype='int8')
    assert not (tmp_path / 'new').exists() or not os.listdir(str(tmp_path / 'new'))


def test_a_model_beyond_float16_is_refused_and_the_old_one_stays(folders, tmp_path):
    folder = shutil.copytree(folders['cloze'], str(tmp_path / 'copy'))
    classifier, before = load(folder), _saved(folder)
    weight = dict(classifier.transformer.variables())['cls/predictions/output_bias']
    weight.assign(weight + 1e5)
    with pytest.raises(UserError, match='cls/predictions/output_bias holds numbers beyond float16'):
        classifier.save(folder, dtype='float16')
    assert _saved(folder) == before and sorted(os.listdir(folder)) == sorted(os.listdir(folders['cloze']))


def test_a_model_saved_over_itself_names_its_own_weights_as_where_it_came_from(folders, tmp_path):
    folder = shutil.copytree(folders['cloze'], str(tmp_path / 'copy'))
    classifier = load(folder)
    before = classifier.checkpoint.fingerprint
    weight = dict(classifier.transformer.variables())['cls/predictions/output_bias']
    weight.assign(weight + 1.)
    classifier.save(folder)
    assert Checkpoint(folder).fingerprint != before
    assert read_header(folder)['checkpoint'] == {
        'name': folder, 'application': 'mlm',
        **dict.fromkeys(('fingerprint', 'written'), Checkpoint(folder).fingerprint)}
    assert classifier.checkpoint.fingerprint == Checkpoint(folder).fingerprint


# --- what cannot be opened --------------------------------------------------------------------------------

@pytest.mark.parametrize('spoil', [shutil.rmtree, lambda folder: os.remove(os.path.join(folder, 'vocab.txt'))],
                         ids=['moved', 'incomplete'])
def test_a_prompt_without_its_checkpoint_says_what_to_type(spoil, still, tmp_path):
    checkpoint, prompt = shutil.copytree(still, str(tmp_path / 'lm')), str(tmp_path / 'my_prompt')
    ClozeClassifier(TASK, checkpoint, '[unused1][MASK]{text}', train='prompt').save(prompt)
    spoil(checkpoint)
    for open_it in (load, lambda folder: PromptServer({'a': folder})):
        with pytest.raises(UserError) as e:
            open_it(prompt)
        message = str(e.value)
        assert prompt in message and checkpoint in message and '\n' not in message
        assert '--checkpoint FOLDER or hf:owner/name' in message and 'load(%r, checkpoint=FOLDER)' % prompt in message
    load(prompt, still)
    with pytest.raises(UserError) as e:
        load(prompt, str(tmp_path / 'nowhere'))
    assert str(e.value).startswith("No checkpoint '%s'" % (tmp_path / 'nowhere'))


@pytest.mark.parametrize('name', ['model.json', 'task.json'])
def test_a_file_that_is_nested_too_deeply_is_named(name, folders, tmp_path):
    folder = shutil.copytree(folders['prompt'], str(tmp_path / 'copy'))
    with open(os.path.join(folder, name), 'w') as writer:
        writer.write('[' * 100000)
    with pytest.raises(UserError, match='%s is (damaged|not JSON)' % name):
        load(folder)


@pytest.mark.parametrize('offset', [[1.], [1., 2., 3.], [float('nan'), 0.], [[1., 2.]]], ids=str)
def test_an_offset_that_is_no_number_a_label_is_refused(offset, folders):
    classifier = load(folders['prompt'])
    with pytest.raises(UserError, match='a finite number for each of the 2 labels'):
        classifier.offset = offset
    with pytest.raises(ValueError, match='read-only'):
        classifier.offset[0] = 5.


def test_a_soft_label_cannot_be_evaluated_on(folders):
    with pytest.raises(UserError, match='not a soft one'):
        load(folders['cloze']).evaluate([Example('好', label={'正面': .7, '负面': .3})])


def test_a_folder_says_what_it_learned_from(still, tmp_path):
    """How many texts, and a digest that other texts change; loading and saving again keeps it."""
    def learned(texts, out):
        classifier = ClozeClassifier('sentiment', still, maxlen=20)
        assert classifier.trained_on == {}
        classifier.fit([Example(text, None, label) for text, label in texts], epochs=1, dev=[('好', None, '正面')])
        classifier.save(str(tmp_path / out))
        return read_header(str(tmp_path / out))['trained_on']
    first = learned([('很好', '正面'), ('太差', '负面')], 'a')
    assert {name: first[name] for name in ('labelled', 'unlabelled', 'dev')} == {'labelled': 2, 'unlabelled': 0, 'dev': 1}
    digest, = set(first) - {'labelled', 'unlabelled', 'dev'}
    assert learned([('很好', '正面'), ('太差', '负面')], 'b') == first
    assert learned([('很好', '正面'), ('太贵', '负面')], 'c')[digest] != first[digest]
    again = ClozeClassifier.load(str(tmp_path / 'a'))
    again.save(str(tmp_path / 'd'))
    assert read_header(str(tmp_path / 'd'))['trained_on'] == first


@pytest.mark.parametrize('name', ['cloze', 'fine-tuning'])
def test_other_weights_than_those_that_were_saved_are_refused(name, folders, make_checkpoint, tmp_path):
    folder, other = str(tmp_path / 'copy'), make_checkpoint(tmp_path / 'other', num_hidden_layers=1, seed=1)
    shutil.copytree(folders[name], folder)
    for file in os.listdir(other):
        if file.startswith('bert_model.ckpt'):
            shutil.copy(os.path.join(other, file), folder)
    with pytest.raises(UserError, match='its weights are not those that were saved'):
        load(folder)


@pytest.mark.parametrize('array, said', [(np.full((1, 16), np.nan, 'float32'), 'no numbers'),
                                         (np.ones((1, 16), 'complex64'), 'no real numbers')])
def test_weights_that_are_no_numbers_are_refused(array, said, folders, tmp_path):
    from safetensors.numpy import load_file, save_file
    folder = str(tmp_path / 'copy')
    shutil.copytree(folders['prompt'], folder)
    path = os.path.join(folder, 'added.safetensors')
    names = load_file(path)
    save_file({name: array for name in names}, path)
    with pytest.raises(UserError, match=said):
        load(folder)


def test_weights_of_a_type_that_numpy_has_not_are_refused(folders, tmp_path):
    folder = str(tmp_path / 'copy')
    shutil.copytree(folders['prompt'], folder)
    header = json.dumps({'x': {'dtype': 'F8_E4M3', 'shape': [4], 'data_offsets': [0, 4]}}).encode()
    with open(os.path.join(folder, 'added.safetensors'), 'wb') as writer:
        writer.write(len(header).to_bytes(8, 'little') + header + bytes(4))
    with pytest.raises(UserError, match='added.safetensors is damaged'):
        load(folder)
