import json
import subprocess
import sys

import pytest

from pet_keras import __version__
from pet_keras.classifiers.active.simulation import learn_as_asked
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples
from pet_keras.errors import UserError
from pet_keras.experiments import run as runs
from pet_keras.experiments.grid import Grid


@pytest.fixture
def check(small, write, still):
    """Checks the one run of a method on a tiny masked checkpoint."""
    def call(method, checkpoint=still, **changed):
        small.update(changed, methods={'mine': method}, checkpoints=[checkpoint], seeds=[0])
        grid = Grid(write(small))
        for run in grid.runs:
            runs.check(run, grid.folder, runs.checkpoint_of(run), set())
    return call


@pytest.mark.parametrize('method', [
    {}, {'learn': 'labelled', 'fit': {'epochs': 1, 'labelled_share': None}}, {'learn': 'unlabelled'},
    {'learn': 'labelled', 'classifier': 'fine-tuning', 'settings': {'maxlen': 32}},
    {'learn': 'labelled', 'prompt_tokens': 3, 'settings': {'train': 'prompt', 'prompt_encoder': 'mlp'}},
    {'calibrate': 'mean'}, {'words': {'负面': ['不', '难'], '正面': '很'}}, {'patterns': '真[MASK]。{text}'},
    {'learn': ['labelled', 'unlabelled'], 'classifier': 'pet', 'settings': {'patterns': ['P1', 'P3'], 'generations': 1},
     'fit': {'epochs': 1, 'mask_rate': 0, 'distillation': {'epochs': 2}}},
    {'learn': ['labelled', 'unlabelled'], 'classifier': 'vat', 'settings': {'epsilon': 2.}, 'fit': {'epochs': 3}},
    {'learn': 'labelled', 'classifier': 'bag-of-words', 'settings': {'penalty': .1}},
    {'learn': 'labelled', 'classifier': 'frozen-features', 'settings': {'maxlen': 32}},
], ids=str)
def test_what_can_run_passes(check, method):
    check(method)


def test_a_strategy_chooses_the_labelled_texts_of_its_seeds_pile(small, write, still):
    small.update(methods={'mine': {'learn': 'labelled', 'strategy': 'margin', 'pile': 10, 'fit': {'epochs': 1}}},
                 checkpoints=[still], patterns='P1', seeds=[1], labelled=[3, 6])
    grid = Grid(write(small))
    task, taught = Task.load('sentiment'), ClozeClassifier('sentiment', still)
    pile, dev = read_examples(grid.folder + '/train.tsv', task)[10:], read_examples(grid.folder + '/dev.tsv', task)
    histories = [(len(set(chosen)), taught.history)
                 for chosen in learn_as_asked(taught, pile, 'margin', [3, 6], 1, epochs=1, dev=dev)]
    (few, _), (record, _) = (found for found, in runs.execute(grid.runs, grid.folder))
    assert [(3, few['history']), (6, record['history'])] == histories
    assert record['shared']['whole'] == {'labelled': 1, 'dev': 1}  # of a text that it could have chosen


@pytest.mark.parametrize('method, said', [
    ({'patterns': 'P9'}, "no pattern 'P9'"),
    ({'patterns': '好。{text}'}, 'must hold [MASK]'),
    ({'learn': 'labelled', 'strategy': 'mix', 'pile': 3}, '4 of a pile of 3 different texts are wanted'),
    ({'learn': 'labelled', 'strategy': 'mix', 'pile': 21}, 'has 20 lines, too few for 21'),
    ({'learn': 'labelled', 'fit': {'epoch': 1}}, 'fit.epoch is no setting; there is'),
    ({'learn': 'labelled', 'fit': {'epochs': 0}}, 'at least 1'),
    ({'learn': 'labelled', 'classifier': 'bag-of-words', 'fit': {'epochs': 3}}, 'fit.epochs is no setting'),
    ({'learn': 'labelled', 'classifier': 'fine-tuning', 'fit': {'mask_rate': 0}}, 'fit.mask_rate is no setting'),
    ({'learn': 'labelled', 'classifier': 'priming', 'patterns': '{text}[MASK]'}, 'is for a causal language model'),
    ({'learn': 'labelled', 'fit': {'epochs': 'many'}}, 'A value is of the wrong kind'),
    ({'learn': 'labelled', 'fit': {'learning_rate': '1e-3'}}, '1e-3 is a text to YAML: write 0.001'),
    ({'settings': {'max_len': 3}}, 'settings.max_len is no setting'),
    ({'settings': {'dropout_rate': 2}}, 'dropout_rate'),
    ({'settings': {'maxlen': 4}}, '4'),
    ({'learn': 'labelled', 'settings': {'train': 'prompt'}}, 'has no [unused] token to train: prompt_tokens'),
    ({'learn': 'unlabelled', 'prompt_tokens': 2, 'settings': {'train': 'prompt'}}, 'Unlabelled texts teach nothing'),
    ({'learn': 'unlabelled', 'fit': {'mask_rate': 0}}, 'Unlabelled texts teach nothing'),
    ({'learn': 'labelled', 'prompt_tokens': 2, 'prompt_where': 'left'}, "where='left'"),
    ({'patterns': ['P1', '[unused1][MASK]{text}']}, 'different [unused] tokens'),
    ({'learn': 'unlabelled', 'classifier': 'pet', 'settings': {'patterns': ['P1', 'P9']}}, "no pattern 'P9'"),
    ({'learn': 'unlabelled', 'classifier': 'pet', 'fit': {'labelled_share': .5}}, 'fit.labelled_share is no setting'),
    ({'words': {'正面': '很'}}, 'the labels of task sentiment are 正面, 负面, not 正面'),
    ({'words': {'正面': '很', '负面': '𓀀'}}, '𓀀'),
    ({'learn': 'labelled', 'labelled': 30}, 'too few for 30 of seed 0'),
])
def test_what_cannot_is_known_before_anything_runs(check, method, said):
    with pytest.raises(UserError) as error:
        check(method)
    assert said in str(error.value)


def test_a_causal_checkpoint_cannot_be_asked_before_the_text(check, causal):
    check({'patterns': 'P6'}, causal)
    check({'learn': 'labelled', 'prompt_tokens': 2}, causal)
    with pytest.raises(UserError, match='the text must come before'):
        check({'patterns': 'P1'}, causal)


def test_a_checkpoint_without_head_cannot_fill_a_blank_but_be_fine_tuned(check, make_checkpoint, tmp_path):
    headless = make_checkpoint(tmp_path / 'headless', num_hidden_layers=1, head=False)
    check({'learn': 'labelled', 'classifier': 'fine-tuning'}, headless)
    for method in ({}, {'learn': 'labelled', 'classifier': 'autoprompt'}, {'learn': 'unlabelled', 'classifier': 'pet'}):
        with pytest.raises(UserError, match='has no MLM head'):
            check(method, headless)


def test_a_file_with_an_unknown_label_and_a_task_that_is_not_there_are_named(check, small, tmp_path):
    (tmp_path / 'strange.tsv').write_text('好\t中性\n', encoding='utf-8')
    with pytest.raises(UserError, match='strange.tsv, line 1'):
        check({}, data=dict(small['data'], dev='strange.tsv'))
    with pytest.raises(UserError, match="No task 'weather'"):
        check({}, task='weather')


def test_words_of_a_methods_own_keep_the_tasks_order_of_labels_and_the_way_words_are_scored(tmp_path):
    task = {'patterns': {'P1': '[MASK]。{text}'}, 'labels': {'a': '很', 'b': '不'}, 'aliases': {'a': ['1']},
            'aggregation': 'max', 'word_score': 'product'}
    (tmp_path / 'task.json').write_text(json.dumps(task), encoding='utf-8')
    found = runs.task_of({'task': str(tmp_path / 'task.json'), 'words': {'b': ['不', '难'], 'a': '挺'}})
    assert found.labels == ['a', 'b'] and found.verbalizer.words == {'a': ['挺'], 'b': ['不', '难']}
    assert found.label_of(1) == 'a'
    assert (found.verbalizer.aggregation, found.verbalizer.word_score) == ('max', 'product')


def test_a_method_may_be_calibrated_and_corrected_is_what_it_is_without(small, write, still):
    small.update(methods={'raw': {}, 'mean': {'calibrate': 'mean'}, 'pmi': {'calibrate': 'pmi'}}, checkpoints=[still])
    small['data']['tests'] = {'whole': 'test.tsv'}
    grid = Grid(write(small))
    found = {run['method']: next(runs.execute([run], grid.folder)) for run in grid.runs}
    examples = read_examples(grid.folder + '/test.tsv', Task.load('sentiment'))
    unlabelled = read_examples(grid.folder + '/train.tsv', Task.load('sentiment'), False)
    for i, pattern in enumerate(('P1', 'P3')):
        classifier = ClozeClassifier('sentiment', still, pattern)
        for method, texts in (('mean', unlabelled[:6]), ('pmi', None)):
            record, scores = found[method][i]
            expected = classifier.calibrate(texts, method).predict_log_proba(examples)
            assert record['pattern'] == pattern and scores['whole'][0] == pytest.approx(expected, abs=1e-5)
            assert len(record['versions']['code']) == 12 and record['versions']['pet_keras'] == __version__
            assert record['dev']['log_likelihood'] != found['raw'][i][0]['dev']['log_likelihood']
            assert record['tests']['whole']['corrected'] == found['raw'][i][0]['tests']['whole']['corrected']


@pytest.mark.parametrize('method, said', [('mean', 'calibrate: mean needs unlabelled texts'), ('pmi', None)])
def test_a_calibration_on_texts_needs_some(check, method, said):
    data = {'dev': 'dev.tsv', 'tests': {'whole': 'test.tsv'}}
    if said is None:
        return check({'calibrate': method}, data=data)
    with pytest.raises(UserError, match=said):
        check({'calibrate': method}, data=data)


def _process(execute):
    script = 'import time; from pet_keras.experiments import run; run.execute = lambda *_: %s; exit(run.main())'
    script %= execute
    return subprocess.Popen([sys.executable, '-c', script], stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_run_ends_when_the_grid_that_started_it_is_gone():
    process = _process('time.sleep(600)')
    process.stdin.write(json.dumps({'runs': [{}], 'keys': ['k'], 'folder': ''}).encode() + b'\n')
    process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    process.stdin.close()
    assert process.wait(100) == 1
    process.stderr.close()


@pytest.mark.parametrize('changed', [{}, {'fingerprint': 'g'}, {'a': '2'}, {'task': '3'}], ids=str)
def test_a_run_is_not_kept_if_a_file_has_changed_since_its_key_was_made(changed, tmp_path):
    process = _process("[[({'pattern': 'P1', 'tests': {}, 'fingerprint': 'f', 'checksums': {'a': '1'}}, {})]]")
    known = dict({'a': '1', 'b': '2', 'task': runs.task_checksum('sentiment')}, **changed)
    request = {'runs': [{'task': 'sentiment'}], 'keys': ['k'], 'folder': '', 'out': str(tmp_path),
               'fingerprint': changed.get('fingerprint', 'f'), 'checksums': known}
    (tmp_path / 'scores').mkdir()
    process.stdin.write(json.dumps(request).encode() + b'\n')
    process.stdin.flush()
    said = process.stderr.read().decode()
    assert ('has changed since the grid was started' in said) == bool(changed), said
    assert process.wait() == 2 * bool(changed)
    process.stdin.close()
    process.stderr.close()
    assert (tmp_path / 'records.jsonl').exists() != bool(changed)
