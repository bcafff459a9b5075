"""Whatever a file or a request holds: a result or one clear error, in little time and memory.

`python benchmarks/fuzz.py --inputs 10000` tries many more.
"""
import json
import os
import shutil
import sys

import numpy as np
import pytest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'checkpoints', 'tensor_files'))
pytest.importorskip('hypothesis', reason='the test requirement hypothesis is not installed')
pytestmark = pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='needs /proc')

from hypothesis import strategies as st  # noqa: E402
from safetensors.numpy import save  # noqa: E402

from damaged import bytes_like, fuzzed, json_like, result_or_error  # noqa: E402
from pet_keras.checkpoints.checkpoint import Checkpoint  # noqa: E402
from pet_keras.checkpoints.conversion import convert  # noqa: E402
from pet_keras.checkpoints.tensor_files.opening import open_tensors  # noqa: E402
from pet_keras.classifiers import model_folder  # noqa: E402
from pet_keras.classifiers.cloze_classifier import ClozeClassifier  # noqa: E402
from pet_keras.classifiers.loading import load  # noqa: E402
from pet_keras.classifiers.pet.stages import Run  # noqa: E402
from pet_keras.cloze.task import Task, shipped_tasks  # noqa: E402
from pet_keras.data.checking import check  # noqa: E402
from pet_keras.data.example import Example  # noqa: E402
from pet_keras.data.reading import read_rows  # noqa: E402
from pet_keras.errors import UserError  # noqa: E402
from pet_keras.experiments import records  # noqa: E402
from pet_keras.experiments.grid import Grid  # noqa: E402
from pet_keras.serving.labelling.session import Session  # noqa: E402
from pet_keras.serving.prediction_folder import progress_in  # noqa: E402
from torch_files import write_plain, write_small, write_zip  # noqa: E402


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp('fuzz'))


def write(folder, name, content):
    """Writes bytes, or a value as JSON, and returns the path."""
    path = os.path.join(folder, name)
    if not isinstance(content, bytes):
        content = json.dumps(content).encode('utf-8')
    with open(path, 'wb') as writer:
        writer.write(content)
    return path


def read_bytes(path):
    with open(path, 'rb') as reader:
        return reader.read()


# --- files of texts -----------------------------------------------------------------------------------------

TEXTS = {
    'tsv': '\ufeffid\ttext\tlabel\n1\t房间很干净\t1\n\n2\t又吵 又脏\t0\r\n3\t好\t1\n',
    'csv': 'text,label\n"房间,很""干净""",正面\n"两\n行",负面\n好,1\n',
    'json': '{"sentence": "房间很干净", "label": 1, "keys": ["a", {"b": null}]}\n\n{"text": "\\u597d", "label": "0"}\n',
    'text': '房间很干净\n又吵又脏\r\n\n好\n',
}
TEXTS['jsonl'] = '[{"text": "好", "label": 1},\n {"text": "差", "label": "0"}]\n'


@pytest.mark.parametrize('name', list(TEXTS))
def test_a_file_of_texts_is_read_or_refused(name, folder):
    sentiment, format = Task.load('sentiment'), 'json' if name == 'jsonl' else name

    @fuzzed(bytes_like(TEXTS[name].encode('utf-8')), st.booleans())
    def read(content, labelled):
        path = write(folder, 'texts.' + name, content)
        rows = result_or_error(read_rows, path, sentiment, labelled, format)
        assert isinstance(rows, UserError) or all(row.example.text.strip() for row in rows)
        report = result_or_error(check, [path], sentiment, near=None, format=format)
        if not isinstance(rows, UserError) and labelled:
            assert report['files'][0]['texts'] == len(rows)
    read()


def test_a_parquet_file_of_texts_is_read_or_refused(folder):
    pyarrow, parquet = pytest.importorskip('pyarrow'), pytest.importorskip('pyarrow.parquet')
    table = pyarrow.table({'text': ['房间很干净', '又吵又脏', '好'], 'label': ['1', '0', '1'], 'n': [1, None, 3]})
    parquet.write_table(table, os.path.join(folder, 'valid.parquet'))
    valid = read_bytes(os.path.join(folder, 'valid.parquet'))
    sentiment = Task.load('sentiment')

    @fuzzed(bytes_like(valid), st.booleans())
    def read(content, labelled):
        rows = result_or_error(read_rows, write(folder, 'texts.parquet', content), sentiment, labelled)
        assert isinstance(rows, UserError) or all(row.example.text.strip() for row in rows)
    read()


# --- tasks and experiments ------------------------------------------------------------------------------------

with open(os.path.join(os.path.dirname(sys.modules[Task.__module__].__file__), 'tasks', 'news.json'),
          encoding='utf-8') as _reader:
    NEWS = json.load(_reader)
GRID = {
    'name': 'Small', 'task': 'sentiment', 'labelled': [4, {'per_label': 2}], 'unlabelled': 6, 'seeds': [0, 1],
    'data': {'train': 'train.tsv', 'dev': {'file': 'dev.tsv', 'lines': 10},
             'tests': {'unseen': {'file': 'test.tsv', 'leave_out': ['train']}, 'whole': 'test.tsv'}},
    'checkpoints': {'a': 'bert-mini-zh', 'b': {'folder': 'b', 'causal': True}}, 'patterns': ['P1', 'P3'],
    'methods': {'zero-shot': {}, 'few-shot': {'learn': 'labelled', 'fit': {'epochs': 2}, 'words': {'正面': '好'}},
                'P-tuning': {'learn': ['labelled'], 'prompt_tokens': 2, 'settings': {'train': 'prompt'},
                             'choose': {'fit.learning_rate': [.1, .2]}, 'seeds': [3]}},
    'published': [{'test': 'whole', 'method': 'few-shot', 'accuracy': 88.8, 'source': 'a post'}]}


def test_a_task_is_read_or_refused(folder):
    assert 'news' in shipped_tasks()

    @fuzzed(json_like(NEWS) | bytes_like(json.dumps(NEWS, ensure_ascii=False).encode('utf-8')))
    def read(content):
        task = result_or_error(Task.load, write(folder, 'task.json', content))
        if not isinstance(task, UserError):
            assert len(task.labels) >= 2 and task.show()
            task.save(os.path.join(folder, 'again.json'))
            again = Task.load(os.path.join(folder, 'again.json'))
            assert again.scoring() == task.scoring() and list(again.patterns) == list(task.patterns)
    read()


def test_an_experiment_is_read_or_refused(folder):
    @fuzzed(json_like(GRID) | bytes_like(json.dumps(GRID).encode('utf-8')), st.sampled_from(['json', 'yaml']))
    def read(content, ending):
        pytest.importorskip('yaml')
        grid = result_or_error(Grid, write(folder, 'grid.' + ending, content))
        if not isinstance(grid, UserError):
            assert grid.runs and json.dumps(grid.runs)
    read()


def _stage_of(folder):
    with Run(folder, {'a': 1}, 1) as run:
        return run.begin('', 'a stage')


STATES = {'progress.json': (progress_in, {'settings': {'a': 1}, 'files': {'a.tsv': {'rows': 10, 'bytes': 300}}}),
          'records.jsonl': (records.read, {'key': 'k', 'pattern': 'P1', 'tests': {'t': {'accuracy': 1.}}}),
          'run.json': (_stage_of, {'a': 1}), 'stage.json': (_stage_of, {'dev': {'accuracy': 1.}, 'seconds': 1.}),
          'run.lock': (_stage_of, {'host': 'a', 'process': 1, 'since': 'now'})}


@pytest.mark.parametrize('name', [*STATES, 'scores.npz'])
def test_what_a_stopped_command_left_is_gone_on_with_or_refused(name, tmp_path):
    folder, (take, state) = str(tmp_path), STATES.get(name, (_stage_of, None))
    np.savez(str(tmp_path / 'scores.npz'), dev=np.ones((3, 2)), unlabelled=np.ones(0))
    valid = read_bytes(str(tmp_path / 'scores.npz')) if state is None else json.dumps(state).encode() + b'\n'

    @fuzzed(bytes_like(valid) if state is None else json_like(state) | bytes_like(valid))
    def read(content):
        write(folder, 'run.json', {'a': 1})
        write(folder, 'stage.json', {})
        write(folder, name, content)
        result_or_error(take, folder)
    read()


def test_a_session_of_labelling_is_gone_on_with_or_refused(folder):
    lines = [{'id': '1', 'label': '正面', 'text': '好', 'time': 1}, {'id': '2', 'label': '', 'text': '差'}, {'undo': '2'}]
    valid = {'answers.jsonl': ''.join(json.dumps(line) + '\n' for line in lines).encode(),
             'task.json': json.dumps(NEWS).encode()}
    place = os.path.join(folder, 'session')

    def open_session():
        session = Session(place, [Example('好')])
        found = session.labelled(), session.skipped()
        session.close()
        return found

    @fuzzed(st.sampled_from(sorted(valid)).flatmap(
        lambda name: st.tuples(st.just(name), bytes_like(valid[name]))) | st.tuples(
            st.just('task.json'), json_like(NEWS)))
    def read(change):
        os.makedirs(place, exist_ok=True)
        for name, content in {**valid, change[0]: change[1]}.items():
            write(place, name, content)
        result_or_error(open_session)
    read()


# --- models ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def prompt(still, folder):
    """The folder of a trained prompt."""
    classifier = ClozeClassifier('sentiment', still, '[unused1][unused2][MASK]{text}', train='prompt')
    classifier.save(os.path.join(folder, 'prompt'))
    return os.path.join(folder, 'prompt')


def test_the_header_of_a_model_is_read_or_refused(prompt, folder):
    place, header = os.path.join(folder, 'other'), model_folder.read_header(prompt)
    shutil.copytree(prompt, place)

    @fuzzed(json_like(header) | bytes_like(json.dumps(header).encode('utf-8')), slow=True)
    def read(content):
        write(place, 'model.json', content)
        classifier = result_or_error(load, place)
        if not isinstance(classifier, UserError):
            result_or_error(classifier.predict, ['房间很干净'])
    read()


def test_added_weights_are_read_or_refused(prompt, folder):
    valid = read_bytes(os.path.join(prompt, 'added.safetensors'))
    place = os.path.join(folder, 'third')
    shutil.copytree(prompt, place)

    @fuzzed(bytes_like(valid))
    def read(content):
        write(place, 'added.safetensors', content)
        result_or_error(model_folder.read_added, place)
    read()


def _open(path):
    checkpoint = Checkpoint(path).check()
    return checkpoint.describe(), checkpoint.fingerprint, [checkpoint.load_variable(n) for n in checkpoint.shapes]


@pytest.mark.parametrize('name', ['bert_config.json', 'vocab.txt', 'bert_model.ckpt.index',
                                  'bert_model.ckpt.data-00000-of-00001'])
def test_a_checkpoint_is_read_or_refused(name, still, folder):
    place = os.path.join(folder, name)
    shutil.copytree(still, place)
    valid = read_bytes(os.path.join(still, name))

    @fuzzed(bytes_like(valid) | json_like(json.loads(valid)) if name.endswith('json') else bytes_like(valid))
    def read(content):
        result_or_error(_open, os.path.dirname(write(place, name, content)))
    read()


def test_a_network_is_built_from_a_config_or_refused(still, folder):
    place = shutil.copytree(still, os.path.join(folder, 'network'))
    valid = json.loads(read_bytes(os.path.join(still, 'bert_config.json')))

    @fuzzed(json_like(valid, 2), slow=True)
    def build(content):
        write(place, 'bert_config.json', content)
        found = result_or_error(lambda: ClozeClassifier('sentiment', place, check_head=False).predict(['房间很干净']))
        assert isinstance(found, UserError) or found[0] in ('正面', '负面')
    build()


def _files_of_tensors(folder):
    """{name: bytes} of a file of each format."""
    h5py, made = pytest.importorskip('h5py'), {}
    path = os.path.join(folder, 'made')
    for name, make in (('a.bin', write_zip), ('old.bin', write_plain)):
        write_small(make, path)
        made[name] = read_bytes(path)
    with h5py.File(path, 'w') as file:
        file['bert/bert/a:0'], file['bert/bert/b:0'] = np.ones((3, 4), 'float32'), np.zeros(5, 'float16')
    made['a.h5'] = read_bytes(path)
    made['a.safetensors'] = save({'a': np.ones((3, 4), 'float32'), 'b': np.zeros(5, 'float16')})
    return made


@pytest.mark.parametrize('name', ['a.safetensors', 'a.bin', 'old.bin', 'a.h5'])
def test_a_file_of_tensors_is_read_or_refused(name, folder):
    valid = _files_of_tensors(folder)[name]

    def read_all(path):
        file = open_tensors(path)
        return [file.read(name) for name in file.shapes]

    @fuzzed(bytes_like(valid))
    def read(content):
        result_or_error(read_all, write(folder, name, content))
    read()


@pytest.mark.parametrize('name', ['config.json', 'model.safetensors'])
def test_a_hugging_face_folder_is_read_or_refused(name, still, folder):
    place = os.path.join(folder, 'hugging-face-' + name)
    convert(still, place, 'safetensors')
    valid = read_bytes(os.path.join(place, name))
    header = 8 + int.from_bytes(valid[:8], 'little')  # what the weights are called, and where each begins

    @fuzzed(bytes_like(valid) | json_like(json.loads(valid)) if name.endswith('json') else
            bytes_like(valid[:header]).map(lambda head: head + valid[header:]) | bytes_like(valid))
    def read(content):
        result_or_error(_open, os.path.dirname(write(place, name, content)))
    read()
