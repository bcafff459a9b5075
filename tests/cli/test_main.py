import os
import subprocess
import sys

import pytest
from six_reviews import write

import pet_keras
from pet_keras.cli.main import build_parser, main

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))


# --- errors ---------------------------------------------------------------------------------------------

def test_a_missing_file_is_one_line(fails, tiny, tmp_path):
    missing = str(tmp_path / 'missing.tsv')
    for command in (['evaluate', missing], ['predict', missing], ['train', '--labelled', missing, '--out', 'x']):
        error = fails(command[0], '--task', 'sentiment', '--checkpoint', tiny, *command[1:])
        assert missing in error and 'no such file' in error


def test_a_folder_in_place_of_a_file_is_one_line(fails, tiny, tmp_path):
    assert str(tmp_path) in fails('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--format', 'tsv', tmp_path)


def test_a_bad_label_is_named_with_file_and_line(fails, tiny, tmp_path):
    path = write(tmp_path / 'bad.tsv', '好\t正面\n\n坏\t中性\n')
    for command in (['evaluate', path], ['train', '--labelled', path, '--out', tmp_path / 'x']):
        error = fails(command[0], '--task', 'sentiment', '--checkpoint', tiny, *command[1:])
        assert '%s, line 3' % path in error and '中性' in error and '正面' in error
    assert not os.path.exists(str(tmp_path / 'x'))


def test_a_row_without_text_or_label_is_named_with_file_and_line(fails, tiny, tmp_path):
    path = write(tmp_path / 'a.jsonl', '{"text": "好", "label": "正面"}\n{"text": ""}\n')
    assert '%s, line 2: the text is empty' % path in fails('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    path = write(tmp_path / 'b.jsonl', '{"text": "好", "label": "正面"}\n{"text": "好"}\n')
    assert '%s, line 2: no label' % path in fails('evaluate', '--task', 'sentiment', '--checkpoint', tiny, path)


@pytest.mark.parametrize('args', [
    ('evaluate', '--batch-size', 0), ('predict', '--batch-size', -1), ('train', '--seed', -1), ('train', '--epochs', 0),
    ('train', '--mask-rate', 1), ('train', '--learning-rate', -1), ('train', '--batch-size', 0),
    ('predict', '--maxlen', 3),
], ids=lambda args: ' '.join(map(str, args)))
def test_a_number_out_of_range_is_one_line(fails, tiny, reviews, tmp_path, args):
    files = ['--labelled', reviews, '--out', tmp_path / 'x'] if args[0] == 'train' else [reviews]
    error = fails(args[0], '--task', 'sentiment', '--checkpoint', tiny, *args[1:], *files)
    assert args[1].strip('-') in error.replace('_', '-')


@pytest.mark.parametrize('args', [
    [], ['weather'], ['evaluate', 'x.tsv'], ['evaluate', '--task', 'a', '--model', 'b', 'x.tsv'], ['task'],
    ['train', '--task', 'sentiment'], ['evaluate', '--task', 'sentiment', '--format', 'xml', 'x.tsv'],
], ids=' '.join)
def test_a_wrong_command_line_exits_with_2_and_shows_the_usage(capsys, args):
    with pytest.raises(SystemExit) as stop:
        main(args)
    assert stop.value.code == 2 and 'usage: pet-keras' in capsys.readouterr().err


# --- help and streams -----------------------------------------------------------------------------------

_MODEL = ['--pattern', '--checkpoint', '--causal', '--maxlen']
_WHICH = ['--model', '--task', '--format', '--batch-size'] + _MODEL
FLAGS = {
    '': ['--version', 'demo', 'evaluate', 'train', 'predict', 'task', 'checkpoint'],
    'demo': ['--pattern', '--seed'],
    'evaluate': _WHICH + ['--exclude', '--json', 'FILE'],
    'predict': _WHICH + ['--out', 'FILE'],
    'train': _MODEL + ['--format', '--task', '--labelled', '--unlabelled', '--dev', '--out', '--resume', '--epochs',
                       '--batch-size', '--learning-rate', '--mask-rate', '--whole-words', '--patience', '--seed',
                       '--train', '--prompt-tokens', '--prompt-where', '--prompt-encoder', '--prompt-init'],
    'experiment': ['--data', '--checkpoints', '--out', '--jobs', '--dry-run', '--table-only', '--plots', 'file'],
    'task': ['list', 'show'], 'task show': ['name'],
    'checkpoint': ['list', 'inspect'], 'checkpoint inspect': ['name', '--json'],
}


@pytest.mark.parametrize('command', FLAGS)
def test_help_names_every_flag(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main(command.split() + ['--help'])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    assert not [flag for flag in FLAGS[command] if flag not in out]


def test_no_flag_is_without_a_word_of_help():
    parsers, silent = [build_parser()], []
    while parsers:
        parser = parsers.pop()
        for action in parser._actions:
            if isinstance(action.choices, dict):
                parsers.extend(action.choices.values())
            elif not action.help:
                silent.append('%s %s' % (parser.prog, action.option_strings or action.dest))
    assert not silent


def test_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['--version'])
    assert stop.value.code == 0 and capsys.readouterr().out == 'pet-keras %s\n' % pet_keras.__version__


def _command(*args, **kwargs):
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT, os.environ.get('PYTHONPATH', '')]), LC_ALL='C',
               PYTHONIOENCODING='ascii')
    return subprocess.Popen([sys.executable, '-m', 'pet_keras'] + list(args), env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **kwargs)


def test_chinese_comes_out_in_utf8_whatever_the_locale():
    out, err = _command('task', 'show', 'sentiment').communicate()
    assert '很满意。这趟北京之旅' in out.decode('utf-8') and err == b''


def test_a_reader_that_has_seen_enough_is_no_error():
    process = _command('task', 'show', 'news')
    process.stdout.close()  # as head does
    assert process.stderr.read() == b''
    assert process.wait() == 0


def test_a_warning_is_one_line_without_python_in_it(monkeypatch, run):
    import warnings

    from pet_keras.cli import task
    monkeypatch.setattr(task, 'list_tasks', lambda args: warnings.warn('The head looks odd.'))
    status, out, err = run('task', 'list')
    assert (status, out, err) == (0, '', 'pet-keras: warning: The head looks odd.\n')
