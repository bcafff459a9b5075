import itertools

import numpy as np
import pytest

import numpy_bert
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.classifiers.search.words import search_words

TASK = Task({'P1': '{text}很[MASK]'}, {'正面': '好', '负面': '差'})
LABELLED = [Example('房间干净', label='正面'), Example('又吵又脏', label='负面'), Example('便宜', label='正面')]
DEV = [Example('好吃', label='正面'), Example('慢', label='负面')]


def _log_probs(folder, examples):
    """Of every token in the blank, `[examples, vocab_size]`, in NumPy."""
    rows = []
    for example in examples:
        ids = numpy_bert.token_ids(folder, ['[CLS]', *example.text, '很', '[MASK]', '[SEP]'])
        rows.append(np.log(numpy_bert.softmax(numpy_bert.mlm_logits(folder, ids)[-2])))
    return np.array(rows)


def test_the_best_combinations_of_the_likeliest_words_are_kept_and_ranked_on_dev(still):
    found = search_words(TASK, LABELLED, still, dev=DEV, top=4, keep=6)
    with open(still + '/vocab.txt', encoding='utf-8') as reader:
        vocab = reader.read().split('\n')[:-1]
    chinese = [i for i, token in enumerate(vocab) if len(token) == 1 and '一' <= token <= '鿿']
    log_probs, dev_probs = _log_probs(still, LABELLED), _log_probs(still, DEV)
    likely = [sorted(chinese, key=lambda i: -log_probs[rows, i].sum())[:4] for rows in ([0, 2], [1])]

    def figures(probs, truth, words):
        shares = probs[:, words] - np.logaddexp.reduce(probs[:, words], axis=1, keepdims=True)
        return 100. * np.mean(shares.argmax(1) == truth), np.mean([row[k] for row, k in zip(shares, truth)])
    every = [list(words) for words in itertools.product(*likely) if words[0] != words[1]]
    every.sort(key=lambda words: figures(log_probs, [0, 1, 0], words), reverse=True)
    kept = sorted(every[:6], key=lambda words: figures(dev_probs, [0, 1], words), reverse=True)
    assert [list(one.words.values()) for one in found] == [[vocab[i] for i in words] for words in kept]
    for one, words in zip(found, kept):
        np.testing.assert_allclose(one[1:3], figures(log_probs, [0, 1, 0], words), atol=1e-3)
        np.testing.assert_allclose(one[3:], figures(dev_probs, [0, 1], words), atol=1e-3)


def test_without_dev_texts_the_labelled_ones_decide_and_many_labels_take_fewer_words_each(still):
    found = search_words(TASK, LABELLED, still, top=9, most=4)
    assert 2 <= len(found) <= 4 and found[0].dev_accuracy is None
    assert [one[1:3] for one in found] == sorted((one[1:3] for one in found), reverse=True)


def test_labels_that_like_one_word_best_each_get_another(still):
    labels = ['类%d' % i for i in range(15)]
    task = Task({'P1': '{text}很[MASK]'}, dict(zip(labels, '好差很不太难挺新旧大小多少高低')))
    texts = ['好吃', '房间又吵又脏'] + ['好吃'] * 13
    examples = [Example(text, label=label) for text, label in zip(texts, labels)]
    found, = search_words(task, examples, still)
    assert list(found.words) == labels and len(set(found.words.values())) == 15
    with open(still + '/vocab.txt', encoding='utf-8') as reader:
        vocab = reader.read().split('\n')[:-1]
    log_probs = _log_probs(still, examples)
    gain = log_probs[1] - log_probs.mean(axis=0)
    taken = vocab.index(found.words['类0'])
    chinese = [i for i, token in enumerate(vocab) if len(token) == 1 and '一' <= token <= '鿿' and i != taken]
    assert found.words['类1'] == vocab[max(chinese, key=lambda i: gain[i])]  # what its own text makes likelier


def test_combinations_may_be_fine_tuned_before_dev_decides(still):
    found = search_words(TASK, LABELLED, still, dev=DEV, top=2, keep=2, fit={'epochs': 1})
    assert len(found) == 2 and found[0][3:] >= found[1][3:]


@pytest.mark.parametrize('settings, message', [
    ({'labelled': LABELLED[:1]}, 'has the label 负面'), ({'fit': {}}, 'give some'), ({'keep': 0}, 'at least 1')])
def test_what_cannot_be_searched_is_said(settings, message, still):
    with pytest.raises(UserError, match=message):
        search_words(TASK, **dict({'labelled': LABELLED, 'checkpoint': still}, **settings))


@pytest.mark.parametrize('long', ['head', 'tail'])
def test_of_long_texts_it_reads_what_a_classifier_reads(long, still):
    texts = [Example('房间很干净' * i + '，' + '又吵又脏' * (6 - i), label='正面' if i % 2 else '负面') for i in range(6)]
    best = search_words(Task.load('sentiment'), texts, still, dev=texts, keep=2, top=5, maxlen=16, long=long)[0]
    classifier = ClozeClassifier(Task.load('sentiment').with_words(best.words), still, maxlen=16, long=long)
    assert best.dev_log_likelihood == pytest.approx(classifier.evaluate(texts)['log_likelihood'], abs=1e-4)
