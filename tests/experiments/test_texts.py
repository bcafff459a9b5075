import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples
from pet_keras.data.sampling import sample
from pet_keras.errors import UserError
from pet_keras.experiments.grid import Grid, chosen
from pet_keras.experiments.texts import digest, texts_of


@pytest.fixture
def texts(small, write):
    """The Texts of the first run that learns, with these keys changed."""
    def call(data=None, **changed):
        small['data'].update(data or {})
        path = write(small)
        run = dict([run for run in Grid(path).runs if run['learn']][0], **changed)
        return texts_of(run, Task.load('sentiment'), Grid(path).folder)
    return call


def _texts(examples):
    return [e.text for e in examples]


def test_seed_s_learns_from_the_s_th_lines_and_the_unlabelled_ones_follow(texts):
    found = texts(seed=2)
    assert _texts(found.labelled) == ['练 %d' % i for i in range(8, 12)]
    assert _texts(found.unlabelled) == ['练 %d' % i for i in range(12, 18)]
    assert {e.label for e in found.labelled} == {'正面', '负面'} and {e.label for e in found.unlabelled} == {None}


def test_all_lines_or_so_many_of_each_label_drawn_by_the_seed(texts, tmp_path):
    assert len(texts(labelled='all').labelled) == 20
    task = Task.load('sentiment')
    first, again, other = [texts(labelled={'per_label': 3}, unlabelled='all', seed=s) for s in (0, 0, 1)]
    assert first == again and first.labelled != other.labelled
    assert sorted(e.label for e in first.labelled) == ['正面'] * 3 + ['负面'] * 3
    sample(str(tmp_path / 'train.tsv'), str(tmp_path / 'few'), per_label=3, seeds=(0, 1))
    for seed, found in enumerate((first, other)):  # the same as in files
        assert found.labelled == read_examples(str(tmp_path / 'few' / ('train_%d.tsv' % seed)), task)
    assert sorted(_texts(first.labelled) + _texts(first.unlabelled)) == sorted('练 %d' % i for i in range(20))


def test_what_stands_elsewhere_is_left_out_or_counted(texts):
    found = texts(learn=['labelled', 'unlabelled'], unlabelled='all')
    assert len(found.tests['unseen']) == 8 and len(found.tests['whole']) == 10
    assert found.left_out == {'dev': 0, 'unseen': 2, 'whole': 0}
    assert found.shared == {'unseen': {'dev': 1}, 'whole': {'labelled': 1, 'unlabelled': 1, 'dev': 1}}
    assert texts(unlabelled='all').shared['whole'] == {'labelled': 1, 'dev': 1}  # it does not learn from the others


def test_left_out_can_be_the_runs_own_labelled_texts(texts):
    data = {'tests': {'a': {'file': 'test.tsv', 'leave_out': ['labelled', 'dev']}}}
    assert [texts(data, seed=s).left_out['a'] for s in (0, 1, 4)] == [2, 1, 2]


def test_some_lines_of_a_part_are_the_same_for_every_seed(texts):
    data = {'tests': {'a': {'file': 'test.tsv', 'lines': 5}}}
    first, second = [texts(data, seed=s).tests['a'] for s in (0, 1)]
    assert first == second and len(first) == 5 and _texts(first) != ['测 %d' % i for i in range(5)]
    assert digest(first) == digest(second) != digest(first[::-1])


def test_unlabelled_lines_may_be_drawn_for_a_file_may_be_in_order_of_its_labels(texts, tmp_path):
    (tmp_path / 'more.tsv').write_text(''.join('多 %d\n' % i for i in range(40)), encoding='utf-8')
    file = {'file': 'more.tsv', 'lines': 10}
    found = [_texts(texts({'unlabelled': given}, unlabelled=5).unlabelled) for given in ('more.tsv', file)]
    assert found[0] == ['多 %d' % i for i in range(5)] != found[1] and len(set(found[1])) == 5
    assert found[1] == _texts(texts({'unlabelled': file}, unlabelled=5, seed=1).unlabelled)


def test_a_file_may_be_a_seeds_own(texts, tmp_path):
    texts()
    (tmp_path / 'dev_1.tsv').write_text('好\t1\n', encoding='utf-8')
    found = texts({'dev': 'dev_{seed}.tsv'}, seed=1)
    assert _texts(found.dev) == ['好'] and 'dev_{seed}.tsv' in found.checksums
    with pytest.raises(UserError, match='dev_0.tsv is not there: .* --data'):
        texts(seed=0)


def test_the_training_file_may_be_the_unlabelled_one_too(texts):
    found = texts({'unlabelled': 'train.tsv'}, learn=['labelled', 'unlabelled'])
    assert _texts(found.unlabelled) == ['练 %d' % i for i in range(6)]
    assert None not in {e.label for e in found.labelled}


@pytest.mark.parametrize('data, learn', [({}, ['unlabelled']), ({'unlabelled': 'train.tsv'}, ['labelled', 'unlabelled'])])
def test_unlabelled_texts_that_no_labelled_ones_precede_are_each_seeds_own(texts, data, learn):
    found = [texts(data, learn=learn, labelled=0, seed=seed) for seed in (0, 1, 2, 3)]
    assert [_texts(f.unlabelled)[0] for f in found] == ['练 0', '练 6', '练 12', '练 0']  # of 20 lines, 6 a seed
    assert {len(f.unlabelled) for f in found} == {6}
    calibrated = texts({'unlabelled': 'train.tsv'}, learn=['labelled'], seed=2)
    assert _texts(calibrated.unlabelled)[0] == '练 0'


def test_unlabelled_texts_need_no_labels_and_can_be_left_out_of_a_test(texts, tmp_path):
    (tmp_path / 'more.txt').write_text('测 0\n测 1\n别的\n', encoding='utf-8')
    found = texts({'unlabelled': 'more.txt', 'tests': {'a': {'file': 'test.tsv', 'leave_out': 'unlabelled'}}})
    assert _texts(found.unlabelled) == ['测 0', '测 1', '别的'] and found.left_out['a'] == 2


def test_a_candidate_has_no_tests(texts, small, write):
    small['methods'] = {'x': {'learn': 'labelled', 'choose': {'fit.epochs': [1, 2]}}}
    run = chosen(Grid(write(small)).runs[0], {'fit.epochs': 1}, tests=False)
    found = texts_of(run, Task.load('sentiment'), Grid(write(small)).folder)
    assert found.tests == {} and found.dev


@pytest.mark.parametrize('data, changed, said', [
    ({}, {'seed': 5}, 'has 20 lines, too few for 4 of seed 5'),
    ({}, {'labelled': {'per_label': 8}}, 'fewer than 8 different texts of 正面'),
    ({'train': 'good.tsv'}, {'labelled': {'per_label': 1}}, 'fewer than 1 different texts of 负面'),
    ({}, {'unlabelled': 17, 'learn': ['labelled', 'unlabelled']}, '17 unlabelled lines are wanted, and 16 are there'),
    ({}, {'labelled': 'all', 'unlabelled': 'all', 'learn': ['labelled', 'unlabelled']}, 'no line is left'),
    ({'tests': {'a': {'file': 'test.tsv', 'lines': 11}}}, {}, '11 lines of a are wanted, and 10 are there'),
    ({'tests': {'a': {'file': 'train.tsv', 'leave_out': ['train']}}}, {}, '1 lines of a are wanted, and 0'),
    ({'dev': 'none.tsv'}, {}, 'none.tsv is not there'),
    ({'dev': 'strange.tsv'}, {}, "strange.tsv, line 1: label '中性'"),
])
def test_too_few_or_unknown_is_named_with_its_file(texts, tmp_path, data, changed, said):
    (tmp_path / 'good.tsv').write_text('好\t1\n不错\t1\n', encoding='utf-8')
    (tmp_path / 'strange.tsv').write_text('好\t中性\n', encoding='utf-8')
    with pytest.raises(UserError) as error:
        texts(data, **changed)
    assert said in str(error.value) and '.tsv' in str(error.value)
