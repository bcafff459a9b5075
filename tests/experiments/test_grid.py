import glob
import json
import os

import pytest

import pet_keras
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.experiments.grid import Grid, choices, chosen
from pet_keras.experiments.tables import rows_of

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
TAB = '\t'


def _short(grid):
    return [(run['method'], run['checkpoint'], run['labelled'], run['seed'], run['patterns']) for run in grid.runs]


def test_a_method_that_learns_runs_for_each_pattern_and_seed_another_once_for_all_patterns(small, write):
    assert _short(Grid(write(small))) == [
        ('zero-shot', 'bert-mini-zh', 0, 0, ['P1', 'P3']), ('few-shot', 'bert-mini-zh', 4, 0, ['P1']),
        ('few-shot', 'bert-mini-zh', 4, 0, ['P3']), ('few-shot', 'bert-mini-zh', 4, 1, ['P1']),
        ('few-shot', 'bert-mini-zh', 4, 1, ['P3'])]


def test_a_calibration_is_part_of_the_run_and_of_no_other(small, write):
    small['methods'] = {'raw': {}, 'mean': {'calibrate': 'mean'}}
    raw, mean = Grid(write(small)).runs
    assert 'calibrate' not in raw and mean['calibrate'] == 'mean'  # the keys of older records stay


def test_a_strategy_has_a_pile_of_its_own_of_its_tasks_or_of_the_grids(small, write):
    method, task = {'learn': 'labelled', 'strategy': 'margin'}, {'task': small.pop('task'), 'data': small.pop('data')}
    small.update(methods={'a': method, 'b': dict(method, pile=7), 'plain': {'learn': 'labelled'}}, seeds=[0], patterns='P1',
                 tasks={'one': dict(task, pile=9), 'two': task})
    assert [(run['name'], run.get('strategy'), run.get('pile')) for run in Grid(write(small)).runs] == [
        ('one', 'margin', 9), ('one', 'margin', 7), ('one', None, None),
        ('two', 'margin', 'all'), ('two', 'margin', 7), ('two', None, None)]


def test_what_is_not_random_runs_once_whatever_seeds_and_numbers_of_labels_it_or_its_task_has(small, write):
    small['labelled'] = [4, 8]
    small['methods'] = {'a': {'seeds': [5, 6]}, 'b': {'labelled': 2}, 'continued': {'learn': 'unlabelled'}}
    assert _short(Grid(write(small))) == [
        ('b', 'bert-mini-zh', 0, 0, ['P1', 'P3']), ('continued', 'bert-mini-zh', 0, 0, ['P1', 'P3']),
        ('continued', 'bert-mini-zh', 0, 1, ['P1', 'P3']), ('a', 'bert-mini-zh', 0, 5, ['P1', 'P3'])]


def test_where_the_files_are_a_seeds_own_each_method_runs_for_each(small, write):
    small['data']['tests'] = {'a': 'test_{seed}.tsv'}
    small['methods'] = {'zero-shot': {}}
    assert [run['seed'] for run in Grid(write(small)).runs] == [0, 1]


def test_a_task_may_name_the_methods_that_fit_it(small, write):
    task = {'task': 'sentiment', 'data': small.pop('data')}
    del small['task']
    small['tasks'] = {'all': task, 'one': dict(task, methods='zero-shot')}
    assert {(run['name'], run['method']) for run in Grid(write(small)).runs} == {
        ('all', 'zero-shot'), ('all', 'few-shot'), ('one', 'zero-shot')}
    small['tasks']['one']['methods'] = ['zero-shoot']
    with pytest.raises(UserError, match="there is no 'zero-shoot', perhaps 'zero-shot'"):
        Grid(write(small))


def test_several_tasks_have_data_and_patterns_of_their_own(small, write):
    task = {'task': 'sentiment', 'data': small.pop('data')}
    del small['task'], small['methods']['zero-shot']
    small['tasks'] = {'reviews': task, 'two': dict(task, patterns='P5', labelled={'per_label': 2})}
    small['seeds'] = 0
    assert [(run['name'], run['labelled'], run['patterns']) for run in Grid(write(small)).runs] == [
        ('reviews', 4, ['P1']), ('reviews', 4, ['P3']), ('two', {'per_label': 2}, ['P5'])]


def test_fine_tuning_and_prompts_have_no_written_patterns(small, write):
    small['methods'] = {'fine': {'learn': 'labelled', 'classifier': 'fine-tuning'},
                        'prompt': {'learn': 'labelled', 'prompt_tokens': 4, 'prompt_where': 'both'}}
    small['seeds'] = 1
    assert [run['patterns'] for run in Grid(write(small)).runs] == [
        [None], [{'prompt_tokens': 4, 'where': 'both'}]]


def test_a_method_of_the_command_line_may_be_named_and_is_what_its_settings_make_it(small, write):
    prompt = {'learn': 'labelled', 'prompt_tokens': 4}
    small['methods'] = {'spelled out': dict(prompt, settings={'train': 'prompt', 'maxlen': 32}),
                        'named': dict(prompt, classifier='p-tuning', settings={'maxlen': 32}),
                        'cloze': {'classifier': 'cloze'}, 'default': {}}
    small['seeds'] = 0
    spelled, named, cloze, default = [dict(run, method='') for run in Grid(write(small)).runs if run['patterns'] != ['P3']]
    assert spelled == named and named['classifier'] == 'cloze' and named['settings']['train'] == 'prompt'
    assert cloze == default


def test_a_method_without_a_checkpoint_is_one_row_whatever_checkpoints_there_are(small, write):
    small['methods'] = {'floor': {'learn': 'labelled', 'classifier': 'bag-of-words'}}
    runs = Grid(write(dict(small, checkpoints=['bert-mini-zh', 'gpt-mini-zh'], seeds=0))).runs
    assert [(run['checkpoint'], run['place'], run['patterns']) for run in runs] == [('-', None, [None])]


def test_yaml_says_the_same_as_json(small, write, tmp_path):
    yaml = pytest.importorskip('yaml')
    (tmp_path / 'grid.yaml').write_text(yaml.safe_dump(small, sort_keys=False), encoding='utf-8')
    assert Grid(str(tmp_path / 'grid.yaml')).runs == Grid(write(small)).runs


def test_a_checkpoint_may_have_a_name_of_its_own_and_stand_in_a_folder(small, write, tmp_path):
    (tmp_path / 'models' / 'a').mkdir(parents=True)
    small['checkpoints'] = {'M1': 'a', 'GPT': {'folder': 'gpt-mini-zh', 'causal': True}, 'M3': 'bert-mini-zh'}
    small['methods'] = {'zero-shot': {}, 'one': {'checkpoints': 'GPT'}}
    runs = Grid(write(small), checkpoints=str(tmp_path / 'models')).runs
    assert [(run['checkpoint'], run['place'], run.get('causal')) for run in runs] == [
        ('M1', str(tmp_path / 'models' / 'a'), None), ('GPT', 'gpt-mini-zh', True), ('M3', 'bert-mini-zh', None),
        ('GPT', 'gpt-mini-zh', True)]


def test_candidates_have_one_value_of_each_and_no_test(small, write):
    small['methods'] = {'x': {'learn': 'labelled', 'fit': {'epochs': 2}, 'choose': {
        'fit.learning_rate': [1, 2], 'settings.maxlen': 64}}}
    run = Grid(write(small)).runs[0]
    values = choices(run)
    assert values == [{'fit.learning_rate': 1, 'settings.maxlen': 64}, {'fit.learning_rate': 2, 'settings.maxlen': 64}]
    candidate, best = chosen(run, values[1], tests=False), chosen(run, values[1])
    assert candidate['withheld'] is True and 'withheld' not in best
    assert best['fit'] == {'epochs': 2, 'learning_rate': 2} and best['settings'] == {'maxlen': 64}
    assert best['choose'] == {} and best['chosen'] == values[1]
    assert run['fit'] == {'epochs': 2} and run['choose']  # as it was


WRONG = {
    'no object': ([], 'is not an object'),
    'key': ({'seed': 1}, "there is no 'seed', perhaps 'seeds'"),
    'task and tasks': ({'tasks': {}}, 'give "task" and "data", or "tasks"'),
    'no task': ({'task': None}, '"task", a name or a file'),
    'no tests': ({'data': {'train': 'a.tsv'}}, '"tests" is missing'),
    'tests': ({'data': {'tests': ['a.tsv']}}, '"tests" is missing'),
    'name of a test': ({'data': {'tests': {'../a': 'a.tsv'}}}, "'../a' is no name of a test"),
    'test named as a part': ({'data': {'tests': {'train': 'a.tsv'}}}, "'train' is no name of a test"),
    'file': ({'data': {'tests': {'a': 3}}}, 'data, a: 3 is not an object'),
    'no file': ({'data': {'tests': {'a': {'lines': 3}}}}, 'it is a file, or'),
    'lines': ({'data': {'tests': {'a': {'file': 'a', 'lines': '3'}}}}, 'lines is a whole number of 1 or more'),
    'leave_out is no name': ({'data': {'tests': {'a': {'file': 'a', 'leave_out': {'train': 1}}}}},
                             "leave_out: there is no {'train': 1}"),
    'leave_out': ({'data': {'tests': {'a': {'file': 'a', 'leave_out': ['train']}}}}, "leave_out: there is no 'train'"),
    'of train': ({'data': {'train': {'file': 'a', 'lines': 3}, 'tests': {'a': 'a'}}}, 'leave_out is for dev and tests'),
    'of unlabelled': ({'data': {'train': 'a', 'unlabelled': {'file': 'a', 'leave_out': ['train']}, 'tests': {'a': 'a'}}},
                      'leave_out is for dev and tests'),
    'seeds': ({'seeds': ['a']}, "seeds is a whole number of 0 or more, not 'a'"),
    'seed of none': ({'seeds': [True]}, 'seeds is a whole number'),
    'labelled': ({'labelled': 0}, 'labelled is a whole number of 1 or more'),
    'per label': ({'labelled': {'per_lable': 3}}, "there is no 'per_lable', perhaps 'per_label'"),
    'per label all': ({'labelled': {'per_label': 'all'}}, 'labelled is a whole number'),
    'unlabelled': ({'unlabelled': -1}, "unlabelled is a whole number of 1 or more, or 'all'"),
    'checkpoints': ({'checkpoints': [3]}, 'checkpoints are names or folders'),
    'checkpoint': ({'checkpoints': {'a': {'path': 'x'}}}, "there is no 'path'"),
    'patterns': ({'patterns': ['P1', 'P1']}, 'patterns are different strings'),
    'methods': ({'methods': ['zero-shot']}, 'methods: '),
    'no methods': ({'methods': {}}, 'no runs come out of it'),
    'published': ({'published': [{'accuracy': '84'}]}, 'has no accuracy, a number'),
    'published key': ({'published': [{'model': 'M1'}]}, "there is no 'model'"),
    'published beside nothing': ({'published': [{'method': 'few-shoot', 'accuracy': 84, 'checkpoint': 'M1'}]},
                                 'published: no run is one of {"method": "few-shoot", '),
    'published for no test': ({'published': [{'test': 'b', 'accuracy': 84}]}, 'published: no run is one of {"test": "b", '),
}
WRONG_METHODS = {
    'no object': ('x', "'x' is not an object"),
    'key': ({'epochs': 1}, "there is no 'epochs'"),
    'learn': ({'learn': 'labeled'}, "there is no 'labeled', perhaps 'labelled'"),
    'classifier': ({'classifier': 'svm'}, "there is no 'svm'"),
    'untrained head': ({'classifier': 'fine-tuning'}, 'fine-tuning learns from labelled texts'),
    'settings of another': ({'classifier': 'p-tuning', 'settings': {'train': 'all'}},
                            "settings.train of p-tuning is 'prompt'"),
    'settings to choose': ({'learn': 'labelled', 'classifier': 'p-tuning', 'choose': {'settings.train': ['all']}},
                           "settings.train of p-tuning is 'prompt'"),
    'nothing to distil from': ({'classifier': 'pet', 'learn': 'labelled'}, 'pet learns from unlabelled texts'),
    'unlabelled alone': ({'learn': 'unlabelled', 'classifier': 'vat'}, 'vat learns from labelled texts'),
    'fit': ({'learn': 'labelled', 'fit': 3}, 'fit: 3 is not an object'),
    'seed': ({'learn': 'labelled', 'fit': {'seed': 3}}, "'fit.seed' cannot be set"),
    'choose': ({'learn': 'labelled', 'choose': {'learning_rate': [1]}}, "'learning_rate' cannot be set or chosen"),
    'choose none': ({'learn': 'labelled', 'choose': {'fit.epochs': []}}, "'fit.epochs' cannot be set or chosen"),
    'choose seeds': ({'learn': 'labelled', 'choose': {'settings.seed': [1]}}, "'settings.seed' cannot be"),
    'nothing to choose': ({'choose': {'settings.maxlen': [32]}}, 'nothing is learned'),
    'strategy': ({'learn': 'labelled', 'strategy': 'mixed'}, "there is no 'mixed', perhaps 'mix'"),
    'strategy of no learning': ({'strategy': 'mix'}, 'a strategy chooses the labelled texts'),
    'strategy of a bag': ({'learn': 'labelled', 'strategy': 'mix', 'classifier': 'bag-of-words'}, 'of a cloze or of fine-'),
    'strategy of all': ({'learn': 'labelled', 'strategy': 'mix', 'labelled': 'all'}, 'of a strategy, is a whole number'),
    'pile': ({'learn': 'labelled', 'pile': 10}, 'a pile is what a strategy chooses from'),
    'pile of none': ({'learn': 'labelled', 'strategy': 'mix', 'pile': 0}, 'pile is a whole number of 1 or more'),
    'tests': ({'tests': 'unsen'}, "there is no 'unsen', perhaps 'unseen'"),
    'prompt': ({'prompt_tokens': '8'}, 'prompt_tokens is a whole number'),
    'words': ({'words': ['很']}, 'words is an object'),
    'calibrate': ({'calibrate': 'mena'}, "there is no 'mena', perhaps 'mean'"),
    'calibrate a head': ({'learn': 'labelled', 'classifier': 'fine-tuning', 'calibrate': 'pmi'}, "there is no 'pmi'"),
}


@pytest.mark.parametrize('what', WRONG)
def test_what_the_format_has_not_is_named_with_its_place(what, small, write):
    change, said = WRONG[what]
    path = write(dict(small, **change) if isinstance(change, dict) else change)
    with pytest.raises(UserError) as error:
        Grid(path)
    assert path in str(error.value) and said in str(error.value)


@pytest.mark.parametrize('what', WRONG_METHODS)
def test_what_a_method_has_not_is_named_with_the_method(what, small, write):
    method, said = WRONG_METHODS[what]
    with pytest.raises(UserError) as error:
        Grid(write(dict(small, methods={'mine': method})))
    assert 'method mine' in str(error.value) and said in str(error.value)


def test_learning_needs_a_training_file_and_choosing_a_dev_file(small, write):
    del small['data']['dev']
    small['methods'] = {'a': {'learn': 'labelled', 'choose': {'fit.epochs': [1, 2]}}}
    with pytest.raises(UserError, match='choosing needs data.dev'):
        Grid(write(small))
    small['data'] = {'tests': {'a': 'test.tsv'}}
    with pytest.raises(UserError, match='learning needs data.train'):
        Grid(write(small))


@pytest.mark.parametrize('text, said', [
    ('a: [', 'is not YAML'), ('task: a' + TAB + 'b:\n- c', 'is not YAML'), ('- a', 'is not an object'),
    ('name: 2020-01-01', 'holds what JSON has not'),
    ('methods:\n  a: {}\n  b: {}\n  a: {learn: labelled}\n', "line 2: 'a' stands there twice"),
])
def test_bad_yaml_is_one_error(text, said, tmp_path):
    pytest.importorskip('yaml')
    (tmp_path / 'a.yaml').write_text(text, encoding='utf-8')
    with pytest.raises(UserError) as error:
        Grid(str(tmp_path / 'a.yaml'))
    assert 'a.yaml' in str(error.value) and said in str(error.value)


def test_yaml_without_pyyaml_says_what_to_type(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__('sys').modules, 'yaml', None)
    (tmp_path / 'a.yaml').write_text('name: x', encoding='utf-8')
    with pytest.raises(UserError, match=r'pip install "pet-keras\[experiments\]"'):
        Grid(str(tmp_path / 'a.yaml'))


# --- the files that come along ----------------------------------------------------------------------------

@pytest.mark.parametrize('name', sorted(os.path.basename(p) for p in glob.glob(os.path.join(
    ROOT, 'benchmarks', '*.yaml'))))
def test_the_benchmarks_are_grids_and_each_published_figure_stands_beside_a_row(name):
    pytest.importorskip('yaml')
    grid = Grid(os.path.join(ROOT, 'benchmarks', name))
    figures = {'accuracy': 50., 'auc': .5}
    found = []
    for run in grid.runs:
        for pattern in run['patterns']:
            assert pattern is None or isinstance(pattern, dict) or pattern in Task.load(run['task']).patterns
            tests = dict.fromkeys(run.get('only', run['data']['tests']), figures)
            found.append(dict(json.loads(json.dumps(run)), pattern=pattern if isinstance(pattern, str) else '-',
                              tests=tests))
    for published in grid.published:
        rows = rows_of(found, [published], published.get('test', next(iter(grid.runs[0]['data']['tests']))))
        beside = [row for row in rows if row['published']]
        assert beside and published['source']
        if published['checkpoint'] in {row['checkpoint'] for row in rows}:
            assert {row['checkpoint'] for row in beside} == {published['checkpoint']}
