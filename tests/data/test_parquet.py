import datetime
import io
import os
import tracemalloc

import pytest

pyarrow = pytest.importorskip('pyarrow', reason='the extra [ray] is not installed')
parquet = pytest.importorskip('pyarrow.parquet')

from pet_keras.cloze.task import Task  # noqa: E402
from pet_keras.data.checking import check  # noqa: E402
from pet_keras.data.reading import iterate_rows, read_rows  # noqa: E402
from pet_keras.data.writing import write_predictions  # noqa: E402
from pet_keras.errors import UserError  # noqa: E402


@pytest.fixture
def path(tmp_path):
    table = pyarrow.table({'sentence': ['房间很干净', ' 又吵又脏 '], 'label': [1, 0], 'day': [datetime.date(2020, 1, 2), None],
                           'more': [[1.5], []]})
    parquet.write_table(table, str(tmp_path / 'a.parquet'))
    return str(tmp_path / 'a.parquet')


def test_rows_and_columns_are_read(path):
    rows = read_rows(path, Task.load('sentiment'))
    assert [row.example[:3] for row in rows] == [('房间很干净', None, '正面'), ('又吵又脏', None, '负面')]
    assert rows[0].fields == {'sentence': '房间很干净', 'label': 1, 'day': '2020-01-02', 'more': [1.5]}
    assert [row.line for row in rows] == [1, 2]


def test_predictions_for_it_are_json_lines(path):
    import numpy as np
    stream = io.StringIO()
    write_predictions(stream, 'parquet', read_rows(path, None, False), ['正面', '负面'], np.array([[.75, .25]] * 2))
    assert stream.getvalue().splitlines()[1] == (
        '{"sentence": " 又吵又脏 ", "label": 0, "day": null, "more": [], "prediction": "正面", '
        '"probabilities": {"正面": 0.75, "负面": 0.25}}')


def test_it_is_checked_as_other_files_are(path):
    report, = check([path], near=None)['files']
    assert report['texts'] == 2 and report['labels'] == {'1': 1, '0': 1} and len(report['sha256']) == 64


def test_what_is_no_parquet_or_lacks_a_text_is_named(tmp_path):
    (tmp_path / 'no.parquet').write_bytes(b'PAR1 but no more')
    with pytest.raises(UserError, match='no.parquet is no Parquet file, or damaged'):
        read_rows(str(tmp_path / 'no.parquet'))
    with pytest.raises(UserError, match='no such file'):
        read_rows(str(tmp_path / 'missing.parquet'))
    parquet.write_table(pyarrow.table({'text': ['好', None]}), str(tmp_path / 'null.parquet'))
    with pytest.raises(UserError, match='null.parquet, line 2: the text is missing'):
        read_rows(str(tmp_path / 'null.parquet'), labelled=False)


@pytest.mark.parametrize('name', [b'abcdef', b'column'])
def test_text_that_is_no_utf8_is_named(name, tmp_path):
    parquet.write_table(pyarrow.table({'text': ['abcdef'], 'column': ['c']}), str(tmp_path / 'a.parquet'),
                        compression='none', use_dictionary=False, write_statistics=False, store_schema=False)
    whole = (tmp_path / 'a.parquet').read_bytes()
    assert name in whole
    (tmp_path / 'a.parquet').write_bytes(whole.replace(name, b'\xff' * len(name)))
    with pytest.raises(UserError, match="a.parquet is no Parquet file, or damaged: .*can't decode byte 0xff"):
        read_rows(str(tmp_path / 'a.parquet'), labelled=False)


def test_a_long_text_that_the_file_holds_once_for_many_rows_is_not_in_memory_for_all_of_them(tmp_path):
    texts = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 300, pyarrow.int32()), pyarrow.array(['好' * 200000]))
    parquet.write_table(pyarrow.table({'text': texts}), str(tmp_path / 'a.parquet'))
    tracemalloc.start()
    rows = iterate_rows(str(tmp_path / 'a.parquet'), labelled=False)
    for _ in range(101):
        next(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * 200000 / 5  # characters


def test_it_is_not_read_from_a_pipe(tmp_path):
    os.mkfifo(str(tmp_path / 'a.parquet'))
    with pytest.raises(UserError, match='Parquet is not read from a pipe'):
        read_rows(str(tmp_path / 'a.parquet'))
