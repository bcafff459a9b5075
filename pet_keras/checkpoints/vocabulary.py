"""A vocabulary file: one token a line, the line's number is the token's id."""
from pet_keras.errors import UserError


def read_tokens(path):
    """The tokens of a vocabulary file in order, as a list of str.

    Raises: UserError where the file is not UTF-8.
    """
    try:
        with open(path, encoding='utf-8') as reader:
            return [line.rstrip('\r\n') for line in reader]
    except UnicodeDecodeError:
        raise UserError('%s is not UTF-8.' % path) from None


def read_vocab(path, size, config_path):
    """The vocabulary as a dict token → id.

    Arguments: `size` is the number of tokens that the config at `config_path` names.

    Raises: UserError where the number is another, or a special token of BERT is missing.
    """
    tokens = read_tokens(path)
    vocab = {token: i for i, token in enumerate(tokens)}
    if len(tokens) != size:
        raise UserError('%s holds %d tokens but %s says vocab_size %d: these files are not of one release.' % (
            path, len(tokens), config_path, size))
    for token in ('[PAD]', '[UNK]', '[CLS]', '[SEP]'):
        if token not in vocab:
            raise UserError('%s has no %s.' % (path, token))
    return vocab
