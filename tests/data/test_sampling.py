import builtins
import hashlib
import json
import os

import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples, read_rows
from pet_keras.data.sampling import sample
from pet_keras.errors import UserError


@pytest.fixture
def reviews(write):
    """40 texts of 正, 20 of 负; the first text stands there twice."""
    rows = ['文本%d\t%s' % (i, '正负'[i % 3 == 2]) for i in range(60)]
    return write('reviews.tsv', '\n'.join(rows + [rows[0]]) + '\n')


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / 'new' / 'splits')


def texts(out, name):
    return [example.text for example in read_examples(os.path.join(out, name), labelled=False)]


def content(*path):
    with open(os.path.join(*path), 'rb') as reader:
        return reader.read()


def refused(said, *args, **kwargs):
    with pytest.raises(UserError, match=said):
        sample(*args, **kwargs)


# --- what is drawn --------------------------------------------------------------------------------------

def test_so_many_of_each_label_for_each_seed(reviews, out):
    record = sample(reviews, out, per_label=8, seeds=[0, 1], dev=4)
    assert sorted(os.listdir(out)) == ['dev_0.tsv', 'dev_1.tsv', 'splits.json', 'train_0.tsv', 'train_1.tsv']
    assert [f['labels'] for f in record['files']] == [{'正': 8, '负': 8}, {'正': 4, '负': 4}] * 2
    for seed in (0, 1):
        drawn = texts(out, 'train_%d.tsv' % seed) + texts(out, 'dev_%d.tsv' % seed)
        assert len(set(drawn)) == 24
    assert texts(out, 'train_0.tsv') != texts(out, 'train_1.tsv')


def test_the_same_seed_gives_the_same_bytes_everywhere(reviews, tmp_path):
    for name in ('a', 'b'):
        sample(reviews, str(tmp_path / name), per_label=3, seeds=[7], dev=2)
    for name in ('train_7.tsv', 'dev_7.tsv', 'splits.json'):
        assert content(tmp_path, 'a', name) == content(tmp_path, 'b', name)
    assert content(tmp_path, 'a', 'train_7.tsv').decode('utf-8').split() == (  # as on any other machine
        '文本6 正 文本8 负 文本11 负 文本21 正 文本34 正 文本56 负'.split())


def test_a_smaller_sample_is_part_of_a_larger_and_dev_does_not_move_train(reviews, tmp_path):
    for name, settings in (('a', {'per_label': 4}), ('b', {'per_label': 8}), ('c', {'per_label': 4, 'dev': 5})):
        sample(reviews, str(tmp_path / name), **settings)
    small, large, beside = (set(texts(str(tmp_path / name), 'train_0.tsv')) for name in 'abc')
    assert small < large and small == beside


def test_a_total_as_it_comes_or_with_the_shares_of_the_labels(reviews, tmp_path):
    record = sample(reviews, str(tmp_path / 'a'), total=20, seeds=range(3))
    assert [f['texts'] for f in record['files']] == [20] * 3
    assert len({f['labels']['正'] for f in record['files']}) > 1
    record = sample(reviews, str(tmp_path / 'b'), total=20, stratified=True, seeds=range(3), dev=4)
    assert [f['labels'] for f in record['files']] == [{'正': 13, '负': 7}, {'正': 3, '负': 1}] * 3  # of 40 to 20


def test_a_text_is_drawn_once_however_often_it_stands_there(write, out):
    path = write('a.tsv', '好\t正\n' * 50 + '坏\t负\n好 \t负\n新\t负\n')
    record = sample(path, out, total=3)
    assert sorted(texts(out, 'train_0.tsv')) == sorted(['好', '坏', '新'])
    assert record['source']['lines'] == 53 and record['source']['texts'] == 3
    refused('3 different texts, and 2 for train and 2 for dev', path, out + '2', total=2, dev=2)


def test_texts_of_other_files_are_left_out(reviews, write, out):
    other = write('test.txt', '\n'.join('文本%d' % i for i in range(20)))
    record = sample(reviews, out, per_label=10, leave_out=[other])
    assert not set(texts(out, 'train_0.tsv')) & {'文本%d' % i for i in range(20)}
    assert record['left_out'] == {'files': [{'file': 'test.txt', 'sha256': hashlib.sha256(content(other)).hexdigest()}],
                                  'texts': 20}


def test_pairs_are_texts_of_their_own_by_both(write, out, nli):
    rows = [{'sentence1': '下雨了', 'sentence2': '地湿了%d' % i, 'label': 'entailment'} for i in range(4)]
    path = write('a.json', ''.join(json.dumps(row) + '\n' for row in rows))
    other = write('b.json', json.dumps(rows[0]) + '\n')
    for number, task in enumerate((None, nli)):
        record = sample(path, out + str(number), total=3, task=task, leave_out=[other])
        assert record['left_out']['texts'] == 1 and record['files'][0]['texts'] == 3


def test_the_task_joins_the_spellings_of_a_label_and_asks_for_all_labels(write, out, sentiment):
    path = write('a.tsv', '好\t1\n不错\tPositive\n坏\t0\n差\tNegative\n')
    assert sample(path, out, per_label=2, task=sentiment)['files'][0]['labels'] == {'正面': 2, '负面': 2}
    assert content(out, 'train_0.tsv') == content(path)  # written as they are spelled
    refused('label 负面 has 0 ', write('b.tsv', '好\t1\n'), out + '2', per_label=1, task=sentiment)


def test_a_file_without_labels_is_drawn_from_by_total(write, out):
    path = write('a.txt', ''.join('文本%d\n' % i for i in range(9)))
    assert sample(path, out, total=4)['files'][0]['labels'] == {}
    path = write('b.json', ''.join('{"sentence": "文本%d"}\n' % i for i in range(9)))
    sample(path, out + '2', total=4, labelled=False)
    refused('no label', path, out + '3', total=4)
    refused('without labels', path, out + '3', per_label=4, labelled=False)


# --- how it is written ----------------------------------------------------------------------------------

FORMATS = {
    'a.tsv': ('text\tlabel\n好\t正\n\n 坏 \t负\n', 'text\tlabel\n好\t正\n 坏 \t负\n'),
    'b.data': ('\ufeff好\t1\r\n坏\t0\r\n', '好\t1\n坏\t0\n'),
    'a.csv': ('label,text\n正,"好,""的"""\n\n负,"两\n行"', 'label,text\n正,"好,""的"""\n负,"两\n行"\n'),
    'b.csv': ('好,正\n"坏",负\n', '好,正\n坏,负\n'),
    'a.json': ('{"sentence": "好", "label": 1,  "id": 1.0}\n\n{"sentence": "坏", "label": 0}',
               '{"sentence": "好", "label": 1,  "id": 1.0}\n{"sentence": "坏", "label": 0}\n'),
    'b.json': ('\n[{"text": "好", "label": 1},{"text": "坏", "label": 0}]',
               '[\n{"text": "好", "label": 1},\n{"text": "坏", "label": 0}\n]\n'),
    'a.txt': ('好\n\n坏\n', '好\n坏\n'),
}


@pytest.mark.parametrize('name', FORMATS)
def test_rows_are_written_in_the_format_that_they_came_in(write, out, name):
    given, expected = FORMATS[name]
    path, ending = write(name, given), os.path.splitext(name)[1]
    sample(path, out, total=2)
    assert content(out, 'train_0' + ending).decode('utf-8') == expected
    labelled = ending != '.txt'
    assert [row.example for row in read_rows(os.path.join(out, 'train_0' + ending), labelled=labelled)] == [
        row.example for row in read_rows(path, labelled=labelled)]


def test_splits_json_holds_the_settings_and_the_checksums(reviews, out):
    record = sample(reviews, out, total=6, stratified=True, seeds=[3], dev=3)
    assert json.loads(content(out, 'splits.json').decode('utf-8')) == record
    assert record['source'] == {'file': 'reviews.tsv', 'lines': 61, 'texts': 60,
                                'sha256': hashlib.sha256(content(reviews)).hexdigest()}
    assert record['settings'] == {'per_label': None, 'total': 6, 'stratified': True, 'dev': 3, 'seeds': [3],
                                  'task': None}
    for one in record['files']:
        assert one['sha256'] == hashlib.sha256(content(out, one['file'])).hexdigest() and one['seed'] == 3


def test_nothing_is_overwritten(reviews, out):
    sample(reviews, out, per_label=2)
    before = content(out, 'train_0.tsv')
    refused('exists already', reviews, out, per_label=3)
    refused('splits.json exists already', reviews, out, per_label=3, seeds=[1])
    assert content(out, 'train_0.tsv') == before and len(os.listdir(out)) == 2


@pytest.mark.parametrize('what', ['open', 'replace'])
def test_a_failure_leaves_nothing(reviews, out, tmp_path, monkeypatch, what):
    calls = []

    def failing(*args, **kwargs):
        if str(args[0]).startswith(out):
            calls.append(args)
            if len(calls) == 2:
                raise OSError(28, 'No space left on device')
        return original(*args, **kwargs)
    module = builtins if what == 'open' else os
    original = getattr(module, what)
    monkeypatch.setattr(module, what, failing)
    with pytest.raises(OSError, match='No space'):
        sample(reviews, out, per_label=2, seeds=[0, 1])
    assert os.listdir(str(tmp_path)) == ['reviews.tsv']


def test_too_few_of_a_label_is_an_error_that_names_it(reviews, out):
    refused('reviews.tsv: label 负 has 20 different texts, and 16 for train and 16 for dev are wanted. '
            'All: 正 40, 负 20', reviews, out, per_label=16, dev=16)
    assert not os.path.exists(out)


@pytest.mark.parametrize('settings', [
    {}, {'per_label': 2, 'total': 2}, {'per_label': 0}, {'total': -1}, {'per_label': 2, 'stratified': True},
    {'total': 2, 'dev': -1}, {'total': 2, 'seeds': []}, {'total': 2, 'seeds': [1, 1]}, {'total': 2, 'seeds': [-1]}])
def test_settings_that_do_not_go_together_are_refused(reviews, out, settings):
    with pytest.raises(UserError):
        sample(reviews, out, **settings)
    assert not os.path.exists(out)


def test_standard_input_is_refused(out):
    refused('not from standard input', '-', out, total=1)


def test_soft_labels_are_refused(tmp_path):
    path = tmp_path / 'soft.jsonl'
    path.write_text('{"text": "好", "label": {"正面": 0.5, "负面": 0.5}}\n', encoding='utf-8')
    with pytest.raises(UserError, match='soft.jsonl has soft labels'):
        sample(str(path), str(tmp_path / 'out'), total=1, task=Task.load('sentiment'))
