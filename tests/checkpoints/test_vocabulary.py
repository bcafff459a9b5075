import pytest

from folders import error
from pet_keras.checkpoints.vocabulary import read_tokens, read_vocab

TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '很', '\u3000', '##好']


def write(tmp_path, content):
    (tmp_path / 'vocab.txt').write_bytes(content)
    return str(tmp_path / 'vocab.txt')


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
@pytest.mark.parametrize('last', [True, False], ids=['ends with a newline', 'ends without one'])
def test_a_line_is_a_token_and_its_number_the_id(tmp_path, newline, last):
    content = newline.join(TOKENS) + (newline if last else '')
    file = write(tmp_path, content.encode())
    assert read_tokens(file) == TOKENS
    assert read_vocab(file, len(TOKENS), 'config') == {token: i for i, token in enumerate(TOKENS)}


@pytest.mark.parametrize('size', [len(TOKENS) - 1, len(TOKENS) + 1])
def test_another_size_than_the_config_s_is_an_error_that_names_both_files(tmp_path, size):
    file = write(tmp_path, '\n'.join(TOKENS).encode())
    message = error(file, lambda file: read_vocab(file, size, 'the_config.json'))
    assert message == '%s holds %d tokens but the_config.json says vocab_size %d: these files are not of one ' \
                      'release.' % (file, len(TOKENS), size)


@pytest.mark.parametrize('token', ['[PAD]', '[UNK]', '[CLS]', '[SEP]'])
def test_a_missing_special_token_is_named(tmp_path, token):
    file = write(tmp_path, '\n'.join('something' if t == token else t for t in TOKENS).encode())
    assert error(file, lambda file: read_vocab(file, len(TOKENS), 'config')) == '%s has no %s.' % (file, token)


def test_a_vocabulary_in_another_encoding_is_named(tmp_path):
    file = write(tmp_path, '\n'.join(TOKENS).encode('utf-16'))
    assert error(file, read_tokens) == file + ' is not UTF-8.'


@pytest.mark.parametrize('content', ['\ufeff%s', '%s\n', '%s\n\n\r\n'], ids=['byte order mark', 'blank line', 'blank lines'])
def test_a_byte_order_mark_and_blank_lines_at_the_end_are_no_tokens(tmp_path, content):
    path = tmp_path / 'vocab.txt'
    path.write_text(content % '[PAD]\n[UNK]\n[CLS]\n[SEP]\n好\n', encoding='utf-8')
    assert list(read_vocab(str(path), 5, 'config.json')) == ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '好']
