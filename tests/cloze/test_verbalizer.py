import numpy as np
import pytest

from pet_keras.cloze.task import Task
from pet_keras.cloze.verbalizer import AGGREGATIONS, Verbalizer
from pet_keras.errors import UserError

WORDS = {'正面': ['很', '挺', '真'], '负面': '不', '中性': ['还', '一般']}

# tokens

def test_token_ids_name_the_label_of_every_word_in_order(tokenizer):
    found = Verbalizer({'正面': ['很', '满意'], '负面': '不'}).token_ids(tokenizer)
    assert [(label, tokenizer.ids_to_tokens(ids)) for label, ids in found] == [
        (0, ['很']), (0, ['满', '意']), (1, ['不'])]


def test_an_unused_token_may_be_a_label_word(tokenizer):
    found = Verbalizer({'正面': '[unused7]', '负面': '[unused8]很'}).token_ids(tokenizer)
    assert [(label, tokenizer.ids_to_tokens(ids)) for label, ids in found] == [
        (0, ['[unused7]']), (1, ['[unused8]', '很'])]


def test_words_outside_the_vocabulary_are_all_named_with_their_labels(tokenizer):
    with pytest.raises(UserError) as e:
        Verbalizer({'正面': ['很', '龘好'], '负面': '[unused999]'}).token_ids(tokenizer)
    message = str(e.value)
    assert "'龘好' of label '正面' (龘)" in message and "'[unused999]' of label '负面'" in message
    assert "'很'" not in message


def test_a_word_of_several_tokens_has_the_product_of_its_positions_probabilities(tiny):
    """The classifier's log-probabilities against sums over the model's own softmax, position by position."""
    from pet_keras.backend import tf
    from pet_keras.classifiers.cloze_classifier import ClozeClassifier
    pattern = '[MASK]新闻。{text}'
    for words in ({'体育': ['体育', '足球'], '财经': '财经'}, {'好': ['很', '非常'], '坏': '不'}):  # of one length; of two
        classifier = ClozeClassifier(Task({'P1': pattern}, words, word_score='product'), tiny)
        encode = classifier.tokenizer.tokens_to_ids
        scores, labels = [], []
        for label, (name, label_words) in enumerate(classifier.task.verbalizer.words.items()):
            for word in label_words:
                ids = encode(['[CLS]'] + ['[MASK]'] * len(word) + list('新闻。股市大涨') + ['[SEP]'])
                positions = list(range(1, 1 + len(word)))
                logits = classifier.model.predict_on_batch(
                    [np.array([ids]), np.zeros((1, len(ids))), np.array([positions])])
                log_probs = tf.nn.log_softmax(tf.cast(logits[0], 'float64')).numpy()
                scores.append(sum(log_probs[n, i] for n, i in enumerate(encode(list(word)))))
                labels.append(label)
        by_label = [np.mean(np.exp([s for s, k in zip(scores, labels) if k == n])) for n in range(2)]
        np.testing.assert_allclose(classifier.predict_proba(['股市大涨'])[0], by_label / np.sum(by_label), rtol=1e-3)


# what a verbalizer is made of

def test_one_word_may_be_given_without_a_list_and_labels_keep_their_order():
    verbalizer = Verbalizer(WORDS)
    assert verbalizer.words == {'正面': ['很', '挺', '真'], '负面': ['不'], '中性': ['还', '一般']}
    assert verbalizer.labels == ['正面', '负面', '中性']
    assert verbalizer.aggregation == 'mean'


@pytest.mark.parametrize('words', [{}, {'正面': '很'}])
def test_fewer_than_two_labels_are_an_error(words):
    with pytest.raises(UserError, match='needs two labels or more; this one has %d' % len(words)):
        Verbalizer(words)


@pytest.mark.parametrize('words', [[], '', ' ', ['很', '']])
def test_a_label_without_a_word_is_named(words):
    with pytest.raises(UserError, match="Label '负面' needs at least one word"):
        Verbalizer({'正面': '好', '负面': words})


def test_a_word_of_two_labels_is_named_with_both():
    with pytest.raises(UserError, match="The word '很' is given twice: for label '正面' and for label '负面'"):
        Verbalizer({'正面': ['真', '很'], '负面': ['不', '很']})


def test_a_word_given_twice_for_one_label_is_an_error():
    with pytest.raises(UserError, match="The word '很' is given twice"):
        Verbalizer({'正面': ['很', '很'], '负面': '不'})


def test_an_unknown_aggregation_is_named_with_those_there_are():
    with pytest.raises(UserError) as e:
        Verbalizer({'正面': '很', '负面': '不'}, 'average')
    assert "'average'" in str(e.value) and all(name in str(e.value) for name in AGGREGATIONS)


def test_an_unknown_word_score_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match='product, stepwise, per_token'):
        Verbalizer({'正面': '很', '负面': '不'}, word_score='sum')
