import io
import json
import os
import sys
import types

import numpy as np
import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.example import Example, without
from pet_keras.data.reading import format_by_ending, format_of, read_examples, read_rows
from pet_keras.data.writing import write_predictions
from pet_keras.errors import UserError

TWO = [Example('很好', None, '正面'), Example('太差', None, '负面')]
PAIR = [Example('下雨了', '地湿了', '蕴含'), Example('下雨了', '天晴着', '矛盾')]


def error(path, *args, **kwargs):
    with pytest.raises(UserError) as e:
        read_rows(path, *args, **kwargs)
    return str(e.value)


# formats

@pytest.mark.parametrize('name, format', [
    ('a.tsv', 'tsv'), ('a.data', 'tsv'), ('a.csv', 'csv'), ('a.json', 'json'), ('a.jsonl', 'json'), ('a.txt', 'text'),
    ('some.where/A.TSV', 'tsv'), ('-', 'text')])
def test_the_ending_tells_the_format(name, format):
    assert format_of(name) == format


def test_a_format_given_goes_before_the_ending():
    assert format_of('a.tsv', 'json') == 'json' and format_of('a.xlsx', 'csv') == 'csv'
    assert format_of('-', 'tsv') == 'tsv'


@pytest.mark.parametrize('name, format', [
    ('a.jsonl', 'json'), ('a.CSV', 'csv'), ('a.data', 'tsv'), ('a', 'tsv'), ('a.txt', 'tsv'), ('-', 'tsv'),
    ('a.log', 'tsv')])
def test_among_several_files_an_ending_that_tells_the_format_goes_before_the_one_given(name, format):
    assert format_by_ending(name, 'tsv') == format
    assert format_by_ending(name) == (format if name in ('a.jsonl', 'a.CSV', 'a.data') else None)


@pytest.mark.parametrize('name', ['reviews.xlsx', 'reviews', 'reviews.tsv.gz'])
def test_an_unknown_ending_lists_the_endings_there_are(name):
    message = error(name)
    assert name in message and all(ending in message for ending in ('.tsv', '.csv', '.json', '.txt', '--format'))


@pytest.mark.parametrize('name, content', [
    ('a.tsv', '很好\t1\n太差\t0\n'),
    ('a.data', '很好\t1\n太差\t0'),
    ('a.tsv', 'text\tlabel\n很好\t1\n太差\t0\n'),
    ('a.tsv', 'Label\tid\tText\n1\t7\t很好\n0\t8\t太差\n'),
    ('a.csv', '很好,1\n太差,0\n'),
    ('a.csv', 'label,review\n1,很好\n0,太差\n'),
    ('a.csv', '"text","label"\n"很好","1"\n"太差","0"\n'),
    ('a.jsonl', '{"text": "很好", "label": "1"}\n{"label": 0, "text": "太差"}\n'),
    ('a.json', '{"sentence": "很好", "label": "Positive", "id": 3}\n{"sentence": "太差", "label": "Negative"}\n'),
    ('a.json', '[{"text": "很好", "label": 1}, {"text": "太差", "label": 0}]'),
    ('a.json', '\n[\n  {"text": "很好",\n   "label": 1},\n  {"text": "太差", "label": 0}\n]\n'),
], ids=['tsv', 'data', 'tsv-header', 'tsv-header-order', 'csv', 'csv-header', 'csv-quoted', 'jsonl', 'json-lines',
        'json-array', 'json-array-on-lines'])
@pytest.mark.parametrize('bom', [b'', b'\xef\xbb\xbf'], ids=['plain', 'bom'])
@pytest.mark.parametrize('ends', ['\n', '\r\n'], ids=['lf', 'crlf'])
def test_each_format_gives_the_same_examples_with_any_line_ends_and_with_a_byte_order_mark(
        write, sentiment, name, content, bom, ends):
    path = write(name, bom + content.replace('\n', ends).encode('utf-8'))
    assert read_examples(path, sentiment) == TWO
    assert read_examples(path, sentiment, labelled=False) == [e._replace(label=None) for e in TWO]


@pytest.mark.parametrize('bom', [b'', b'\xef\xbb\xbf'], ids=['plain', 'bom'])
@pytest.mark.parametrize('ends', ['\n', '\r\n'], ids=['lf', 'crlf'])
def test_plain_text_holds_one_text_a_line(write, sentiment, bom, ends):
    path = write('a.txt', bom + ends.join([' 很好', '太差\t0', '']).encode('utf-8'))
    assert read_examples(path, sentiment, labelled=False) == [Example('很好'), Example('太差\t0')]


@pytest.mark.parametrize('name, content', [
    ('a.tsv', '下雨了\t地湿了\tentailment\n下雨了\t天晴着\tcontradiction\n'),
    ('a.tsv', 'label\ttext_b\ttext_a\nentailment\t地湿了\t下雨了\ncontradiction\t天晴着\t下雨了\n'),
    ('a.csv', '下雨了,地湿了,蕴含\n下雨了,天晴着,矛盾\n'),
    ('a.json', '{"sentence1": "下雨了", "sentence2": "地湿了", "label": "entailment"}\n'
               '{"sentence1": "下雨了", "sentence2": "天晴着", "label": "contradiction"}\n'),
], ids=['tsv', 'tsv-header', 'csv', 'fewclue'])
def test_a_task_of_pairs_reads_both_texts(write, nli, name, content):
    path = write(name, content)
    assert read_examples(path, nli) == PAIR
    assert read_examples(path, nli, labelled=False) == [e._replace(label=None) for e in PAIR]


def test_a_task_of_one_text_takes_the_first_of_two(write, sentiment):
    path = write('a.json', '{"sentence1": "很好", "sentence2": "真的", "label": 1}\n')
    assert read_examples(path, sentiment) == TWO[:1]


@pytest.mark.parametrize('name, content', [('a.tsv', '下雨了\t地湿了\n'), ('a.csv', '下雨了,地湿了\n')])
def test_pairs_without_labels_need_no_label_column(write, nli, name, content):
    assert read_examples(write(name, content), nli, labelled=False) == [Example('下雨了', '地湿了')]


@pytest.mark.parametrize('name, content', [('a.tsv', '很好\n太差\n'), ('a.csv', '"很好"\n"太差"\n')])
def test_texts_without_labels_need_no_label_column(write, sentiment, name, content):
    assert read_examples(write(name, content), sentiment, labelled=False) == [Example('很好'), Example('太差')]


def test_without_a_task_labels_stay_as_they_are_written(write):
    assert read_examples(write('a.tsv', '很好\t1\n太差\t bad\n')) == [
        Example('很好', None, '1'), Example('太差', None, 'bad')]


def test_without_labels_wanted_a_foreign_label_is_no_error(write, sentiment):
    assert read_examples(write('a.tsv', '很好\t九\n'), sentiment, labelled=False) == [Example('很好')]


@pytest.mark.parametrize('content, text', [
    ('text,label\n"很好,真的",1\n', '很好,真的'),
    ('text,label\n"他说""很好""",1\n', '他说"很好"'),
    ('text,label\n"很好\n真的",1\n', '很好\n真的'),
])
def test_csv_quotes_hold_commas_quotes_and_line_ends(write, sentiment, content, text):
    assert read_examples(write('a.csv', content), sentiment) == [Example(text, None, '正面')]


def test_tsv_quotes_are_plain_characters(write, sentiment):
    assert read_examples(write('a.tsv', '"很好\t1\n'), sentiment) == [Example('"很好', None, '正面')]


def test_rows_keep_their_own_columns_and_line_numbers(write, sentiment):
    rows = read_rows(write('a.tsv', 'id\ttext\tlabel\n7\t很好\t1\n\n8\t 太差\t0\n'), sentiment)
    assert [row.fields for row in rows] == [{'id': '7', 'text': '很好', 'label': '1'},
                                            {'id': '8', 'text': ' 太差', 'label': '0'}]
    assert [row.line for row in rows] == [2, 4]
    assert [row.example for row in rows] == TWO


@pytest.mark.parametrize('name, content', [
    ('a.tsv', 'text\tlabel\r\n很好\t1\r\n'), ('a.csv', 'text,label\r\n很好,1\r\n'), ('a.txt', '很好\r\n')])
def test_line_ends_of_windows_are_no_part_of_a_row_s_columns(write, name, content):
    (row,) = read_rows(write(name, content), labelled=False)
    assert row.fields == ({'text': '很好'} if name == 'a.txt' else {'text': '很好', 'label': '1'})


def test_standard_input_is_plain_text_unless_a_format_is_given(sentiment, monkeypatch):
    def feed(text):
        monkeypatch.setattr('sys.stdin', types.SimpleNamespace(buffer=io.BytesIO(text.encode('utf-8'))))
    feed('很好\n太差\n')
    assert read_examples('-', sentiment, labelled=False) == [Example('很好'), Example('太差')]
    feed('很好\t1\n太差\t0\n')
    assert read_examples('-', sentiment, format='tsv') == TWO


# blank lines

@pytest.mark.parametrize('name, content, shown', [
    ('a.tsv', '\n很好\t1\n\n \t \n太差\t0\n', '3 blank lines (1, 3, 4)'),
    ('a.csv', '很好,1\n\n太差,0\n', '1 blank line (2)'),
    ('a.json', '{"text": "很好", "label": 1}\n\n  \n{"text": "太差", "label": 0}\n', '2 blank lines (2, 3)'),
])
def test_blank_lines_are_skipped_and_their_numbers_said_on_standard_error(
        write, sentiment, capsys, name, content, shown):
    path = write(name, content)
    assert read_examples(path, sentiment) == TWO
    assert capsys.readouterr() == ('', '%s: skipped %s\n' % (path, shown))


def test_many_blank_lines_are_counted_and_the_first_five_named(write, sentiment, capsys):
    read_examples(write('a.txt', '\n' * 8 + '很好\n'), sentiment, labelled=False)
    assert 'skipped 8 blank lines (1, 2, 3, 4, 5, …)' in capsys.readouterr().err


def test_a_file_without_blank_lines_says_nothing(write, sentiment, capsys):
    read_examples(write('a.tsv', '很好\t1\n'), sentiment)
    assert capsys.readouterr() == ('', '')


# errors

@pytest.mark.parametrize('name, content, line, message', [
    ('a.tsv', '很好\t1\n坏了'.encode('utf-8') + b'\xd6\xd0\t0\n', 2, 'not UTF-8'),
    ('a.csv', '很好,1\n'.encode('gb18030'), 1, 'not UTF-8'),
    ('a.json', b'\xff\xfe{', 1, 'not UTF-8'),
    ('a.tsv', '很好\t1\n太差\t0\t9\n', 2, '3 columns where 2 (text, label) were expected'),
    ('a.tsv', 'id\ttext\tlabel\n1\t很好\n', 2, '2 columns where 3 (id, text, label) were expected'),
    ('a.csv', '很好,1\n太,差,0\n', 2, '3 columns where 2 (text, label) were expected'),
    ('a.tsv', '很好\t1\n\t0\n', 2, 'the text is empty'),
    ('a.tsv', '很好\t1\n　\t0\n', 2, 'the text is empty'),
    ('a.json', '{"text": "", "label": 1}\n', 1, 'the text is empty'),
    ('a.json', '{"txt": "很好", "label": 1}\n', 1, 'the text is missing'),
    ('a.json', '{"text": null, "label": 1}\n', 1, 'the text is missing'),
    ('a.tsv', '很好\t1\n太差\n', 2, 'no label; a row is text, label'),
    ('a.tsv', '很好\t1\n太差\t \n', 2, 'no label'),
    ('a.tsv', 'text\tid\n很好\t7\n', 2, 'no label'),
    ('a.json', '{"text": "很好", "label": 1}\n{"text": "太差"}\n', 2, 'no label'),
    ('a.json', '{"text": "很好", "label": null}\n', 1, 'no label'),
    ('a.txt', '很好\n', 1, 'no label'),
    ('a.tsv', '很好\t1\n\n太差\t2\n', 3, "label '2' is not in task sentiment"),
    ('a.csv', 'text,label\n很好,1\n太差,坏\n', 3, "label '坏' is not in task sentiment"),
    ('a.json', '{"text": "很好", "label": 1}\n{"text": "太差", "label": 5}\n', 2, "label '5' is not in task"),
    ('a.json', '{"text": "很好", "label": 1}\n{"text": \n', 2, 'not JSON'),
    ('a.json', '{"text": "很好", "label": 1}\n["太差", 0]\n', 2, 'not a JSON object'),
    ('a.json', '{"text": "很好", "label": 1}\n{"text": ["太差"], "label": 0}\n', 2, 'the text is ["太差"], not a string'),
    ('a.json', '{"text": {"a": 1}, "label": 1}\n', 1, 'the text is {"a": 1}, not a string'),
    ('a.json', '{"text": true, "label": 1}\n', 1, 'the text is true, not a string'),
    ('a.json', '{"text": 7, "label": 1}\n', 1, 'the text is 7, not a string'),
    ('a.json', '{"text": "很好", "label": [1]}\n', 1, 'the label is [1], not a string or a number'),
    ('a.json', '{"text": "很好", "label": {"a": "' + 'b' * 99 + '"}}\n', 1, 'b…, not a string or a number'),
    ('a.json', '{"text": "很好", "label": 1}\n{"text": "太\\ud800差", "label": 0}\n', 2, '\\ud800 is half of a surrogate'),
    ('a.json', '{"text": "很好", "label": 1, "id": ["\\uDFff"]}\n', 1, '\\udfff is half of a surrogate pair'),
    ('a.json', '{"text": "很好", "label": 1, "\\udc00": 1}\n', 1, '\\udc00 is half of a surrogate pair'),
    ('a.json', '{"text": "很好", "label": 1}\n{"text": ' + '[' * 5000 + ']' * 5000 + '}\n', 2, 'nested too deeply'),
    ('a.json', '{"text": "很好", "label": 1, "id": ' + '{"a":' * 5000 + '1' + '}' * 5001 + '\n', 1, 'too deeply'),
    ('a.csv', '很好,1\n"太"差,0\n', 2, 'not CSV'),
    ('a.csv', '很好,1\n"太差,0\n', 2, 'not CSV'),
])
def test_what_is_wrong_with_a_row_is_said_with_the_file_and_the_line(
        write, sentiment, name, content, line, message):
    path = write(name, content)
    found = error(path, sentiment)
    assert found.startswith('%s, line %d: ' % (path, line)) and message in found


@pytest.mark.parametrize('content, line, message', [
    ('下雨了\t地湿了\t蕴含\n下雨了\t矛盾\n', 2, 'no label; a row is text_a, text_b, label'),
    ('下雨了\t地湿了\t蕴含\n下雨了\t\t矛盾\n', 2, 'the second text is empty'),
    ('text_a\tlabel\n下雨了\t矛盾\n', 2, 'the second text is missing'),
    ('下雨了\t地湿了\t天晴着\t蕴含\n', 1, '4 columns where 3 (text_a, text_b, label) were expected'),
])
def test_what_is_wrong_with_a_pair_is_said_with_the_file_and_the_line(write, nli, content, line, message):
    path = write('a.tsv', content)
    found = error(path, nli)
    assert found.startswith('%s, line %d: ' % (path, line)) and message in found


def test_the_error_for_a_foreign_encoding_says_how_to_convert_the_file(write):
    assert 'iconv -f gb18030 -t utf-8' in error(write('a.txt', '很好'.encode('gb18030')), None, False)


def test_an_array_that_is_not_json_is_an_error_that_names_the_file(write):
    path = write('a.json', '[{"text": "很好"},\n {"text": \n')
    found = error(path)
    assert found.startswith(path) and 'not a JSON array' in found


@pytest.mark.parametrize('content, message', [
    ('[' * 5000 + ']' * 5000, ': not a JSON array: it is nested too deeply'),
    ('[{"text": "很好"}, {"text": "\\ud83d"}]', ', item 2: \\ud83d is half of a surrogate pair')])
def test_an_array_that_could_not_be_written_again_is_an_error_that_names_the_file(write, content, message):
    path = write('a.json', content)
    assert error(path, labelled=False).startswith(path + message)


def test_whole_surrogate_pairs_are_characters(write):
    path = write('a.json', '{"text": "\\ud83d\\ude00好"}\n')
    assert read_examples(path, labelled=False) == [Example('😀好')]


def test_what_is_nested_as_deeply_as_can_be_read_can_be_written_too(write):
    """The limit is Python's, which depends on how deep the caller stands."""
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
        path = write('a.json', '{"text": "好", "a": ' + '[' * depth + ']' * depth + '}\n')
        try:
            rows = read_rows(path, labelled=False)
        except UserError as e:
            assert 'nested too deeply' in str(e)
            break
        write_predictions(io.StringIO(), 'json', rows, ['正面', '负面'], np.array([[0.5, 0.5]]))
    else:
        pytest.fail('nothing was too deep')


@pytest.mark.parametrize('name, content', [
    ('a.tsv', ''), ('a.csv', ''), ('a.json', ''), ('a.txt', ''), ('a.json', '[]'), ('a.tsv', 'text\tlabel\n'),
    ('a.tsv', '\n\n'), ('a.txt', '\ufeff')])
def test_a_file_without_an_example_is_an_error(write, name, content):
    path = write(name, content)
    assert error(path, labelled=False) == '%s holds no example.' % path


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    path = str(tmp_path / 'nowhere.tsv')
    assert error(path) == '%s: no such file.' % path


# public data

@pytest.fixture(scope='module')
def published(data_folder, sentiment):
    return {part: read_examples(os.path.join(data_folder, 'data', 'sentiment', 'sentiment.%s.data' % part), sentiment)
            for part in ('train', 'valid', 'test')}


def test_the_published_sentiment_set_reads_whole(published):
    assert {part: len(examples) for part, examples in published.items()} == {
        'train': 16883, 'valid': 2111, 'test': 2111}


def test_the_published_sentiment_test_file_shares_680_texts_with_train(published):
    assert len(without(published['test'], published['train'])) == 2111 - 680
    assert len(without(published['test'], published['train'][:168])) == 2111 - 8


@pytest.mark.parametrize('name, task', [('tnews', 'news'), ('ocnli', 'nli'), ('eprstmt', 'sentiment')])
@pytest.mark.parametrize('part', ['train', 'dev'])
@pytest.mark.parametrize('fold', [0, 1, 2, 3, 4, 'few_all'])
def test_each_fewclue_file_reads_with_its_task(data_folder, name, task, part, fold):
    task = Task.load(task)
    path = os.path.join(data_folder, 'data', 'fewclue', name, '%s_%s.json' % (part, fold))
    examples = read_examples(path, task)
    with open(path, encoding='utf-8') as reader:
        fields = [json.loads(line) for line in reader]
    assert len(examples) == len(fields) > 0
    assert {e.label for e in examples} <= set(task.labels)
    assert all((e.text_b is not None) == task.is_pair for e in examples)
    if name == 'tnews':
        assert all(e.text == f['sentence'].strip() and e.label == task.label_of(f['label_desc'])
                   for e, f in zip(examples, fields))
    if name == 'ocnli':
        assert all((e.text, e.text_b) == (f['sentence1'].strip(), f['sentence2'].strip())
                   for e, f in zip(examples, fields))


def test_the_fewclue_tnews_test_and_unlabelled_files_read_with_news(data_folder):
    folder = os.path.join(data_folder, 'data', 'fewclue', 'tnews')
    assert len(read_examples(os.path.join(folder, 'test_public.json'), Task.load('news'))) == 2010
    assert len(read_examples(os.path.join(folder, 'unlabeled.json'), Task.load('news'), labelled=False)) == 20000
