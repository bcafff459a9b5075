import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import pet_keras
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.training import Trainer
from pet_keras.cli.main import main

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大', '充电器发烫', '味道好吃']
LABELS = ['正面', '负面', '正面', '正面', '负面', '正面']
P = 'p(正面)', 'p(负面)'


@pytest.fixture
def reviews(tmp_path):
    return _write(tmp_path / 'reviews.tsv', ''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))


@pytest.fixture(scope='module')
def tiny(make_checkpoint, tmp_path_factory):
    """One layer is enough here, and quicker to build."""
    return make_checkpoint(tmp_path_factory.mktemp('tiny'), num_hidden_layers=1)


@pytest.fixture(scope='module')
def classifier(tiny):
    return ClozeClassifier('sentiment', tiny)


@pytest.fixture(scope='module')
def model(tiny, tmp_path_factory):
    """The folder of a model that `pet-keras train` wrote."""
    folder = tmp_path_factory.mktemp('trained')
    labelled = _write(folder / 'train.tsv', ''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))
    unlabelled = _write(folder / 'more.txt', '今天天气很好\n我们去吃饭吧\n')
    out = str(folder / 'model')
    assert main(['train', '--task', 'sentiment', '--checkpoint', tiny, '--pattern', 'P2', '--labelled', labelled,
                 '--unlabelled', unlabelled, '--dev', labelled, '--out', out, '--epochs', '2', '--batch-size', '4',
                 '--learning-rate', '0.01', '--mask-rate', '0.2', '--patience', '5', '--seed', '3',
                 '--maxlen', '40']) == 0
    return out


def _write(path, text):
    with open(str(path), 'w', encoding='utf-8') as writer:
        writer.write(text)
    return str(path)


def _stdin(monkeypatch, text):
    monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(io.BytesIO(text.encode('utf-8'))))


def _check(classifier, texts, labels, probabilities):
    """The printed labels and probabilities are the classifier's."""
    assert list(labels) == classifier.predict(texts)
    np.testing.assert_allclose(np.array(probabilities, 'float64'), classifier.predict_proba(texts), atol=2e-6)


# --- evaluate -------------------------------------------------------------------------------------------

def test_evaluate_prints_the_accuracy_on_its_last_line_and_in_json(run, tiny, reviews, classifier):
    predicted = classifier.predict(TEXTS)
    accuracy = 100. * np.mean([p == label for p, label in zip(predicted, LABELS)])
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, reviews)
    assert status == 0 and out.splitlines()[-1] == 'accuracy %.2f' % accuracy
    assert '6 texts' in out and '正面' in out and '[MASK]满意。{text}' in out
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews)
    report = json.loads(out)
    assert status == 0 and report['accuracy'] == pytest.approx(accuracy)
    assert (report['n'], report['task'], report['pattern']) == (6, 'sentiment', '[MASK]满意。{text}')
    assert report['labels']['正面']['support'] == 4


def test_evaluate_takes_a_pattern_by_name_or_of_ones_own_and_a_maxlen(run, tiny, reviews):
    for given, pattern in (('P3', '[MASK]好。{text}'), ('真[MASK]。{text}', '真[MASK]。{text}')):
        status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--pattern', given,
                             '--maxlen', 12, '--batch-size', 2, '--json', reviews)
        report = ClozeClassifier('sentiment', tiny, given, 12).evaluate(list(map(_example, TEXTS, LABELS)))
        assert status == 0 and json.loads(out)['pattern'] == pattern
        assert json.loads(out)['log_likelihood'] == pytest.approx(report['log_likelihood'], abs=1e-6)


def _example(text, label):
    return pet_keras.Example(text, None, label)


def test_evaluate_leaves_out_the_texts_of_exclude(run, tiny, reviews, tmp_path, fails):
    seen = _write(tmp_path / 'seen.tsv', '%s\t负面\n%s\t正面\n' % (TEXTS[0], TEXTS[3]))
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews, '--exclude', seen)
    report = json.loads(out)
    assert status == 0 and report['n'] == 4 and report['labels']['正面']['support'] == 2
    error = fails('evaluate', '--task', 'sentiment', '--checkpoint', tiny, reviews, '--exclude', reviews)
    assert 'Every text' in error


def test_evaluate_reads_standard_input_and_files_without_a_known_ending(run, tiny, reviews, tmp_path, monkeypatch):
    expected = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews)[1]
    with open(reviews, encoding='utf-8') as reader:
        text = reader.read()
    _stdin(monkeypatch, text)
    given = ('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', '--format', 'tsv')
    assert run(*given, '-')[1] == expected
    assert run(*given, _write(tmp_path / 'reviews', text))[1] == expected


def test_evaluate_understands_a_tasks_aliases(run, tiny, reviews, tmp_path):
    aliased = _write(tmp_path / 'aliased.tsv', ''.join('%s\t%d\n' % (t, n == '正面') for t, n in zip(TEXTS, LABELS)))
    given = ('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json')
    assert run(*given, aliased)[1] == run(*given, reviews)[1]


# --- predict --------------------------------------------------------------------------------------------

def test_predict_writes_tsv_for_tsv(run, tiny, classifier, tmp_path):
    path = _write(tmp_path / 'a.tsv', 'text\tid\n' + ''.join('%s\t%d\n' % (t, i) for i, t in enumerate(TEXTS)))
    status, out, _ = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text', 'id', 'prediction', *P]
    assert [r[:2] for r in rows[1:]] == [[t, str(i)] for i, t in enumerate(TEXTS)]
    _check(classifier, TEXTS, [r[2] for r in rows[1:]], [r[3:] for r in rows[1:]])


def test_predict_writes_csv_for_csv(run, tiny, classifier, tmp_path):
    texts = ['房间,很"干净"', '两\n行'] + TEXTS
    path = tmp_path / 'a.csv'
    with open(str(path), 'w', encoding='utf-8', newline='') as writer:
        csv.writer(writer).writerows([['label', 'text']] + [['负面', t] for t in texts])
    status, out, _ = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0 and rows[0] == ['label', 'text', 'prediction', *P]
    assert [r[:2] for r in rows[1:]] == [['负面', t] for t in texts]
    _check(classifier, texts, [r[2] for r in rows[1:]], [r[3:] for r in rows[1:]])


def test_predict_writes_json_lines_for_json_lines(run, tiny, classifier, tmp_path):
    path = _write(tmp_path / 'a.jsonl', ''.join(json.dumps({'id': i, 'sentence': t}) + '\n'
                                                for i, t in enumerate(TEXTS)))
    status, out, _ = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [(r['id'], r['sentence']) for r in rows] == list(enumerate(TEXTS))
    _check(classifier, TEXTS, [r['prediction'] for r in rows],
           [[r['probabilities'][label] for label in ('正面', '负面')] for r in rows])


@pytest.mark.parametrize('source', ['file', 'stdin'])
def test_predict_writes_a_table_for_plain_text(run, tiny, classifier, tmp_path, monkeypatch, source):
    text = '\n'.join(TEXTS[:2]) + '\n\n  \n' + '\n'.join(TEXTS[2:])  # blank lines, and none at the end
    path = '-' if source == 'stdin' else _write(tmp_path / 'a.txt', text)
    if source == 'stdin':
        _stdin(monkeypatch, text)
    status, out, err = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text', 'prediction', *P] and [r[0] for r in rows[1:]] == TEXTS
    _check(classifier, TEXTS, [r[1] for r in rows[1:]], [r[2:] for r in rows[1:]])
    assert 'skipped 2 blank lines (3, 4)' in err


def test_predict_into_a_folder_writes_a_file_of_each_name_and_overwrites_none(run, fails, tiny, reviews, tmp_path):
    lines = _write(tmp_path / 'a.jsonl', '{"text": "好"}\n')
    out = str(tmp_path / 'new' / 'predictions')
    given = ('predict', '--task', 'sentiment', '--checkpoint', tiny, '--out', out)
    status, printed, err = run(*given, reviews, lines)
    assert (status, printed) == (0, '') and '6 texts' in err and '1 texts' in err
    assert sorted(os.listdir(out)) == ['a.jsonl', 'reviews.tsv']
    with open(os.path.join(out, 'reviews.tsv'), encoding='utf-8') as reader:
        before = reader.read()
    assert before == run('predict', '--task', 'sentiment', '--checkpoint', tiny, reviews)[1]
    assert 'nothing is overwritten' in fails(*given, reviews)
    with open(os.path.join(out, 'reviews.tsv'), encoding='utf-8') as reader:
        assert reader.read() == before
    assert sorted(os.listdir(out)) == ['a.jsonl', 'reviews.tsv']
    with open(reviews, encoding='utf-8') as reader:
        original = reader.read()
    assert 'nothing is overwritten' in fails(*given[:-1], os.path.dirname(reviews), reviews)  # the input itself
    with open(reviews, encoding='utf-8') as reader:
        assert reader.read() == original


def test_predict_takes_pairs_where_the_task_does(run, tiny, tmp_path):
    path = _write(tmp_path / 'pairs.tsv', '下雨了\t地上湿了\n他在睡觉\t他醒着\n')
    status, out, _ = run('predict', '--task', 'nli', '--checkpoint', tiny, path)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text_a', 'text_b', 'prediction', 'p(蕴含)', 'p(中立)', 'p(矛盾)']
    assert [r[2] for r in rows[1:]] == ClozeClassifier('nli', tiny).predict([('下雨了', '地上湿了'),
                                                                             ('他在睡觉', '他醒着')])


# --- train ----------------------------------------------------------------------------------------------

def test_a_trained_model_is_evaluated_and_used_by_its_folder_alone(run, model, reviews):
    trained = ClozeClassifier.load(model)
    assert (trained.pattern.string, trained.maxlen) == ('{text}[MASK]满意。', 40)
    assert [h['epoch'] for h in trained.history][:2] == [0, 1]
    status, out, _ = run('evaluate', '--model', model, '--json', reviews)
    report = json.loads(out)
    assert status == 0 and report['pattern'] == '{text}[MASK]满意。' and report['task'] == 'sentiment'
    best = max((h['dev_accuracy'], h['dev_log_likelihood']) for h in trained.history)
    assert (report['accuracy'], report['log_likelihood']) == pytest.approx(best, abs=1e-6)
    status, out, _ = run('predict', '--model', model, reviews)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text', 'label', 'prediction', *P]
    _check(trained, TEXTS, [r[2] for r in rows[1:]], [r[3:] for r in rows[1:]])


def test_the_settings_of_train_reach_the_training(run, tiny, reviews, tmp_path, monkeypatch):
    seen = {}

    def fit(self, labelled, unlabelled, dev, **settings):
        seen.update(settings, labelled=labelled, unlabelled=unlabelled, dev=dev, pattern=self.pattern.string,
                    checkpoint=self.checkpoint.folder, maxlen=self.maxlen)

    monkeypatch.setattr(ClozeClassifier, 'fit', fit)
    more = _write(tmp_path / 'more.txt', '好\n')
    given = ('train', '--task', 'sentiment', '--checkpoint', tiny, '--out', 'x')
    status, out, _ = run(*given, '--unlabelled', more)
    assert status == 0 and 'pet-keras predict --model x' in out
    defaults = dict(epochs=10, batch_size=16, learning_rate=None, mask_rate=0.15, patience=None, seed=0, resume=False)
    assert {k: seen[k] for k in defaults} == defaults
    assert [e.text for e in seen['unlabelled']] == ['好'] and not seen['labelled'] and not seen['dev']
    assert run(*given, '--labelled', reviews, '--dev', reviews, '--resume', '--epochs', 3, '--batch-size', 5,
               '--learning-rate', 0.5, '--mask-rate', 0.25, '--patience', 2, '--seed', 9, '--pattern', 'P3',
               '--maxlen', 33)[0] == 0
    expected = dict(epochs=3, batch_size=5, learning_rate=0.5, mask_rate=0.25, patience=2, seed=9, resume=True,
                    out='x', pattern='[MASK]好。{text}', checkpoint=tiny, maxlen=33)
    assert {k: seen[k] for k in expected} == expected
    assert [(e.text, e.label) for e in seen['labelled']] == list(zip(TEXTS, LABELS)) == [
        (e.text, e.label) for e in seen['dev']]


def test_an_interrupted_train_exits_with_130_and_resume_finishes_it(run, fails, tiny, reviews, tmp_path, monkeypatch):
    def interrupted(self, epoch, texts):
        if epoch == 1:
            raise KeyboardInterrupt
        return 1.

    monkeypatch.setattr(Trainer, '_train_epoch', interrupted)
    out = str(tmp_path / 'model')
    given = ('train', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews, '--out', out, '--epochs', 2)
    status, printed, err = run(*given)
    assert status == 130 and '--resume' in printed and err.splitlines()[-1] == 'Interrupted.'
    assert 'Traceback' not in err
    monkeypatch.setattr(Trainer, '_train_epoch', lambda self, epoch, texts: 2.)
    assert 'resume' in fails(*given)
    assert run(*given, '--resume')[0] == 0
    assert ClozeClassifier.load(out).history == [{'epoch': 1, 'loss': 1.}, {'epoch': 2, 'loss': 2.}]


# --- task, checkpoint, demo -----------------------------------------------------------------------------

def test_task_list_names_the_shipped_tasks_and_show_fills_their_patterns(run):
    status, out, _ = run('task', 'list')
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == ['news', 'nli', 'sentiment']
    assert all(len(line.split()) > 3 for line in out.splitlines())  # each says what it is for
    status, out, _ = run('task', 'show', 'sentiment')
    assert status == 0 and '很满意。这趟北京之旅我感觉很不错。' in out and '不满意。这趟北京之旅我感觉很不错。' in out
    assert 'P5' in out and 'Positive' in out
    for name in ('news', 'nli'):
        assert run('task', 'show', name)[0] == 0


def test_task_show_takes_a_file(run, tmp_path):
    path = _write(tmp_path / 'mine.json', json.dumps({'patterns': {'Q': '{text}真[MASK]'},
                                                      'labels': {'yes': '好', 'no': '坏'}, 'example': '今天'}))
    status, out, _ = run('task', 'show', path)
    assert status == 0 and '今天真好' in out and '今天真坏' in out and out.startswith('mine')


def test_checkpoint_list_names_the_shipped_model_and_inspect_describes_one(run, tiny):
    status, out, _ = run('checkpoint', 'list')
    folders = dict(line.split(None, 1) for line in out.splitlines())
    assert status == 0 and sorted(folders) == ['bert-mini-zh', 'gpt-mini-zh']
    assert all(os.path.isfile(os.path.join(folder, 'vocab.txt')) for folder in folders.values())
    status, out, _ = run('checkpoint', 'inspect', tiny)
    assert status == 0 and 'mlm head' in out and 'present' in out and tiny in out
    status, out, _ = run('checkpoint', 'inspect', tiny, '--json')
    found = json.loads(out)
    assert status == 0
    assert (found['family'], found['layers'], found['hidden_size'], found['max_position']) == ('bert', 1, 16, 64)


def test_checkpoint_inspect_says_that_an_mlm_head_is_missing(run, make_checkpoint, tmp_path):
    status, out, _ = run('checkpoint', 'inspect', make_checkpoint(tmp_path, head=False), '--json')
    assert status == 0 and json.loads(out)['mlm_head'] == 'missing'


def test_demo_passes_its_settings_on(run, monkeypatch):
    import pet_keras.cli.demo
    calls = []
    monkeypatch.setattr(pet_keras.cli.demo, 'run', lambda *args: calls.append(args))
    assert run('demo')[0] == run('demo', '--pattern', 'P2', '--seed', 4)[0] == 0
    assert calls == [('P1', 0), ('P2', 4)]


# --- errors ---------------------------------------------------------------------------------------------

def test_a_missing_file_is_one_line(fails, tiny, tmp_path):
    missing = str(tmp_path / 'missing.tsv')
    for command in (['evaluate', missing], ['predict', missing], ['train', '--labelled', missing, '--out', 'x']):
        error = fails(command[0], '--task', 'sentiment', '--checkpoint', tiny, *command[1:])
        assert missing in error and 'no such file' in error


def test_a_folder_in_place_of_a_file_is_one_line(fails, tiny, tmp_path):
    assert str(tmp_path) in fails('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--format', 'tsv', tmp_path)


def test_a_bad_label_is_named_with_file_and_line(fails, tiny, tmp_path):
    path = _write(tmp_path / 'bad.tsv', '好\t正面\n\n坏\t中性\n')
    for command in (['evaluate', path], ['train', '--labelled', path, '--out', tmp_path / 'x']):
        error = fails(command[0], '--task', 'sentiment', '--checkpoint', tiny, *command[1:])
        assert '%s, line 3' % path in error and '中性' in error and '正面' in error
    assert not os.path.exists(str(tmp_path / 'x'))


def test_a_row_without_text_or_label_is_named_with_file_and_line(fails, tiny, tmp_path):
    path = _write(tmp_path / 'a.jsonl', '{"text": "好", "label": "正面"}\n{"text": ""}\n')
    assert '%s, line 2: the text is empty' % path in fails('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    path = _write(tmp_path / 'b.jsonl', '{"text": "好", "label": "正面"}\n{"text": "好"}\n')
    assert '%s, line 2: no label' % path in fails('evaluate', '--task', 'sentiment', '--checkpoint', tiny, path)


def test_an_unknown_task_or_checkpoint_is_one_line_that_says_where_to_look(fails, reviews):
    error = fails('evaluate', '--task', 'weather', reviews)
    assert "'weather'" in error and 'sentiment' in error
    assert 'weather' in fails('task', 'show', 'weather')
    error = fails('evaluate', '--task', 'sentiment', '--checkpoint', 'bert-huge', reviews)
    assert "'bert-huge'" in error and 'checkpoint list' in error
    assert 'bert-huge' in fails('checkpoint', 'inspect', 'bert-huge')


def test_an_unknown_pattern_is_one_line_that_names_the_known_ones(fails, tiny, reviews):
    given = ('evaluate', '--task', 'sentiment', '--checkpoint', tiny)
    assert 'P1, P2' in fails(*given, '--pattern', 'P9', reviews)
    assert '[MASK]' in fails(*given, '--pattern', '真好。{text}', reviews)


def test_a_model_folder_that_is_none_is_one_line(fails, tiny, reviews, tmp_path):
    assert 'no classifier.json' in fails('evaluate', '--model', tiny, reviews)
    assert 'no such folder' in fails('predict', '--model', tmp_path / 'nowhere', reviews)


def test_a_checkpoint_without_mlm_head_is_one_line(fails, make_checkpoint, reviews, tmp_path):
    assert 'no MLM head' in fails('evaluate', '--task', 'sentiment', '--checkpoint',
                                  make_checkpoint(tmp_path / 'bare', head=False), reviews)


@pytest.mark.parametrize('damage', ['half the weights', 'another hidden_size'])
def test_a_damaged_checkpoint_is_one_line(fails, tiny, reviews, tmp_path, damage):
    folder = str(tmp_path / 'damaged')
    shutil.copytree(tiny, folder)
    if damage == 'half the weights':
        path = os.path.join(folder, 'bert_model.ckpt.data-00000-of-00001')
        os.truncate(path, os.path.getsize(path) // 2)
    else:
        path = os.path.join(folder, 'bert_config.json')
        with open(path) as reader:
            config = json.load(reader)
        _write(path, json.dumps(dict(config, hidden_size=32)))
    assert folder in fails('evaluate', '--task', 'sentiment', '--checkpoint', folder, reviews)


@pytest.mark.parametrize('flag', ['pattern', 'checkpoint', 'maxlen'])
def test_a_model_folder_takes_no_settings_of_its_own(fails, model, reviews, flag):
    value = {'pattern': 'P1', 'checkpoint': 'bert-mini-zh', 'maxlen': 32}[flag]
    assert '--' + flag in fails('evaluate', '--model', model, '--' + flag, value, reviews)


def test_train_without_texts_or_into_a_folder_in_use_is_one_line(fails, model, tiny, reviews):
    assert '--labelled' in fails('train', '--task', 'sentiment', '--out', 'x')
    assert 'already holds a model' in fails('train', '--task', 'sentiment', '--checkpoint', tiny, '--labelled',
                                            reviews, '--out', model)


@pytest.mark.parametrize('args', [
    ('evaluate', '--batch-size', 0), ('predict', '--batch-size', -1), ('train', '--seed', -1), ('train', '--epochs', 0),
    ('train', '--mask-rate', 1), ('train', '--learning-rate', -1), ('train', '--batch-size', 0),
    ('predict', '--maxlen', 3),
], ids=lambda args: ' '.join(map(str, args)))
def test_a_number_out_of_range_is_one_line(fails, tiny, reviews, tmp_path, args):
    files = ['--labelled', reviews, '--out', tmp_path / 'x'] if args[0] == 'train' else [reviews]
    error = fails(args[0], '--task', 'sentiment', '--checkpoint', tiny, *args[1:], *files)
    assert args[1].strip('-') in error.replace('_', '-')


def test_standard_input_is_read_once(fails, tiny):
    assert 'once' in fails('predict', '--task', 'sentiment', '--checkpoint', tiny, '-', '-')


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
    'train': _MODEL + ['--task', '--labelled', '--unlabelled', '--dev', '--out', '--resume', '--epochs', '--batch-size',
                       '--learning-rate', '--mask-rate', '--whole-words', '--patience', '--seed', '--train',
                       '--prompt-tokens', '--prompt-where', '--prompt-encoder', '--prompt-init'],
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
    from pet_keras.cli.main import _parser
    parsers, silent = [_parser()], []
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
