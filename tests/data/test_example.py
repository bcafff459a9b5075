from pet_keras.data.example import Example, without

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
