import numpy as np
import pytest

from pet_keras.classifiers.metrics import classification_report

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
