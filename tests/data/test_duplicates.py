import random
import sys

import numpy as np
import pytest

from pet_keras.data.duplicates import TextTable, bigrams, jaccard, near_partners, normalised
from pet_keras.errors import UserError

CHARACTERS = [chr(0x4e00 + i) for i in range(2000)]


def random_texts(number, length=40, seed=0):
    rng = random.Random(seed)
    return [''.join(rng.choices(CHARACTERS, k=length)) for _ in range(number)]


def partners(texts, *args, files=1):
    pytest.importorskip('datasketch', reason='datasketch is not installed: near duplicates need it')
    return near_partners(texts, np.ones((len(texts), files), bool), *args)


@pytest.mark.parametrize('a, b', [('ＡＢＣ１２', 'ABC12'), ('很好！', '很好!'), ('很 \t好', ' 很\u3000好\n'), ('①', '1')])
def test_width_and_white_space_do_not_make_another_text(a, b):
    assert normalised(a) == normalised(b)


@pytest.mark.parametrize('a, b', [(('很好',), ('很 好',)), (('很好',), ('很好。',)), (('A',), ('a',)),
                                  (('甲', '乙'), ('甲 乙',)), (('甲', '乙 丙'), ('甲 乙', '丙'))])
def test_other_texts_stay_different(a, b):
    assert normalised(*a) != normalised(*b)


def test_overlap_is_of_sets_of_bigrams():
    assert bigrams('甲乙甲乙') == {'甲乙', '乙甲'} and bigrams('甲') == {'甲'}
    assert jaccard(bigrams('甲乙丙丁'), bigrams('甲乙丙戊')) == 2 / 4


def test_every_near_pair_is_found_and_nothing_else():
    originals = random_texts(300)
    changed = [text[:k % 40] + '，' + text[k % 40 + 1:] for k, text in enumerate(originals)]  # overlap 0.9 or more
    others = random_texts(300, seed=1)
    partner = partners(originals + changed + others)[:, 0]
    assert partner[:300].tolist() == list(range(300, 600)) and partner[300:600].tolist() == list(range(300))
    assert (partner[600:] == -1).all()


def test_the_threshold_is_kept_exactly():
    a, b = '一二三四五六七八九十甲乙', '一二三四五六七八九十甲丙'  # 10 bigrams of 12
    assert (partners([a, b], 10 / 12) >= 0).all()
    assert (partners([a, b], 10 / 12 + 1e-6) < 0).all()


def test_a_crowd_of_like_texts_all_have_a_partner_in_each_file():
    text = random_texts(1, 60)[0]
    crowd = [text[:k] + '某' + text[k:] for k in range(50)]
    present = np.zeros((50, 2), bool)
    present[:40, 0] = present[40:, 1] = True
    pytest.importorskip('datasketch', reason='datasketch is not installed: near duplicates need it')
    partner = near_partners(crowd, present)
    assert (partner >= 0).all()
    assert present[partner[:, 0], 0].all() and present[partner[:, 1], 1].all()  # it stands in the file asked for
    assert not (partner == np.arange(50)[:, None]).any()  # and is another text


def test_a_single_text_is_found_beside_a_crowd():
    text = random_texts(1, 400)[0]
    crowd = [text[:k] + '某' + text[k:] for k in range(400)]
    present = np.zeros((400, 2), bool)
    present[:399, 0] = present[399, 1] = True
    pytest.importorskip('datasketch', reason='datasketch is not installed: near duplicates need it')
    assert (near_partners(crowd, present)[:, 1] == [399] * 399 + [-1]).all()


def test_pairs_are_found_in_a_crowd_of_texts_that_are_not_near_enough():
    words = random_texts(1, 24)[0]
    crowd = [words + ''.join(chr(0x6000 + 6 * i + k) for k in range(6)) for i in range(1000)]  # they overlap by 23 of 35
    twins = [text[:-1] + '某' for text in crowd[:100]]
    partner = partners(crowd + twins)[:, 0]
    assert (partner[100:1000] == -1).all() and partner[1000:].tolist() == list(range(100))


def test_of_texts_from_one_form_most_near_pairs_are_found():
    rng = random.Random(1)
    texts = ['您的订单%08d已经发货了,请注意查收包裹' % rng.randrange(10 ** 8) for _ in range(6000)]
    sets = [bigrams(text) for text in texts]
    every = sorted(set().union(*sets))
    has = np.array([[gram in one for gram in every] for one in sets], 'float32')
    shared, size = has @ has.T, has.sum(axis=1)
    overlap = shared / (size[:, None] + size - shared)
    np.fill_diagonal(overlap, 0.)
    near, found = (overlap > 0.7999).any(axis=1), partners(texts)[:, 0] >= 0
    assert not (found & ~near).any() and found.sum() > 0.84 * near.sum() > 300


def test_short_long_and_no_texts_are_compared_too():
    long = ''.join(random_texts(30, 400))
    assert partners(['好', '坏', long, long + '完'])[:, 0].tolist() == [-1, -1, 3, 2]
    assert partners([]).shape == (0, 1)


@pytest.mark.parametrize('threshold', [0., 0.49, 1.1, -1])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(UserError, match='0.5 to 1'):
        near_partners(['a'], np.ones((1, 1), bool), threshold)


def test_without_the_library_the_error_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, 'datasketch', None)
    with pytest.raises(ImportError, match=r'pip install "pet-keras\[data\]"'):
        near_partners(['很好'], np.ones((1, 1), bool))


def test_the_table_knows_where_each_text_stands_first():
    table = TextTable()
    for row in ((0, 1, '好', '正'), (0, 2, '坏', None), (0, 5, '好', '负'), (1, 1, '新', '正'), (1, 2, '坏', '负')):
        table.add(*row)
    table.close(2)
    assert list(table.texts) == ['好', '坏', '新'] and table.text.tolist() == [0, 1, 0, 2, 1]
    assert table.first.tolist() == [[0, -1], [1, 4], [-1, 3]] and table.line.tolist() == [1, 2, 5, 1, 2]
    assert [table.labels[code] for code in table.label.tolist()] == ['正', None, '负', '正', '负']
