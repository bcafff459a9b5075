"""Predictions and runs by Ray's workers; one Ray is started for all tests here."""
import json
import os
import shutil

import pytest

pytest.importorskip('ray', reason='the extra [ray] is not installed')

from pet_keras.classifiers.cloze_classifier import ClozeClassifier  # noqa: E402
from pet_keras.cli.main import main  # noqa: E402
from pet_keras.errors import UserError  # noqa: E402
from pet_keras.experiments import on_ray, records  # noqa: E402

TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大', '充电器发烫', '味道好吃'] * 3


@pytest.fixture(scope='module')
def ray():
    try:
        found = on_ray.connect()
    except UserError as e:
        if 'timed out during startup' in str(e):  # Ray gives itself 30 seconds, which a busy machine may not have
            pytest.skip(str(e))
        raise
    yield found
    found.shutdown()


@pytest.fixture
def connected(ray, monkeypatch):
    """Commands find the Ray that is there, and leave it."""
    monkeypatch.setattr(on_ray, 'connect', lambda address: ray)
    monkeypatch.setattr(ray, 'shutdown', lambda: None)


@pytest.fixture
def inputs(tmp_path):
    """A folder of three files."""
    folder = tmp_path / 'inputs'
    folder.mkdir()
    (folder / 'a.txt').write_text('\n'.join(TEXTS), encoding='utf-8')
    (folder / 'b.jsonl').write_text(''.join(json.dumps({'id': i, 'text': t}) + '\n' for i, t in enumerate(TEXTS[:5])))
    pyarrow, parquet = pytest.importorskip('pyarrow'), pytest.importorskip('pyarrow.parquet')
    parquet.write_table(pyarrow.table({'text': TEXTS[:4], 'n': [1, 2, 3, None]}), str(folder / 'c.parquet'))
    return str(folder)


def _files(folder):
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), 'rb') as reader:
            found[name] = reader.read()
    return found


def test_workers_write_what_one_process_writes_and_a_stopped_job_goes_on(
        connected, still, inputs, tmp_path, monkeypatch):
    args = ['predict', '--task', 'sentiment', '--checkpoint', still, '--rows', '7', inputs]
    one, many = str(tmp_path / 'one'), str(tmp_path / 'many')
    assert main(args + ['--out', one]) == 0
    expected = _files(one)
    assert sorted(expected) == ['a.tsv', 'b.jsonl', 'c.jsonl'] and expected['a.tsv'].count(b'\n') == 19
    with monkeypatch.context() as patch:  # stopped once all blocks are there, before they are put together
        patch.setattr('pet_keras.serving.prediction_folder.PredictionFolder.assemble',
                      lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        assert main(args + ['--out', many, '--engine', 'ray']) == 130
    assert sorted(os.listdir(os.path.join(many, 'a.tsv.blocks'))) == ['%012d' % start for start in (0, 7, 14)]
    os.remove(os.path.join(many, 'a.tsv.blocks', '%012d' % 7))
    shutil.rmtree(os.path.join(many, 'b.jsonl.blocks'))
    kept = os.path.join(many, 'a.tsv.blocks', '%012d' % 0)
    with open(kept, 'ab') as writer:
        writer.write(b'kept\n')  # a block that is there is not done again
    assert main(args + ['--out', many, '--engine', 'ray']) == 0
    found = _files(many)
    assert found.pop('a.tsv').replace(b'kept\n', b'') == expected.pop('a.tsv') and found == expected


def test_a_worker_that_fails_is_one_line(connected, fails, still, inputs, tmp_path, monkeypatch):
    model = str(tmp_path / 'model')
    ClozeClassifier('sentiment', still).save(model)
    args = ('predict', '--model', model, '--engine', 'ray', '--out', tmp_path / 'out', inputs)
    from pet_keras.cli import predict
    real = predict._write_on_ray

    def broken(*arguments):
        shutil.rmtree(model)  # between its check and the workers' start
        return real(*arguments)
    monkeypatch.setattr(predict, '_write_on_ray', broken)
    assert 'A worker failed; what is done is kept' in fails(*args)


def test_a_grid_runs_as_tasks(connected, still, tmp_path, capsys):
    for name, n in (('train', 4), ('test', 6)):
        (tmp_path / (name + '.tsv')).write_text(''.join(
            '%s\t%d\n' % (text, i % 2) for i, text in enumerate(TEXTS[:n])), encoding='utf-8')
    experiment = {'task': 'sentiment', 'data': {'train': 'train.tsv', 'tests': {'unseen': 'test.tsv'}},
                  'patterns': ['P1'], 'checkpoints': {'tiny': still}, 'methods': {'zero-shot': {}}}
    (tmp_path / 'grid.json').write_text(json.dumps(experiment))
    out = str(tmp_path / 'out')
    assert main(['experiment', str(tmp_path / 'grid.json'), '--out', out, '--engine', 'ray']) == 0
    record, = records.read(out)
    assert record['method'] == 'zero-shot' and record['tests']['unseen']['n'] == 6
