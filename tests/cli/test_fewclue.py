"""Each of FewCLUE's nine tasks, from its own files by the ordinary commands."""
import json
import os

import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_rows

NAMES = ['eprstmt', 'tnews', 'csldcp', 'iflytek', 'ocnli', 'bustm', 'csl', 'cluewsc', 'chid']


def head(data_folder, path, name, labelled=True, lines=4):
    """The first lines of a task's file, as a file of its own; without their answers if they are not labelled."""
    with open(os.path.join(data_folder, 'data', 'fewclue', name, 'train_0.json'), encoding='utf-8') as reader:
        rows = [json.loads(line) for line, _ in zip(reader, range(lines))]
    kept = [{k: v for k, v in row.items() if labelled or k not in ('label', 'answer', 'label_des', 'label_desc')}
            for row in rows]
    path.write_text(''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in kept), encoding='utf-8')
    return rows


@pytest.mark.parametrize('name', NAMES)
def test_a_task_is_evaluated_learned_and_predicted_from_its_own_files(name, run, still, data_folder, tmp_path):
    rows = head(data_folder, tmp_path / 'train.json', name)
    head(data_folder, tmp_path / 'test.json', name, labelled=False)
    status, out, err = run('evaluate', '--task', name, '--checkpoint', still, '--json', tmp_path / 'train.json')
    assert status == 0, err
    assert json.loads(out)['n'] == len(rows)
    model = str(tmp_path / 'model')
    status, _, err = run('train', '--task', name, '--checkpoint', still, '--labelled', tmp_path / 'train.json',
                         '--epochs', 1, '--batch-size', 4, '--out', model)
    assert status == 0, err
    status, out, err = run('predict', '--model', model, '--format-out', 'fewclue', tmp_path / 'test.json')
    assert status == 0, err
    found, key = [json.loads(line) for line in out.splitlines()], 'answer' if name == 'chid' else 'label'
    assert [row['id'] for row in found] == [row.get('id', row.get('idx', i)) for i, row in enumerate(rows)]
    assert all(list(row) == ['id', key] and isinstance(row[key], int if name == 'chid' else str) for row in found)
    with open(os.path.join(data_folder, 'data', 'fewclue', name, 'train_few_all.json'), encoding='utf-8') as reader:
        spelled = {str(json.loads(line)[key]) for line in reader}
    assert {str(row[key]) for row in found} <= spelled


@pytest.mark.parametrize('method', ['bag-of-words', 'frozen-features', 'priming', 'vat', 'autoprompt', 'p-tuning-v2'])
def test_other_methods_read_a_tasks_fields_too(method, run, still, causal, data_folder, tmp_path):
    if method in ('bag-of-words', 'frozen-features'):
        pytest.importorskip('sklearn')
    rows = head(data_folder, tmp_path / 'train.json', 'cluewsc')
    checkpoint = [] if method == 'bag-of-words' else ['--checkpoint', causal if method == 'priming' else still]
    settings = ['--epochs', 1] if method in ('vat', 'p-tuning-v2') else ['--triggers', 1] if method == 'autoprompt' else []
    status, _, err = run('train', '--task', 'cluewsc', '--method', method, *checkpoint, *settings, '--labelled',
                         tmp_path / 'train.json', '--out', tmp_path / 'model')
    assert status == 0, err
    status, out, err = run('predict', '--model', tmp_path / 'model', tmp_path / 'train.json')
    assert status == 0 and len(out.splitlines()) == len(rows), err


@pytest.mark.parametrize('name', NAMES)
def test_every_label_of_a_tasks_files_is_known_and_spelled_as_there(name, data_folder):
    task = Task.load(name)
    for file in ('train_few_all.json', 'dev_few_all.json'):
        rows = read_rows(os.path.join(data_folder, 'data', 'fewclue', name, file), task)
        key = 'answer' if name == 'chid' else 'label'
        assert {(task.spelling(row.example.label), str(row.fields[key])) for row in rows} == {
            (str(row.fields[key]),) * 2 for row in rows}
