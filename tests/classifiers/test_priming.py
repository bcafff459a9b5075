import json
import os

import numpy as np
import pytest
from scripted import LABELLED, TASK

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.priming import PrimingClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.serving.export import export

PATTERN = '{text}评价：[MASK]'
NEW = ['味道好吃', '房间很脏', '又吵又脏再也不来了' * 9]


def _new(checkpoint, **settings):
    return PrimingClassifier(TASK, checkpoint, PATTERN, **settings)


@pytest.fixture(scope='module')
def primed(causal):
    return _new(causal).fit(LABELLED, seed=3)


def _asked(classifier, text):
    question, = classifier.questions(classifier.tokenize(Example(text)))
    return _string(classifier, question), question


def _string(classifier, question):
    """What a question shows, in the full-width punctuation of the patterns."""
    string = ''.join(classifier.tokenizer.ids_to_tokens(question.token_ids))
    return string.replace(':', '：').replace('?', '？')


def test_before_a_text_stand_others_with_their_label_words(primed):
    string, question = _asked(primed, '味道好吃')
    words = {'正面': '很', '负面': '不'}
    rounds = len(primed.shown) // 2
    shown = ''.join('%s评价：%s[SEP]' % (e.text, words[e.label]) for e in primed.shown[:2 * (rounds - 1)])
    assert rounds > 1 and string.startswith('[CLS]' + shown) and string.endswith('味道好吃评价：[MASK][SEP]')
    assert question.token_ids[question.positions[0] + 1] == primed.tokenizer._token_mask_id
    assert len(question.segment_ids) == len(question.token_ids) <= primed.maxlen


def test_each_round_has_every_label_and_what_is_shown_is_drawn_by_the_seed(primed, causal):
    assert {frozenset(e.label for e in primed.shown[i:i + 2]) for i in range(0, len(primed.shown) - 1, 2)} == {
        frozenset(TASK.labels)}
    assert _new(causal).fit(LABELLED, seed=3).shown == primed.shown != _new(causal).fit(LABELLED, seed=4).shown
    few = [e for e in LABELLED if e.label == '正面'][:1] + [e for e in LABELLED if e.label == '负面']
    assert sorted(e.label for e in _new(causal).fit(few).shown) == ['正面', '负面']


def test_a_long_text_is_not_cut_for_the_others(primed, causal):
    plain = ClozeClassifier(TASK, causal, PATTERN, check_head=False)
    assert _asked(primed, NEW[2])[0] == _asked(plain, NEW[2])[0]
    lengths = [len(_asked(primed, '好' * n)[1].token_ids) - n for n in range(1, 56)]
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) > 2  # the longer the text, the fewer


def test_no_label_is_shown_more_often_than_another(primed, causal):
    for n in range(1, 64):
        shown = _asked(primed, '好' * n)[0].count('评价') - 1
        assert shown % 2 == 0 and (shown or n > 20)
    with pytest.raises(UserError, match='text of each of 2 labels does not fit into 20 tokens: make shot_length'):
        _new(causal, maxlen=20).fit(LABELLED)


def test_a_long_text_to_show_is_cut(causal):
    classifier = _new(causal, shot_length=10).fit([Example('房间很脏' * 9, label='负面'), Example('好' * 9, label='正面')])
    assert sum(len(classifier._shot(texts, '正面')) for texts in classifier._tokens) == 20
    with pytest.raises(UserError, match='takes 6 tokens and leaves no room'):
        _new(causal, shot_length=5)


def test_nothing_trains_and_what_stands_before_changes_the_answer(primed, causal):
    plain = ClozeClassifier(TASK, causal, PATTERN, check_head=False)
    for one, other in zip(primed.model.get_weights(), plain.model.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert primed.parameters_trained == 0 and primed.step_seconds is None
    before, after = plain.predict_log_proba(NEW), primed.predict_log_proba(NEW)
    assert np.abs(before - after)[:2].max() > 1e-4
    np.testing.assert_allclose(before[2], after[2], atol=1e-5)
    np.testing.assert_allclose(primed.predict_log_proba(NEW, batch_size=1), after, atol=1e-5)


def test_a_saved_one_holds_what_it_shows_and_predicts_the_same(primed, tmp_path):
    folder = str(tmp_path / 'out')
    primed.save(folder)
    assert sorted(os.listdir(folder)) == ['model.json', 'task.json']
    with open(os.path.join(folder, 'model.json'), encoding='utf-8') as reader:
        assert json.load(reader)['shown'] == [list(e) for e in primed.shown]
    again = load(folder)
    assert type(again) is PrimingClassifier and again.shown == primed.shown
    np.testing.assert_array_equal(again.predict_log_proba(NEW), primed.predict_log_proba(NEW))


def test_another_pattern_shows_the_same_texts_in_it(causal):
    classifier = _new(causal).fit(LABELLED)
    classifier.pattern = '{text}感觉[MASK]'
    assert '评价' not in _asked(classifier, '好')[0] and _asked(classifier, '好')[0].count('感觉') > 2


def test_pairs_are_shown_as_pairs(causal):
    pairs = Task({'P1': '{text_a}？{text_b}[MASK]'}, {'同': '对', '异': '不'})
    classifier = PrimingClassifier(pairs, causal).fit([Example('甲', '乙', '异'), Example('丙', '丙', '同')])
    question, = classifier.questions(classifier.tokenize(Example('丁', '丁')))
    string = _string(classifier, question)
    assert '甲？乙不[SEP]' in string and '丙？丙对[SEP]' in string and string.endswith('丁？丁[MASK][SEP]')


def test_a_masked_model_a_soft_label_and_an_exported_graph_are_refused(primed, still, causal, tmp_path):
    with pytest.raises(UserError, match='is for a causal language model'):
        PrimingClassifier(TASK, still)
    with pytest.raises(UserError, match='not soft ones'):
        _new(causal).fit([Example('好', label={'正面': 1.})])
    with pytest.raises(UserError, match='cannot be exported'):
        export(primed, str(tmp_path / 'x'), to='savedmodel')
