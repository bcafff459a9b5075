import numpy as np
import pytest

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


@pytest.fixture(scope='module')
def learned(tiny):
    return _fit(tiny, epochs=10)


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
            return {'accuracy': next(accuracies), 'log_likelihood': -1.}
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


def test_unlabelled_texts_are_refused(tiny):
    classifier = FineTuningClassifier(TASK, tiny)
    for data in ((None, ['房间很干净']), (LABELLED, ['房间很干净'])):
        with pytest.raises(UserError, match='unlabelled'):
            classifier.fit(*data, epochs=1)


def test_a_folder_to_write_is_refused_before_training(tiny, tmp_path):
    classifier = FineTuningClassifier(TASK, tiny)
    before = classifier.model.get_weights()
    with pytest.raises((UserError, NotImplementedError)):
        classifier.fit(LABELLED, epochs=1, out=str(tmp_path / 'out'))
    assert _equal(before, classifier.model.get_weights())


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
