import json
import os
import subprocess
import sys

import pytest
from six_reviews import write

ROWS = ''.join('文本%d\t%s\n' % (i, '10'[i % 2]) for i in range(20))
LONG = '床很大，早餐的种类也多，服务员说话客气，退房的时候还帮我们叫了车'


@pytest.fixture
def labelled(tmp_path):
    return write(tmp_path / 'all.tsv', ROWS)


# --- sample ---------------------------------------------------------------------------------------------

def test_sample_writes_a_pair_of_files_a_seed_and_prints_their_checksums(run, labelled, tmp_path):
    status, out, _ = run('data', 'sample', labelled, '--task', 'sentiment', '--per-label', 3, '--seeds', 2, '--dev', 2,
                         '--out', tmp_path / 'splits')
    files = json.loads((tmp_path / 'splits' / 'splits.json').read_text(encoding='utf-8'))['files']
    assert status == 0 and [f['file'] for f in files] == ['train_0.tsv', 'dev_0.tsv', 'train_1.tsv', 'dev_1.tsv']
    assert out.splitlines() == ['%s  %s  %d texts, 正面 %d, 负面 %d' % (
        f['sha256'][:12], f['file'], 2 * n, n, n) for f, n in zip(files, (3, 2, 3, 2))]


def test_sample_takes_one_seed_a_total_and_files_to_leave_out(run, labelled, tmp_path):
    test = write(tmp_path / 'test.tsv', ''.join(ROWS.splitlines(True)[:8]))
    status, out, _ = run('data', 'sample', labelled, '--total', 12, '--stratified', '--seed', 5, '--without', test,
                         '--out', tmp_path / 'splits')
    assert status == 0 and 'train_5.tsv  12 texts, 0 6, 1 6' in out and '8 texts of the other files were left out' in out
    assert (tmp_path / 'splits' / 'train_5.tsv').read_text(encoding='utf-8') == ''.join(ROWS.splitlines(True)[8:])


def test_what_sample_refuses_is_one_line(run, fails, labelled, tmp_path):
    out = tmp_path / 'splits'
    assert 'label 0 has 10 different texts, and 16 for train are wanted' in fails(
        'data', 'sample', labelled, '--per-label', 16, '--out', out)
    assert 'seeds' in fails('data', 'sample', labelled, '--total', 1, '--seeds', 0, '--out', out)
    assert not os.path.exists(str(out))
    assert run('data', 'sample', labelled, '--total', 1, '--out', out)[0] == 0
    assert 'exists already' in fails('data', 'sample', labelled, '--total', 1, '--out', out)
    assert 'all.tsv' in fails('data', 'sample', labelled, '--total', 1, '--out', labelled)  # a file, not a folder
    assert 'no such file' in fails('data', 'sample', tmp_path / 'no.tsv', '--total', 1, '--out', out)


# --- check ----------------------------------------------------------------------------------------------

@pytest.fixture
def faulty(tmp_path):
    """A training file with one of every fault, and a test file that shares texts with it."""
    train = write(tmp_path / 'train.tsv', '好\t1\n\t1\n\n坏\t0\n坏\t1\n多\t1\t1\n%s\t1\n%s！\t1\n' % (LONG, LONG))
    return train, write(tmp_path / 'test.tsv', '好\t0\n%s\t1\n' % LONG.replace('很', '真'))


def test_check_prints_every_finding_with_its_lines(run, faulty):
    pytest.importorskip('datasketch', reason='datasketch is not installed: near duplicates need it')
    train, test = faulty
    status, out, _ = run('data', 'check', '--maxlen', 33, *faulty)
    assert status == 0
    for line in ['%s: 5 texts in 8 lines (tsv, SHA-256' % train, '  labels: 1 4 (80.0 %), 0 1 (20.0 %)',
                 '  1 blank lines: line 3', '  1 empty texts: line 2', '  1 malformed rows', '    line 6: 3 columns',
                 '  2 over-long texts (more than 33 with special tokens): line 7, 8',
                 '  1 repeat an earlier line', '  1 texts have several labels', '    line 5, 4: 坏 (1, 0)',
                 '  2 have a near duplicate in this file', '%s: 1 of 2 also stand in %s' % (test, train),
                 '  1 with another label there', '    line 1, 1: 好 (0, 1)', '  1 more nearly stand there',
                 'overlap by 0.8 or more']:
        assert line in out, line
    assert '  1 texts have several labels\n    line 5, 4' in out
    assert '%s: 1 of 5 also stand in %s' % (train, test) in out


def test_files_that_are_sound_say_so(run, labelled, tmp_path):
    other = write(tmp_path / 'other.txt', '别的\n')
    status, out, _ = run('data', 'check', '--near', 0, '--strict', labelled, other)
    assert status == 0 and 'The files share no text.' in out and 'were not counted' in out


def test_json_is_one_object_that_holds_the_report(run, faulty):
    status, out, _ = run('data', 'check', '--json', '--near', 0, '--task', 'sentiment', *faulty)
    report = json.loads(out)
    assert status == 0 and [f['labels'] for f in report['files']] == [{'正面': 4, '负面': 1}, {'负面': 1, '正面': 1}]
    assert [s['count'] for s in report['shared']] == [1, 1]


@pytest.mark.parametrize('rows, faults', [('好\t1\n好\t1\n', 1), ('\t1\n好\t1\n', 1), ('好\n坏\t1\t1\n', 1),
                                          ('好\t1\n好\t0\n', 2), ('好\t1\n\n' + '坏' * 200 + '\t1\n', 0)])
def test_strict_turns_faults_into_the_exit_status(run, tmp_path, rows, faults):
    path = write(tmp_path / 'a.tsv', rows)
    status, out, err = run('data', 'check', '--near', 0, '--strict', path)
    assert (status, '--strict: %d finding' % faults in err) == (int(faults > 0), faults > 0) and path in out
    assert run('data', 'check', '--near', 0, path)[0] == 0


def test_without_the_library_the_report_says_what_to_type(run, labelled, monkeypatch):
    monkeypatch.setitem(sys.modules, 'datasketch', None)
    status, out, _ = run('data', 'check', labelled)
    assert status == 0 and 'Near duplicates were not counted.' in out and 'pip install "pet-keras[data]"' in out


def test_what_check_refuses_is_one_line(fails, labelled, tmp_path):
    assert 'no such file' in fails('data', 'check', tmp_path / 'no.tsv')
    assert '0.5 to 1' in fails('data', 'check', '--near', 0.2, labelled)
    assert "'weather'" in fails('data', 'check', '--task', 'weather', labelled)


def test_the_data_commands_do_without_tensorflow(labelled, tmp_path):
    code = ('import sys; from pet_keras.cli.main import main; '
            'assert main(["data", "check", sys.argv[1]]) == main(["data", "sample", sys.argv[1], "--total", "2", '
            '"--task", "sentiment", "--out", sys.argv[2]]) == 0; assert "tensorflow" not in sys.modules')
    subprocess.run([sys.executable, '-c', code, labelled, str(tmp_path / 'out')], check=True, capture_output=True)
