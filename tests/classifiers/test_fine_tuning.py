import numpy as np
import pytest

from pet_keras.backend import tf
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
PAIRS = Task({'P1': '{text_a}？[MASK]，{text_b}'}, {'同': '对', '异': '不'})
LABELLED = [Example(a + b, label=label) for label, words in (('正面', ['干净', '好吃', '安静', '舒服']),
                                                              ('负面', ['肮脏', '难吃', '吵人', '难受']))
            for a in ('房间', '早餐也') for b in words]
NEW = ['味道好吃', '太吵人了', '早餐难吃，让人难受']


@pytest.fixture(scope='module')
def causal(tmp_path_factory, make_checkpoint):
    return make_checkpoint(tmp_path_factory.mktemp('causal'), num_hidden_layers=1, type_vocab_size=0,
                           application='lm')


def _fit(checkpoint, seed=0, **settings):
    classifier = FineTuningClassifier(TASK, checkpoint, maxlen=40, seed=seed)
    return classifier.fit(LABELLED, **dict({'epochs': 1, 'batch_size': 8, 'learning_rate': 5e-3, 'seed': seed},
                                           **settings))


def test_few_texts_are_read_so_often_that_the_new_layer_learns(tiny):
    classifier = _fit(tiny, epochs=None)
    assert classifier.trained_with['epochs'] == 60 and classifier.evaluate(LABELLED)['accuracy'] == 100.
    many = FineTuningClassifier(TASK, tiny, maxlen=40).fit(LABELLED * 10)
    assert many.trained_with['epochs'] == 6


@pytest.fixture(scope='module')
def learned(tiny):
    return _fit(tiny, epochs=10, schedule='constant')


def test_it_learns_sixteen_texts_and_says_likewise_of_new_ones(learned, tiny):
    assert len(LABELLED) == 16
    report = learned.evaluate(LABELLED)
    assert report['accuracy'] == 100. and report['log_likelihood'] > -0.3
    assert learned.predict(NEW) == ['正面', '负面', '负面']
    assert [h['epoch'] for h in learned.history] == list(range(1, 11))
    assert learned.history[-1]['loss'] < 0.5 * learned.history[0]['loss']
    assert FineTuningClassifier(TASK, tiny).evaluate(LABELLED)['log_likelihood'] < -0.5


def test_probabilities_sum_to_one_whatever_the_batch(learned):
    texts = NEW + ['好']
    proba = learned.predict_proba(texts)
    np.testing.assert_allclose(proba.sum(axis=1), 1., atol=1e-6)
    np.testing.assert_allclose(np.concatenate([learned.predict_proba([t]) for t in texts]), proba, atol=1e-5)
    np.testing.assert_allclose(learned.predict_proba(texts, batch_size=2), proba, atol=1e-5)


@pytest.fixture(scope='module')
def twice(causal):
    """Two runs of one seed, with dev accuracies 50, 90, 60: [(classifier, its weights at each evaluation)]."""
    def run():
        asked, accuracies = [], iter([50., 90., 60.])

        def evaluate(self, examples, *args, **kwargs):
            asked.append(self.model.get_weights())
            return {'accuracy': next(accuracies), 'auc': .5, 'log_likelihood': -1.}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FineTuningClassifier, 'evaluate', evaluate)
            return _fit(causal, seed=5, epochs=2, dev=LABELLED), asked
    return [run(), run()]


def _equal(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


def test_one_seed_gives_the_same_weights_to_the_bit(twice):
    for one, two in zip(twice[0][1], twice[1][1]):
        assert _equal(one, two)


def test_the_best_epoch_on_dev_is_kept(twice):
    classifier, asked = twice[0]
    assert len(asked) == 3 and not _equal(asked[0], asked[1]) and not _equal(asked[1], asked[2])
    assert _equal(classifier.model.get_weights(), asked[1])


def test_every_weight_trains_and_the_new_layer_starts_from_the_seed(tiny):
    first, other = [FineTuningClassifier(TASK, tiny, seed=seed).model for seed in (5, 6)]
    kernels = [model.get_layer('Classifier').get_weights()[0] for model in (first, other)]
    assert not np.array_equal(*kernels)
    assert len(first.trainable_weights) == len(first.weights)
    names = [w.name for w in first.weights]
    assert not any('MLM' in name for name in names) and any('Embedding-Token' in name for name in names)


def test_unlabelled_texts_are_refused(tiny, tmp_path):
    classifier = FineTuningClassifier(TASK, tiny)
    for data in ((None, ['房间很干净']), (LABELLED, ['房间很干净'])):
        with pytest.raises(UserError, match='unlabelled'):
            classifier.fit(*data, epochs=1, out=str(tmp_path / 'out'))
        assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('kind', ['masked', 'causal'])
def test_a_saved_one_predicts_the_same_and_its_folder_is_a_checkpoint_too(kind, tiny, causal, tmp_path):
    classifier = _fit(tiny if kind == 'masked' else causal, out=str(tmp_path / 'out'))
    again = FineTuningClassifier.load(str(tmp_path / 'out'))
    np.testing.assert_array_equal(again.predict_log_proba(NEW), classifier.predict_log_proba(NEW))
    assert again.history == classifier.history and again.maxlen == 40
    assert again.checkpoint.is_causal == (kind == 'causal')
    encoder = ClozeClassifier(TASK, str(tmp_path / 'out'), '{text}[MASK]').transformer
    name, weight = next(iter(encoder.variables()))
    trained = dict((n, w.numpy()) for n, w in classifier.transformer.variables())
    np.testing.assert_array_equal(weight.numpy(), trained[name])


def test_an_interrupted_run_resumes_to_the_same_bits(tiny, interrupt, tmp_path):
    settings = dict(epochs=3, dev=LABELLED[::4])
    whole = _fit(tiny, **settings)
    interrupt(2, lambda: _fit(tiny, out=str(tmp_path / 'out'), **settings))
    resumed = _fit(tiny, out=str(tmp_path / 'out'), resume=True, **settings)
    assert resumed.history == whole.history
    assert _equal(resumed.model.get_weights(), whole.model.get_weights())
    assert _equal(FineTuningClassifier.load(str(tmp_path / 'out')).model.get_weights(), whole.model.get_weights())


def test_soft_labels_teach_their_probabilities(tiny):
    """The loss is -sum p log q; a step of plain gradient descent moves the bias by the mean of p - q."""
    soft = [e._replace(label={'正面': .7, '负面': .3} if e.label == '正面' else {'负面': 1.}) for e in LABELLED]
    classifier = FineTuningClassifier(TASK, tiny)
    q = classifier.predict_proba(LABELLED)
    p = np.array([[.7, .3] if e.label == '正面' else [0., 1.] for e in LABELLED])
    stream, = classifier.streams(classifier.examples(soft, True), [])
    lessons = [classifier.lesson(*text, None, 0) for text in stream.texts]
    (inputs, targets), = classifier.batches([lessons])
    with tf.GradientTape() as tape:
        loss = classifier.objective(classifier.model, inputs, targets)
    assert float(loss) == pytest.approx(-(p * np.log(q)).sum() / len(p), abs=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, classifier.head.bias), (q - p).mean(axis=0), atol=1e-5)
    classifier.fit(soft, epochs=30, batch_size=8, learning_rate=5e-3)
    np.testing.assert_allclose(classifier.predict_proba(LABELLED)[:, 0], p[:, 0], atol=0.1)


@pytest.mark.parametrize('label', [{'正面': .7}, {'正面': 1.5, '负面': -.5}, {}, {'好': 1.}, {'正面': 'a', '负面': 1.},
                                   {'正面': float('nan'), '负面': 1.}], ids=str)
def test_a_soft_label_that_is_no_distribution_over_the_labels_is_refused(tiny, label):
    with pytest.raises(UserError, match='sum to 1|not in task'):
        FineTuningClassifier(TASK, tiny).fit([Example('房间很干净', label=label)], epochs=1)


def test_a_causal_model_is_read_at_its_last_token(causal):
    classifier = FineTuningClassifier(TASK, causal)
    texts = ['房间很干净', '房间很干', '房间很脏', '吵间很干净']
    proba = classifier.predict_log_proba(texts)
    for i in range(4):  # the first token sees nothing of the text: read there, all would be equal
        for j in range(i):
            assert np.abs(proba[i] - proba[j]).max() > 1e-6
    lesson = classifier.lesson(classifier.tokenize(Example('房间很脏')), 1, None, 0)
    assert list(lesson.positions) == [len(lesson.token_ids) - 1] == [5]
    np.testing.assert_allclose(classifier.predict_log_proba(['房间很脏'])[0], proba[2], atol=1e-6)


def test_a_bert_is_read_at_its_first_token(tiny):
    classifier = FineTuningClassifier(TASK, tiny)
    lesson = classifier.lesson(classifier.tokenize(Example('房间很脏')), 1, None, 0)
    assert list(lesson.positions) == [0] and lesson.targets == [1]
    assert classifier.tokenizer.ids_to_tokens(lesson.token_ids) == ['[CLS]', '房', '间', '很', '脏', '[SEP]']


def test_pairs_stand_in_two_segments(tiny):
    classifier = FineTuningClassifier(PAIRS, tiny)
    lesson = classifier.lesson(classifier.tokenize(Example('甲', '乙丙')), 0, None, 0)
    assert classifier.tokenizer.ids_to_tokens(lesson.token_ids) == ['[CLS]', '甲', '[SEP]', '乙', '丙', '[SEP]']
    assert lesson.segment_ids == [0, 0, 0, 1, 1, 1]
    a, b = classifier.predict_log_proba([('房间很干净', '很干净'), ('很干净', '房间很干净')])
    assert np.abs(a - b).max() > 1e-6
