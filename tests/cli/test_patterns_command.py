import json

import pytest
from six_reviews import TEXTS, write


@pytest.fixture
def plain(tmp_path):
    return write(tmp_path / 'plain.txt', '很便宜\n不便宜\n很便宜，不错\n' + '\n'.join(TEXTS) + '\n')


def test_every_pattern_is_ranked_and_printed_filled_in(run, tiny, reviews):
    status, out, err = run('patterns', 'rank', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews)
    assert (status, err) == (0, '')
    places = [line.split('  ') for line in out.splitlines() if line[:1].isdigit() and '. ' in line[:4]]
    assert {name.split('. ')[1] for name, _ in places} == {'P1', 'P2', 'P3', 'P4', 'P5', 'P6'}
    assert '6 labelled and 0 unlabelled texts' in out and 'AUC' in out and '正面: 很满意。' in out


def test_proposals_are_ranked_on_the_other_half_of_the_labelled_texts(run, tiny, reviews, plain):
    status, out, _ = run('patterns', 'rank', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews,
                         '--unlabelled', plain, '--propose', 4)
    assert status == 0 and '3 labelled and 9 unlabelled texts' in out
    assert '[MASK]便宜。{text}' in out and 'paraphrased' in out and "the model's words" in out


def test_unlabelled_texts_own_patterns_and_words_as_json(run, tiny, plain):
    status, out, _ = run('patterns', 'rank', '--task', 'sentiment', '--checkpoint', tiny, '--unlabelled', plain, '--json',
                         '--pattern', '{text}真[MASK]', '--words', '正面=好,棒', '--words', '负面=差')
    ranked = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and [one['information'] for one in ranked] == sorted(
        (one['information'] for one in ranked), reverse=True)
    given = {one['name']: one for one in ranked}
    assert given['given 1']['pattern'] == '{text}真[MASK]' and given['given 1']['words']['正面'] == ['很']
    assert given['given 1, given words']['words'] == {'正面': ['好', '棒'], '负面': ['差']}


@pytest.mark.parametrize('options, message', [
    ([], 'Ranking needs texts'), (['--unlabelled', 'PLAIN', '--words', '正面=好'], '--words is missing for 负面'),
    (['--unlabelled', 'PLAIN', '--words', '正面'], 'write LABEL=WORD,WORD'),
    (['--unlabelled', 'PLAIN', '--words', '中性=好'], '中性')])
def test_what_cannot_be_ranked_is_one_line(run, tiny, plain, options, message):
    status, _, err = run('patterns', 'rank', '--task', 'sentiment', '--checkpoint', tiny, *[
        plain if option == 'PLAIN' else option for option in options])
    assert status == 1 and message in err and len(err.splitlines()) == 1


def test_a_pattern_is_searched_and_written_as_the_default_of_a_task(run, tiny, reviews, tmp_path):
    out = str(tmp_path / 'task.json')
    status, printed, _ = run('patterns', 'search', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews,
                             '--dev', reviews, '--triggers', 1, '--candidates', 2, '--passes', 1, '--out', out)
    with open(out, encoding='utf-8') as reader:
        task = json.load(reader)
    name, pattern = next(iter(task['patterns'].items()))
    assert status == 0 and name == 'searched' and pattern in printed and '; dev ' in printed
    assert list(task['patterns'])[1:] == ['P1', 'P2', 'P3', 'P4', 'P5', 'P6']
    assert run('evaluate', '--task', out, '--checkpoint', tiny, reviews)[0] == 0


def test_words_are_searched_and_written_as_a_task(run, tiny, reviews, tmp_path):
    out = str(tmp_path / 'task.json')
    status, printed, _ = run('patterns', 'words', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews,
                             '--top', 3, '--keep', 2, '--out', out)
    with open(out, encoding='utf-8') as reader:
        words = json.load(reader)['labels']
    assert status == 0 and '1. 正面: %s，负面: %s' % (words['正面'][0], words['负面'][0]) in printed


def test_words_are_not_fine_tuned_without_dev_texts(fails, tiny, reviews):
    assert 'give some' in fails('patterns', 'words', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews,
                                '--fine-tune')
