import csv
import io
import json
import os
import threading

import pytest
from six_reviews import TEXTS, P, check, stdin, write

from pet_keras.checkpoints.lock import FolderLock
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cli.main import main


def test_predict_writes_tsv_for_tsv(run, tiny, classifier, tmp_path):
    path = write(tmp_path / 'a.tsv', 'text\tid\n' + ''.join('%s\t%d\n' % (t, i) for i, t in enumerate(TEXTS)))
    status, out, _ = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text', 'id', 'prediction', *P]
    assert [r[:2] for r in rows[1:]] == [[t, str(i)] for i, t in enumerate(TEXTS)]
    check(classifier, TEXTS, [r[2] for r in rows[1:]], [r[3:] for r in rows[1:]])


def test_predict_writes_csv_for_csv(run, tiny, classifier, tmp_path):
    texts = ['房间,很"干净"', '两\n行'] + TEXTS
    path = tmp_path / 'a.csv'
    with open(str(path), 'w', encoding='utf-8', newline='') as writer:
        csv.writer(writer).writerows([['label', 'text']] + [['负面', t] for t in texts])
    status, out, _ = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0 and rows[0] == ['label', 'text', 'prediction', *P]
    assert [r[:2] for r in rows[1:]] == [['负面', t] for t in texts]
    check(classifier, texts, [r[2] for r in rows[1:]], [r[3:] for r in rows[1:]])


def test_predict_writes_json_lines_for_json_lines(run, tiny, classifier, tmp_path):
    path = write(tmp_path / 'a.jsonl', ''.join(json.dumps({'id': i, 'sentence': t}) + '\n'
                                                for i, t in enumerate(TEXTS)))
    status, out, _ = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [(r['id'], r['sentence']) for r in rows] == list(enumerate(TEXTS))
    check(classifier, TEXTS, [r['prediction'] for r in rows],
           [[r['probabilities'][label] for label in ('正面', '负面')] for r in rows])


@pytest.mark.parametrize('source', ['file', 'stdin'])
def test_predict_writes_a_table_for_plain_text(run, tiny, classifier, tmp_path, monkeypatch, source):
    text = '\n'.join(TEXTS[:2]) + '\n\n  \n' + '\n'.join(TEXTS[2:])  # blank lines, and none at the end
    path = '-' if source == 'stdin' else write(tmp_path / 'a.txt', text)
    if source == 'stdin':
        stdin(monkeypatch, text)
    status, out, err = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text', 'prediction', *P] and [r[0] for r in rows[1:]] == TEXTS
    check(classifier, TEXTS, [r[1] for r in rows[1:]], [r[2:] for r in rows[1:]])
    assert 'skipped 2 blank lines (3, 4)' in err


def test_predict_into_a_folder_writes_a_file_of_each_name_and_overwrites_none(run, fails, tiny, reviews, tmp_path):
    lines = write(tmp_path / 'a.jsonl', '{"text": "好"}\n')
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


def test_a_table_where_some_rows_have_a_label_keeps_its_columns(run, tiny, classifier, tmp_path):
    path = write(tmp_path / 'a.tsv', '房间很干净\n又吵又脏\t负面\n好\n')
    status, out, _ = run('predict', '--task', 'sentiment', '--checkpoint', tiny, path)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text', 'label', 'prediction', *P]
    assert [r[:2] for r in rows[1:]] == [['房间很干净', ''], ['又吵又脏', '负面'], ['好', '']]
    check(classifier, ['房间很干净', '又吵又脏', '好'], [r[2] for r in rows[1:]], [r[3:] for r in rows[1:]])


def test_tables_made_of_plain_text_are_named_tsv(run, tiny, tmp_path, monkeypatch):
    paths = [write(tmp_path / name, '好\n') for name in ('a.b.txt', 'c.TXT')]
    stdin(monkeypatch, '好\n')
    out = str(tmp_path / 'out')
    assert run('predict', '--task', 'sentiment', '--checkpoint', tiny, '--out', out, *paths, '-')[0] == 0
    assert sorted(os.listdir(out)) == ['a.b.tsv', 'c.tsv', 'stdin.tsv']
    again = [str(tmp_path / 'out' / name) for name in os.listdir(out)]
    assert run('predict', '--task', 'sentiment', '--checkpoint', tiny, *again)[0] == 0
    stdin(monkeypatch, '{"text": "好"}\n')
    assert run('predict', '--task', 'sentiment', '--checkpoint', tiny, '--out', out, '--format', 'json', '-')[0] == 0
    assert 'stdin.jsonl' in os.listdir(out)


@pytest.fixture
def no_work(monkeypatch):
    """Any model that is opened is an error."""
    def opened(args):
        raise AssertionError('a model was opened')
    monkeypatch.setattr('pet_keras.cli.predict.open_classifier', opened)


@pytest.mark.parametrize('names', [('a/x.tsv', 'b/x.tsv'), ('x.txt', 'x.tsv'), ('x.csv', 'x.csv')])
def test_two_files_for_one_place_are_refused_before_any_work(fails, no_work, tmp_path, names):
    paths = []
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        paths.append(write(tmp_path / name, '好\n'))
    error = fails('predict', '--task', 'sentiment', '--out', tmp_path / 'out', *paths)
    assert '%s and %s would both be written to %s' % (
        *paths, os.path.join(str(tmp_path / 'out'), 'x.csv' if 'csv' in names[0] else 'x.tsv')) in error
    assert not os.path.exists(str(tmp_path / 'out'))


def test_a_file_that_is_there_already_is_seen_before_any_work(fails, no_work, tmp_path):
    path, other = write(tmp_path / 'a.tsv', '好\n'), write(tmp_path / 'b.txt', '好\n')
    (tmp_path / 'out').mkdir()
    write(tmp_path / 'out' / 'b.tsv', 'mine')
    assert 'nothing is overwritten' in fails('predict', '--task', 'sentiment', '--out', tmp_path / 'out', path, other)


@pytest.mark.parametrize('problem', [OSError('disk full'), RuntimeError(), KeyboardInterrupt()], ids=repr)
def test_what_goes_wrong_leaves_no_half_file_and_the_same_command_goes_on(problem, run, tiny, tmp_path, monkeypatch):
    paths = [write(tmp_path / name, '\n'.join(TEXTS * 2)) for name in ('a.txt', 'b.txt', 'c.txt')]
    args = ['predict', '--task', 'sentiment', '--checkpoint', tiny, '--rows', '5']
    expected, out, seen = [run(*args, path)[1] for path in paths], str(tmp_path / 'out'), []

    def fail(self, examples, *settings, predict=ClozeClassifier.predict_proba):
        seen.append(len(examples))
        if len(seen) == 5:  # the second part of the second file
            raise problem
        return predict(self, examples, *settings)
    monkeypatch.setattr(ClozeClassifier, 'predict_proba', fail)
    if isinstance(problem, RuntimeError):
        with pytest.raises(RuntimeError):
            main([*args, '--out', out, *paths])
    else:
        assert main([*args, '--out', out, *paths]) in (1, 130)
    assert sorted(os.listdir(out)) == ['a.tsv', 'b.tsv.part', 'progress.json'] and seen == [5, 5, 2, 5, 5]
    with open(os.path.join(out, 'b.tsv.part'), 'a') as writer:
        writer.write('what a kill left in the middle of a row')
    assert main([*args, '--out', out, *paths]) == 0
    assert seen[5:] == [5, 2, 5, 5, 2]  # nothing that was done is done again
    assert sorted(os.listdir(out)) == ['a.tsv', 'b.tsv', 'c.tsv']
    for name, text in zip(('a.tsv', 'b.tsv', 'c.tsv'), expected):
        with open(os.path.join(out, name), encoding='utf-8') as reader:
            assert reader.read() == text


@pytest.fixture
def stopped(run):
    """Runs a command that is interrupted at the first part of fewer than 4 texts."""
    def call(*args, predict=ClozeClassifier.predict_proba):
        def fail(self, examples, *settings):
            if len(examples) < 4:
                raise KeyboardInterrupt
            return predict(self, examples, *settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ClozeClassifier, 'predict_proba', fail)
            assert run(*args)[0] == 130
    return call


def test_what_another_command_began_is_neither_gone_on_with_nor_lost(fails, run, stopped, tiny, tmp_path):
    path, out = write(tmp_path / 'a.txt', '\n'.join(TEXTS)), str(tmp_path / 'out')
    args = ('predict', '--task', 'sentiment', '--checkpoint', tiny, '--rows', '4', '--out', out, path)
    stopped(*args)
    assert 'for other files or options' in fails(*args[:-1], '--pattern', 'P3', path)
    write(tmp_path / 'a.txt', '\n'.join(TEXTS[:-1] + ['不好']))
    assert 'for other files or options' in fails(*args)
    write(tmp_path / 'a.txt', '\n'.join(TEXTS))
    with FolderLock(out):
        assert 'another pet-keras works in this folder' in fails(*args)
    assert run(*args)[0] == 0 and os.listdir(out) == ['a.tsv']


def test_in_parts_all_is_as_in_one_and_a_pipe_is_read_once(run, tiny, tmp_path, monkeypatch):
    text = '房间很干净\n\n又吵又脏\t负面\n' + '\n'.join(TEXTS)  # the second part alone has labels
    path, pipe = write(tmp_path / 'a.tsv', text), str(tmp_path / 'pipe.tsv')
    args = ('predict', '--task', 'sentiment', '--checkpoint', tiny)
    whole, out, err = run(*args, path)[1], *run(*args, '--rows', '1', path)[1:]
    assert [line.split('\t')[:3] for line in out.splitlines()] == [line.split('\t')[:3] for line in whole.splitlines()]
    assert err.count('skipped 1 blank line (2)') == 1
    os.mkfifo(pipe)
    threading.Thread(target=write, args=(pipe, text), daemon=True).start()
    assert run(*args, '--rows', '1', pipe)[1] == out
    stdin(monkeypatch, text)
    assert run(*args, '--rows', '1', '--format', 'tsv', '-')[1] == out


@pytest.mark.parametrize('content', ['{"text": "\\ud800"}', '{"text": "好", "a": ' + '[' * 5000 + ']' * 5000 + '}',
                                     '{"text": ["好"]}'])
def test_json_that_cannot_be_used_is_one_line_with_file_and_line(fails, tiny, tmp_path, content):
    path = write(tmp_path / 'a.jsonl', '{"text": "好"}\n' + content + '\n')
    error = fails('predict', '--task', 'sentiment', '--checkpoint', tiny, '--out', tmp_path / 'out', path)
    assert '%s, line 2: ' % path in error and not os.path.exists(str(tmp_path / 'out'))


def test_predict_takes_pairs_where_the_task_does(run, tiny, tmp_path):
    path = write(tmp_path / 'pairs.tsv', '下雨了\t地上湿了\n他在睡觉\t他醒着\n')
    status, out, _ = run('predict', '--task', 'nli', '--checkpoint', tiny, path)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text_a', 'text_b', 'prediction', 'p(蕴含)', 'p(中立)', 'p(矛盾)']
    assert [r[2] for r in rows[1:]] == ClozeClassifier('nli', tiny).predict([('下雨了', '地上湿了'),
                                                                             ('他在睡觉', '他醒着')])


@pytest.mark.parametrize('command', [
    ['predict', '-', '-'], ['predict', '-', '--calibrate', 'mean', '--calibrate-on', '-'], ['evaluate', '-', '--exclude', '-'],
    ['train', '--labelled', '-', '--dev', '-', '--out', 'OUT'], ['pet', '--labelled', '-', '--unlabelled', '-', '--out', 'OUT']])
def test_standard_input_is_read_once(command, fails, tiny, tmp_path, monkeypatch):
    stdin(monkeypatch, '好\t正面\n坏\t负面\n')
    named = ['--format', 'tsv', *(str(tmp_path / 'out') if part == 'OUT' else part for part in command[1:])]
    assert 'Standard input can be read once' in fails(
        command[0], '--task', 'sentiment', '--checkpoint', tiny, *named)


def test_a_file_that_changes_meanwhile_is_told_and_nothing_of_it_stays(fails, tiny, tmp_path, monkeypatch):
    path, out = write(tmp_path / 'a.txt', '\n'.join(TEXTS)), str(tmp_path / 'out')

    def change(self, examples, *settings, predict=ClozeClassifier.predict_proba):
        write(path, '\n'.join(TEXTS[:-1] + ['与此前不同的文本']))
        return predict(self, examples, *settings)
    monkeypatch.setattr(ClozeClassifier, 'predict_proba', change)
    args = ('predict', '--task', 'sentiment', '--checkpoint', tiny, '--rows', '4', path)
    assert 'has been changed since it was looked through' in fails(*args, '--out', out)
    assert not os.path.exists(os.path.join(out, 'a.tsv'))


@pytest.mark.parametrize('where, said', [('model', 'is where the model is'), ('texts', 'is where the texts are')])
def test_predictions_do_not_go_among_what_they_come_from(where, said, fails, classifier, tmp_path):
    classifier.save(str(tmp_path / 'model'))
    (tmp_path / 'texts').mkdir()
    write(tmp_path / 'texts' / 'a.txt', '\n'.join(TEXTS))
    assert said in fails('predict', '--model', tmp_path / 'model', '--out', tmp_path / where, tmp_path / 'texts')


def test_predictions_in_a_folder_below_the_model_go_on(run, stopped, classifier, tmp_path):
    classifier.save(str(tmp_path / 'model'))
    path, out = write(tmp_path / 'a.txt', '\n'.join(TEXTS)), str(tmp_path / 'model' / 'predictions')
    args = ('predict', '--model', tmp_path / 'model', '--rows', '4', '--out', out, path)
    stopped(*args)
    assert run(*args)[0] == 0 and os.listdir(out) == ['a.tsv']


def test_a_pipe_of_texts_to_calibrate_on_is_read_once(run, tiny, tmp_path):
    path, pipe = write(tmp_path / 'a.txt', '\n'.join(TEXTS)), str(tmp_path / 'pipe.txt')
    args = ('predict', '--task', 'sentiment', '--checkpoint', tiny, '--calibrate', 'mean', '--calibrate-on')
    os.mkfifo(pipe)
    threading.Thread(target=write, args=(pipe, '\n'.join(TEXTS)), daemon=True).start()
    assert run(*args, pipe, '--out', tmp_path / 'a', path)[0] == run(*args, path, '--out', tmp_path / 'b', path)[0] == 0
    assert (tmp_path / 'a' / 'a.tsv').read_bytes() == (tmp_path / 'b' / 'a.tsv').read_bytes()


def test_a_full_disk_for_what_is_read_from_a_pipe_is_one_line(fails, tiny, monkeypatch):
    class Full(io.BytesIO):
        name = 'none'

        def write(self, raw):
            raise OSError(28, 'No space left on device')
        close = flush = lambda self: self.write(b'')
    monkeypatch.setattr('tempfile.NamedTemporaryFile', Full)
    stdin(monkeypatch, '好\n')
    assert 'No space left' in fails('predict', '--task', 'sentiment', '--checkpoint', tiny, '-')
