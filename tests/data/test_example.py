import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.data.example import Example, as_example, without
from pet_keras.errors import UserError

TWO = [Example('很好', None, '正面'), Example('太差', None, '负面')]
PAIR = [Example('下雨了', '地湿了', '蕴含'), Example('下雨了', '天晴着', '矛盾')]


def test_without_leaves_out_texts_that_stand_in_the_others_whatever_their_label():
    kept = without(TWO + [Example('还行', None, '正面')], [Example('很好', None, '负面'), Example('别的')])
    assert kept == [TWO[1], Example('还行', None, '正面')]


def test_without_compares_both_texts_of_a_pair():
    assert without(PAIR, [Example('下雨了', '地湿了')]) == [PAIR[1]]
    assert without(PAIR, [Example('下雨了')]) == PAIR


def test_without_others_keeps_everything_with_its_repetitions():
    assert without(TWO + TWO, []) == TWO + TWO


# items

@pytest.mark.parametrize('item, example', [
    ('很好', Example('很好')), (('甲', '乙'), Example('甲', '乙')), (['甲', '乙'], Example('甲', '乙')),
    (Example('甲', '乙', '蕴含'), Example('甲', '乙', '蕴含')),
    (('甲', None, '正面'), Example('甲', None, '正面')), (Example('甲', label=1), Example('甲', label=1))])
def test_a_text_a_pair_and_an_example_are_items(item, example):
    assert as_example(item) == example


NO_TEXTS = [True, 5, None, 1.5, ['a'], {'text': 'a'}, {'a'}, ('a', 5), ('a', 'b', 'c', 'd'), (None, 'a'),
            [['a'], 'b'], Example(True), Example(['a']), Example('a', 7), Example(None), b'a', []]


@pytest.mark.parametrize('item', NO_TEXTS, ids=repr)
def test_anything_else_is_refused_with_its_index(item):
    with pytest.raises(UserError) as e:
        as_example(item, 3)
    assert str(e.value) == 'Item 3, %.60r, is not a text, a pair of texts or an Example of them.' % (item,)


@pytest.mark.parametrize('item', [True, ['a'], {'text': 'a'}, Example(['a'])], ids=repr)
def test_a_classifier_refuses_what_is_no_text(item, classifier):
    for use in (classifier.predict, classifier.evaluate, lambda items: classifier.fit(unlabelled=items)):
        with pytest.raises(UserError, match='^Item 1, .* is not a text'):
            use([Example('好', label='正面'), item])


@pytest.fixture(scope='module')
def classifier(still):
    return ClozeClassifier('sentiment', still)
