import csv
import io

import numpy as np
import pytest
from made_up import record

from pet_keras.experiments import records, tables


def _right(n, wrong):
    return np.arange(n) >= wrong


@pytest.fixture
def rows(tmp_path):
    def call(published=()):
        return tables.rows_of(records.read(tmp_path), list(published), 't', str(tmp_path))
    return call


def test_a_row_is_the_seeds_of_one_setting_and_nothing_else(tmp_path, rows):
    for seed, wrong in enumerate([10, 20, 30]):
        record(tmp_path, _right(100, wrong), seed=seed, labelled=16)
    for other in ({'pattern': 'P2'}, {'checkpoint': 'two'}, {'method': 'n'}, {'labelled': 32},
                  {'labelled': {'per_label': 16}}, {'name': 'reviews'}):
        record(tmp_path, _right(100, 40), **dict({'labelled': 16}, **other))
    first, *others = rows()
    assert first['runs'] == 3 and first['accuracy'] == pytest.approx([90., 80., 70.])
    assert tables.cells(first)[6] == '80.0 ± 10.0' and [row['runs'] for row in others] == [1] * 6
    assert tables.cells(others[0])[6].startswith('60.0') and '±' not in tables.cells(others[0])[6]


def test_other_tests_have_other_tables(tmp_path):
    record(tmp_path, _right(10, 1))
    record(tmp_path, _right(10, 1), test='other')
    assert len(tables.rows_of(records.read(tmp_path), [], 'other', str(tmp_path))) == 1


def test_what_cannot_be_told_from_the_best_is_marked(tmp_path, rows):
    noise = np.random.default_rng(0).random(200)
    for method, right in (('best', noise < .9), ('near', noise[::-1] < .87), ('far', noise < .5)):
        record(tmp_path, right, method=method)
    best, near, far = rows()
    assert (best['distinguishable'], near['distinguishable'], far['distinguishable']) == (None, False, True)
    assert '≈' in tables.cells(near)[6] and not {'≈', '?'} & set(tables.cells(best)[6] + tables.cells(far)[6])
    assert best['difference'] is None and far['difference'][2] < 0 and far['mcnemar'] < .05 < near['mcnemar']


def test_the_row_that_others_are_marked_against_is_not_a_lucky_single_run(tmp_path, rows):
    for method, share, seeds in (('lucky', .95, [0]), ('steady', .9, [0, 1]), ('low', .2, [0])):
        for seed in seeds:
            record(tmp_path, np.random.default_rng(seed).random(200) < share, method=method, seed=seed)
    lucky, steady, low = rows()
    assert (lucky['distinguishable'], steady['distinguishable'], low['distinguishable']) == (False, None, True)


def test_rows_on_other_texts_are_not_compared(tmp_path, rows):
    record(tmp_path, _right(50, 5))
    record(tmp_path, _right(50, 20), method='n', texts='y')
    record(tmp_path, _right(40, 20), method='o', texts='z')
    first, *others = rows()
    assert [row['distinguishable'] for row in others] == [tables.OTHER_TEXTS] * 2
    assert tables.cells(others[0])[6] == '60.0 ?' and others[0]['mcnemar'] is None


def test_tasks_are_compared_within_themselves(tmp_path, rows):
    record(tmp_path, _right(100, 5), name='a')
    record(tmp_path, _right(100, 80), name='b')
    assert [row['distinguishable'] for row in rows()] == [None, None]


def test_the_best_on_dev_is_marked_whatever_the_test_says(tmp_path, rows):
    record(tmp_path, _right(100, 30), method='a', dev=90., labelled=16)
    record(tmp_path, _right(100, 10), method='b', dev=80., labelled=16)
    record(tmp_path, _right(100, 30), method='a', dev=99., labelled=32)
    record(tmp_path, _right(100, 30), method='b', dev=70., labelled=32)
    assert [row['best_on_dev'] for row in rows()] == [True, False, True, False]
    assert tables.cells(rows()[0])[9] == '90.0 ◂'


@pytest.mark.parametrize('published, beside', [
    ({'checkpoint': 'one', 'method': 'm', 'pattern': 'P1'}, [('one', 'P1')]),
    ({'checkpoint': 'M2', 'method': 'm', 'pattern': 'P1'}, [('one', 'P1'), ('two', 'P1')]),
    ({'method': 'm'}, [('one', 'P1'), ('one', 'P2'), ('two', 'P1')]),
    ({'checkpoint': 'one', 'labelled': 16}, []), ({'checkpoint': 'one', 'task': 'news'}, []),
    ({'checkpoint': 'one', 'test': 'other'}, []), ({'pattern': 'P2', 'test': 't', 'labelled': 0}, [('one', 'P2')]),
])
def test_a_published_figure_stands_beside_its_own_rows(tmp_path, rows, published, beside):
    for checkpoint, pattern in (('one', 'P1'), ('one', 'P2'), ('two', 'P1')):
        record(tmp_path, _right(10, 1), checkpoint=checkpoint, pattern=pattern)
    found = rows([dict(published, accuracy=84.3)])
    assert [(row['checkpoint'], row['pattern']) for row in found if row['published']] == beside
    shown = {tables.cells(row)[-1] for row in found if row['published']}
    assert shown <= {'84.3', '84.3 (M2)'} and ('84.3 (M2)' in shown) == (published.get('checkpoint') == 'M2')


def test_the_notes_say_what_a_reader_must_know(tmp_path):
    record(tmp_path, _right(10, 1), method='P-tuning', chosen={'fit.learning_rate': .01})
    record(tmp_path, _right(12, 1), versions={'pet_keras': '2', 'tensorflow': '2'})
    said = ' '.join(tables.notes(records.read(tmp_path), 't'))
    assert '10–12 texts.' in said and '3 that stand in other files are left out' in said
    assert 'Up to 2 of them stand in the labelled texts' in said and 'pet_keras 1, pet_keras 2' in said
    assert 'Chosen on dev: one, P-tuning: fit.learning_rate 0.01.' in said
    for name, code in (('u', 'a'), ('v', 'a'), ('w', 'b')):
        record(tmp_path, _right(9, 1), test=name, versions={'pet_keras': '2', 'tensorflow': '2', 'code': code})
        record(tmp_path, _right(9, 1), test=name, versions={'pet_keras': '2', 'tensorflow': '2', 'code': 'a'})
    assert ['several states of the library' in ' '.join(tables.notes(records.read(tmp_path), name))
            for name in 'uvw'] == [False, False, True]


def test_markdown_latex_and_csv_say_the_same(tmp_path, rows):
    for seed in (0, 1):
        record(tmp_path, _right(100, 10 * seed), method='a|b_c', seed=seed, labelled=16, dev=90. + seed)
    record(tmp_path, _right(100, 6), method='50 %', labelled=16, dev=50., texts='x')
    found = rows([{'method': '50 %', 'accuracy': 91.5}])
    header, _, first, second = tables.markdown(found).splitlines()
    assert header.count('|') == second.count('|') == first.replace('\\|', '').count('|')
    assert 'task' not in header and '| a\\|b_c |' in first and '95.0 ± 7.1' in first and '90.5 ± 0.7 ◂' in first
    latex = tables.latex(found)
    assert r'a|b\_c' in latex and r'95.0 $\pm$ 7.1' in latex and r'50 \% ' in latex and r'$\triangleleft$' in latex
    table = list(csv.DictReader(io.StringIO(tables.comma_separated(found))))
    assert [(row['method'], row['accuracy'], row['accuracy sd'], row['runs'], row['published']) for row in table] == [
        ('a|b_c', '95', '7.07107', '2', ''), ('50 %', '94', '', '1', '91.5')]
    assert float(table[1]['lower']) < float(table[1]['difference']) < float(table[1]['upper'])


def test_records_of_before_texts_had_names_are_compared_by_their_labels(tmp_path, rows):
    record(tmp_path, _right(100, 10), texts=None)
    record(tmp_path, _right(100, 90), texts=None, method='n')
    assert rows()[1]['distinguishable'] is True
    data = {'train': {'file': 'train_{seed}.tsv'}, 'tests': {'t': {'file': 'a.tsv', 'leave_out': ['train']}}}
    record(tmp_path, _right(100, 90), texts=None, method='o', data=data, seed=1)
    assert rows()[2]['distinguishable'] == tables.OTHER_TEXTS
