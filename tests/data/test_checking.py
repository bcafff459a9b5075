import hashlib
import io
import json
import os
import sys
import types

import pytest

from pet_keras.data.checking import check
from pet_keras.errors import UserError

LONG = '床很大，早餐的种类也多，服务员说话客气，退房的时候还帮我们叫了车'


def one(path, **kwargs):
    return check([path], near=kwargs.pop('near', None), **kwargs)['files'][0]


def near(paths, **kwargs):
    pytest.importorskip('datasketch', reason='datasketch is not installed: near duplicates need it')
    return check(paths, **kwargs)


def lines(finding):
    return [(example['line'], example['other_line']) for example in finding['examples']]


# --- one file -------------------------------------------------------------------------------------------

def test_a_clean_file_has_its_counts_and_no_finding(write):
    found = one(write('a.tsv', '很好\t正面\n太差\t负面\n不错\t正面\n'))
    assert (found['format'], found['lines'], found['texts'], found['unlabelled']) == ('tsv', 3, 3, 0)
    assert found['labels'] == {'正面': 2, '负面': 1} and list(found['labels']) == ['正面', '负面']
    assert all(found[name]['count'] == 0 for name in (
        'blank', 'empty', 'malformed', 'over_long', 'repeated', 'conflicting'))
    assert found['sha256'] == hashlib.sha256('很好\t正面\n太差\t负面\n不错\t正面\n'.encode('utf-8')).hexdigest()


ROWS = [
    ('a.tsv', '好\t正\n\n \t正\n坏\n多\t正\t负\n\n中\t负\n', [2, 6], [3], [5], 3),
    ('a.tsv', 'label\ttext\n正\t好\n正\t\n正\n负\t坏\n', [], [3], [4], 2),
    ('a.csv', 'text,label\n"好,的",正\n"",正\n坏,负,多\n\n"两\n行",负\n', [5], [3], [4], 2),
    ('a.csv', '好,正\n"坏"x,负\n中,负\n', [], [], [2], 2),
    ('a.json', '{"text": "好", "label": 1}\n\n{"text": " "}\n{"text": 3}\n[1]\n{"label": 1}\n{"text": "a", "label": []}\n{',
     [2], [3], [4, 5, 6, 7, 8], 1),
    ('a.json', '\n[{"text": "好"}, {"text": ""}, 3]', [1], [2], [3], 1),
    ('a.jsonl', '{"text": "\\ud800"}\n{"sentence": "好"}\n', [], [], [1], 1),
    ('a.txt', '好\n\n坏\n', [2], [], [], 2),
    ('a.txt', b'\xef\xbb\xbf\xe5\xa5\xbd\n\xff\xfe\n\xe5\x9d\x8f\n', [], [], [2], 2),
    ('a.csv', b'\xe5\xa5\xbd,1\n"\xff\n",1\n\xe5\x9d\x8f,0\n', [], [], [3], 2),
    ('a.txt', '', [], [], [], 0),
]


@pytest.mark.parametrize('name, content, blank, empty, malformed, texts', ROWS)
def test_bad_rows_are_counted_by_line_and_reading_goes_on(write, name, content, blank, empty, malformed, texts):
    found = one(write(name, content))
    assert found['texts'] == texts
    for key, expected in (('blank', blank), ('empty', empty)):
        assert (found[key]['count'], found[key]['lines']) == (len(expected), expected), key
    assert found['malformed']['count'] == len(malformed)
    assert [place['line'] for place in found['malformed']['lines']] == malformed[:3]
    assert all(place['problem'] for place in found['malformed']['lines'])


def test_what_the_check_finds_sound_the_reader_reads(write):
    from pet_keras.data.reading import read_rows
    path = write('a.csv', 'text,label\n"好,""的""",正\n\n"两\n行",负\n')
    assert one(path)['texts'] == len(read_rows(path)) == 2


def test_a_byte_order_mark_is_not_text(write):
    assert one(write('a.txt', '\ufeff好\n好\n'))['repeated']['count'] == 1


def test_a_row_without_a_label_is_counted_as_such(write):
    assert one(write('a.tsv', '好\t正\n坏\n'))['unlabelled'] == 1
    found = one(write('a.json', '{"text": "好", "label": ""}\n{"text": "坏", "label": 0}\n'))
    assert found['unlabelled'] == 1 and found['labels'] == {'0': 1}


def test_with_a_task_labels_take_its_spelling_and_unknown_ones_are_malformed(write, sentiment):
    found = one(write('a.tsv', '好\t1\n不错\tPositive\n坏\t中性\n'), task=sentiment)
    assert found['labels'] == {'正面': 2}
    assert found['malformed']['lines'][0]['line'] == 3 and '中性' in found['malformed']['lines'][0]['problem']


def test_texts_over_the_length_are_counted_with_their_special_tokens(write):
    path = write('a.txt', '一二三四五\n一二三四\n')
    assert one(path, maxlen=6)['over_long'] == {'count': 1, 'lines': [1]}
    assert one(path, maxlen=7)['over_long']['count'] == 0
    pair = write('a.jsonl', '{"sentence1": "一二", "sentence2": "三四"}\n')
    assert one(pair, maxlen=6)['over_long']['count'] == 1 and one(pair, maxlen=7)['over_long']['count'] == 0


def test_repeats_and_contradicting_labels(write):
    found = one(write('a.tsv', '很好！\t正\n坏\t负\n很好!\t正\n坏 \t正\n坏\t负\n'))
    assert found['repeated']['count'] == 3 and lines(found['repeated']) == [(3, 1), (4, 2), (5, 2)]
    assert found['conflicting']['count'] == 1 and lines(found['conflicting']) == [(4, 2)]
    example = found['conflicting']['examples'][0]
    assert (example['text'], example['label'], example['other_label']) == ('坏', '正', '负')


def test_a_pair_is_the_same_by_both_texts(write, nli):
    rows = [('下雨了', '地湿了'), ('下雨了', '天晴着'), ('下雨了', '地湿了')]
    named = write('a.jsonl', ''.join(json.dumps({'sentence1': a, 'sentence2': b}) + '\n' for a, b in rows))
    table = write('a.tsv', ''.join('%s\t%s\t蕴含\n' % pair for pair in rows))
    assert lines(one(named)['repeated']) == lines(one(table, task=nli)['repeated']) == [(3, 1)]


def test_near_duplicates_in_a_file_are_not_the_exact_ones(write):
    found = near([write('a.txt', '\n'.join([LONG, LONG + '！', LONG, '别的文字']))])['files'][0]
    assert found['repeated']['count'] == 1 and found['near']['count'] == 3  # both copies are near the other
    example = found['near']['examples'][0]
    assert lines(found['near']) == [(1, 2), (2, 1), (3, 2)] and 0.9 < example['overlap'] < 1
    assert example['other_text'] == LONG.replace('，', ',') + '!'


# --- several files --------------------------------------------------------------------------------------

def test_what_files_share_is_said_both_ways(write):
    train = write('train.tsv', '好\t1\n坏\t0\n好\t1\n中\t1\n')
    test = write('test.tsv', '坏\t1\n好\t1\n新\t0\n')
    report = check([train, test], near=None)
    there, back = report['shared']
    assert (there['file'], there['other'], there['count']) == (train, test, 3)
    assert (back['file'], back['other'], back['count']) == (test, train, 2)
    assert lines(there) == [(1, 2), (2, 1), (3, 2)] and lines(back) == [(1, 2), (2, 1)]
    assert there['other_label']['count'] == back['other_label']['count'] == 1 and lines(back['other_label']) == [(1, 2)]
    assert report['files'][0]['conflicting']['count'] == 0  # the contradiction is between the files


def test_a_text_without_label_contradicts_none(write):
    report = check([write('a.tsv', '好\t1\n'), write('b.txt', '好\n')], near=None)
    assert [(s['count'], s['other_label']['count']) for s in report['shared']] == [(1, 0)] * 2


def test_files_that_share_nothing_are_not_named(write):
    assert check([write('a.txt', '好\n'), write('b.txt', '坏\n')], near=None)['shared'] == []


def test_near_duplicates_across_files_do_not_count_shared_texts_again(write):
    train, test = write('a.txt', LONG + '\n' + LONG + '！\n'), write('b.txt', LONG + '\n' + LONG[1:] + '\n')
    there, back = near([train, test])['shared']
    assert (back['count'], back['near']['count']) == (1, 1) and lines(back['near']) == [(2, 1)]
    assert (there['count'], there['near']['count']) == (1, 1) and there['near']['examples'][0]['line'] == 2
    far = near([train, test], near=1.)['shared']
    assert [s['near']['count'] for s in far] == [0, 0]


def test_without_the_library_the_rest_is_reported(write, monkeypatch):
    monkeypatch.setitem(sys.modules, 'datasketch', None)
    report = check([write('a.txt', '好\n好\n')])
    assert report['near'] is None and 'pip install "pet-keras[data]"' in report['near_problem']
    assert report['files'][0]['repeated']['count'] == 1 and report['files'][0]['near'] is None


def test_standard_input_and_a_format_by_hand(write, monkeypatch):
    monkeypatch.setattr(sys, 'stdin', types.SimpleNamespace(buffer=io.BytesIO('好\n好\n'.encode('utf-8'))))
    assert one('-')['repeated']['count'] == 1
    assert one(write('a.log', '好\t1\n'), format='tsv')['labels'] == {'1': 1}
    report = check([write('a.tsv', '好\t1\n'), write('b.log', '坏\t1\n')], near=None, format='tsv')
    assert [f['labels'] for f in report['files']] == [{'1': 1}] * 2


def test_long_files_say_how_far_they_are(write, monkeypatch):
    monkeypatch.setattr('pet_keras.data.checking._STEP', 2)
    said = []
    check([write('a.txt', '一\n二\n三\n四\n五\n')], near=None, progress=said.append)
    assert [line.split(': ')[1] for line in said] == ['2 lines', '4 lines']


def test_what_cannot_be_read_at_all_is_an_error(write, tmp_path):
    for paths, said in (([str(tmp_path / 'no.tsv')], 'no such file'), (['-', '-'], 'once'),
                        ([write('a.xyz', 'a\n')], '--format'), ([write('a.json', '[{"text": ')], 'not a JSON array')):
        with pytest.raises(UserError, match=said):
            check(paths, near=None)
    with pytest.raises(UserError, match='0.5 to 1'):
        check([write('a.txt', '好\n')], near=0.2)


# --- the public data sets -------------------------------------------------------------------------------

def test_it_finds_what_is_known_of_the_published_sentiment_set(data_folder, write):
    train, valid, test = (os.path.join(data_folder, 'data', 'sentiment', 'sentiment.%s.data' % name)
                          for name in ('train', 'valid', 'test'))
    report = near([train, valid, test])
    shared = {(s['file'], s['other']): s for s in report['shared']}
    assert [f['texts'] for f in report['files']] == [16883, 2111, 2111]
    assert shared[test, train]['count'] == 680 and shared[test, train]['near']['count'] == 5
    found = shared[valid, train]
    assert found['count'] == 668 and found['count'] - found['other_label']['count'] == 666
    assert report['files'][0]['repeated']['count'] == 2921 and report['files'][0]['near']['count'] == 103
    with open(train, 'rb') as reader:
        head = write('head.tsv', b''.join(reader.readlines()[:168]))
    assert {(s['file'], s['count']) for s in check([head, test], near=None)['shared']} == {(test, 8), (head, 8)}


@pytest.mark.parametrize('task', ['bustm', 'chid', 'cluewsc', 'csl', 'csldcp', 'eprstmt', 'iflytek', 'ocnli', 'tnews'])
def test_each_dev_split_of_fewclue_stands_in_dev_few_all_as_a_whole(data_folder, task):
    paths = [os.path.join(data_folder, 'data', 'fewclue', task, 'dev_%s.json' % name)
             for name in (0, 1, 2, 3, 4, 'few_all')]
    report = check(paths, near=None)
    assert all(f['malformed']['count'] == f['empty']['count'] == 0 for f in report['files'])
    shared = {s['file']: s['count'] for s in report['shared'] if s['other'] == paths[-1]}
    assert shared == {f['file']: f['texts'] for f in report['files'][:-1]} and min(shared.values()) > 30
