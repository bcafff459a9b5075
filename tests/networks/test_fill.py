import numpy as np
import pytest

import numpy_bert
import pet_keras
from pet_keras.backend import tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.errors import UserError
from pet_keras.networks.fill import fill_mask, filled_text
from pet_keras.networks.models import build_lm


def softmax(logits):
    p = np.exp(logits.astype('float64') - logits.max())
    return p / p.sum()


def expected(folder, logits, top):
    tokens, p = list(Checkpoint(folder).vocab), softmax(logits)
    return [(tokens[i], p[i]) for i in sorted(range(len(p)), key=lambda i: (-p[i], i))[:top]]


def same(blank, wanted):
    assert [token for token, _ in blank] == [token for token, _ in wanted]
    np.testing.assert_allclose([p for _, p in blank], [p for _, p in wanted], rtol=1e-4)


def test_it_is_public():
    assert pet_keras.fill_mask is fill_mask


# --- masked models --------------------------------------------------------------------------------------

@pytest.mark.parametrize('text, tokens, segments, blanks', [
    ('房间很[MASK]净', ['[CLS]', '房', '间', '很', '[MASK]', '净', '[SEP]'], [0] * 7, [4]),
    ('[MASK]间[MASK][MASK]', ['[CLS]', '[MASK]', '间', '[MASK]', '[MASK]', '[SEP]'], [0] * 6, [1, 3, 4]),
    ('[unused1]好[SEP]很[MASK]', ['[CLS]', '[unused1]', '好', '[SEP]', '很', '[MASK]', '[SEP]'],
     [0] * 4 + [1] * 3, [5]),
], ids=['one blank', 'several', 'special tokens'])
def test_probabilities_are_those_of_a_numpy_bert(tiny, text, tokens, segments, blanks):
    logits = numpy_bert.mlm_logits(tiny, numpy_bert.token_ids(tiny, tokens), segments)
    found, = fill_mask([text], tiny, top=7)
    assert len(found) == len(blanks)
    for blank, position in zip(found, blanks):
        same(blank, expected(tiny, logits[position], 7))


def test_texts_keep_their_order_and_do_not_depend_on_their_company(tiny):
    texts = ['好[MASK]', '今天天气很[MASK]，我们[MASK][MASK]去了', '[MASK]', '房间[MASK]']
    together = fill_mask(iter(texts), Checkpoint(tiny), top=3, batch_size=3)
    for text, blanks in zip(texts, together):
        assert len(blanks) == text.count('[MASK]')
        for blank, alone in zip(blanks, fill_mask(text, tiny, top=3)[0]):
            same(blank, alone)


def test_the_whole_vocabulary_sums_to_one(tiny):
    (blank,), = fill_mask(['好[MASK]'], tiny, top=10 ** 6)
    assert len(blank) == len(Checkpoint(tiny).vocab) and sum(p for _, p in blank) == pytest.approx(1)


def test_equal_probabilities_are_in_the_order_of_the_vocabulary(tiny, monkeypatch):
    class Undecided(object):
        inputs = [None] * 3

        def __call__(self, inputs, training):
            return tf.constant([[[0., 2., 1., 2.]]])
    monkeypatch.setattr('pet_keras.networks.fill.build', lambda checkpoint: Undecided())
    (blank,), = fill_mask(['好[MASK]'], tiny, top=4)
    vocab = list(Checkpoint(tiny).vocab)
    assert [token for token, _ in blank] == [vocab[i] for i in (1, 3, 2, 0)]


def test_a_trained_model_knows_the_weather():
    (blank,), = fill_mask(['今天天气很[MASK]。'], 'bert-mini-zh', top=5)
    assert {token for token, _ in blank} & set('好热冷')


# --- causal models --------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def greedy(causal):
    """What a causal model writes after token ids, one token at a time: the logits of each."""
    model = build_lm(causal)

    def write(ids, n):
        rows = []
        for _ in range(n):
            rows.append(model([np.array([ids]), np.array([[len(ids) - 1]])], training=False).numpy()[0, 0])
            ids = ids + [int(rows[-1].argmax())]
        return rows
    return write


def test_a_causal_model_writes_on_greedily(causal, greedy):
    texts = ['今天天气[MASK][MASK][MASK]', '好[MASK]', '房间很[MASK][MASK]']
    for text, blanks in zip(texts, fill_mask(texts, causal, top=5, batch_size=2)):
        ids = numpy_bert.token_ids(causal, ['[CLS]', *text.replace('[MASK]', '')])
        rows = greedy(ids, text.count('[MASK]'))
        assert len(blanks) == len(rows)
        for blank, logits in zip(blanks, rows):
            same(blank, expected(causal, logits, 5))


@pytest.mark.parametrize('text', ['今天[MASK]气', '[MASK]今天[MASK]', '今天[MASK]。'])
def test_a_causal_model_s_blanks_are_the_last(causal, text):
    with pytest.raises(UserError, match='must be the last') as e:
        fill_mask([text], causal)
    assert repr(text) in str(e.value)


# --- wrong texts ----------------------------------------------------------------------------------------

@pytest.mark.parametrize('name', ['tiny', 'causal'])
def test_a_text_without_a_blank_is_shown_one(request, name):
    with pytest.raises(UserError, match=r"'今天天气很好' has no \[MASK\].*科学技术是第一生\[MASK\]力"):
        fill_mask(['好[MASK]', '今天天气很好'], request.getfixturevalue(name))


def test_the_longest_text_is_as_long_as_the_model_reads(tiny, causal):
    limit = Checkpoint(tiny).max_position
    assert len(fill_mask(['好' * (limit - 3) + '[MASK]'], tiny, top=1)[0][0]) == 1
    with pytest.raises(UserError, match='takes %d tokens; .* reads at most %d' % (limit + 1, limit)):
        fill_mask(['好' * (limit - 2) + '[MASK]'], tiny)
    limit = Checkpoint(causal).max_position
    assert len(fill_mask(['好' * (limit - 1) + '[MASK]'], causal, top=1)[0][0]) == 1
    with pytest.raises(UserError, match='takes %d tokens; .* reads at most %d' % (limit + 1, limit)):
        fill_mask(['好' * (limit - 1) + '[MASK][MASK]'], causal)


def test_a_special_token_outside_the_vocabulary_is_named(tiny):
    with pytest.raises(UserError, match=r'the vocabulary has no \[unused99999\]'):
        fill_mask(['[unused99999][MASK]'], tiny)


@pytest.mark.parametrize('setting', [{'top': 0}, {'batch_size': 0}])
def test_a_number_below_one_is_refused(tiny, setting):
    with pytest.raises(UserError, match='at least 1'):
        fill_mask(['好[MASK]'], tiny, **setting)


def test_no_text_is_no_error(tiny):
    assert fill_mask([], tiny) == []


def test_a_checkpoint_without_a_head_is_refused(make_checkpoint, tmp_path):
    with pytest.raises(UserError, match='no MLM head'):
        fill_mask(['好[MASK]'], make_checkpoint(tmp_path / 'headless', head=False, num_hidden_layers=1))


# --- the text with its words ----------------------------------------------------------------------------

@pytest.mark.parametrize('text, words, filled', [
    ('[MASK]京[MASK]', ['北', '人'], '北京人'), ('play[MASK]', ['##ing'], 'playing'), ('C[MASK]', ['##'], 'C##'),
    ('[unused1]很[MASK]', ['好'], '[unused1]很好'), ('[MASK]', ['\\1'], '\\1'),
])
def test_a_filled_text_is_read_as_it_stands(text, words, filled):
    assert filled_text(text, [[(word, 0.5), ('x', 0.1)] for word in words]) == filled


def test_weights_that_are_no_numbers_are_told(tiny):
    import numpy as np
    from pet_keras.networks.models import build_mlm
    model = build_mlm(tiny)
    model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])
    with pytest.raises(UserError, match='NaN or infinite.*damaged'):
        fill_mask('很[MASK]', tiny, model=model)
