import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pet_keras.backend import Tokenizer
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.fast_tokenizer import FastTokenizer


@pytest.fixture(scope='module', params=[True, False], ids=['lower case', 'as it is'])
def both(request):
    """bert4keras' tokenizer, and this one."""
    words = {'un', '##able', 'Un', '##é', 'é', 'e', '##e', '东西', 'K', '##12'} - set(Checkpoint('bert-mini-zh').vocab)
    vocab = dict(Checkpoint('bert-mini-zh').vocab)
    vocab.update((word, len(vocab) + i) for i, word in enumerate(sorted(words)))
    return [of(vocab, do_lower_case=request.param, token_translate={'，': ','}) for of in (Tokenizer, FastTokenizer)]


def _same(both, text):
    one, other = (tokenizer.tokenize(text) for tokenizer in both)
    assert one == other
    assert both[0].tokens_to_ids(one) == both[1].tokens_to_ids(one)
    assert both[0].encode(text, maxlen=8) == both[1].encode(text, maxlen=8)


@settings(max_examples=300)
@given(text=st.text() | st.text(alphabet='un able é Éé东西。，12K[MASK]##\t\n\u3000\u2028\x00\ufffd\x85'))
def test_any_text_has_the_same_tokens(both, text):
    _same(both, text)
    _same(both, text)  # what is remembered too


def test_every_character_is_what_it_is_to_bert4keras(both):
    for first in range(0, 0x30000, 256):  # beyond it hardly any are given out
        text = ''.join(chr(n) + 'a' for n in range(first, first + 256) if not 0xd800 <= n < 0xe000)
        assert both[0].tokenize(text) == both[1].tokenize(text)


def test_words_are_taken_from_a_segmenter_as_there():
    vocab, segmenter = {'[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, '东西': 4, '好': 5}, lambda text: ['东西', '好吗']
    one, other = (of(vocab, pre_tokenize=segmenter).tokenize('东西好吗') for of in (Tokenizer, FastTokenizer))
    assert one == other == ['[CLS]', '东西', '好', '吗', '[SEP]']


def test_a_checkpoint_has_it():
    assert type(Checkpoint('bert-mini-zh').tokenizer()) is FastTokenizer
