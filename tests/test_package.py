import ast
import glob
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import pet_keras
from pet_keras.backend import BERT4KERAS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
SOURCES = sorted(glob.glob(os.path.join(ROOT, 'pet_keras', '**', '*.py'), recursive=True))
SHIPPED = ['bert-mini-zh', 'bert-small-zh', 'gpt-mini-zh']
ALLOWED = {'pet_keras', 'numpy', 'tensorflow', 'tf_keras', 'bert4keras', 'jieba', 'safetensors', 'h5py', 'distutils'}
ALLOWED |= {'yaml', 'matplotlib', 'huggingface_hub', 'datasketch'}  # extras, imported where they are used
ALLOWED |= {'onnx', 'onnxruntime', 'sklearn', 'scipy', 'pandas', 'ray', 'pyarrow'}
ALLOWED |= {'fastapi', 'starlette', 'pydantic', 'uvicorn', 'prometheus_client'}


def _read(*path):
    with open(os.path.join(*path), encoding='utf-8') as reader:
        return reader.read()


# --- the wheel ------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Path of a wheel that was built from a copy of the sources."""
    folder = tmp_path_factory.mktemp('sources')
    for name in ('pet_keras', 'pretrained', 'tests'):
        shutil.copytree(os.path.join(ROOT, name), str(folder / name), ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('setup.py', 'README.md', 'LICENSE'):
        if os.path.exists(os.path.join(ROOT, name)):
            shutil.copy(os.path.join(ROOT, name), str(folder / name))
    env = dict(os.environ, PIP_NO_INDEX='1', PIP_DISABLE_PIP_VERSION_CHECK='1')
    built = subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '-w',
                            str(folder / 'dist'), '.'], cwd=str(folder), env=env, capture_output=True, encoding='utf-8')
    assert built.returncode == 0, built.stdout + built.stderr
    found, = os.listdir(str(folder / 'dist'))
    return str(folder / 'dist' / found)


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """A folder to put on Python's path, with nothing in it but the wheel's files."""
    folder = str(tmp_path_factory.mktemp('installed'))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _command(installed, cwd, *args):
    env = {k: v for k, v in os.environ.items() if k not in ('TF_KERAS', 'TF_USE_LEGACY_KERAS')}
    env['PYTHONPATH'] = installed
    return subprocess.run([sys.executable, '-m', 'pet_keras', *args], cwd=str(cwd), env=env, capture_output=True,
                          encoding='utf-8')


def _files(folder):
    """Every file below a folder of the repository, as seen from there."""
    return {os.path.relpath(os.path.join(parent, name), os.path.join(ROOT, folder)).replace(os.sep, '/')
            for parent, _, names in os.walk(os.path.join(ROOT, folder)) if '__pycache__' not in parent
            for name in names if not name.startswith('.')}


def test_the_wheel_holds_code_tasks_texts_and_the_models_but_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    code, models = _files('pet_keras'), _files('pretrained')
    assert {'__init__.py', 'cli/main.py', 'cloze/tasks/news.json', 'data/texts/reviews.train.tsv'} <= code
    assert sorted(code - {n[len('pet_keras/'):] for n in names}) == []
    assert sorted(models - {n[len('pet_keras/pretrained/'):] for n in names}) == []
    for model in SHIPPED:
        for name in ('bert_config.json', 'vocab.txt', 'bert_model.ckpt.index', 'bert_model.ckpt.data-00000-of-00001'):
            assert 'pet_keras/pretrained/%s/%s' % (model, name) in names
    assert not [n for n in names if 'test' in n.split('/')[0] or '/tests/' in n or '__pycache__' in n]
    assert {n.split('/')[0] for n in names} == {'pet_keras', 'pet_keras-%s.dist-info' % pet_keras.__version__}


def test_the_wheel_has_the_command_and_asks_for_nothing_that_pip_cannot_bring_together(wheel):
    with zipfile.ZipFile(wheel) as archive:
        info = 'pet_keras-%s.dist-info/' % pet_keras.__version__
        metadata = archive.read(info + 'METADATA').decode('utf-8')
        entry_points = archive.read(info + 'entry_points.txt').decode('utf-8')
    assert 'pet-keras = pet_keras.cli.main:main' in entry_points
    required = re.findall(r'^Requires-Dist: ([\w-]+)', metadata, re.M)
    assert {'tensorflow', 'tf-keras', 'numpy', 'jieba'} <= set(map(str.lower, required))
    assert 'bert4keras' not in required
    assert 'Requires-Python: >=3.10' in metadata and 'Version: %s\n' % pet_keras.__version__ in metadata


def test_from_the_wheel_alone_the_shipped_model_is_found_and_classifies(installed, tmp_path):
    done = _command(installed, tmp_path, 'checkpoint', 'list')
    found = dict(line.split() for line in done.stdout.splitlines())
    assert done.returncode == 0, done.stderr
    assert found == {name: os.path.join(installed, 'pet_keras', 'pretrained', name) for name in SHIPPED}
    (tmp_path / 'a.tsv').write_text('房间很干净，服务也热情\t正面\n又吵又脏，再也不来了\t负面\n', encoding='utf-8')
    done = _command(installed, tmp_path, 'evaluate', '--task', 'sentiment', 'a.tsv')
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r'accuracy (\d+\.\d\d)', done.stdout.splitlines()[-1])
    assert done.stderr == ''  # none of TensorFlow's chatter
    assert sorted(os.listdir(str(tmp_path))) == ['a.tsv']


# --- the sources ----------------------------------------------------------------------------------------

def _imports(path):
    """Top-level names of every import in a file, wherever it stands."""
    found = set()
    for node in ast.walk(ast.parse(_read(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, '%s: relative import' % path
            found.add(node.module.split('.')[0])
    return found


def test_every_requirement_is_pinned():
    lines = [line.split('#')[0].strip() for line in _read(ROOT, 'requirements.txt').splitlines()]
    lines = [line for line in lines if line]
    assert lines and not [line for line in lines if not re.match(r'[\w.-]+==[\w.]+( *;.*)?$', line)]
    assert 'bert4keras==' + BERT4KERAS in lines
    names = {re.match(r'[\w.-]+', line).group().lower() for line in lines}
    assert {'tensorflow', 'tf-keras', 'numpy', 'jieba', 'pytest', 'setuptools', 'wheel'} <= names


def test_the_sources_import_nothing_but_what_is_required():
    for path in SOURCES:
        assert not _imports(path) - ALLOWED - set(sys.stdlib_module_names), path


def test_only_backend_imports_bert4keras():
    assert [os.path.basename(p) for p in SOURCES if 'bert4keras' in _imports(p)] == ['backend.py']


def test_no_file_is_needed_that_stands_outside_the_package():
    for path in SOURCES:
        assert not re.search(r"'/(work|tmp|home|root)/", _read(path)), path
