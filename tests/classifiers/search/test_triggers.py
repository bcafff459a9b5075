import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.classifiers.search.triggers import _Search, search_triggers

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
LABELLED = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面'), Example('好', label='正面'),
            Example('差极了', label='负面')]


def test_the_gradient_is_that_of_the_likelihood_by_each_triggers_embedding(still):
    search = _Search(TASK, still, None, 2)
    texts = search.texts(LABELLED)
    gradient, step = search.gradient(texts), 1e-2
    for place, column in ((0, 3), (1, 7)):
        values = []
        for sign in (1, -1):
            search.rows[place, column] += sign * step
            values.append(search.figures(texts)[0] * len(LABELLED))
            search.rows[place, column] -= sign * step
        assert gradient[place, column] == pytest.approx((values[0] - values[1]) / (2 * step), rel=.02, abs=1e-3)


@pytest.mark.parametrize('is_causal', [False, True])
def test_a_pattern_is_found_that_reads_as_it_was_found_and_beats_chance(is_causal, still, causal):
    checkpoint = Checkpoint(causal if is_causal else still)
    found = search_triggers(TASK, LABELLED, checkpoint, triggers=2, candidates=4)
    assert [one.log_likelihood for one in found] == sorted((one.log_likelihood for one in found), reverse=True)
    best = found[0]
    assert best.pattern.count('{text}') == best.pattern.count('[MASK]') == 1 and 'unused' not in best.pattern
    assert best.pattern.endswith('[MASK]') == is_causal and best.dev_accuracy is None
    report = ClozeClassifier(TASK, checkpoint, best.pattern).evaluate(LABELLED)
    assert report['log_likelihood'] == pytest.approx(best.log_likelihood, abs=1e-4)
    assert report['accuracy'] == best.accuracy
    assert search_triggers(TASK, LABELLED, checkpoint, triggers=2, candidates=4) == found


def test_an_exchange_takes_the_best_of_the_candidates_and_nothing_that_is_worse(still):
    search = _Search(TASK, still, '[unused1][MASK]。{text}', 0)
    texts = search.texts(LABELLED)
    order = np.argsort(-search.table[search.allowed] @ search.gradient(texts)[0], kind='stable')[:5]
    tried = {}
    for token in search.allowed[order]:
        search.rows[0] = search.table[token]
        tried[token] = search.figures(texts)[0]
    search.rows[0] = search.table[search.classifier.tokenizer._token_mask_id]
    best, changed = search.exchange(0, texts, np.inf, 5)  # a mask does not stay, whatever is better
    assert changed and best == max(tried.values()) and search.tokens == [max(tried, key=tried.get)]
    rows = search.rows.copy()
    assert search.exchange(0, texts, np.inf, 5) == (np.inf, False)
    np.testing.assert_array_equal(search.rows, rows)


def test_dev_texts_decide_and_label_words_are_no_triggers(still):
    found = search_triggers(TASK, LABELLED, still, dev=LABELLED[:2], triggers=2, candidates=4)
    keys = [(one.dev_accuracy, one.dev_log_likelihood) for one in found]
    assert keys == sorted(keys, reverse=True)
    allowed = _Search(TASK, still, None, 1).allowed
    tokenizer = Checkpoint(still).tokenizer()
    written = {tokenizer.id_to_token(int(i)) for i in allowed}
    assert not written & {'很', '不', '[MASK]', 'a', '##a'} and {'的', ','} <= written


@pytest.mark.parametrize('settings, message', [
    ({'labelled': []}, 'needs labelled texts'), ({'triggers': 0}, 'at least 1'),
    ({'template': '[MASK]满意。{text}'}, 'no .unused. token')])
def test_what_cannot_be_searched_is_said(settings, message, still):
    with pytest.raises(UserError, match=message):
        search_triggers(TASK, **dict({'labelled': LABELLED, 'checkpoint': still}, **settings))


@pytest.mark.parametrize('long', ['head', 'tail'])
def test_of_long_texts_it_reads_what_a_classifier_reads(long, still):
    texts = [e._replace(text='房间很干净' * i + '，' + '又吵又脏' * (4 - i)) for i, e in enumerate(LABELLED)]
    best = search_triggers(TASK, texts, still, texts, 1, candidates=3, passes=1, maxlen=16, long=long)[0]
    classifier = ClozeClassifier(TASK, still, best.pattern, 16, long=long)
    assert best.dev_log_likelihood == pytest.approx(classifier.evaluate(texts)['log_likelihood'], abs=1e-4)
