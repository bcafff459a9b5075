import pickle

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.estimator import PetClassifier
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError

pytest.importorskip('sklearn', reason='the extra [sklearn] is not installed')
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402

TRACED = False  # it is not about training
TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大', '充电器发烫', '味道好吃', '差', '太慢']
LABELS = ['正面', '负面', '正面', '正面', '负面', '正面', '负面', '负面']
PAIRS = [('北京', '上海'), ('北京', '北京'), ('好', '不好'), ('好', '很好')]
FAST = dict(epochs=1, batch_size=4, learning_rate=1e-3, mask_rate=0.)


@pytest.fixture(scope='module')
def zero(still):
    """An estimator that trains nothing, fitted."""
    return PetClassifier('sentiment', still, epochs=0).fit(TEXTS, LABELS)


@pytest.fixture(scope='module')
def trained(still):
    return PetClassifier('sentiment', still, pattern='P2', maxlen=40, **FAST).fit(TEXTS, LABELS)


@pytest.fixture(scope='module')
def frames():
    return pytest.importorskip('pandas', reason='pandas is not installed')


def test_it_is_the_classifier_with_its_columns_in_the_order_of_classes(zero, still):
    plain = ClozeClassifier('sentiment', still)
    assert zero.classes_.tolist() == sorted(plain.labels) and zero.n_classes_ == 2
    columns = [plain.labels.index(label) for label in zero.classes_]
    np.testing.assert_allclose(zero.predict_proba(TEXTS), plain.predict_proba(TEXTS)[:, columns], atol=1e-12)
    np.testing.assert_allclose(np.exp(zero.predict_log_proba(TEXTS)), zero.predict_proba(TEXTS))
    assert zero.predict(TEXTS).tolist() == plain.predict(TEXTS)


def test_training_is_that_of_the_classifier_with_its_settings(trained, still):
    from pet_keras.data.example import Example
    plain = ClozeClassifier('sentiment', still, 'P2', 40)
    plain.fit([Example(*pair) for pair in zip(TEXTS, [None] * 8, LABELS)], seed=0, **FAST)
    assert trained.classifier_.history[0]['loss'] == pytest.approx(plain.history[0]['loss'])
    columns = [plain.labels.index(label) for label in trained.classes_]
    np.testing.assert_allclose(trained.predict_proba(TEXTS), plain.predict_proba(TEXTS)[:, columns], atol=1e-6)


@pytest.mark.parametrize('spelling', [int, str, lambda label: 'Positive' if label else 'Negative'])
def test_labels_come_back_as_they_were_spelled(zero, still, spelling):
    y = [spelling(int(label == '正面')) for label in LABELS]
    found = PetClassifier('sentiment', still, epochs=0).fit(TEXTS, y)
    assert found.classes_.tolist() == sorted(set(y)) and found.classes_.dtype == np.array(y).dtype
    positive = [p == spelling(1) for p in found.predict(TEXTS).tolist()]
    assert positive == [p == '正面' for p in zero.predict(TEXTS)]


def test_a_label_that_did_not_stand_in_y_is_not_predicted(still):
    three = Task({'P1': '总之[MASK]。{text}'}, {'好': '好', '坏': '差', '怪': '怪'})
    found = PetClassifier(three, still, epochs=0).fit(TEXTS, ['坏', '好'] * 4)
    assert found.classes_.tolist() == ['坏', '好']
    every = ClozeClassifier(three, still).predict_proba(TEXTS)[:, [1, 0]]
    np.testing.assert_allclose(found.predict_proba(TEXTS), every / every.sum(axis=1, keepdims=True))


def test_lists_arrays_and_pandas_are_read_alike_and_a_series_comes_back(zero, frames):
    wanted = zero.predict(TEXTS).tolist()
    index = list('abcdefgh')
    for X in (tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, object), np.array(TEXTS)[:, None]):
        assert isinstance(zero.predict(X), np.ndarray) and zero.predict(X).tolist() == wanted
    for X in (frames.Series(TEXTS, index), frames.DataFrame({'text': TEXTS}, index)):
        found = zero.predict(X)
        assert isinstance(found, frames.Series) and found.index.tolist() == index and found.tolist() == wanted
        assert isinstance(zero.predict_proba(X), np.ndarray)
    assert zero.predict([]).tolist() == []


def test_pairs_are_two_columns(still, frames):
    task = Task({'P1': '{text_a}？[MASK]，{text_b}'}, {'同': '是', '异': '不'}, name='pairs')
    made = PetClassifier(task, still, epochs=0).fit(PAIRS, ['异', '同', '异', '同'])
    wanted = ClozeClassifier(task, still).predict(PAIRS)
    for X in (PAIRS, np.array(PAIRS), frames.DataFrame(PAIRS, columns=['a', 'b'])):
        assert list(made.predict(X)) == wanted


def test_fine_tuning_is_another_method(still):
    made = PetClassifier('sentiment', still, method='fine-tuning', **dict(FAST, mask_rate=None)).fit(TEXTS, LABELS)
    assert made.classifier_.kind == 'fine-tuning' and made.predict_proba(TEXTS).shape == (8, 2)


def test_unlabelled_and_dev_texts_reach_the_training(still):
    made = PetClassifier('sentiment', still, **dict(FAST, mask_rate=.2))
    made.fit(TEXTS, LABELS, unlabelled=TEXTS[:3], dev=(TEXTS[:2], [1, 0]))
    assert made.classifier_.trained_on['unlabelled'] == 3 and 'dev_accuracy' in str(made.classifier_.history)


def test_a_pickle_answers_the_same_and_can_be_pickled_again(trained):
    for _ in range(2):
        again = pickle.loads(pickle.dumps(trained))
        np.testing.assert_allclose(again.predict_proba(TEXTS), trained.predict_proba(TEXTS), atol=1e-6)
        assert again.get_params() == trained.get_params() and again.classes_.tolist() == trained.classes_.tolist()
        trained = again
    untrained = pickle.loads(pickle.dumps(PetClassifier(epochs=3)))
    assert untrained.epochs == 3 and not hasattr(untrained, 'classifier_')


def test_clone_pipeline_cross_validation_and_grid_search(zero, still):
    assert clone(zero).get_params() == zero.get_params() and not hasattr(clone(zero), 'classes_')
    half = make_pipeline(FunctionTransformer(lambda X: [text[:4] for text in X]), zero)
    assert half.predict(TEXTS).tolist() == zero.predict([text[:4] for text in TEXTS]).tolist()
    scores = cross_val_score(zero, TEXTS, LABELS, cv=2, scoring='accuracy')
    hits = zero.predict(TEXTS) == LABELS
    assert scores.mean() == pytest.approx(hits.mean())  # zero-shot: each text is answered as without any fold
    assert cross_val_predict(zero, TEXTS, LABELS, cv=2).tolist() == zero.predict(TEXTS).tolist()
    search = GridSearchCV(clone(zero), {'pattern': ['P1', 'P2']}, scoring='roc_auc', cv=2).fit(TEXTS, LABELS)
    assert search.best_params_['pattern'] in ('P1', 'P2') and set(search.predict(TEXTS)) <= set(LABELS)


def test_auc_takes_the_column_of_the_positive_class(still):
    from sklearn.metrics import get_scorer, roc_auc_score
    swapped = Task({'P1': '[MASK]满意。{text}'}, {'负面': '不', '正面': '很'})  # not the order of classes_
    zero = PetClassifier(swapped, still, epochs=0).fit(TEXTS, LABELS)
    assert zero.classes_.tolist() == zero.classifier_.labels[::-1]
    wanted = roc_auc_score(np.array(LABELS) == '负面', zero.classifier_.predict_proba(TEXTS)[:, 0])
    assert get_scorer('roc_auc')(zero, TEXTS, LABELS) == pytest.approx(wanted)


class OfNumbers(PetClassifier):
    """A PetClassifier of rows of numbers, read as text: scikit-learn's checks feed such."""
    def fit(self, X, y):
        return super().fit(_as_text(X), y)

    def predict(self, X):
        return super().predict(_as_text(X))

    def predict_proba(self, X):
        return super().predict_proba(_as_text(X))

    def predict_log_proba(self, X):
        return super().predict_log_proba(_as_text(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, False, True
        return tags


def _as_text(X):
    return X if isinstance(X, list) else [' '.join('%.2f' % number for number in row) for row in np.asarray(X)]


NUMBERS = Task({'P1': '[MASK]。{text}'}, {'0': '好', '1': '很', '2': '不'},
               aliases={'0': ['0.0'], '1': ['1.0'], '2': ['2.0']})
CHECKS_OF_NUMBERS = ['check_dict_unchanged', 'check_dont_overwrite_parameters', 'check_fit_score_takes_y',
                     'check_estimators_overwrite_params', 'check_estimators_pickle', 'check_pipeline_consistency',
                     'check_requires_y_none', 'check_supervised_y_2d', 'check_classifiers_one_label',
                     'check_methods_sample_order_invariance', 'check_fit_idempotent', 'check_fit_check_is_fitted',
                     'check_readonly_memmap_input']
# those that feed nothing
CHECKS = ['check_estimator_cloneable', 'check_estimator_tags_renamed', 'check_valid_tag_types', 'check_estimator_repr',
          'check_no_attributes_set_in_init', 'check_parameters_default_constructible', 'check_get_params_invariance',
          'check_set_params', 'check_do_not_raise_errors_in_init_or_set_params', 'check_estimators_unfitted',
          'check_mixin_order']


@pytest.mark.parametrize('name', CHECKS)
def test_scikit_learns_own_checks_pass(name):
    check = getattr(estimator_checks, name, None)
    if check is None:
        pytest.skip('this scikit-learn has no %s' % name)
    check('PetClassifier', PetClassifier())


@pytest.mark.parametrize('name', CHECKS_OF_NUMBERS)
def test_scikit_learns_own_checks_pass_on_numbers_as_texts(name, still):
    check = getattr(estimator_checks, name, None)
    if check is None:
        pytest.skip('this scikit-learn has no %s' % name)
    check('OfNumbers', OfNumbers(NUMBERS, still, epochs=0, maxlen=32))


@pytest.mark.parametrize('X, y, said', [
    (TEXTS, ['正面'] * 7 + ['中性'], r"label '中性' is not in task sentiment"),
    (TEXTS, LABELS[:3], 'X has 8 texts and y 3 labels'),
    ([], [], 'X has 0 texts'),
    (TEXTS, None, 'requires y to be passed'),
    (TEXTS, ['正面', '1'] * 4, 'y spells one label in two ways'),
    (TEXTS, np.array(['正面', None] * 4, object), 'y has no label at index 1'),
    ([None] + TEXTS[1:], ['正面', '负面'] * 4, 'Item 0'),
    ('房间很干净', ['正面'], 'not one str'),
    (['好', float('nan')], ['正面', '负面'], r'Item 1, nan, is not a text'),
    (np.zeros((2, 3)), ['正面', '负面'], r'shape \(2, 3\)'),
])
def test_wrong_input_is_named(still, X, y, said):
    with pytest.raises(UserError, match=said):
        PetClassifier('sentiment', still, **FAST).fit(X, y)


def test_wrong_settings_are_named_when_it_is_fitted(still):
    with pytest.raises(UserError, match='method='):
        PetClassifier('sentiment', still, method='svm').fit(TEXTS, LABELS)
    with pytest.raises(UserError, match='takes no pattern'):
        PetClassifier('sentiment', still, method='fine-tuning', pattern='P1').fit(TEXTS, LABELS)
    with pytest.raises(NotFittedError):
        PetClassifier('sentiment', still).predict(TEXTS)


def test_without_scikit_learn_it_says_what_to_type(monkeypatch):
    monkeypatch.setattr('pet_keras.classifiers.estimator._BASES', (object,))
    with pytest.raises(UserError, match=r'pip install "pet-keras\[sklearn\]"'):
        PetClassifier()
