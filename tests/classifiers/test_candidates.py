"""Label words that belong to each example: scored as by hand, learned, saved."""
import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.cloze.pattern import tokenize
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.models import model_inputs

TRACED = False  # it is not about training
LABELS, PATTERNS = ['0', '1', '2', '3'], {'P1': '{before}[MASK][MASK]{after}', 'P2': '{text}的是[MASK][MASK]'}
TEXTS = [('他真是', '，大家都笑了', ['高兴', '难过', '生气']), ('', '的人最多', ['北京', '上海']),
         ('房间里有', '', ['桌子', '花瓶', '电脑', '手机']), ('昨天下了一场大雨，今天', '出去玩', ['我们', '你们'])]


def task(**more):
    return Task(PATTERNS, LABELS, span='#', candidates='c', **more)


def example(before, after, words, label=None):
    return Example('%s#%s' % (before, after), None, label, {'before': before, 'after': after}, words)


EXAMPLES = [example(*parts, label=str(i % 2)) for i, parts in enumerate(TEXTS)]
UNEVEN = [example('他真是', '，大家都笑了', ['好', '高兴', '很难过', '坏'])] + EXAMPLES[:2]


@pytest.fixture(scope='module')
def masked(still):
    return ClozeClassifier(task(), still, maxlen=32)


@pytest.fixture(scope='module')
def left_to_right(causal):
    return ClozeClassifier(task(), causal, maxlen=32)


def by_hand(classifier, example, per_token=None):
    """Log-probabilities of an example's candidates, each asked about alone, normalised in NumPy."""
    tokenizer, is_causal, scores = classifier.tokenizer, classifier.checkpoint.is_causal, []
    lengths = {len(word) for word in example.words}
    for word in example.words:
        ids = tokenizer.tokens_to_ids(tokenize(tokenizer, word))
        encoded = classifier.pattern.encode(tokenizer, *classifier.task.texts(example), word_length=len(ids),
                                            maxlen=classifier.maxlen)
        shown, places = list(encoded.token_ids), np.array(encoded.mask_positions)
        if is_causal:
            for place, token in zip(places[:-1], ids):
                shown[place] = token
        logits = classifier.model([np.array([part], 'int32') for part in model_inputs(
            classifier.model, shown, encoded.segment_ids, places - is_causal)]).numpy()[0].astype('float64')
        log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        score = sum(log_p[n, token] for n, token in enumerate(ids))
        scores.append(score / len(ids) if (len(lengths) > 1 if per_token is None else per_token) else score)
    return np.array(scores) - np.log(np.exp(scores).sum())


def check(classifier, examples, **settings):
    found = classifier.predict_log_proba(examples, batch_size=3)
    for row, one in zip(found, examples):
        np.testing.assert_allclose(row[:len(one.words)], by_hand(classifier, one, **settings), atol=2e-5)
        assert np.isneginf(row[len(one.words):]).all()


def test_candidates_are_compared_by_their_probabilities_in_the_blank(masked):
    check(masked, EXAMPLES)
    assert masked.predict(EXAMPLES) == [str(by_hand(masked, one).argmax()) for one in EXAMPLES]


def test_candidates_of_several_lengths_are_compared_per_token_but_not_those_of_examples_beside_them(masked):
    check(masked, UNEVEN)


@pytest.mark.parametrize('word_score', ['product', 'per_token'])
def test_the_word_score_that_a_task_gives_holds_for_all(still, word_score):
    check(ClozeClassifier(task(word_score=word_score), still, maxlen=32, check_head=False), UNEVEN,
          per_token=word_score == 'per_token')


def test_a_causal_model_reads_each_candidate_as_far_as_it_is_asked(left_to_right):
    assert left_to_right.pattern.string == PATTERNS['P2']
    check(left_to_right, EXAMPLES + UNEVEN)


def test_an_answer_does_not_depend_on_what_stands_in_the_batch_or_on_the_graph(masked):
    together = masked.predict_log_proba(UNEVEN + EXAMPLES)
    masked.run_eagerly = True
    alone = np.concatenate([masked.predict_log_proba([one]) for one in UNEVEN + EXAMPLES])
    masked.run_eagerly = False
    np.testing.assert_allclose(alone, together, atol=2e-5)


def test_a_character_that_the_vocabulary_has_not_is_unknown_and_no_error(masked):
    found = masked.predict_proba([example('他真是', '', ['龘龘', '高兴'])])[0]
    assert found[:2].sum() == pytest.approx(1) and found[2:].sum() == 0


def test_another_pattern_may_be_asked(masked):
    masked.pattern = 'P2'
    check(masked, EXAMPLES)
    masked.pattern = 'P1'


def test_it_learns_the_words_that_were_taken_out_and_is_saved(still, tmp_path):
    learned = ClozeClassifier(task(), still, maxlen=32, check_head=False)
    before = learned.evaluate(EXAMPLES)['log_likelihood']
    learned.fit(EXAMPLES, epochs=6, learning_rate=3e-3, batch_size=4)
    after = learned.evaluate(EXAMPLES)['log_likelihood']
    assert after > before + .2
    learned.save(str(tmp_path / 'model'))
    np.testing.assert_allclose(load(str(tmp_path / 'model')).predict_log_proba(EXAMPLES),
                               learned.predict_log_proba(EXAMPLES), atol=1e-6)


def test_the_lesson_of_a_text_is_its_own_answer(masked):
    for one in EXAMPLES:
        answer = masked.tokenizer.tokens_to_ids(list(one.words[int(one.label)]))
        lesson = masked.lesson(masked.tokenize(one), int(one.label), np.random.default_rng(0), 0.)
        assert lesson.targets == answer and lesson.answers == len(answer)
        assert [lesson.token_ids[p] for p in lesson.positions] == [masked.tokenizer._token_mask_id] * 2


@pytest.mark.parametrize('wrong, problem', [
    (Example('#', fields={'before': '', 'after': ''}), 'asks about the candidates of each text itself'),
    (Example('#', words=['高兴', '难过']), 'asks about before, after of each text'),
    (example('甲', '乙', ['高兴']), 'takes 2 to 4 candidates, not 1'),
    (example('甲', '乙', ['高兴'] * 5), 'takes 2 to 4 candidates, not 5'),
    (Example('#', fields='甲', words=['高兴', '难过']), 'is not a text'),
    (Example('#', fields={'before': 1, 'after': ''}, words=['高兴', '难过']), 'is not a text')])
def test_what_an_example_lacks_is_said(masked, wrong, problem):
    with pytest.raises(UserError, match=problem):
        masked.predict([wrong])


@pytest.mark.parametrize('label, problem', [('3', 'none of the candidates 高兴, 难过, 生气'), ('4', 'not in task'),
                                            ({'0': .5, '1': .5}, 'cannot be soft')])
def test_a_label_is_one_of_the_candidates(masked, label, problem):
    with pytest.raises(UserError, match=problem):
        masked.fit([EXAMPLES[0]._replace(label=label)])


def test_what_cannot_be_asked_of_candidates_is_refused(masked, still):
    with pytest.raises(UserError, match='only a cloze can answer it'):
        FineTuningClassifier(task(), still)
    with pytest.raises(UserError, match='no taste for some of them'):
        masked.calibrate(EXAMPLES)
    with pytest.raises(UserError, match='belong to each text'):
        task().with_words(dict.fromkeys(LABELS, '好'))


def test_labels_are_a_list_where_there_are_candidates():
    with pytest.raises(UserError, match='"labels" is a list'):
        Task(PATTERNS, {'0': '好', '1': '坏'}, span='#', candidates='c')
