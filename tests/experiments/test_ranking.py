import math

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.experiments.ranking import mutual_information, rank_patterns

TASK = Task({'P1': '[MASK]满意。{text}', 'P2': '{text}真[MASK]。'}, {'正面': '很', '负面': '不'})
TEXTS = [Example(text, None, label) for text, label in (
    ('房间很干净', '正面'), ('服务太差', '负面'), ('早餐很好吃', '正面'), ('屏幕坏了', '负面'), ('物流很快', '正面'),
    ('再也不来', '负面'), ('价格公道', '正面'), ('客服态度差', '负面'))]
CANDIDATES = [(name, pattern.string, None) for name, pattern in TASK.patterns.items()]


def test_information_is_one_bit_for_two_sure_answers_and_none_for_answers_that_ignore_the_text():
    assert mutual_information(np.array([[0., -50.], [-50., 0.]])) == pytest.approx(1.)
    assert mutual_information(np.log([[.7, .3], [.7, .3]])) == pytest.approx(0.)
    # by hand: p of .9 and .3, their mean .6
    entropy = [-sum(q * math.log2(q) for q in (p, 1 - p)) for p in (.9, .3, .6)]
    assert mutual_information(np.log([[.9, .1], [.3, .7]])) == pytest.approx(entropy[2] - (entropy[0] + entropy[1]) / 2)


def test_labelled_texts_rank_by_the_area_that_the_classifier_itself_reports(still):
    ranked = rank_patterns(TASK, CANDIDATES, (), TEXTS, still)
    assert [one.auc for one in ranked] == sorted((one.auc for one in ranked), reverse=True)
    for one in ranked:
        assert one.auc == pytest.approx(ClozeClassifier(TASK, still, one.pattern).evaluate(TEXTS)['auc'])
        assert one.auc_interval[0] <= one.auc <= one.auc_interval[1]
        assert one.accuracy_interval[0] <= one.accuracy <= one.accuracy_interval[1]


def test_the_held_out_texts_say_nothing_about_the_prior_they_are_answered_with(still):
    """All of one label: with a prior from the texts themselves every answer would be right."""
    one = rank_patterns(TASK, CANDIDATES[:1], (), TEXTS, still, folds=len(TEXTS))[0]
    scores = ClozeClassifier(TASK, still, 'P1').label_scores([e._replace(label=None) for e in TEXTS])
    d, right = scores[:, 0] - scores[:, 1], 0
    for i in range(len(TEXTS)):  # independent: bisection for the offset that gives the others' share of 正面
        others = [k for k in range(len(TEXTS)) if k != i]
        share = (sum(TEXTS[k].label == '正面' for k in others) + .5) / (len(others) + 1.)
        low, high = -50., 50.
        for _ in range(80):
            middle = (low + high) / 2
            if np.mean(1 / (1 + np.exp(-(d[others] + middle)))) < share:
                low = middle
            else:
                high = middle
        right += (d[i] + low > 0) == (TEXTS[i].label == '正面')
    assert one.accuracy == pytest.approx(100. * right / len(TEXTS))


def test_without_labels_information_ranks_and_other_words_are_another_candidate(still):
    words = {'正面': ['好', '棒'], '负面': ['差']}
    ranked = rank_patterns(TASK, CANDIDATES + [('other words', '{text}真[MASK]。', words)], TEXTS, (), still)
    assert [one.information for one in ranked] == sorted((one.information for one in ranked), reverse=True)
    assert {one.name for one in ranked} == {'P1', 'P2', 'other words'} and ranked[0].auc is None
    assert [one.words for one in ranked if one.name == 'other words'] == [words]
    own = [one.information for one in ranked if one.name in ('P2', 'other words')]
    assert own[0] != own[1]


def test_without_texts_there_is_nothing_to_rank_on(still):
    with pytest.raises(UserError, match='needs texts'):
        rank_patterns(TASK, CANDIDATES, (), (), still)
