import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples
from pet_keras.errors import UserError
from pet_keras.networks.prefix import PrefixTuning
from pet_keras.serving.export import export
from pet_keras.serving.onnx_classifier import OnnxClassifier
from pet_keras.serving.questions import Questions

try:
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
except ImportError:
    onnx = None
with_extra = pytest.mark.skipif(onnx is None, reason='the extra [onnx] is not installed')

TEXTS = ['房间很干净，服务也热情', '又吵又脏，再也不来了', '好', '这趟北京之旅我感觉很不错。' * 12, '', '差' * 300,
         'Hello, WORLD! Café №5 $9.99', '①\u3000②\t③\u200b\ufffd', '[unused1][MASK]', 'x' * 250 + ' ok']
UNEQUAL = Task({'P1': '{text}总之很[MASK]'}, {'好': ['好', '很好'], '坏': '差'}, word_score='per_token')
PAIRS = Task({'P1': '{text_a}？[MASK]，{text_b}[SEP]'}, {'同': '是', '异': '不'}, name='pairs')
LAST = '{text}总之很[MASK]'


def _offset(classifier, seed=0):
    classifier.offset = np.random.default_rng(seed).normal(size=len(classifier.labels))
    return classifier


def _prompt(checkpoint, pattern):
    made = ClozeClassifier(UNEQUAL, checkpoint, pattern, train='prompt', prompt_init='random')
    return _offset(made)


def _prefix(checkpoint):
    tuning, rng = PrefixTuning(3), np.random.default_rng(0)
    made = ClozeClassifier('sentiment', checkpoint, LAST, train=tuning)
    tuning.set_tensors({name: rng.normal(size=value.shape) for name, value in tuning.tensors().items()})
    return made


# of each kind, a function of (a shipped masked model, a shipped causal one, a tiny causal one without segments)
MADE = {
    'masked': lambda bert, gpt, tiny: _offset(ClozeClassifier('sentiment', bert)),
    'causal': lambda bert, gpt, tiny: _offset(ClozeClassifier('sentiment', gpt, LAST)),
    'causal, no segments': lambda bert, gpt, tiny: ClozeClassifier('sentiment', tiny, '{text}[MASK]'),
    'two characters': lambda bert, gpt, tiny: ClozeClassifier('news', bert, maxlen=64),
    'two characters, causal': lambda bert, gpt, tiny: ClozeClassifier('news', tiny, maxlen=64),
    'unequal words': lambda bert, gpt, tiny: _offset(ClozeClassifier(UNEQUAL, bert, maxlen=32)),
    'unequal words, causal': lambda bert, gpt, tiny: ClozeClassifier(UNEQUAL, gpt, maxlen=32),
    'prompt': lambda bert, gpt, tiny: _prompt(bert, '[unused1][unused2][MASK][unused3]{text}'),
    'prompt, causal': lambda bert, gpt, tiny: _prompt(gpt, '[unused1]{text}[unused2][MASK]'),
    'prefix': lambda bert, gpt, tiny: _prefix(tiny),
    'adapters': lambda bert, gpt, tiny: ClozeClassifier('sentiment', tiny, LAST, train='adapters'),
    'fine-tuned': lambda bert, gpt, tiny: _offset(FineTuningClassifier('sentiment', bert)),
    'fine-tuned, causal': lambda bert, gpt, tiny: FineTuningClassifier('sentiment', tiny),
    'pairs': lambda bert, gpt, tiny: ClozeClassifier(PAIRS, bert, maxlen=40),
}


def _texts(classifier):
    return list(zip(TEXTS, TEXTS[3:] + TEXTS[:3])) if classifier.task.is_pair else TEXTS


@pytest.fixture(scope='module', params=MADE)
def classifier(request, causal):
    return MADE[request.param]('bert-mini-zh', 'gpt-mini-zh', causal)


@pytest.fixture(scope='module')
def masked():
    return MADE['masked']('bert-mini-zh', None, None)


@pytest.fixture(scope='module')
def exported(masked, tmp_path_factory):
    """name → folder: the masked model in each format."""
    folders = {name: str(tmp_path_factory.mktemp('exported') / 'out') for name in ('onnx', 'int8', 'savedmodel')}
    for name, folder in folders.items():
        if onnx or name == 'savedmodel':
            export(masked, folder, 'savedmodel' if name == 'savedmodel' else 'onnx', name == 'int8')
    return folders


@pytest.fixture(scope='module')
def folder(classifier, tmp_path_factory):
    """The folder of `classifier` as ONNX, or where that cannot be written as a SavedModel."""
    out = str(tmp_path_factory.mktemp('each') / 'out')
    export(classifier, out, 'onnx' if onnx else 'savedmodel')
    return out


@with_extra
def test_onnx_gives_the_classifiers_log_probabilities(classifier, folder):
    found, texts = OnnxClassifier(folder), _texts(classifier)
    wanted = classifier.predict_log_proba(texts)
    for batch_size in (1, 3, 32):  # one graph for any batch and length
        np.testing.assert_allclose(found.predict_log_proba(texts, batch_size), wanted, atol=1e-4)
    np.testing.assert_allclose(found.predict_proba(texts).sum(axis=1), 1., atol=1e-6)
    assert found.predict(texts) == classifier.predict(texts) and found.labels == classifier.labels


def test_the_folder_asks_what_the_classifier_asks(classifier, folder):
    asked = Questions(folder)
    for example in classifier.examples(_texts(classifier)):
        texts = [text for text in (example.text, example.text_b) if text is not None]
        assert [tuple(map(list, question[:3])) for question in classifier.questions(classifier.tokenize(example))] == (
            asked.encode(*texts))


def test_real_texts_are_read_as_the_tokenizer_does(masked, exported, data_folder):
    asked = Questions(exported['savedmodel'])
    for example in read_examples(os.path.join(data_folder, 'data/sentiment/sentiment.test.data'), masked.task)[:300]:
        assert [asked.token_ids(example.text)] == masked.tokenize(example)


@with_extra
def test_int8_is_smaller_and_close(exported, masked):
    size, small = [os.path.getsize(os.path.join(exported[name], 'model.onnx')) for name in ('onnx', 'int8')]
    wanted, found = masked.predict_proba(TEXTS), OnnxClassifier(exported['int8']).predict_proba(TEXTS)
    assert small < .6 * size
    assert 1e-4 < np.abs(found - wanted).max() < .1


@pytest.mark.parametrize('name', ['onnx', 'savedmodel'])
def test_the_script_answers_where_pet_keras_cannot_be_imported(name, exported, masked, tmp_path):
    if name == 'onnx' and not onnx:
        pytest.skip('the extra [onnx] is not installed')
    missing = ['pet_keras', 'bert4keras', 'tf_keras'] + ['tensorflow'] * (name == 'onnx')
    (tmp_path / 'sitecustomize.py').write_text(
        'import sys\nsys.modules.update(dict.fromkeys(%r))\n' % missing, encoding='utf-8')
    env = dict(os.environ, PYTHONPATH=str(tmp_path))
    refused = subprocess.run([sys.executable, '-c', 'import pet_keras'], env=env, capture_output=True)
    assert refused.returncode != 0  # the trick works
    texts = TEXTS[:4]
    done = subprocess.run([sys.executable, os.path.join(exported[name], 'predict.py'), *texts], env=env,
                          cwd=str(tmp_path), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    rows = [line.split(' ', 2) for line in done.stdout.decode('utf-8').splitlines()]
    proba = masked.predict_proba(texts)
    assert [row[0] for row in rows] == masked.predict(texts) and [row[2] for row in rows] == texts
    np.testing.assert_allclose([float(row[1]) for row in rows], proba.max(axis=1), atol=1e-4)


def test_an_export_that_fails_leaves_nothing_behind(still, tmp_path, monkeypatch):
    made = ClozeClassifier('sentiment', still)

    def full(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr('pet_keras.serving.export._write_questions', full)
    with pytest.raises(OSError, match='No space left'):
        export(made, str(tmp_path / 'out'), 'savedmodel')
    assert os.listdir(str(tmp_path)) == []
    monkeypatch.undo()
    export(made, str(tmp_path / 'out'), 'savedmodel')
    assert os.listdir(str(tmp_path)) == ['out']


def test_tensorflows_own_errors_in_writing_are_os_errors(still, tmp_path, monkeypatch):
    from pet_keras.backend import tf

    def full(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')
    monkeypatch.setattr(tf.saved_model, 'save', full)
    with pytest.raises(OSError, match='No space left'):
        export(ClozeClassifier('sentiment', still), str(tmp_path / 'out'), 'savedmodel')
    assert os.listdir(str(tmp_path)) == []


@with_extra
def test_an_operation_without_a_translation_is_named(still, tmp_path):
    made = ClozeClassifier('sentiment', still, '[unused1][MASK]{text}', train='prompt', prompt_encoder='lstm')
    with pytest.raises(UserError, match='has the operation ReverseV2 .*export a SavedModel'):
        export(made, str(tmp_path / 'out'))
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize('arguments, said', [
    (('onyx',), "to='onyx': choose one of onnx, savedmodel"), (('savedmodel', True), 'int8 is for ONNX')])
def test_wrong_arguments_are_named(masked, tmp_path, arguments, said):
    with pytest.raises(UserError, match=said):
        export(masked, str(tmp_path / 'out'), *arguments)


def test_what_exists_is_not_overwritten(masked, tmp_path):
    with pytest.raises(UserError, match='exists already'):
        export(masked, str(tmp_path), 'savedmodel')
    assert os.listdir(str(tmp_path)) == []


@with_extra
def test_folders_that_are_no_export_are_named(exported, tmp_path):
    for folder in (str(tmp_path), str(tmp_path / 'none'), exported['savedmodel']):
        with pytest.raises(UserError, match='no folder that pet-keras export --to onnx wrote'):
            OnnxClassifier(folder)


@with_extra
@pytest.mark.parametrize('name', ['model.onnx', 'export.json', 'task.json', 'vocab.txt'])
def test_a_damaged_export_is_named(name, exported, tmp_path):
    for file in ('model.onnx', 'export.json', 'task.json', 'vocab.txt'):
        with open(os.path.join(exported['onnx'], file), 'rb') as source:
            (tmp_path / file).write_bytes(b'{"\xff' if file == name else source.read())
    with pytest.raises(UserError, match='damaged|UTF-8'):
        OnnxClassifier(str(tmp_path))


@with_extra
@pytest.mark.parametrize('change', [
    {'questions': []}, {'maxlen': 'x'}, {'translate': 5}, {'is_pair': True}, {'labels': ['a', 'b']},
    {'questions': [{'token_ids': [2, 10 ** 6, -1, 3], 'segment_ids': [0] * 4, 'positions': [1]}]}], ids=str)
def test_an_export_that_says_something_else_is_named(change, exported, tmp_path):
    folder = str(tmp_path / 'copy')
    shutil.copytree(exported['onnx'], folder)
    with open(os.path.join(folder, 'export.json'), encoding='utf-8') as reader:
        fields = dict(json.load(reader), **change)
    with open(os.path.join(folder, 'export.json'), 'w', encoding='utf-8') as writer:
        json.dump(fields, writer)
    with pytest.raises(UserError, match='damaged'):
        OnnxClassifier(folder)


@with_extra
def test_wrong_texts_are_named(exported):
    found = OnnxClassifier(exported['onnx'])
    for texts, said in (('好', 'not one text'), ([('好', '差')], 'takes one text'), ([3], 'Item 0')):
        with pytest.raises(UserError, match=said):
            found.predict(texts)
    with pytest.raises(UserError, match='batch_size'):
        found.predict(TEXTS, batch_size=0)
    assert found.predict([]) == []


def test_without_onnxruntime_it_says_what_to_type(masked, exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    for call in (lambda: export(masked, str(tmp_path / 'out')), lambda: OnnxClassifier(exported['onnx'])):
        with pytest.raises(UserError, match=r'pip install "pet-keras\[onnx\]"'):
            call()
