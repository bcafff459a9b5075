import pytest

from folders import error
from pet_keras.checkpoints.vocabulary import lower_case, padding_tokens, read_tokens, read_vocab

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
    assert read_vocab(file, len(TOKENS)) == {token: i for i, token in enumerate(TOKENS)}


@pytest.mark.parametrize('size', [len(TOKENS) - 1, len(TOKENS) + 1])
def test_of_another_size_than_the_config_s_it_is_read_as_it_is(tmp_path, size):
    """What it is of use for, Checkpoint.check_vocabulary says."""
    assert list(read_vocab(write(tmp_path, '\n'.join(TOKENS).encode()), size)) == TOKENS


@pytest.mark.parametrize('token', ['[PAD]', '[UNK]', '[CLS]', '[SEP]'])
def test_a_missing_special_token_is_named(tmp_path, token):
    file = write(tmp_path, '\n'.join('something' if t == token else t for t in TOKENS).encode())
    assert error(file, lambda file: read_vocab(file, len(TOKENS))) == '%s has no %s.' % (file, token)


def test_a_vocabulary_in_another_encoding_is_named(tmp_path):
    file = write(tmp_path, '\n'.join(TOKENS).encode('utf-16'))
    assert error(file, read_tokens) == file + ' is not UTF-8.'


@pytest.mark.parametrize('content', ['\ufeff%s', '%s\n', '%s\n\n\r\n'], ids=['byte order mark', 'blank line', 'blank lines'])
def test_a_byte_order_mark_and_blank_lines_at_the_end_are_no_tokens(tmp_path, content):
    path = tmp_path / 'vocab.txt'
    path.write_text(content % '[PAD]\n[UNK]\n[CLS]\n[SEP]\n好\n', encoding='utf-8')
    assert list(read_vocab(str(path), 5)) == ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '好']


def test_a_few_rows_more_than_tokens_get_tokens_that_no_text_has(tmp_path):
    many = TOKENS + ['词%d' % i for i in range(300)]
    vocab = read_vocab(write(tmp_path, '\n'.join(many).encode()), len(many) + 3)
    assert list(vocab)[:len(many)] == many and list(vocab.values()) == list(range(len(many) + 3))
    assert padding_tokens(vocab) == 3 and padding_tokens(dict.fromkeys(many, 0)) == 0
    assert list(read_vocab(str(tmp_path / 'vocab.txt'), len(many) + 4)) == many


def test_a_token_that_stands_there_twice_is_told_with_both_lines(tmp_path):
    file = write(tmp_path, '\n'.join(TOKENS + ['很']).encode())
    message = error(file, lambda file: read_vocab(file, 9))
    assert message.startswith("%s has '很' twice, in lines 6 and 9" % file)


@pytest.mark.parametrize('files,told', [
    ({}, None), ({'tokenizer_config.json': '{"do_lower_case": false}'}, False),
    ({'tokenizer.json': '{"normalizer": {"lowercase": false}}'}, False),
    ({'tokenizer.json': '{"normalizer": null}', 'tokenizer_config.json': '{}'}, None),
    ({'tokenizer.json': '{"normalizer": {"normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}}'}, True),
    ({'tokenizer.json': '{"normalizer": {"normalizers": [{"type": "NFC"}, {"lowercase": false}]}}'}, False),
    ({'tokenizer.json': '{"normalizer": {"normalizers": [{"type": "NFC"}]}}'}, None),
    ({'tokenizer.json': '{"normalizer": {"lowercase": false}}', 'tokenizer_config.json': '{"do_lower_case": true}'},
     True)], ids=str)
def test_files_of_the_tokenizer_say_whether_it_lower_cases(tmp_path, files, told):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert lower_case(str(tmp_path)) is told


@pytest.mark.parametrize('name', ['vocab.txt', 'tokenizer.json'])
def test_a_pointer_of_git_is_no_vocabulary(tmp_path, name):
    (tmp_path / name).write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 12\n')
    message = error(str(tmp_path / name), read_tokens)
    assert message.startswith(str(tmp_path / name) + ' is not the file itself') and 'git lfs pull' in message
