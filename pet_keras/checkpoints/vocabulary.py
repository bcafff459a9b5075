"""A vocabulary file: one token a line, the line's number is the token's id; or a `tokenizer.json` of BERT's kind."""
import fnmatch
import os
import shutil

from pet_keras.checkpoints.config import find_file, read_config
from pet_keras.checkpoints.git_lfs import check_no_pointer
from pet_keras.errors import UserError

# What stands in place of vocab.txt where the tokenizer is of another kind
_OTHER_TOKENIZERS = [('*.model', 'SentencePiece'), ('*.spm', 'SentencePiece'), ('merges.txt', 'byte-level BPE'),
                     ('vocab.json', 'byte-level BPE')]
_PADDING = '[row %d]'
_MOST_PADDING = .01  # of the rows: some releases add a few to their table
_ONLY = "only BERT's, whose vocab.txt has a token a line."


def read_tokens(path):
    """The tokens of a vocabulary file in order, as a list of str.

    Raises: UserError where the file is not UTF-8 or Git's pointer, or the tokenizer of a `tokenizer.json` not BERT's.
    """
    if path.endswith('.json'):
        return _tokens_of_json(path)
    check_no_pointer(path)
    try:
        with open(path, encoding='utf-8-sig') as reader:
            return [line.rstrip('\r\n') for line in reader]
    except UnicodeDecodeError:
        raise UserError('%s is not UTF-8.' % path) from None


def _tokens_of_json(path):
    """The tokens of a `tokenizer.json`, which is all that newer releases of transformers write."""
    model = read_config(path).get('model')
    kind = model.get('type') if isinstance(model, dict) else None
    if kind != 'WordPiece':
        raise UserError('%s is of kind %s: such tokenizers are not read here, %s' % (path, kind, _ONLY))
    try:
        tokens = sorted(model['vocab'], key=model['vocab'].get)
        if [model['vocab'][token] for token in tokens] != list(range(len(tokens))):
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError('%s has no vocabulary that numbers its tokens from 0 on.' % path) from None
    return tokens


def write_vocab(path, target):
    """Writes the vocabulary file `path` as a `vocab.txt`: as it is, where it is one."""
    if not path.endswith('.json'):
        shutil.copyfile(path, target)
        return
    with open(target, 'w', encoding='utf-8', newline='\n') as writer:
        writer.writelines(token + '\n' for token in read_tokens(path))


def read_vocab(path, size):
    """The vocabulary as a dict token → id.

    Arguments: `size` is the number of tokens that the config names. Some releases have a few rows more than tokens
    (ERNIE 18,000 for 17,964): these get tokens that no text has, `padding_tokens` counts them. Whether the numbers
    agree at last is for `Checkpoint.check_vocabulary` to say.

    Raises: UserError where a token stands there twice, or a special token of BERT is missing.
    """
    tokens = read_tokens(path)
    while len(tokens) > size and not tokens[-1]:
        tokens.pop()  # blank lines at the end
    if 0 < size - len(tokens) <= _MOST_PADDING * size:
        tokens += [_PADDING % i for i in range(len(tokens), size)]
    vocab = {}
    for i, token in enumerate(tokens):
        if vocab.setdefault(token, i) != i:
            raise UserError('%s has %r twice, in lines %d and %d: its tokens would not be those of the model.' % (
                path, token, vocab[token] + 1, i + 1))
    for token in ('[PAD]', '[UNK]', '[CLS]', '[SEP]'):
        if token not in vocab:
            raise UserError('%s has no %s.' % (path, token))
    return vocab


def padding_tokens(vocab):
    """How many rows of the table have no token in the vocabulary's file."""
    return sum(_PADDING % i == token for token, i in vocab.items())


def lower_case(folder, config={}):
    """Whether a model's text is lower-cased, by its config or the tokenizer's files in a folder; None: none says it."""
    found = config.get('do_lower_case')
    for name, told in (('tokenizer_config.json', lambda file: file.get('do_lower_case')),
                       ('tokenizer.json', lambda file: _lower_cases(file.get('normalizer')))):
        path = os.path.join(folder, name)
        if found is None and os.path.isfile(path):
            found = told(read_config(path))
            found = found if isinstance(found, bool) else None
    return found


def _lower_cases(normalizer):
    """Whether the normalizer of a `tokenizer.json`, or one in its sequence, lower-cases; None where none says it."""
    if not isinstance(normalizer, dict):
        return None
    if isinstance(normalizer.get('normalizers'), list):
        told = [_lower_cases(part) for part in normalizer['normalizers']]
        return any(told) if any(isinstance(found, bool) for found in told) else None
    return normalizer.get('type') == 'Lowercase' or normalizer.get('lowercase')


def find_vocab(folder):
    """The path of the vocabulary file in a folder.

    Raises: UserError where there is none, or several could be meant; where the tokenizer is one that is not read
    here, it says so.
    """
    there = os.listdir(folder)
    if not fnmatch.filter(there, '*vocab*.txt'):
        other = other_tokenizer(there)
        if other:
            raise UserError('%s holds no vocab.txt but %s: %s tokenizers, as of XLM-R, RoBERTa, T5 or CPM, are not '
                            'read here, %s' % (folder, *other, _ONLY))
        if 'tokenizer.json' in there:
            return os.path.join(folder, 'tokenizer.json')
    return find_file(folder, 'vocabulary', ['vocab.txt', '*vocab*.txt'])


def other_tokenizer(names):
    """(file, kind) of a tokenizer that is not BERT's, among the names of a folder's files; None where there is none."""
    return next(((name, kind) for pattern, kind in _OTHER_TOKENIZERS for name in fnmatch.filter(names, pattern)), None)
