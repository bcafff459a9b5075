import json
import os

import pytest
from six_reviews import LABELS, TEXTS, stdin, write

from pet_keras.classifiers.loading import load
from pet_keras.data.reading import read_examples

try:
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
except ImportError:
    onnx = None
with_extra = pytest.mark.skipif(onnx is None, reason='the extra [onnx] is not installed')


def _table(out):
    return [line.split('\t') for line in out.splitlines()]


def test_predict_with_onnx_prints_what_tensorflow_prints(run, model, exported, tmp_path):
    path = write(tmp_path / 'a.tsv', 'text\tid\n' + ''.join('%s\t%d\n' % (t, i) for i, t in enumerate(TEXTS)))
    status, wanted, _ = run('predict', '--model', model, path)
    assert status == 0
    status, found, _ = run('predict', '--engine', 'onnx', '--model', exported, path, '--batch-size', '2')
    assert status == 0
    for row, other in zip(_table(found), _table(wanted), strict=True):
        assert row[:3] == other[:3]
        if row[0] != 'text':
            assert [float(p) for p in row[3:]] == pytest.approx([float(p) for p in other[3:]], abs=1e-5)


def test_predict_with_onnx_reads_standard_input_and_writes_out(run, model, exported, tmp_path, monkeypatch):
    stdin(monkeypatch, '\n'.join(TEXTS))
    assert run('predict', '--engine', 'onnx', '--model', exported, '-', '--out', tmp_path / 'there')[0] == 0
    rows = _table((tmp_path / 'there' / 'stdin.tsv').read_text(encoding='utf-8'))
    assert [row[1] for row in rows[1:]] == load(model).predict(TEXTS)


def test_a_saved_model_and_int8_are_asked_for_by_options(run, model, tmp_path):
    assert run('export', '--model', model, '--to', 'savedmodel', tmp_path / 'saved')[0] == 0
    assert (tmp_path / 'saved' / 'saved_model.pb').exists()
    if onnx:
        assert run('export', '--model', model, '--to', 'onnx', '--int8', tmp_path / 'small')[0] == 0
        assert b'MatMulInteger' in (tmp_path / 'small' / 'model.onnx').read_bytes()


def test_out_that_exists_is_refused_before_the_model_is_read(fails, tmp_path):
    assert 'exists already; nothing is overwritten' in fails(
        'export', '--model', tmp_path / 'none', '--to', 'savedmodel', tmp_path)


def test_int8_of_a_saved_model_is_refused(fails, model, tmp_path):
    assert 'int8 is for ONNX' in fails('export', '--model', model, '--to', 'savedmodel', '--int8', tmp_path / 'out')


def test_a_folder_that_is_no_model_is_named(fails, tmp_path):
    said = fails('export', '--model', tmp_path, '--to', 'savedmodel', tmp_path / 'out')
    assert '%s holds no model.json' % tmp_path in said and not (tmp_path / 'out').exists()


@pytest.mark.skipif(os.name != 'posix' or os.geteuid() == 0, reason='root may write anywhere')
def test_a_place_that_may_not_be_written_is_named(fails, model, tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert 'Permission denied' in fails('export', '--model', model, '--to', 'savedmodel', tmp_path / 'out')
    finally:
        tmp_path.chmod(0o700)


def test_a_place_below_a_file_is_named(fails, model, tmp_path):
    path = write(tmp_path / 'file', '')
    assert path in fails('export', '--model', model, '--to', 'savedmodel', path + '/out')


@with_extra
def test_options_that_an_export_cannot_follow_are_refused(fails, exported, tmp_path):
    path = write(tmp_path / 'a.txt', '好\n')
    for options in (['--calibrate', 'prior'], ['--pattern', 'P1'], ['--maxlen', '9'], ['--checkpoint', 'bert-mini-zh']):
        assert '%s has no effect on an exported model' % options[0] in fails(
            'predict', '--engine', 'onnx', '--model', exported, path, *options)
    assert '--precision' in fails('predict', '--engine', 'onnx', '--model', exported, path, '--precision', 'bfloat16')
    assert 'takes --model' in fails('predict', '--engine', 'onnx', '--task', 'sentiment', path)


@with_extra
def test_a_model_that_was_not_exported_is_refused(fails, model, tmp_path):
    said = fails('predict', '--engine', 'onnx', '--model', model, write(tmp_path / 'a.txt', '好\n'))
    assert model in said and 'pet-keras export --to onnx' in said


@with_extra
def test_a_model_that_was_exported_says_which_engine_runs_it(fails, run, exported, model, tmp_path):
    path = write(tmp_path / 'a.tsv', ''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))
    for command in ('predict', 'evaluate'):
        assert '%s is an exported model: add --engine onnx' % exported in fails(command, '--model', exported, path)
    assert run('export', '--model', model, '--to', 'savedmodel', tmp_path / 'saved')[0] == 0
    assert 'is an exported model: its predict.py runs it' in fails('predict', '--model', tmp_path / 'saved', path)


@with_extra
def test_evaluate_with_onnx_prints_what_tensorflow_prints(run, model, exported, tmp_path):
    path = write(tmp_path / 'a.tsv', ''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))
    _, wanted, _ = run('evaluate', '--model', model, path)
    status, found, _ = run('evaluate', '--engine', 'onnx', '--model', exported, path)
    assert status == 0 and found.replace(exported, model) == wanted
    _, found, _ = run('evaluate', '--engine', 'onnx', '--model', exported, path, '--json')
    assert json.loads(found)['accuracy'] == load(model).evaluate(read_examples(path, load(model).task))['accuracy']
