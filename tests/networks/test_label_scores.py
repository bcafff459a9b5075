import numpy as np
import pytest

from pet_keras.backend import tf
from pet_keras.cloze.verbalizer import AGGREGATIONS
from pet_keras.networks.label_scores import LabelScores, OwnWordScores

WORD_LABELS = [0, 0, 0, 1, 2, 2]

# What each aggregation does with the probabilities of one label's words, said without logarithms.
DIRECT = {'mean': lambda p: p.mean(axis=1), 'sum': lambda p: p.sum(axis=1), 'max': lambda p: p.max(axis=1),
          'first': lambda p: p[:, 0]}


def merge(aggregation, word_scores, word_labels):
    """Normalised log-probabilities of labels whose words have one token each, a column a word."""
    answers = [[(0, [w]) for w, owner in enumerate(word_labels) if owner == k] for k in range(1 + max(word_labels))]
    scores = LabelScores([(answers, aggregation, None)])(tf.constant(word_scores, 'float64')[:, None]).numpy()
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


@pytest.fixture
def word_probabilities():
    p = np.random.default_rng(0).random((7, len(WORD_LABELS)))
    return p / p.sum(axis=1, keepdims=True)


def test_every_aggregation_is_tested_below():
    assert set(AGGREGATIONS) == set(DIRECT)


@pytest.mark.parametrize('aggregation', sorted(DIRECT))
def test_merge_agrees_with_a_direct_computation_on_probabilities(aggregation, word_probabilities):
    merged = np.exp(merge(aggregation, np.log(word_probabilities), WORD_LABELS))
    columns = [word_probabilities[:, :3], word_probabilities[:, 3:4], word_probabilities[:, 4:]]
    expected = np.stack([DIRECT[aggregation](c) for c in columns], axis=1)
    np.testing.assert_allclose(merged, expected / expected.sum(axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize('aggregation', sorted(DIRECT))
def test_merged_probabilities_sum_to_one_over_the_labels(aggregation, word_probabilities):
    merged = merge(aggregation, np.log(word_probabilities) - 50., WORD_LABELS)
    assert merged.shape == (7, 3)
    np.testing.assert_allclose(np.exp(merged).sum(axis=1), 1., rtol=1e-12)


@pytest.mark.parametrize('aggregation', sorted(DIRECT))
def test_a_constant_added_to_every_word_changes_nothing(aggregation, word_probabilities):
    scores = np.log(word_probabilities)
    np.testing.assert_allclose(merge(aggregation, scores + 3., WORD_LABELS), merge(aggregation, scores, WORD_LABELS),
                               rtol=1e-9)


@pytest.mark.parametrize('aggregation', sorted(DIRECT))
@pytest.mark.parametrize('shift', [-5000., 5000.])
def test_scores_far_from_zero_neither_overflow_nor_vanish(aggregation, shift):
    merged = merge(aggregation, [[shift, shift, shift + np.log(3.)]], [0, 0, 1])
    share = 2 / 5 if aggregation == 'sum' else 1 / 4
    np.testing.assert_allclose(np.exp(merged), [[share, 1 - share]], rtol=1e-9)


def test_merge_takes_the_words_in_any_order():
    merged = np.exp(merge('max', np.log([[.2, .5, .3]]), [0, 1, 0]))
    np.testing.assert_allclose(merged, [[.3 / .8, .5 / .8]])


def test_the_mean_does_not_favour_a_label_with_more_words_and_the_sum_does():
    scores = np.log([[.25, .25, .25, .25]])
    np.testing.assert_allclose(np.exp(merge('mean', scores, [0, 0, 0, 1])), [[.5, .5]])
    np.testing.assert_allclose(np.exp(merge('sum', scores, [0, 0, 0, 1])), [[.75, .25]])


# --- several tokens, questions and tasks ------------------------------------------------------------------

ONE = [[(0, [0]), (0, [2])], [(0, [1])]]  # two labels, in one question, words of one token
TWO = [[(0, [0])], [(1, [1, 2]), (1, [2, 0])], [(0, [3])]]  # three labels, in two questions, words of one and two
MANY = np.random.default_rng(5).normal(size=(3, 2, 2, 4))  # [example, question, position, column]


def _direct(log_probs, answers, merge):
    """One example's scores, word by word."""
    return [merge(np.array([sum(log_probs[question, n, column] for n, column in enumerate(columns))
                            for question, columns in label])) for label in answers]


def test_a_word_is_the_sum_over_its_own_tokens_in_its_own_question():
    found = LabelScores([(TWO, 'max', 'product')])(tf.constant(MANY.reshape(6, 2, 4))).numpy()
    np.testing.assert_allclose(found, [_direct(example, TWO, np.max) for example in MANY], rtol=1e-12)
    assert found.dtype == np.float64


def test_each_example_is_scored_by_its_own_tasks_words_aggregation_and_offset():
    three = [(ONE, 'sum', None), (TWO, 'max', 'product'), (TWO, 'first', 'product')]
    layer = LabelScores(three)
    layer.build(None)
    offset = np.array([[1., 2., 0.], [3., 4., 5.], [0., 0., 6.]])
    layer.offset.assign(offset)
    merges = [lambda s: np.log(np.exp(s).sum()), np.max, lambda s: s[0]]
    found = layer(tf.constant(MANY.reshape(6, 2, 4)), tf.constant([2, 0, 1])).numpy()
    for row, example, task in zip(found, MANY, [2, 0, 1]):
        expected = _direct(example, three[task][0], merges[task])
        np.testing.assert_allclose(row[:len(expected)], expected + offset[task, :len(expected)], rtol=1e-12)
        assert np.isneginf(row[len(expected):]).all()


def test_words_of_several_lengths_are_compared_per_token_unless_the_product_is_asked_for():
    found = [LabelScores([(TWO, 'max', how)])(tf.constant(MANY.reshape(6, 2, 4))).numpy()
             for how in (None, 'per_token', 'product')]
    expected = [[max(np.mean([example[question, n, c] for n, c in enumerate(columns)]) for question, columns in label)
                 for label in TWO] for example in MANY]
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[2] - found[0]).max() > .1


def test_words_of_one_length_are_scored_by_their_product_unless_per_token_is_asked_for():
    pairs = [[(0, [0, 1])], [(0, [2, 3])]]
    found = [LabelScores([(pairs, 'mean', how)])(tf.constant(MANY[:, 0])).numpy()
             for how in (None, 'product', 'per_token')]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0], 2 * found[2], rtol=1e-12)


# --- words of the examples' own ---------------------------------------------------------------------------

LOGITS = np.random.default_rng(6).normal(size=(2, 3, 2, 5))  # [example, question, position, vocabulary]
OWN = np.full((2, 3, 4, 2), -1)  # [example, question, label, token]
OWN[0, 0, 0], OWN[0, 2, 1], OWN[0, 0, 3] = [3, 1], [0, 0], [4, 2]
OWN[1, 1, 0, 0], OWN[1, 2, 1], OWN[1, 1, 2, 0] = 2, [1, 4], 0


def _own(word_score=None, offset=0.):
    layer = OwnWordScores(4, word_score)
    layer.build(None)
    layer.offset.assign([[offset, 0., 0., 0.]])
    return layer([tf.constant(LOGITS.reshape(6, 2, 5), 'float32'), tf.constant(OWN, 'int32')]).numpy()


def _own_direct(example, per_token):
    """One example's scores, word by word: probabilities multiplied, of a softmax over the vocabulary."""
    p, scores = np.exp(LOGITS[example]), [-np.inf] * 4
    p /= p.sum(-1, keepdims=True)
    for question, label in np.argwhere((OWN[example] >= 0).any(-1)):
        ids = [token for token in OWN[example, question, label] if token >= 0]
        score = np.log(np.prod([p[question, n, token] for n, token in enumerate(ids)]))
        scores[label] = score / len(ids) if per_token else score
    return scores


@pytest.mark.parametrize('word_score, per_token', [
    (None, [False, True]), ('product', [False, False]), ('per_token', [True, True])])
def test_an_examples_own_words_are_scored_each_in_its_question_and_by_its_example_alone(word_score, per_token):
    expected = [_own_direct(example, how) for example, how in enumerate(per_token)]
    np.testing.assert_allclose(_own(word_score), expected, rtol=1e-6)


def test_own_words_have_an_offset_a_label_too():
    np.testing.assert_allclose(_own(offset=2.)[:, 0], _own()[:, 0] + 2.)
    np.testing.assert_array_equal(_own(offset=2.)[:, 1:], _own()[:, 1:])
