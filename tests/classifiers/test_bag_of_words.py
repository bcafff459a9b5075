import json
import os

import numpy as np
import pytest

pytest.importorskip('sklearn')

from scripted import LABELLED, TASK  # noqa: E402

from pet_keras.checkpoints.lock import FolderLock  # noqa: E402
from pet_keras.classifiers.bag_of_words import BagOfWordsClassifier  # noqa: E402
from pet_keras.classifiers.loading import load  # noqa: E402
from pet_keras.classifiers.softmax_regression import softmax_regression  # noqa: E402
from pet_keras.cloze.task import Task  # noqa: E402
from pet_keras.data.example import Example  # noqa: E402
from pet_keras.errors import UserError  # noqa: E402
from pet_keras.serving.export import export  # noqa: E402

PAIRS = Task({'P1': '{text_a}？[MASK]，{text_b}'}, {'同': '对', '异': '不'})
NEW = ['味道好吃', '房间很脏', '']


@pytest.fixture(scope='module')
def learned():
    return BagOfWordsClassifier(TASK).fit(LABELLED)


def test_it_learns_which_words_go_with_which_label(learned):
    assert learned.evaluate(LABELLED)['accuracy'] == 100.
    assert learned.predict(['这里好吃', '这里难吃']) == ['正面', '负面']
    assert learned.parameters_trained == learned.kernel.size + 2 and learned.step_seconds is None
    assert [sorted(record) for record in learned.history] == [['epoch', 'penalty']]


def test_the_terms_are_words_and_runs_of_characters():
    terms = BagOfWordsClassifier(TASK).tokenize(Example('北京很OK'))
    assert sorted(terms) == sorted(['w:北京', 'w:很', 'w:ok', 'c:北', 'c:京', 'c:很', 'c:o', 'c:k', 'c:北京', 'c:京很',
                                    'c:很o', 'c:ok'])


def test_everything_that_a_task_asks_about_is_read_but_no_candidates():
    classifier = BagOfWordsClassifier('csl')
    terms = [classifier.tokenize(Example('摘要', fields={'keywords': words})) for words in ('方法、数据', '历史')]
    assert terms[0] != terms[1] and '2w:历史' in terms[1]
    with pytest.raises(UserError, match='chid has other label words for each text, and bag-of-words a column'):
        BagOfWordsClassifier('chid')


def test_its_scores_are_tf_idf_times_the_solution(learned):
    """tf-idf by hand: (1 + log count) × (1 + log((1 + n) / (1 + df))), rows of length 1."""
    texts = [learned.tokenize(example) for example in LABELLED]
    terms = sorted({term for text in texts for term in text})
    df = np.array([sum(term in text for text in texts) for term in terms])
    counts = np.array([[text.count(term) for term in terms] for text in texts], float)
    rows = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * (1 + np.log((1 + len(texts)) / (1 + df)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    targets = np.eye(2)[[TASK.labels.index(e.label) for e in LABELLED]]
    kernel, bias = softmax_regression(rows, targets, learned.PENALTIES[0])
    np.testing.assert_allclose(learned.label_scores(LABELLED), rows @ kernel + bias, atol=1e-4)


def test_the_second_text_has_terms_of_its_own():
    pairs = [Example(a, b, '同' if a == b else '异') for a in '甲乙' for b in '甲乙']
    classifier = BagOfWordsClassifier(PAIRS).fit(pairs)
    assert set(classifier.tokenize(Example('甲', '乙'))) == {'w:甲', 'c:甲', '2w:乙', '2c:乙'}
    scores = classifier.label_scores([('甲', '乙'), ('乙', '甲')])
    assert scores.shape == (2, 2) and np.isfinite(scores).all()


def test_a_saved_one_is_text_and_numbers_and_predicts_the_same(learned, tmp_path):
    folder = str(tmp_path / 'out')
    learned.calibrate(NEW)
    learned.save(folder)
    assert sorted(os.listdir(folder)) == ['added.safetensors', 'model.json', 'task.json']
    again = load(folder)
    assert type(again) is BagOfWordsClassifier and again.history == learned.history
    np.testing.assert_array_equal(again.predict_log_proba(NEW), learned.predict_log_proba(NEW))
    learned.offset = [0., 0.]
    with pytest.raises(UserError, match='without a checkpoint'):
        load(folder, 'bert-mini-zh')


def test_a_folder_whose_terms_and_weights_differ_is_damaged(learned, tmp_path):
    folder = str(tmp_path / 'out')
    learned.save(folder)
    path = os.path.join(folder, 'model.json')
    with open(path, encoding='utf-8') as reader:
        fields = json.load(reader)
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(dict(fields, terms=fields['terms'][1:]), writer)
    with pytest.raises(UserError, match='is damaged'):
        load(folder)


def test_with_dev_its_penalty_is_chosen_and_a_line_of_history_says_how_good_it_is(learned, capsys):
    classifier = BagOfWordsClassifier(TASK).fit(LABELLED, dev=LABELLED, verbose=1)
    record, = classifier.history
    report = classifier.evaluate(LABELLED)
    assert record['penalty'] == min(classifier.PENALTIES)  # on the texts themselves the least is the likeliest
    assert record['dev_log_likelihood'] == report['log_likelihood'] >= learned.evaluate(LABELLED)['log_likelihood']
    assert BagOfWordsClassifier(TASK, penalty=.5).fit(LABELLED, dev=LABELLED).history[0]['penalty'] == .5
    assert 'dev accuracy 100.00%' in capsys.readouterr().out


def test_out_holds_the_model_and_one_there_is_not_written_over(tmp_path):
    out = str(tmp_path / 'out')
    os.makedirs(out)
    classifier = BagOfWordsClassifier(TASK).fit(LABELLED, out=out, resume=True)  # nothing is kept of an interrupted run
    assert load(out).predict(NEW) == classifier.predict(NEW)
    with pytest.raises(UserError, match='already holds a model'):
        BagOfWordsClassifier(TASK).fit(LABELLED, out=out)


@pytest.mark.parametrize('data,said', [((None, ['好']), 'labelled texts'), ((LABELLED, ['好']), 'these alone'),
                                       (([Example('好', label='中')],), 'not in task')])
def test_what_it_cannot_learn_from_is_said(data, said):
    with pytest.raises(UserError, match=said):
        BagOfWordsClassifier(TASK).fit(*data)


def test_before_fit_and_as_a_graph_it_is_refused(learned, tmp_path):
    with pytest.raises(UserError, match='before fit'):
        BagOfWordsClassifier(TASK).predict(['好'])
    with pytest.raises(UserError, match='bag-of-words is more than one graph'):
        export(learned, str(tmp_path / 'x'), to='savedmodel')


def test_soft_labels_teach_their_probabilities():
    soft = [e._replace(label={'正面': .8, '负面': .2} if e.label == '正面' else {'负面': 1.}) for e in LABELLED]
    classifier = BagOfWordsClassifier(TASK, penalty=1e-6).fit(soft)
    wanted = [.8 if e.label == '正面' else 0. for e in LABELLED]
    np.testing.assert_allclose(classifier.predict_proba(LABELLED)[:, 0], wanted, atol=.02)


def test_one_process_at_a_time_learns_into_a_folder(tmp_path):
    with FolderLock(str(tmp_path / 'out')):
        with pytest.raises(UserError, match='another pet-keras works in this folder'):
            BagOfWordsClassifier('sentiment').fit(LABELLED, out=str(tmp_path / 'out'))
    BagOfWordsClassifier('sentiment').fit(LABELLED, out=str(tmp_path / 'out'))
    with pytest.raises(UserError, match='already holds a model'):
        BagOfWordsClassifier('sentiment').fit(LABELLED, out=str(tmp_path / 'out'))
