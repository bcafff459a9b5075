"""What README, guides and cards show: their commands and Python run, their answers and tables are what comes out."""
import glob
import json
import os
import re
import shlex
import shutil
import sys

import numpy as np
import pytest

import pet_keras
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cli.main import build_parser, main
from pet_keras.cloze.task import Task
from pet_keras.data.shipped import shipped_texts
from pet_keras.experiments.claims import HOLDS, NOT, ONE_RUN, OTHER, UNKNOWN, judge, markdown
from pet_keras.experiments.grid import Grid
from pet_keras.experiments.records import read

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
TRACED = True  # real models, or many texts: graphs are worth tracing


@pytest.mark.parametrize('name', ['bert-small-zh', 'bert-mini-zh', 'gpt-mini-zh'])
def test_the_table_of_a_model_card_is_made_of_the_committed_records(name):
    with open(os.path.join(ROOT, 'pretrained', name, 'README.md'), encoding='utf-8') as reader:
        shown = [line for line in reader.read().splitlines() if re.match(r'\| [^|]+ \| (P\d|8 tokens|-) \| \d+ \| ', line)]
    with open(os.path.join(ROOT, 'benchmarks', 'sentiment', 'records.jsonl'), encoding='utf-8') as reader:
        rows = {}
        for record in map(json.loads, reader):
            if record['checkpoint'] == name and 'whole test' not in record['method']:
                found = record['tests']['unshared']
                rows.setdefault((record['method'], record['pattern']), []).append(
                    [found['accuracy'], found['corrected'], found['auc'], record['dev']['accuracy']])

    def cell(values, form):
        spread = ' ± ' + form % np.std(values, ddof=1) if len(values) > 1 else ''
        return form % np.mean(values) + spread
    assert shown and sorted(shown) == sorted('| %s | %s | %d | %s |' % (method, pattern, len(runs), ' | '.join(
        cell(values, form) for values, form in zip(zip(*runs), ('%.1f', '%.1f', '%.3f', '%.1f'))))
        for (method, pattern), runs in rows.items())


def test_the_verdicts_in_docs_are_made_of_the_committed_records():
    with open(os.path.join(ROOT, 'docs', 'claims.md'), encoding='utf-8') as reader:
        shown = re.findall(r'^.*\| (?:%s) \|$' % '|'.join(
            [HOLDS, NOT, HOLDS + ONE_RUN, NOT + ONE_RUN, UNKNOWN, OTHER]), reader.read(), re.M)
    found = []
    for path in sorted(glob.glob(os.path.join(ROOT, 'benchmarks', '*', 'claims.md'))):
        folder = os.path.dirname(path)
        grid = Grid(folder + '.yaml')
        kept = {(run['method'], run['checkpoint'], run['seed']) for run in grid.runs}
        records = [r for r in read(folder) if (r['method'], r['checkpoint'], r['seed']) in kept]
        found += [v for claim in grid.claims for v in judge(claim, records, folder)]
    assert shown and sorted(shown) == sorted(markdown(found).splitlines()[2:])


def test_the_rows_of_the_guide_to_prompts_are_those_of_the_grids_tables():
    def rows(*place):
        with open(os.path.join(ROOT, *place), encoding='utf-8') as reader:
            return [line for line in reader.read().splitlines() if re.match(r'\| (bert|gpt)-\w+-zh \|', line)]
    shown = rows('docs', 'ptuning.md')
    assert len(shown) > 10 and set(shown) <= {
        row for name in ('sentiment', 'prompts') for row in rows('benchmarks', name, 'unshared.md')}


# --- the README -----------------------------------------------------------------------------------------

def _blocks(language, name='README.md'):
    path = os.path.join(ROOT, name)
    if not os.path.exists(path):
        pytest.skip('%s does not exist yet' % name)
    with open(path, encoding='utf-8') as reader:
        return re.findall(r'^```%s\n(.*?)^```' % language, reader.read(), re.M | re.S)


def _commands(name='README.md'):
    """The README's `pet-keras` lines without the demo: [(text for standard input or None, arguments)]."""
    found = []
    for line in '\n'.join(_blocks('bash', name)).splitlines():
        match = re.match(r'(?:echo (.+?) \| )?pet-keras (?!demo)(.+)', line)
        if match:
            found.append((match.group(1), shlex.split(match.group(2), comments=True)))
    return found


@pytest.fixture
def beside_the_texts(still, causal, tmp_path, monkeypatch):
    """A folder with the shipped texts, of each the first lines, and tiny models in place of the shipped ones."""
    monkeypatch.setattr('pet_keras.checkpoints.checkpoint.shipped_checkpoints',
                        lambda: {'bert-small-zh': still, 'bert-mini-zh': still, 'gpt-mini-zh': causal})
    folder = os.path.dirname(shipped_texts('x'))
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding='utf-8') as reader:
            lines = reader.readlines()[:12]
        (tmp_path / name).write_text(''.join(lines), encoding='utf-8')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_commands_run(beside_the_texts, monkeypatch, capsys):
    commands = _commands()
    assert {args[0] for _, args in commands} >= {'task', 'evaluate', 'train', 'predict'}
    for text, args in commands:
        if text is not None:
            (beside_the_texts / 'stdin').write_text(text + '\n', encoding='utf-8')
            monkeypatch.setattr(sys, 'stdin', open('stdin', encoding='utf-8'))
        assert main(args + ['--epochs', '1'] * (args[0] == 'train')) == 0, (args, capsys.readouterr().err)
        assert capsys.readouterr().out or '--out' in args, args


def test_the_commands_of_the_page_on_scale_are_ones():
    """They are not run: they ask for a cluster, or for files of a million lines."""
    commands = _commands(os.path.join('docs', 'scale.md'))
    assert {args[0] for _, args in commands} == {'predict', 'experiment', 'train'}
    for _, args in commands:
        build_parser().parse_args(args)


def test_the_commands_of_the_page_on_methods_run(beside_the_texts, capsys):
    commands = _commands(os.path.join('docs', 'methods.md'))
    assert {args[args.index('--method') + 1] for _, args in commands if '--method' in args} >= {'fine-tuning', 'vat'}
    for _, args in commands:
        steps = ['--epochs', '1'] * bool({'fine-tuning', 'vat'} & set(args))
        assert main(args + steps) == 0, (args, capsys.readouterr().err)


@pytest.mark.parametrize('name', ['README.md'] + [os.path.join('docs', page) for page in ('learning.md', 'ptuning.md')])
def test_the_python_of_readme_and_guide_runs(name, beside_the_texts, capsys):
    code = '\n'.join(_blocks('python', name))
    assert 'ClozeClassifier' in code
    exec(compile(re.sub(r'epochs=\d+', 'epochs=1', code), name, 'exec'), {})
    assert capsys.readouterr().out


def _answers(code):
    """The answers that code shows: [(the line with its comment, the answer's text)].

    `print(...)  # ['a']`, or a name `x = ...  # [unused1]…[MASK]` with parts left out.
    """
    found = [re.match(r"(?:print\(|\w+ = ).*  # (?:.*[:：] ?)?(\[.*[\]}])$", line) for line in code.splitlines()]
    return [(match.group(0), match.group(1)) for match in found if match]


def _shown(code, printed, names):
    """What the code gave where it shows an answer: a list of pairs (shown, given)."""
    lines, pairs = iter(printed.splitlines()), []
    for line in code.splitlines():
        given = next(lines) if line.startswith('print(') else None
        for _, answer in _answers(line):
            pairs.append((answer, given if given is not None else names[line.split(' = ')[0]]))
    return pairs


def _same(shown, given):
    return re.fullmatch(re.escape(shown).replace('…', '.*'), given) is not None


DOCUMENTS = ['README.md', 'README.zh-CN.md'] + sorted(os.path.relpath(path, ROOT) for path in glob.glob(
    os.path.join(ROOT, 'docs', '*.md')))


@pytest.mark.parametrize('name', DOCUMENTS)
def test_the_answers_that_a_document_shows_are_the_shipped_models(name, tmp_path, monkeypatch, capsys):
    """Its Python runs as it stands, on the shipped texts, as far as the last answer."""
    code = '\n'.join(_blocks('python', name)).replace('verbose=1', 'verbose=0')
    if not _answers(code):
        pytest.skip('%s shows no answer' % name)
    last = _answers(code)[-1][0]
    code, names = code[:code.index(last)] + last, {}
    shutil.copytree(os.path.dirname(shipped_texts('x')), str(tmp_path / 'texts'))
    monkeypatch.chdir(tmp_path / 'texts')
    exec(compile(code, name, 'exec'), names)
    pairs = _shown(code, capsys.readouterr().out, names)
    assert len(pairs) == len(_answers(code)) and [pair for pair in pairs if not _same(*pair)] == []
    for folder, kilobytes in re.findall(r"\.save\('(\w+)'\)  # .* (\d+) kB$", code, re.M):
        assert round(os.path.getsize(os.path.join(folder, 'added.safetensors')) / 1000) == int(kilobytes)


def test_answers_are_found_and_a_wrong_one_is_seen():
    code = "x = f(8)   # [unused1]…[MASK]{text}\ny = 1  # a number\nprint(1)\nprint(g())   # zero-shot: ['正面', 'a']"
    assert [answer for _, answer in _answers(code)] == ['[unused1]…[MASK]{text}', "['正面', 'a']"]
    pairs = _shown(code, "1\n['正面', 'b']\n", {'x': '[unused1][unused2][MASK]{text}'})
    assert [_same(*pair) for pair in pairs] == [True, False]
    assert {name for name in DOCUMENTS if _answers('\n'.join(_blocks('python', name)))} >= {
        'README.md', 'README.zh-CN.md', os.path.join('docs', 'ptuning.md')}


def test_both_readmes_give_the_same_python():
    codes = [re.sub(r' *#.*', '', '\n'.join(_blocks('python', name))) for name in ('README.md', 'README.zh-CN.md')]
    assert codes[0] == codes[1] != ''


def test_the_readmes_task_is_one(still, tmp_path):
    tasks = [block for block in _blocks('json') if '"patterns"' in block]
    if not tasks:
        pytest.skip('README.md shows no task')
    for text in tasks:
        (tmp_path / 'messages.json').write_text(text, encoding='utf-8')
        task = Task.load(str(tmp_path / 'messages.json'))
        for pattern in task.patterns:
            assert ClozeClassifier(task, still, pattern).predict(['快递三天了还没到'])[0] in task.labels
        assert all(task.example[0] in line for line in task.show().splitlines() if line.startswith('  P'))


def test_both_readmes_give_the_same_commands():
    assert _commands('README.zh-CN.md') == _commands('README.md')
