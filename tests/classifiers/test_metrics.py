import numpy as np
import pytest

from pet_keras.classifiers.metrics import area_under_roc, classification_report

LABELS = ['甲', '乙', '丙']
#         true  predicted
CASES = [('甲', '甲'), ('甲', '甲'), ('甲', '乙'), ('乙', '乙'), ('乙', '丙'), ('乙', '乙'), ('乙', '乙'), ('甲', '乙')]


@pytest.fixture
def report():
    """Each prediction has probability 0.6, each other label 0.2."""
    proba = np.full((len(CASES), len(LABELS)), 0.2)
    for row, (_, predicted) in zip(proba, CASES):
        row[LABELS.index(predicted)] = 0.6
    return classification_report([true for true, _ in CASES], np.log(proba), LABELS)


def test_accuracy_is_the_percentage_of_right_labels(report):
    assert report['accuracy'] == pytest.approx(100 * 5 / 8)
    assert report['n'] == 8


def test_confusion_has_true_labels_in_rows_and_predicted_ones_in_columns(report):
    assert report['confusion'] == [[2, 2, 0], [0, 3, 1], [0, 0, 0]]


def test_precision_recall_f1_and_support_of_each_label(report):
    assert list(report['labels']) == LABELS
    assert report['labels']['甲'] == pytest.approx(
        {'precision': 100., 'recall': 50., 'f1': 200 / 3, 'support': 4})  # 2 of 2; 2 of 4
    assert report['labels']['乙'] == pytest.approx(
        {'precision': 60., 'recall': 75., 'f1': 200 / 3, 'support': 4})  # 3 of 5; 3 of 4


def test_a_label_never_predicted_right_has_zeros_and_no_division_by_zero(report):
    assert report['labels']['丙'] == {'precision': 0., 'recall': 0., 'f1': 0., 'support': 0}


def test_macro_f1_is_the_plain_mean_over_the_labels(report):
    assert report['macro_f1'] == pytest.approx((200 / 3 + 200 / 3 + 0) / 3)


def test_log_likelihood_is_the_mean_log_probability_of_the_true_label(report):
    assert report['log_likelihood'] == pytest.approx((5 * np.log(0.6) + 3 * np.log(0.2)) / 8)


def test_all_right_is_100_percent():
    report = classification_report(['甲', '乙'], np.log([[.9, .1], [.2, .8]]), ['甲', '乙'])
    assert report['accuracy'] == report['macro_f1'] == 100.
    assert report['confusion'] == [[1, 0], [0, 1]]
    assert report['log_likelihood'] == pytest.approx(np.log(.9 * .8) / 2)


def test_the_report_can_be_written_as_json(report):
    import json
    assert json.loads(json.dumps(report)) == report


def test_a_label_outside_the_list_is_an_error():
    with pytest.raises(ValueError):
        classification_report(['丁'], np.log([[.9, .1]]), ['甲', '乙'])


# --- area under the ROC curve -----------------------------------------------------------------------------

def _pairs_in_order(true, scores):
    """The share of (positive, negative) pairs in which the positive one scores higher, by trying each pair."""
    won = [1. if a > b else .5 if a == b else 0. for a, is_a in zip(scores, true) for b, is_b in zip(scores, true)
           if is_a and not is_b]
    return np.mean(won)


def _log_softmax(scores):
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def test_auc_of_two_labels_is_the_share_of_pairs_in_order_with_ties_and_without():
    rng = np.random.default_rng(0)
    true, odds = rng.integers(0, 2, 60), rng.integers(-4, 5, 60).astype(float)
    found = area_under_roc(true, _log_softmax(np.stack([-odds, odds], axis=1)))
    assert found == pytest.approx(_pairs_in_order(true == 1, odds))
    assert area_under_roc([0, 1], np.log([[.9, .1], [.2, .8]])) == 1.
    assert area_under_roc([1, 0], np.log([[.9, .1], [.2, .8]])) == 0.
    assert area_under_roc([1, 0, 0], np.log([[.5, .5]] * 3)) == .5


def test_auc_does_not_move_with_the_threshold_and_does_not_saturate():
    rng = np.random.default_rng(1)
    true, scores = rng.integers(0, 2, 50), rng.normal(0, 20, (50, 2))
    found = [area_under_roc(true, _log_softmax(scores + [shift, 0.])) for shift in (0., 5., -60.)]
    assert found[0] == pytest.approx(found[1]) == pytest.approx(found[2])
    assert found[0] == pytest.approx(_pairs_in_order(true == 1, scores[:, 1] - scores[:, 0]))


def test_auc_of_many_labels_is_the_mean_over_the_labels_that_occur():
    rng = np.random.default_rng(2)
    true, log_proba = rng.integers(0, 3, 40), _log_softmax(rng.normal(0, 2, (40, 4)))
    odds = log_proba - np.log1p(-np.exp(log_proba))
    expected = np.mean([_pairs_in_order(true == k, odds[:, k]) for k in range(3)])
    assert area_under_roc(true, log_proba) == pytest.approx(expected)
    assert area_under_roc([2, 2], log_proba[:2]) is None
