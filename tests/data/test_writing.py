import io
import json

import numpy as np
import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.reading import FORMATS, Row, read_rows
from pet_keras.data.writing import write_fewclue, write_predictions

PROBABILITIES = np.array([[0.75, 0.25], [0.1234564, 0.8765436]])
SOURCES = {
    'tsv': 'id\ttext\n7\t"很好\n8\t太差\n',
    'csv': 'id,text\n7,"很好,\n""真的"""\n8,太差\n',
    'json': '{"id": 7, "text": "很\\t好\\n", "keys": ["a"]}\n{"text": "太差"}\n',
    'text': '很好\n太差\n',
}


def predictions(format, rows, header=True):
    stream = io.StringIO(newline='')
    write_predictions(stream, format, rows, ['正面', '负面'], PROBABILITIES, header)
    return stream.getvalue()


@pytest.mark.parametrize('format', FORMATS)
def test_written_predictions_read_back_as_the_same_texts_with_prediction_and_probabilities(write, format):
    rows = read_rows(write('a', SOURCES[format]), labelled=False, format=format)
    path = write('b', predictions(format, rows))
    again = read_rows(path, labelled=False, format='tsv' if format == 'text' else format)
    assert [row.example for row in again] == [row.example for row in rows]
    assert [row.fields['prediction'] for row in again] == ['正面', '负面']
    for row, old, scores in zip(again, rows, PROBABILITIES):
        assert {key: row.fields[key] for key in old.fields} == old.fields
        found = (list(row.fields['probabilities'].values()) if format == 'json'
                 else [float(row.fields['p(%s)' % label]) for label in ('正面', '负面')])
        np.testing.assert_allclose(found, scores, atol=5e-7)


@pytest.mark.parametrize('format', ['tsv', 'csv', 'text'])
def test_tables_begin_with_a_header_unless_told_not_to(write, format):
    rows = read_rows(write('a', '很好\n太差\n'), labelled=False, format=format)
    comma = ',' if format == 'csv' else '\t'
    lines = predictions(format, rows).split('\n')
    assert lines[0].split(comma) == ['text', 'prediction', 'p(正面)', 'p(负面)']
    assert lines[1].split(comma) == ['很好', '正面', '0.750000', '0.250000']
    assert lines[2:] == [comma.join(['太差', '负面', '0.123456', '0.876544']), '']
    assert predictions(format, rows, header=False).split('\n') == lines[1:]


def test_json_predictions_keep_the_fields_and_their_types_and_stay_readable(write):
    rows = read_rows(write('a.json', SOURCES['json']), labelled=False)
    first, second = predictions('json', rows).splitlines()
    assert json.loads(first) == {'id': 7, 'text': '很\t好\n', 'keys': ['a'], 'prediction': '正面',
                                 'probabilities': {'正面': 0.75, '负面': 0.25}}
    assert json.loads(second)['probabilities'] == {'正面': 0.123456, '负面': 0.876544}
    assert '太差' in second and '负面' in second


def test_predictions_keep_the_columns_of_labelled_rows(write, sentiment):
    rows = read_rows(write('a.tsv', '很好\t1\n太差\t0\n'), sentiment)
    assert predictions('tsv', rows).split('\n')[:2] == [
        'text\tlabel\tprediction\tp(正面)\tp(负面)', '很好\t1\t正面\t0.750000\t0.250000']


@pytest.mark.parametrize('format', ['tsv', 'csv'])
@pytest.mark.parametrize('labelled', [(0,), (1,), (0, 1), ()])
def test_a_table_where_some_rows_have_a_label_keeps_every_cell_in_its_column(write, format, labelled):
    comma = ',' if format == 'csv' else '\t'
    lines = [text + (comma + '1' if i in labelled else '') for i, text in enumerate(['很好', '太差'])]
    rows = read_rows(write('a', '\n'.join(lines)), labelled=False, format=format)
    again = read_rows(write('b', predictions(format, rows)), labelled=False, format=format)
    assert [row.example for row in again] == [row.example for row in rows]
    assert [row.fields.get('label') for row in again] == [
        ('1' if i in labelled else '') if labelled else None for i in range(2)]
    assert [(row.fields['prediction'], row.fields['p(正面)']) for row in again] == [
        ('正面', '0.750000'), ('负面', '0.123456')]


def _fewclue(task, rows, probabilities):
    stream, task = io.StringIO(), Task.load(task)
    write_fewclue(stream, task, [Row(None, fields, 1) for fields in rows], task.labels,
                  np.array(probabilities))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_fewclues_format_has_the_files_id_and_spelling_or_the_place_of_a_candidate():
    two = [[.9, .1], [.2, .8]]
    assert _fewclue('eprstmt', [{'id': 7, 'sentence': '好'}, {'id': '8'}], two) == [
        {'id': 7, 'label': 'Positive'}, {'id': '8', 'label': 'Negative'}]
    assert _fewclue('cluewsc', [{'idx': 49}, {'idx': 50}], two) == [
        {'id': 49, 'label': 'true'}, {'id': 50, 'label': 'false'}]
    assert _fewclue('bustm', [{}, {}], two) == [{'id': 0, 'label': '1'}, {'id': 1, 'label': '0'}]
    assert _fewclue('chid', [{'id': 3}], [[0, .1, .7, .2, 0, 0, 0]]) == [{'id': 3, 'answer': 2}]
