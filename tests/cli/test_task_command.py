import json

from six_reviews import write


def test_task_list_names_the_shipped_tasks_and_show_fills_their_patterns(run):
    status, out, _ = run('task', 'list')
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == [
        'bustm', 'chid', 'cluewsc', 'csl', 'csldcp', 'eprstmt', 'iflytek', 'news', 'nli', 'nli_binary', 'ocnli',
        'sentiment', 'tnews']
    assert all(len(line.split()) > 3 for line in out.splitlines())  # each says what it is for
    status, out, _ = run('task', 'show', 'sentiment')
    assert status == 0 and '很满意。这趟北京之旅我感觉很不错。' in out and '不满意。这趟北京之旅我感觉很不错。' in out
    assert 'P5' in out and 'Positive' in out
    assert '  正面: 这趟北京之旅我感觉很不错。评价：好' in out  # P6 has words of its own
    assert 'default: P1; of a causal model, which reads the blank last: P6' in out
    for name in ('news', 'nli', 'nli_binary', 'csl', 'cluewsc'):
        assert run('task', 'show', name)[0] == 0
    assert run('task', 'show', 'eprstmt')[1] == out
    shown = run('task', 'show', 'chid')[1].split('\n')  # the words are those of the example
    assert '  1 → 画蛇添足' in shown and '  1: 他丢了一只羊才去修羊圈，真是画蛇添足，不过总比不修好。' in shown


def test_task_show_takes_a_file(run, tmp_path):
    path = write(tmp_path / 'mine.json', json.dumps({'patterns': {'Q': '{text}真[MASK]'},
                                                      'labels': {'yes': '好', 'no': '坏'}, 'example': '今天'}))
    status, out, _ = run('task', 'show', path)
    assert status == 0 and '今天真好' in out and '今天真坏' in out and out.startswith('mine')


def test_task_lint_prints_findings_and_fails_where_there_is_an_error(run, tiny, tmp_path):
    given = {'patterns': {'P1': '[MASK]满意。{text}'}, 'labels': {'yes': '好', 'no': '不好'}}
    path = write(tmp_path / 'mine.json', json.dumps(given))
    status, out, err = run('task', 'lint', path)
    assert status == 0 and err == '' and out.startswith('warning words: Words of different lengths compete')
    assert len(out.splitlines()) == 2 and out.splitlines()[1].startswith('note    patterns: A causal model')
    given['labels']['no'] = '𠮷'
    status, out, err = run('task', 'lint', write(tmp_path / 'mine.json', json.dumps(given)), '--json')
    first = json.loads(out.splitlines()[0])
    assert (first['level'], first['where']) == ('error', 'words, no') and set(first) == {'level', 'where', 'problem',
                                                                                         'advice'}
    assert status == 1 and err == 'pet-keras: error: %s cannot be used as it is: 1 error.\n' % path


def test_task_lint_of_texts_says_how_the_labels_share_them(run, tiny, tmp_path):
    more = write(tmp_path / 'more', '今天天气很好\n我们去吃饭吧\n又吵又脏\n')
    status, out, _ = run('task', 'lint', 'sentiment', '--checkpoint', tiny, '--unlabelled', more, '--format', 'text')
    assert status == 0 and out.count('share of 3 texts: ') == 6
    assert run('task', 'lint', 'news')[:2] == (0, 'Nothing to say against it.\n')
