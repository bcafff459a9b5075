import json

import numpy as np
import pytest
from six_reviews import LABELS, TEXTS, stdin, write

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.data.shipped import shipped_texts


def test_evaluate_prints_the_accuracy_on_its_last_line_and_in_json(run, tiny, reviews, classifier):
    predicted = classifier.predict(TEXTS)
    accuracy = 100. * np.mean([p == label for p, label in zip(predicted, LABELS)])
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, reviews)
    assert status == 0 and out.splitlines()[-1] == 'accuracy %.2f' % accuracy
    assert '6 texts' in out and '正面' in out and '[MASK]满意。{text}' in out
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews)
    report = json.loads(out)
    assert status == 0 and report['accuracy'] == pytest.approx(accuracy)
    assert (report['n'], report['task'], report['pattern']) == (6, 'sentiment', '[MASK]满意。{text}')
    assert report['labels']['正面']['support'] == 4


def test_evaluate_takes_a_pattern_by_name_or_of_ones_own_and_a_maxlen(run, tiny, reviews):
    for given, pattern in (('P3', '[MASK]好。{text}'), ('真[MASK]。{text}', '真[MASK]。{text}')):
        status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--pattern', given,
                             '--maxlen', 12, '--batch-size', 2, '--json', reviews)
        report = ClozeClassifier('sentiment', tiny, given, 12).evaluate(list(map(_example, TEXTS, LABELS)))
        assert status == 0 and json.loads(out)['pattern'] == pattern
        assert json.loads(out)['log_likelihood'] == pytest.approx(report['log_likelihood'], abs=1e-6)


def _example(text, label):
    return Example(text, None, label)


def test_evaluate_leaves_out_the_texts_of_exclude(run, tiny, reviews, tmp_path, fails):
    seen = write(tmp_path / 'seen.tsv', '%s\t负面\n%s\t正面\n' % (TEXTS[0], TEXTS[3]))
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews, '--exclude', seen)
    report = json.loads(out)
    assert status == 0 and report['n'] == 4 and report['labels']['正面']['support'] == 2
    error = fails('evaluate', '--task', 'sentiment', '--checkpoint', tiny, reviews, '--exclude', reviews)
    assert 'Every text' in error


def test_evaluate_reads_standard_input_and_files_without_a_known_ending(run, tiny, reviews, tmp_path, monkeypatch):
    expected = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews)[1]
    with open(reviews, encoding='utf-8') as reader:
        text = reader.read()
    stdin(monkeypatch, text)
    given = ('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', '--format', 'tsv')
    assert run(*given, '-')[1] == expected
    assert run(*given, write(tmp_path / 'reviews', text))[1] == expected


def test_the_file_of_exclude_may_lack_an_ending_too(run, tiny, reviews, tmp_path):
    seen = write(tmp_path / 'seen', '%s\t负面\n' % TEXTS[0])
    given = ('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews, '--exclude')
    assert json.loads(run(*given, seen, '--format', 'tsv')[1])['n'] == 5
    lines = write(tmp_path / 'seen.jsonl', json.dumps({'text': TEXTS[0]}) + '\n')
    assert json.loads(run(*given, lines, '--format', 'tsv')[1])['n'] == 5


def test_evaluate_asks_a_causal_model_with_the_pattern_that_suits_it(run, causal, reviews):
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', causal, '--json', reviews)
    assert status == 0 and json.loads(out)['pattern'] == '{text}评价：[MASK]'
    report = ClozeClassifier(Task({'P': '{text}评价：[MASK]'}, {'正面': '好', '负面': '差'}), causal).evaluate(
        list(map(_example, TEXTS, LABELS)))
    assert json.loads(out)['log_likelihood'] == pytest.approx(report['log_likelihood'], abs=1e-6)


def test_the_shipped_gpt_knows_something_before_any_training(run):
    out = run('evaluate', '--task', 'sentiment', '--checkpoint', 'gpt-mini-zh', '--json',
              shipped_texts('reviews.test.tsv'))[1]
    assert json.loads(out)['accuracy'] > 60.


def test_evaluate_understands_a_tasks_aliases(run, tiny, reviews, tmp_path):
    aliased = write(tmp_path / 'aliased.tsv', ''.join('%s\t%d\n' % (t, n == '正面') for t, n in zip(TEXTS, LABELS)))
    given = ('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json')
    assert run(*given, aliased)[1] == run(*given, reviews)[1]


def test_evaluate_prints_the_area_under_the_roc_curve(run, tiny, reviews, classifier):
    auc = classifier.evaluate(list(map(_example, TEXTS, LABELS)))['auc']
    _, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, reviews)
    assert 'AUC %.3f' % auc in out.splitlines()[-2]
    assert json.loads(run('evaluate', '--task', 'sentiment', '--checkpoint', tiny, '--json', reviews)[1])['auc'] == auc


def test_calibrate_gives_the_labels_equal_shares_over_other_texts_or_those_at_hand(run, fails, tiny, reviews, tmp_path):
    more = write(tmp_path / 'more.txt', '今天天气很好\n我们去吃饭吧\n又吵又脏\n')
    given = ('predict', '--task', 'sentiment', '--checkpoint', tiny, '--calibrate', 'prior')
    rows = [line.split('\t') for line in run(*given, reviews)[1].splitlines()[1:]]
    assert np.mean([float(row[-2]) for row in rows]) == pytest.approx(.5, abs=1e-5)
    expected = ClozeClassifier('sentiment', tiny).calibrate(['今天天气很好', '我们去吃饭吧', '又吵又脏'])
    found = [float(line.split('\t')[-2]) for line in run(*given, '--calibrate-on', more, reviews)[1].splitlines()[1:]]
    assert found == pytest.approx(expected.predict_proba(TEXTS)[:, 0], abs=1e-5)
    report = json.loads(run('evaluate', *given[1:], '--calibrate-on', more, '--json', reviews)[1])
    assert report['accuracy'] == expected.evaluate(list(map(_example, TEXTS, LABELS)))['accuracy']
    assert 'say --calibrate prior' in fails(*given[:-2], '--calibrate-on', more, reviews)


def test_calibrate_by_the_mean_score_of_texts_or_without_any(run, fails, tiny, reviews):
    given = ('predict', '--task', 'sentiment', '--checkpoint', tiny, '--calibrate')
    classifier = ClozeClassifier('sentiment', tiny, check_head=False)
    for method, texts in (('mean', TEXTS), ('contextual', None)):
        found = [float(line.split('\t')[-2]) for line in run(*given, method, reviews)[1].splitlines()[1:]]
        assert found == pytest.approx(classifier.calibrate(texts, method).predict_proba(TEXTS)[:, 0], abs=1e-5)
    assert '--calibrate pmi needs none' in fails(*given, 'pmi', '--calibrate-on', reviews, reviews)
