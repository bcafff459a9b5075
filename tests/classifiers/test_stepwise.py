import numpy as np
import pytest

import numpy_bert
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.serving.export import export

WORDS = {'体育': ['体育', '运动员'], '财经': '财经', '其他': '无'}
TEXTS = ['股市大涨', '球', '今天天气很好啊']


def _task(words, word_score, aggregation='sum'):
    return Task({'P1': '{text}很[MASK]'}, words, aggregation=aggregation, word_score=word_score)


def _loop(folder, text, word):
    """The log-probability of a word, one token after another: the likeliest at its place first."""
    tokens, left, total = ['[CLS]', *text, '很', *['[MASK]'] * len(word), '[SEP]'], set(range(len(word))), 0.
    start = 2 + len(text)
    while left:
        log_probs = np.log(numpy_bert.softmax(numpy_bert.mlm_logits(folder, numpy_bert.token_ids(folder, tokens))))
        of = {i: log_probs[start + i, numpy_bert.token_ids(folder, [word[i]])[0]] for i in left}
        surest = max(of, key=of.get)
        total, tokens[start + surest] = total + of[surest], word[surest]
        left.remove(surest)
    return total


@pytest.mark.parametrize('batch_size', [1, 32])
def test_scores_are_those_of_a_loop_that_puts_the_surest_token_in_first(batch_size, tiny):
    classifier = ClozeClassifier(_task(WORDS, 'stepwise'), tiny)
    classifier.offset = [.5, 0., -1.]
    found = classifier.label_scores(TEXTS, batch_size)
    for text, row in zip(TEXTS, found):
        expected = [np.logaddexp.reduce([_loop(tiny, text, word) for word in words])
                    for words in classifier.task.verbalizer.words.values()]
        np.testing.assert_allclose(row, np.array(expected) + classifier.offset, rtol=1e-4)
    one_pass = ClozeClassifier(_task(WORDS, 'product'), tiny)
    assert np.abs(found - classifier.offset - one_pass.label_scores(TEXTS)).max() > .01


@pytest.mark.parametrize('aggregation', ['mean', 'max'])
def test_words_of_one_token_have_the_probabilities_of_the_product(aggregation, tiny):
    words = {'好': ['好', '棒'], '坏': '差'}
    stepwise, product = [ClozeClassifier(_task(words, how, aggregation), tiny).predict_proba(TEXTS)
                         for how in ('stepwise', 'product')]
    np.testing.assert_allclose(stepwise, product, atol=1e-5)


def test_a_causal_model_and_one_graph_for_all_steps_are_refused(tiny, tmp_path):
    with pytest.raises(UserError, match='for masked models'):
        ClozeClassifier(_task(WORDS, 'stepwise'), Checkpoint(tiny, application='lm'))
    with pytest.raises(UserError, match="'product' is its one-pass form"):
        export(ClozeClassifier(_task(WORDS, 'stepwise'), tiny), str(tmp_path / 'out'), 'savedmodel')


def test_candidates_are_put_in_token_by_token_too(tiny):
    """Of different lengths, of different numbers, and of a text that has no more."""
    task = Task({'P1': '{text}很[MASK]'}, ['0', '1', '2'], candidates='words', word_score='stepwise')
    words = [['高兴', '运动员', '好'], ['体育', '财经'], ['无', '运动']]
    examples = [Example(text, words=own) for text, own in zip(TEXTS, words)]
    classifier = ClozeClassifier(task, tiny)
    for batch_size in (1, 32):
        for text, own, row in zip(TEXTS, words, classifier.label_scores(examples, batch_size)):
            expected = [_loop(tiny, text, word) for word in own]
            np.testing.assert_allclose(row[:len(own)], expected, rtol=1e-4)
            assert np.isneginf(row[len(own):]).all()
    assert len(classifier.predict(examples)) == 3
