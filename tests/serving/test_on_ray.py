"""Predictions, soft labels and runs by workers on two nodes of Ray, which are started once for all tests here.

`python benchmarks/cluster.py` tries more of it, with a node that goes.
"""
import json
import os
import shutil
import signal

import numpy as np
import pytest

pytest.importorskip('ray', reason='the extra [ray] is not installed')

from pet_keras.classifiers.cloze_classifier import ClozeClassifier  # noqa: E402
from pet_keras.cli import options, predict  # noqa: E402
from pet_keras.cli.main import main  # noqa: E402
from pet_keras.experiments import on_ray, records  # noqa: E402

TRACED = True  # as the workers are that it is compared with
TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大', '充电器发烫', '味道好吃'] * 3


@pytest.fixture(scope='module')
def ray():
    from ray.cluster_utils import Cluster
    node = {'num_cpus': 1, 'object_store_memory': 2 ** 27}
    try:
        cluster = Cluster(initialize_head=True, head_node_args=dict(node, include_dashboard=False))
        cluster.add_node(**node)
    except Exception as e:
        if 'timed out' in str(e):  # Ray gives itself 30 seconds, which a busy machine may not have
            pytest.skip(str(e))
        raise
    found = on_ray.connect(cluster.address)
    yield found
    found.shutdown()
    cluster.shutdown()


@pytest.fixture
def connected(ray, monkeypatch):
    """Commands find the Ray that is there, and leave it."""
    monkeypatch.setattr(on_ray, 'connect', lambda address: ray)
    monkeypatch.setattr(ray, 'shutdown', lambda: None)
    return ray


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


@pytest.fixture
def dying(monkeypatch, tmp_path):
    """The first worker that scores anything is killed; returns the file that is there once one was."""
    opened, mark = options.open_classifier, str(tmp_path / 'killed')

    def open_classifier(args):
        classifier = opened(args)
        predict_proba = classifier.predict_proba

        def once(*arguments):
            if not os.path.exists(mark):
                os.mkdir(mark)
                os.kill(os.getpid(), signal.SIGKILL)
            return predict_proba(*arguments)
        classifier.predict_proba = once
        return classifier
    monkeypatch.setattr(predict, 'open_classifier', open_classifier)
    return mark


def test_workers_of_which_one_is_killed_write_what_one_process_writes_and_a_stopped_job_goes_on(
        connected, still, inputs, tmp_path, monkeypatch, request):
    args = ['predict', '--task', 'sentiment', '--checkpoint', still, '--rows', '7', inputs]
    one, many = str(tmp_path / 'one'), str(tmp_path / 'many')
    assert main(args + ['--out', one]) == 0
    expected = _files(one)
    assert sorted(expected) == ['a.tsv', 'b.jsonl', 'c.jsonl'] and expected['a.tsv'].count(b'\n') == 19
    killed = request.getfixturevalue('dying')
    assert len(connected.nodes()) == 2
    with monkeypatch.context() as patch:  # stopped once all blocks are there, before they are put together
        patch.setattr('pet_keras.serving.prediction_folder.PredictionFolder.assemble',
                      lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        assert main(args + ['--out', many, '--engine', 'ray']) == 130
    assert os.path.exists(killed)
    blocks = [name for name in os.listdir(os.path.join(many, 'a.tsv.blocks')) if '.' not in name]
    assert sorted(blocks) == ['%012d' % start for start in (0, 7, 14)]
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
    real = predict._write_on_ray

    def broken(*arguments):
        shutil.rmtree(model)  # between its check and the workers' start
        return real(*arguments)
    monkeypatch.setattr(predict, '_write_on_ray', broken)
    assert 'A worker failed; what is done is kept' in fails(*args)


def test_a_grid_runs_as_tasks_with_the_records_of_processes(connected, still, tmp_path, monkeypatch):
    for name, n in (('train', 4), ('test', 6)):
        (tmp_path / (name + '.tsv')).write_text(''.join(
            '%s\t%d\n' % (text, i % 2) for i, text in enumerate(TEXTS[:n])), encoding='utf-8')
    experiment = {'task': 'sentiment', 'data': {'train': 'train.tsv', 'tests': {'unseen': 'test.tsv'}},
                  'patterns': ['P1'], 'checkpoints': {'tiny': still}, 'methods': {'zero-shot': {}}}
    (tmp_path / 'grid.json').write_text(json.dumps(experiment))
    found = []
    for engine in ('ray', 'processes'):
        out = str(tmp_path / engine)
        assert main(['experiment', str(tmp_path / 'grid.json'), '--out', out, '--engine', engine]) == 0
        record, = records.read(out)
        found.append({key: value for key, value in record.items() if not key.endswith(('seconds', 'memory'))})
    assert found[0] == found[1] and found[0]['tests']['unseen']['n'] == 6


def test_the_texts_of_pet_are_labelled_by_workers(connected, still, tmp_path):
    texts = str(tmp_path / 'more.txt')
    with open(texts, 'w', encoding='utf-8') as writer:
        writer.write('\n'.join(TEXTS[:5]))
    args = ['pet', '--task', 'sentiment', '--checkpoint', still, '--patterns', 'P1', '--distil-epochs', '1',
            '--unlabelled', texts, '--rows', '2', '--out']
    found = []
    for name, engine in (('one', 'tensorflow'), ('many', 'ray')):
        assert main(args + [str(tmp_path / name), '--engine', engine]) == 0
        with open(str(tmp_path / name / 'soft_labels.jsonl'), encoding='utf-8') as reader:
            found.append([json.loads(line) for line in reader])
    assert [soft['text'] for soft in found[0]] == [soft['text'] for soft in found[1]] == TEXTS[:5]
    np.testing.assert_allclose(*[[list(soft['label'].values()) for soft in part] for part in found], rtol=1e-5)


def test_pet_without_unlabelled_texts_has_nothing_for_workers(fails, tmp_path):
    assert '--unlabelled: give some' in fails('pet', '--task', 'sentiment', '--labelled', 'a.tsv', '--engine', 'ray',
                                              '--out', tmp_path / 'out')
