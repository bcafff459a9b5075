import os
import subprocess
import sys

import numpy as np
import pytest

from pet_keras.errors import UserError
from pet_keras.experiments import records

RUN = {'task': 'sentiment', 'data': {'tests': {'a': {'file': 'a.tsv'}}}, 'checkpoint': 'one', 'place': 'folder/one',
       'method': 'zero-shot', 'learn': [], 'labelled': 0, 'unlabelled': 'all', 'seed': 0, 'classifier': 'cloze',
       'settings': {}, 'fit': {}, 'words': None, 'patterns': ['P1', 'P3'], 'choose': {}, 'name': 'reviews'}
SCORES = {'a': (np.log(np.full((2, 2), .5, 'float32')), np.array([0, 1], 'int32'))}


def _found(*patterns):
    return [({'pattern': pattern, 'tests': {'a': {'accuracy': 50.}}}, SCORES) for pattern in patterns]


def _file(folder):
    return os.path.join(str(folder), 'records.jsonl')


def test_the_key_is_of_what_a_run_does_and_not_of_what_it_is_called():
    key = records.key_of(RUN, 'abc', {'a.tsv': '1'})
    assert key == '8984b5628fd27c8f'  # another one makes every record of before unread
    names = {'checkpoint': 'two', 'place': '/elsewhere', 'name': 'x', 'causal': True, 'chosen': {'fit.epochs': 1}}
    assert records.key_of(dict(RUN, **names), 'abc', {'a.tsv': '1'}) == key
    others = [records.key_of(dict(RUN, **{name: 'other'}), 'abc', {'a.tsv': '1'}) for name in RUN
              if name not in ('choose', 'checkpoint', 'place', 'name')]
    others += [records.key_of(RUN, 'abd', {'a.tsv': '1'}), records.key_of(RUN, 'abc', {'a.tsv': '2'}),
               records.key_of(dict(RUN, withheld=True), 'abc', {'a.tsv': '1'})]
    assert len({key, *others}) == 1 + len(others)


def test_records_are_read_as_they_were_added(tmp_path):
    records.add(tmp_path, RUN, 'k', _found('P1', 'P3'))
    first, second = records.read(tmp_path)
    assert (first['key'], first['pattern'], second['pattern'], first['method']) == ('k', 'P1', 'P3', 'zero-shot')
    assert 'patterns' not in first and 'place' not in first
    assert records.has_scores(tmp_path, first)
    log_proba, truth = records.scores(tmp_path, second, 'a')
    assert (log_proba == SCORES['a'][0]).all() and truth.tolist() == [0, 1]
    assert records.read(tmp_path / 'none') == []


@pytest.mark.parametrize('cut', [1, 2, 40])
def test_a_line_that_was_cut_short_is_left_out_and_the_next_record_takes_its_place(tmp_path, cut):
    records.add(tmp_path, RUN, 'k', _found('P1', 'P3'))
    with open(_file(tmp_path), 'rb+') as writer:
        writer.truncate(os.path.getsize(_file(tmp_path)) - cut)
    assert [r['pattern'] for r in records.read(tmp_path)] == ['P1']
    records.add(tmp_path, RUN, 'l', _found('P5'))
    assert [(r['key'], r['pattern']) for r in records.read(tmp_path)] == [('k', 'P1'), ('l', 'P5')]


@pytest.mark.parametrize('line', [b'{"key": 1\n', b'3\n', b'{}\n', b'\xff\n'])
def test_a_line_that_is_no_record_is_named(tmp_path, line):
    records.add(tmp_path, RUN, 'k', _found('P1'))
    with open(_file(tmp_path), 'ab') as writer:
        writer.write(line)
    with pytest.raises(UserError, match='records.jsonl, line 2 is no record'):
        records.read(tmp_path)


def test_damaged_scores_are_named(tmp_path):
    records.add(tmp_path, RUN, 'k', _found('P1'))
    record, = records.read(tmp_path)
    path = records.scores_path(tmp_path, 'k', 'P1', 'a')
    with open(path, 'rb+') as file:
        whole = bytearray(file.read())
        whole[whole.rindex(b'PK\1\2') + 8] |= 1  # says that it is encrypted
        for damaged in (bytes(whole), whole[:50]):
            file.truncate(0)
            file.seek(0)
            file.write(damaged)
            file.flush()
            with pytest.raises(UserError, match='npz is damaged'):
                records.scores(tmp_path, record, 'a')
    os.remove(path)
    assert not records.has_scores(tmp_path, record)


def test_a_folder_is_one_grids_at_a_time(tmp_path):
    script = 'import sys; from pet_keras.experiments import records; records.lock(sys.argv[1])'

    def other():
        return subprocess.run([sys.executable, '-c', script, str(tmp_path)], capture_output=True, encoding='utf-8')
    with records.lock(str(tmp_path)):
        with pytest.raises(UserError, match='another pet-keras works in this folder'):
            records.lock(str(tmp_path))
        assert 'another pet-keras works' in other().stderr
    (tmp_path / 'scores' / 'x.npz.part').write_text('of a run that was killed')
    assert other().stderr == ''
    assert os.listdir(str(tmp_path / 'scores')) == []


def test_a_folder_that_cannot_be_made_is_an_oserror(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError):
        records.lock(str(tmp_path / 'file' / 'out'))
