"""The shape of the repository: which folder may import which, how long a module is, where tests stand, what texts name.

Each check takes the folder to look at, so that it can be shown a made-up repository that breaks its rule.
"""
import ast
import glob
import graphlib
import os
import re

import pytest

import pet_keras

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
ROOMS = ('backend', 'errors', 'data', 'cloze', 'checkpoints', 'networks', 'classifiers', 'experiments', 'serving',
         'cli')  # a room imports nothing of a later one
LINES = 300
TOP = 'pet_keras|tests|docs|examples|pretrained|benchmarks'
FOLDER = r'(?:%s)/(?:[\w.*-]+/)*' % TOP
PATH = re.compile(r'(?<![\w.-])(?:\.\./)*(%s(?:[\w.*-]*(?:\*|\.\w+))?)(?![\w-])' % FOLDER, re.ASCII)  # not examples/s


def _read(path):
    with open(path, encoding='utf-8') as reader:
        return reader.read()


def _files(root, *patterns):
    """Paths, as seen from `root`, of the files that match one of the patterns."""
    return sorted({os.path.relpath(path, root) for pattern in patterns
                   for path in glob.glob(os.path.join(root, pattern), recursive=True) if os.path.isfile(path)})


# --- the checks: each returns what is wrong, an empty list where all is well ------------------------------

def imports(root, package='pet_keras'):
    """{module: the package's modules that it imports}, inside functions too.

    `from pet_keras import Name` imports the package itself, `from pet_keras import __version__` nothing.
    """
    paths = {re.sub(r'(/__init__)?\.py$', '', path).replace('/', '.'): path
             for path in _files(root, package + '/**/*.py')}
    found = {}
    for module, path in paths.items():
        found[module] = set()
        for node in ast.walk(ast.parse(_read(os.path.join(root, path)))):
            if isinstance(node, ast.Import):
                found[module].update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, '%s: relative import' % path
                names = ['%s.%s' % (node.module, alias.name) for alias in node.names]
                found[module].update(name if name in paths else node.module for name in names
                                     if name != package + '.__version__')
        found[module] = {name for name in found[module] if name.split('.')[0] == package}
    return found


def upward_imports(root):
    """Imports of a later room. Of the package's own two files, `__main__` may import all, `__init__` nothing."""
    def rank(module):
        room = (module.split('.') + [''])[1]
        return ROOMS.index(room) if room in ROOMS else len(ROOMS)
    return ['%s imports %s' % (module, name) for module, names in imports(root).items() for name in sorted(names)
            if rank(name) > rank(module) or 'pet_keras' in (module, name)]


def rooms_unknown(root):
    """Modules that stand in no room."""
    return [module for module in imports(root) if module not in ('pet_keras', 'pet_keras.__main__')
            and module.split('.')[1] not in ROOMS]


def cycles(root):
    """The modules of a ring in which each imports the next, if there is one."""
    try:
        graphlib.TopologicalSorter(imports(root)).prepare()
    except graphlib.CycleError as e:
        return sorted(set(e.args[1]))
    return []


def folders_without_their_sentence(root):
    """Folders whose `__init__.py` is missing or anything but one docstring."""
    found = []
    for folder in sorted({os.path.dirname(path) for path in _files(root, 'pet_keras/*/**/*.py')}):
        path = os.path.join(root, folder, '__init__.py')
        body = ast.parse(_read(path)).body if os.path.isfile(path) else []
        if len(body) != 1 or _read(path) != '"""%s"""\n' % ast.get_docstring(ast.parse(_read(path)), clean=False):
            found.append(folder)
    return found


def long_modules(root):
    counted = {path: _read(os.path.join(root, path)).count('\n') for path in _files(root, 'pet_keras/**/*.py')}
    return ['%s: %d lines' % (path, n) for path, n in counted.items() if n > LINES]


def misplaced_tests(root):
    """Folders of tests that the package does not have, and folders of the package without tests."""
    def folders(top, pattern):
        return {os.path.dirname(path) for path in _files(os.path.join(root, top), '**/' + pattern)} - {''}
    return sorted(folders('tests', 'test_*.py') ^ folders('pet_keras', '*.py'))


def private_imports(root, public, patterns, allowed=('pet_keras',)):
    """Imports of anything but a public name: `from pet_keras import NAME` and `import pet_keras` are all a user needs.

    Of a Markdown file, its Python blocks and the imports between backticks are read.
    """
    found = []
    for path in _files(root, *patterns):
        text = _read(os.path.join(root, path))
        sources = [text] if path.endswith('.py') else re.findall(r'^```python\n(.*?)^```', text, re.M | re.S) + (
            re.findall(r'`((?:import|from) pet_keras[^`\n]*)`', text))
        for node in (node for source in sources for node in ast.walk(ast.parse(source))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names if alias.name not in allowed]
            elif isinstance(node, ast.ImportFrom) and node.module == 'pet_keras':
                names = ['pet_keras.' + alias.name for alias in node.names if alias.name not in public]
            else:
                names = [node.module] if isinstance(node, ast.ImportFrom) and node.module not in allowed else []
            found += ['%s: %s' % (path, name) for name in names if name.split('.')[0] == 'pet_keras']
    return found


def missing_paths(root, patterns):
    """Paths that a text names and the repository does not hold: links, and what begins with one of its folders."""
    found = set()
    for path in _files(root, *patterns):
        text = re.sub(r'https?://\S+', '', _read(os.path.join(root, path)))
        links = re.findall(r'\]\((?!#)([^)#\s]+)', text)
        wanted = [os.path.join(root, os.path.dirname(path), link) for link in links if path.endswith('.md')]
        wanted += [os.path.join(root, name) for name in PATH.findall(text)]
        found.update('%s: %s' % (path, os.path.relpath(name, root)) for name in wanted if not glob.glob(name))
    return sorted(found)


# --- this repository --------------------------------------------------------------------------------------

DOCUMENTS = ('README*.md', 'docs/*.md', 'pretrained/**/*.md')


def test_no_folder_depends_on_a_later_one():
    assert len(imports(ROOT)) > 20
    assert rooms_unknown(ROOT) == upward_imports(ROOT) == []


def test_no_modules_import_each_other():
    assert cycles(ROOT) == []


def test_each_folder_says_in_one_sentence_what_lives_there_and_loads_nothing():
    assert folders_without_their_sentence(ROOT) == []


def test_no_module_is_longer_than_300_lines():
    assert long_modules(ROOT) == []


def test_the_tests_stand_in_the_folders_of_the_package():
    assert misplaced_tests(ROOT) == []


def test_documents_and_examples_import_public_names_alone():
    assert private_imports(ROOT, pet_keras.__all__, DOCUMENTS + ('examples/*.py',)) == []
    assert private_imports(ROOT, pet_keras.__all__, ['benchmarks/*.py'], ('pet_keras', 'pet_keras.backend')) == []


def test_documents_and_scripts_name_no_path_that_is_not_there():
    assert missing_paths(ROOT, DOCUMENTS + ('examples/*.py', 'benchmarks/*.py')) == []


# --- each check finds what it is for ----------------------------------------------------------------------

SOUND = {
    'pet_keras/__init__.py': '__version__ = "1"\n',
    'pet_keras/__main__.py': 'from pet_keras.cli.main import main\n',
    'pet_keras/errors.py': '',
    'pet_keras/data/__init__.py': '"""Texts."""\n',
    'pet_keras/data/reading.py': 'from pet_keras.errors import UserError\n',
    'pet_keras/data/example.py': '',
    'pet_keras/cli/__init__.py': '"""Commands."""\n',
    'pet_keras/cli/main.py': 'from pet_keras import __version__\nfrom pet_keras.cli import train\n',
    'pet_keras/cli/train.py': 'def run():\n    from pet_keras.data.reading import read\n',
    'tests/test_all.py': '', 'tests/data/test_reading.py': '', 'tests/cli/test_main.py': '',
    'tests/data/saved/a.json': '',
    'README.md': 'See [the guide](docs/guide.md#top), `pet_keras/data/*` and '
                 '[a page](https://example.org/tree/examples/x).\n',
    'docs/guide.md': '[Back](../README.md). `from pet_keras import Task`:\n\n```python\nimport pet_keras\n```\n',
    'examples/a.py': 'import numpy\nfrom pet_keras import Task\n',
    'benchmarks/b.py': 'from pet_keras.backend import keras\n',
}


def _everything(root):
    root, public = str(root), ['Task']
    return (upward_imports(root) + rooms_unknown(root) + cycles(root) + folders_without_their_sentence(root) +
            long_modules(root) + misplaced_tests(root) + missing_paths(root, DOCUMENTS) +
            private_imports(root, public, DOCUMENTS + ('examples/*.py',)) +
            private_imports(root, public, ['benchmarks/*.py'], ('pet_keras', 'pet_keras.backend')))


@pytest.fixture
def write(tmp_path):
    """Writes a repository in which nothing is wrong, but for the files given; None leaves a file out."""
    def _write(**changed):
        for path, text in dict(SOUND, **changed).items():
            if text is not None:
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(text, encoding='utf-8')
        return tmp_path
    return _write


def test_a_sound_repository_passes_every_check(write):
    assert _everything(write()) == []


TRAIN = ['pet_keras.data.example imports pet_keras.cli.train']
WRONG = {
    'import of a later folder': ('pet_keras/data/example.py', 'import pet_keras.cli.train\n', TRAIN),
    'from a later folder': ('pet_keras/data/example.py', 'from pet_keras.cli import train\n', TRAIN),
    'in a function': ('pet_keras/data/example.py', 'def f():\n    from pet_keras.cli.train import run\n', TRAIN),
    'errors import': ('pet_keras/errors.py', 'from pet_keras.data.example import Example\n',
                      ['pet_keras.errors imports pet_keras.data.example']),
    'import of the package': ('pet_keras/cli/train.py', 'from pet_keras import Task\n',
                              ['pet_keras.cli.train imports pet_keras']),
    'the package loads': ('pet_keras/__init__.py', 'from pet_keras.errors import UserError\n',
                          ['pet_keras imports pet_keras.errors']),
    'no folder': ('pet_keras/helpers.py', '', ['pet_keras.helpers']),
    'ring': ('pet_keras/cli/train.py', 'def run():\n    from pet_keras.cli.main import main\n',
             ['pet_keras.cli.main', 'pet_keras.cli.train']),
    'no __init__': ('pet_keras/data/__init__.py', None, ['pet_keras/data']),
    'empty __init__': ('pet_keras/data/__init__.py', '', ['pet_keras/data']),
    'import in __init__': ('pet_keras/data/__init__.py', '"""Texts."""\nimport os\n', ['pet_keras/data']),
    'comment in __init__': ('pet_keras/data/__init__.py', '"""Texts."""  # and more\n', ['pet_keras/data']),
    'long module': ('pet_keras/data/example.py', '\n' * 301, ['pet_keras/data/example.py: 301 lines']),
    'tests of no folder': ('tests/serving/test_server.py', '', ['serving']),
    'folder without tests': ('tests/cli/test_main.py', None, ['cli']),
    'dead link': ('README.md', '[a page](docs/page.md), 9 examples/s.', ['README.md: docs/page.md']),
    'folder that is none': ('docs/guide.md', 'In `pet_keras/texts/`.', ['docs/guide.md: pet_keras/texts']),
    'command on no file': ('docs/guide.md', '```bash\ncp ../pet_keras/data/*.tsv .\n```\n',
                           ['docs/guide.md: pet_keras/data/*.tsv']),
    'document, module': ('README.md', '```python\nfrom pet_keras.data.example import Example\n```\n',
                         ['README.md: pet_keras.data.example']),
    'document, no such name': ('README.md', 'Type `from pet_keras import Tusk`.', ['README.md: pet_keras.Tusk']),
    'example, folder': ('examples/a.py', 'def f():\n    from pet_keras import cli\n', ['examples/a.py: pet_keras.cli']),
    'example, backend': ('examples/a.py', 'import pet_keras.backend\n', ['examples/a.py: pet_keras.backend']),
    'benchmark, module': ('benchmarks/b.py', 'import pet_keras.cli.train\n', ['benchmarks/b.py: pet_keras.cli.train']),
}


@pytest.mark.parametrize('what', WRONG)
def test_what_is_wrong_is_found_and_named(what, write):
    path, text, found = WRONG[what]
    assert _everything(write(**{path: text})) == found
