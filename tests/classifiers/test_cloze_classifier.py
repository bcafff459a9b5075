import os
import shutil
import warnings

import numpy as np
import pytest

import numpy_bert
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers import answering
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.data.spool import Spool
from pet_keras.errors import UserError

TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大']
SATISFIED = {'P1': '[MASK]满意。{text}', 'P2': '{text}[MASK]满意。'}


def _satisfied(n, text):
    return ['[CLS]'] + ['[MASK]'] * n + list('满意。' + text) + ['[SEP]']


def _word_probabilities(folder, words, cloze, text):
    """{label: [probability of each of its words]}, each word in a sequence with as many [MASK] as it has tokens."""
    return {label: [numpy_bert.word_probability(folder, cloze(len(w), text), w) for w in label_words]
            for label, label_words in words.items()}


def _normalised(by_label, merge=np.mean):
    scores = np.array([merge(p) for p in by_label.values()])
    return scores / scores.sum()


def _expected(folder, words, cloze, texts):
    """Label probabilities `[texts, labels]` by brute force."""
    return np.array([_normalised(_word_probabilities(folder, words, cloze, text)) for text in texts])


def _classifier(folder, words, pattern='[MASK]满意。{text}', aggregation='mean', word_score='product', **kwargs):
    task = Task({'P1': pattern}, words, aggregation=aggregation, word_score=word_score)
    return ClozeClassifier(task, folder, **kwargs)


@pytest.fixture(scope='module')
def classifier(tiny):
    return ClozeClassifier(Task(SATISFIED, {'正面': '很', '负面': '不'}, aliases={'正面': ['1'], '负面': ['0']}), tiny)


def test_probabilities_of_one_token_words_are_the_models_at_the_blank(tiny, classifier):
    expected = _expected(tiny, {'正面': ['很'], '负面': ['不']}, _satisfied, TEXTS)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), expected, atol=1e-5)
    assert expected.std(axis=0).min() > 0.01  # the texts do differ


def test_the_blank_may_stand_after_the_text(tiny):
    classifier = ClozeClassifier(Task(SATISFIED, {'正面': '很', '负面': '不'}), tiny, 'P2')
    expected = _expected(tiny, {'正面': ['很'], '负面': ['不']},
                         lambda n, text: ['[CLS]', *text, *['[MASK]'] * n, *'满意。', '[SEP]'], TEXTS)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), expected, atol=1e-5)


def test_a_two_token_word_has_the_product_of_its_tokens_probabilities(tiny):
    words = {'体育': ['体育'], '财经': ['财经'], '汽车': ['汽车'], '体制': ['体制']}
    classifier = _classifier(tiny, {k: v[0] for k, v in words.items()}, '[MASK][MASK]满意。{text}')
    proba = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(proba, _expected(tiny, words, _satisfied, TEXTS), atol=1e-5)
    assert np.abs(proba[:, 0] - proba[:, 3]).min() > 1e-4  # 体育 and 体制 share the first token, not the score


def test_one_mask_in_the_pattern_grows_to_the_words_length(tiny):
    words = {'体育': '体育', '财经': '财经'}
    np.testing.assert_array_equal(_classifier(tiny, words, '[MASK]满意。{text}').predict_proba(TEXTS),
                                  _classifier(tiny, words, '[MASK][MASK]满意。{text}').predict_proba(TEXTS))


def test_words_of_different_lengths_are_scored_each_in_a_sequence_of_its_length(tiny):
    words = {'好': ['很好'], '坏': ['差'], '中': ['不好不'], '无': ['没']}
    classifier = _classifier(tiny, words)
    proba = classifier.predict_proba(TEXTS)
    expected = _expected(tiny, words, _satisfied, TEXTS)
    np.testing.assert_allclose(proba, expected, atol=1e-5)
    short = expected[:, [1, 3]]
    np.testing.assert_allclose(np.log(proba), np.log(expected), atol=1e-4)  # the long words' too, however unlikely
    assert short.min() > 1e-3


def test_words_of_different_lengths_are_compared_per_token_with_a_warning(tiny):
    words = {'正面': ['很'], '负面': ['不太']}
    with pytest.warns(UserWarning, match='words of one length are better'):
        classifier = _classifier(tiny, words, word_score=None)
    expected = [np.array([p[0] ** (1 / len(words[label][0])) for label, p in
                          _word_probabilities(tiny, words, _satisfied, text).items()]) for text in TEXTS]
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), [e / e.sum() for e in expected], atol=1e-5)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='Label words')
        product = _classifier(tiny, words)
    assert (product.predict_proba(TEXTS)[:, 0] > classifier.predict_proba(TEXTS)[:, 0]).all()


@pytest.mark.parametrize('words', [
    {'正面': ['很', '挺', '真'], '负面': ['不', '没']},
    {'正面': ['很', '非常', '真'], '负面': ['不', '没有']},
], ids=['one length', 'two lengths'])
def test_several_words_a_label_are_merged_as_the_task_says(tiny, words):
    classifier = _classifier(tiny, words)
    assert classifier.task.verbalizer.aggregation == 'mean'  # the default
    merges = {'mean': np.mean, 'sum': np.sum, 'max': np.max, 'first': lambda p: p[0]}
    by_text = [_word_probabilities(tiny, words, _satisfied, text) for text in TEXTS]
    for name, merge in merges.items():
        classifier.task.verbalizer.aggregation = name
        np.testing.assert_allclose(classifier.predict_proba(TEXTS), [_normalised(p, merge) for p in by_text],
                                   atol=1e-5, err_msg=name)


def test_a_pair_is_scored_in_two_segments(tiny):
    classifier = ClozeClassifier(Task({'P1': '{text_a}[SEP][MASK]是{text_b}'}, {'是': '很', '否': '不'}), tiny)
    pairs = [('房间很干净', '又吵又脏'), ('好', '这本书纸张不错'), ('下雨了', '下雨了')]
    expected = []
    for a, b in pairs:
        tokens = ['[CLS]', *a, '[SEP]', '[MASK]', '是', *b, '[SEP]']
        segments = [0] * (len(a) + 2) + [1] * (len(b) + 3)
        scores = np.array([numpy_bert.word_probability(tiny, tokens, w, segments) for w in '很不'])
        expected.append(scores / scores.sum())
    np.testing.assert_allclose(classifier.predict_proba(pairs), expected, atol=1e-5)
    swapped = classifier.predict_proba([(b, a) for a, b in pairs])
    assert np.abs(swapped - expected)[:2].min() > 1e-3
    examples = [Example(a, b) for a, b in pairs]
    np.testing.assert_array_equal(classifier.predict_proba(examples), classifier.predict_proba(pairs))


def test_probabilities_sum_to_1_and_predict_takes_the_highest(classifier):
    proba = classifier.predict_proba(TEXTS)
    assert proba.shape == (4, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1., atol=1e-12)
    np.testing.assert_allclose(classifier.predict_log_proba(TEXTS), np.log(proba), atol=1e-9)
    assert classifier.predict(TEXTS) == [['正面', '负面'][i] for i in proba.argmax(axis=1)]


def test_batch_size_and_order_of_the_texts_change_nothing(classifier):
    texts = TEXTS + ['很' * n for n in range(1, 40, 3)]
    proba = classifier.predict_proba(texts)
    for batch_size in (1, 2, 5, 1000):
        np.testing.assert_allclose(classifier.predict_proba(texts, batch_size=batch_size), proba, atol=1e-6)
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_allclose(classifier.predict_proba([texts[i] for i in order], batch_size=3), proba[order],
                               atol=1e-6)
    np.testing.assert_allclose(classifier.predict_proba(texts[:1]), proba[:1], atol=1e-6)


def test_words_of_different_lengths_in_small_batches_keep_their_rows(tiny):
    classifier = _classifier(tiny, {'正面': ['很', '非常', '真'], '负面': ['不', '没有']})
    texts = TEXTS + ['很' * n for n in range(1, 40, 7)]
    np.testing.assert_allclose(classifier.predict_proba(texts, batch_size=3), classifier.predict_proba(texts),
                               atol=1e-6)


@pytest.mark.parametrize('batch_size', [0, -1])
def test_a_batch_size_below_1_is_refused(classifier, batch_size):
    with pytest.raises(UserError, match='batch_size'):
        classifier.predict_proba(TEXTS, batch_size=batch_size)


def test_no_texts_give_no_predictions(classifier):
    assert classifier.predict([]) == []
    assert classifier.predict_proba([]).shape == (0, 2)


def test_an_empty_text_is_scored(tiny, classifier):
    expected = _expected(tiny, {'正面': ['很'], '负面': ['不']}, _satisfied, [''])
    np.testing.assert_allclose(classifier.predict_proba(['']), expected, atol=1e-5)


def test_a_text_longer_than_the_model_is_cut_at_its_end_and_the_pattern_kept(tiny, classifier):
    text = '房间很干净服务也热情' * 20
    assert classifier.maxlen == 64  # what the checkpoint allows, not the default 128
    np.testing.assert_allclose(classifier.predict_proba([text]), classifier.predict_proba([text[:64 - 6]]), atol=1e-6)
    behind = ClozeClassifier(Task(SATISFIED, {'正面': '很', '负面': '不'}), tiny, 'P2', maxlen=20)
    expected = _expected(tiny, {'正面': ['很'], '负面': ['不']},
                         lambda n, t: ['[CLS]', *t, '[MASK]', *'满意。', '[SEP]'], [text[:14]])
    np.testing.assert_allclose(behind.predict_proba([text]), expected, atol=1e-5)


def test_scoring_is_the_same_each_time_though_the_model_has_dropout(make_checkpoint, tmp_path):
    classifier = _classifier(make_checkpoint(tmp_path, dropout=0.5), {'正面': '很', '负面': '不'})
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_evaluate_counts_the_hits_and_understands_aliases(classifier):
    predicted = classifier.predict(TEXTS)
    wrong = {'正面': '0', '负面': '1'}
    examples = [Example(t, label=p) for t, p in zip(TEXTS, predicted)]
    assert classifier.evaluate(examples)['accuracy'] == 100.
    examples[0] = examples[0]._replace(label=wrong[predicted[0]])
    report = classifier.evaluate(examples, batch_size=2)
    assert (report['accuracy'], report['n']) == (75., 4)
    log_proba = classifier.predict_log_proba(TEXTS, batch_size=2)
    true = [classifier.labels.index(p) for p in predicted]
    true[0] = 1 - true[0]
    assert report['log_likelihood'] == pytest.approx(log_proba[range(4), true].mean(), abs=1e-9)


def test_evaluate_on_nothing_is_refused(classifier):
    with pytest.raises(UserError):
        classifier.evaluate([])


def test_a_label_outside_the_task_is_refused(classifier):
    with pytest.raises(UserError, match="'中性' is not in task"):
        classifier.evaluate([Example('好', label='中性')])
    with pytest.raises(UserError, match="'中性' is not in task"):
        classifier.fit([Example('好', label='正面'), Example('好', label='中性')])


@pytest.mark.parametrize('method', ['predict', 'predict_proba', 'predict_log_proba', 'evaluate'])
def test_one_text_in_place_of_a_list_is_refused(classifier, method):
    for single in ('房间很干净', Example('房间很干净', label='正面')):
        with pytest.raises(UserError, match='list of texts'):
            getattr(classifier, method)(single)


def test_fit_refuses_one_text_in_place_of_a_list(classifier):
    with pytest.raises(UserError, match='list of texts'):
        classifier.fit(unlabelled='房间很干净')


@pytest.mark.parametrize('item', ['好吃', ('好吃', '正面'), Example('好吃', '正面')])
def test_what_is_to_be_learned_without_a_label_is_refused_and_told_how(classifier, item):
    with pytest.raises(UserError, match=r"Item 1, .*, has no label: a labelled text is Example\(text, label='"):
        classifier.fit([Example('难吃', label='负面'), item])


def test_a_pair_for_a_task_of_one_text_is_refused_and_the_reverse(tiny, classifier):
    with pytest.raises(UserError, match='one text, but two were given'):
        classifier.predict([('房间', '干净')])
    pairs = ClozeClassifier(Task({'P1': '{text_a}[MASK]是{text_b}'}, {'是': '很', '否': '不'}), tiny)
    with pytest.raises(UserError, match='only one was given'):
        pairs.predict(['房间'])


def test_a_label_word_outside_the_vocabulary_is_refused(tiny):
    with pytest.raises(UserError, match='龘.*负面'):
        _classifier(tiny, {'正面': '很', '负面': '龘'})


def test_a_pattern_without_room_for_a_text_is_refused_at_once(tiny):
    with pytest.raises(UserError, match='no room'):
        _classifier(tiny, {'正面': '很', '负面': '不'}, '[MASK]满意。{text}', maxlen=6)
    with pytest.raises(UserError, match='no room'):
        _classifier(tiny, {'正面': '很', '负面': '不是的'}, '[MASK]满意。{text}', maxlen=8)


def test_a_saved_model_loads_with_the_same_probabilities_to_the_bit(tiny, tmp_path):
    words = {'正面': ['很', '非常'], '负面': ['不']}
    classifier = _classifier(tiny, words, aggregation='max', maxlen=30)
    classifier.pattern = classifier.task.pattern('{text}真[MASK]好')  # one of the user's own
    rng = np.random.default_rng(0)
    classifier.model.set_weights([w + rng.normal(0, 0.1, w.shape) for w in classifier.model.get_weights()])
    classifier.history = [{'epoch': 1, 'loss': 0.5}]
    texts = TEXTS + ['好' * 50]
    proba = classifier.predict_proba(texts)
    folder = str(tmp_path / 'model')
    classifier.save(folder)
    loaded = ClozeClassifier.load(folder)
    np.testing.assert_array_equal(loaded.predict_proba(texts), proba)
    assert loaded.pattern.string == '{text}真[MASK]好'
    assert (loaded.maxlen, loaded.history, loaded.labels) == (30, [{'epoch': 1, 'loss': 0.5}], ['正面', '负面'])
    assert loaded.task.verbalizer.words == words and loaded.task.verbalizer.aggregation == 'max'
    before = ClozeClassifier.load(folder)
    classifier.save(folder)  # over itself
    np.testing.assert_array_equal(ClozeClassifier.load(folder).predict_proba(texts), before.predict_proba(texts))


def test_a_saved_model_is_itself_a_checkpoint(tiny, tmp_path):
    folder = str(tmp_path / 'model')
    classifier = _classifier(tiny, {'正面': '很', '负面': '不'})
    classifier.save(folder)
    assert Checkpoint(folder).check().describe()['family'] == 'bert'
    words = {'好': ['好'], '坏': ['坏']}
    other = _classifier(folder, {k: v[0] for k, v in words.items()})
    np.testing.assert_allclose(other.predict_proba(TEXTS), _expected(folder, words, _satisfied, TEXTS),
                               atol=1e-5)
    original, _ = numpy_bert.variables(tiny)
    saved, _ = numpy_bert.variables(folder)
    assert set(saved) == set(original)
    for name in original:
        np.testing.assert_array_equal(saved[name], original[name])


def test_a_folder_that_is_no_trained_model_is_refused(tiny, tmp_path):
    with pytest.raises(UserError, match='no model.json'):
        ClozeClassifier.load(tiny)
    with pytest.raises(UserError, match='no such folder'):
        ClozeClassifier.load(str(tmp_path / 'nowhere'))


def test_a_damaged_classifier_json_is_refused_by_name(classifier, tmp_path):
    folder = str(tmp_path / 'model')
    classifier.save(folder)
    path = os.path.join(folder, 'model.json')
    with open(path, encoding='utf-8') as reader:
        text = reader.read()
    with open(path, 'w', encoding='utf-8') as writer:
        writer.write(text[:20])  # what a full disk leaves
    with pytest.raises(UserError, match='model.json'):
        ClozeClassifier.load(folder)


def test_a_trained_model_moves_with_its_folder(classifier, tmp_path):
    classifier.save(str(tmp_path / 'here'))
    shutil.move(str(tmp_path / 'here'), str(tmp_path / 'there'))
    np.testing.assert_array_equal(ClozeClassifier.load(str(tmp_path / 'there')).predict_proba(TEXTS),
                                  classifier.predict_proba(TEXTS))


def test_an_untrained_head_is_warned_of_once_when_a_classifier_is_made_and_not_when_it_is_loaded(still, tmp_path):
    with pytest.warns(UserWarning) as warned:
        classifier = _classifier(still, {'正面': '很', '负面': '不'})
    assert len(warned) == 1 and 'looks untrained' in str(warned[0].message) and still in str(warned[0].message)
    assert warned[0].filename == __file__.replace('.pyc', '.py')  # the line that made it
    classifier.save(str(tmp_path / 'model'))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        ClozeClassifier.load(str(tmp_path / 'model'))


@pytest.mark.parametrize('name', ['bert-mini-zh', 'gpt-mini-zh'])
def test_a_trained_head_is_not_warned_of(name):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        ClozeClassifier('sentiment', name)


def test_run_eagerly_answers_the_same_without_tracing(still):
    classifier = ClozeClassifier(Task(SATISFIED, {'正面': '很', '负面': '不'}), still)
    texts = ['房间很干净', '又吵又脏']
    classifier.run_eagerly = True
    eager = classifier.predict_log_proba(texts)
    assert classifier._scorer._traced.experimental_get_tracing_count() == 0
    classifier.run_eagerly = False
    np.testing.assert_allclose(classifier.predict_log_proba(texts), eager, atol=1e-5)
    assert classifier._scorer._traced.experimental_get_tracing_count() == 1


def test_texts_are_scored_some_at_a_time_and_as_all_at_once(tiny, monkeypatch, tmp_path, capsys):
    classifier = ClozeClassifier('sentiment', tiny, maxlen=24, long='windows')
    texts = ['房间%d很干净，服务也热情' % i * (1 + i % 4) for i in range(11)]
    (tmp_path / 'a.tsv').write_text('\n'.join(t + '\t' + '正负'[i % 2] + '面' for i, t in enumerate(texts)), 'utf-8')
    spool, asked = Spool(str(tmp_path / 'a.tsv'), classifier.task, labelled=True), []
    report, expected = classifier.evaluate(list(spool)), classifier.label_scores(texts)
    monkeypatch.setattr(answering, '_AT_ONCE', 4)
    score = classifier.score_questions
    monkeypatch.setattr(classifier, 'score_questions', lambda questions, *more: asked.append(len(questions)) or score(
        questions, *more))
    np.testing.assert_allclose(classifier.label_scores(texts, verbose=1), expected, rtol=1e-4)
    assert len(asked) == 3 and sum(asked) > len(texts)  # the long ones in windows
    assert ' 4/11' in (shown := capsys.readouterr().out) and '11/11' in shown
    in_parts = classifier.evaluate(spool)
    assert in_parts.pop('log_likelihood') == pytest.approx(report.pop('log_likelihood'), rel=1e-5) and in_parts == report
