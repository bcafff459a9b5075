"""`hf:owner/name[@revision]`: a repository of the Hugging Face Hub, as a folder of huggingface_hub's cache.

Cache, resume, tokens, mirrors (HF_ENDPOINT) and offline work (HF_HUB_OFFLINE) are huggingface_hub's; here stands which
files are wanted, whether they arrived as the Hub has them, and what to do where they did not.
"""
import fnmatch
import glob
import hashlib
import os
import re
from collections import Counter

from pet_keras.checkpoints.source import weights_among
from pet_keras.checkpoints.vocabulary import other_tokenizer
from pet_keras.errors import UserError

PREFIX = 'hf:'
_NAME = re.compile(r'hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?', re.ASCII)
# Weights in the order of preference, one kind a line; all patterns of a kind must be met
_WEIGHTS = (
    ('model.safetensors',),
    ('model.safetensors.index.json', 'model-*-of-*.safetensors'),
    ('pytorch_model.bin',),
    ('pytorch_model.bin.index.json', 'pytorch_model-*-of-*.bin'),
    ('bert_model.ckpt.index', 'bert_model.ckpt.data-*-of-*'),
    ('*ckpt*.index', '*ckpt*.data-*-of-*'),
    ('tf_model.h5',),
    ('*.safetensors',),
    ('*model*.bin*',),  # UER-py's, which end in the number of steps
)
_PIECE = re.compile(r'-\d+-of-(\d+)\b')


def is_hub_name(name):
    """Whether a checkpoint's name asks for the Hub.

    >>> is_hub_name('hf:google-bert/bert-base-chinese'), is_hub_name('bert-mini-zh')
    (True, False)
    """
    return str(name).startswith(PREFIX)


def fetch(name, download=True):
    """The folder of `hf:owner/name[@revision]`, a str; files that the cache lacks are downloaded first.

    Without `download` it is what the cache holds, and nobody is asked.

    Only what a checkpoint is read from: configs, vocabulary, and weights in one format. Without `@revision` the Hub
    is asked for the newest; where it cannot be reached, what the cache holds is taken. Downloaded files are compared
    with the Hub's checksums.

    Raises: UserError, each with what to do: huggingface_hub is missing, the name is none, there is no such repository
    or revision, it is private or gated, the Hub cannot be reached (or HF_HUB_OFFLINE is set) and the cache holds no
    copy, the cache cannot be written, a file arrived damaged, there is nothing that can be read.
    """
    name = str(name)
    match = _NAME.fullmatch(name)
    if not match or '..' in name:
        raise UserError('%r names no repository: write hf:owner/name or hf:owner/name@revision, such as '
                        'hf:google-bert/bert-base-chinese.' % name)
    repo, revision = match.groups()
    hub = _huggingface_hub(name)
    if not download:
        return _cached(hub, name, repo, revision, UserError(
            '%s is not in the cache, and nothing is downloaded because a file names it.' % name))
    try:
        there = hub.HfApi().model_info(repo, revision=revision, files_metadata=True)
    except Exception as e:  # each HTTP library, and each version of huggingface_hub, has types of its own
        if _refused(hub, e):
            raise _explained(hub, name, e) from None
        return _cached(hub, name, repo, revision, e)
    files = {file.rfilename: file for file in there.siblings}
    wanted, missing = _select(files)
    if missing:
        raise UserError('%s holds no %s. %s' % (name, ' and no '.join(missing), _what_is_read(files)))
    weights_among(wanted, name)  # which says so where there are several
    new = [file for file in wanted if not isinstance(hub.try_to_load_from_cache(repo, file, revision=there.sha), str)]
    try:
        folder = hub.snapshot_download(
            repo, revision=revision, allow_patterns=list(map(glob.escape, wanted)),
            **({} if new else {'tqdm_class': _no_bar()}))
    except Exception as e:
        raise _explained(hub, name, e) from None
    for file in new:
        _check(os.path.join(folder, file), files[file], name)
    return folder


def _huggingface_hub(name):
    try:
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError:
        raise UserError('%s needs huggingface_hub. Type:  pip install "pet-keras[hub]"' % name) from None
    return huggingface_hub


def _no_bar():
    """Progress bars that are not shown: there is nothing to wait for."""
    from huggingface_hub.utils import tqdm

    class NoBar(tqdm):
        def __init__(self, *args, **kwargs):
            super(NoBar, self).__init__(*args, **dict(kwargs, disable=True))
    return NoBar


def _select(files):
    """`(the files to read, what is missing)` of the names of a folder's files; both are lists of str."""
    names = sorted(file for file in files if '/' not in file and not file.startswith('adapter_'))
    configs, weights = fnmatch.filter(names, '*config*.json'), _weights(names)
    vocabulary = fnmatch.filter(names, '*vocab*.txt')
    if vocabulary or not other_tokenizer(names):
        vocabulary += fnmatch.filter(names, 'tokenizer.json')  # it also says whether capitals are kept
    # UER-py's models do without a config
    model_s = [name for name in configs if not name.startswith(('tokenizer_', 'generation_'))] or (
        fnmatch.filter(weights, '*.bin*'))
    found = {'config (config.json)': model_s, 'vocabulary (vocab.txt)': vocabulary, 'whole set of weights': weights}
    return sorted({*configs, *vocabulary, *weights}), [what for what, names in found.items() if not names]


def _weights(names):
    """The files of the first kind of weights that is there whole."""
    for kind in _WEIGHTS:
        groups = [fnmatch.filter(names, pattern) for pattern in kind]
        weights = sum(groups, [])
        pieces = Counter((match.string[:match.start()], int(match.group(1))) for match in map(
            _PIECE.search, weights) if match)  # several checkpoints of TensorFlow's may stand there
        if all(groups) and all(count == total for (_, total), count in pieces.items()):
            return weights
    return []


def _what_is_read(files):
    if not fnmatch.filter(files, '*vocab*.txt') and other_tokenizer(files):
        return 'Its tokenizer is SentencePiece or byte-level BPE, as of XLM-R, RoBERTa, T5 or CPM; only that of BERT ' \
               'is read, whose vocab.txt has a token a line.'
    return 'BERT-like models are read: a config.json, a vocab.txt and weights that are safetensors, ' \
           'pytorch_model.bin, a TensorFlow checkpoint or tf_model.h5.'


def _cached(hub, name, repo, revision, problem):
    """The folder that the cache holds, whole; UserError which says why it was needed where there is none."""
    try:
        # no patterns: only where it is, for some versions complain of files that nobody asked for
        folder = hub.snapshot_download(repo, revision=revision, local_files_only=True, allow_patterns=[])
    except Exception:
        folder = None
    if folder and not _select([file for file in os.listdir(folder) if os.path.exists(os.path.join(folder, file))])[1]:
        return folder
    raise problem if isinstance(problem, UserError) else _explained(hub, name, problem)


def _check(path, file, name):
    """Compares a downloaded file with the Hub's checksum, if it gave one; removes it where they differ.

    huggingface_hub itself compares sizes, and checksums in its own transfer protocol alone.
    """
    if file.lfs:
        digest, wanted = hashlib.sha256(), file.lfs['sha256']
    else:
        digest, wanted = hashlib.sha1(b'blob %d\0' % os.path.getsize(path)), file.blob_id  # as Git names it
    with open(path, 'rb') as reader:
        for block in iter(lambda: reader.read(1 << 20), b''):
            digest.update(block)
    if wanted and digest.hexdigest() != wanted:
        for wrong in {os.path.realpath(path), path}:
            os.remove(wrong)
        raise UserError('%s: %s arrived damaged, its checksum is not the one the Hub gives; it was removed. '
                        'Try again, or another HF_ENDPOINT.' % (name, file.rfilename))


def _status(e):
    return getattr(getattr(e, 'response', None), 'status_code', None)


def _refused(hub, e):
    """Whether the Hub answered, and would answer the same again."""
    errors = hub.errors
    return isinstance(e, (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError)) or (
        _status(e) in (401, 403, 404))


def _explained(hub, name, e):
    """What went wrong, as a UserError."""
    errors, constants = hub.errors, hub.constants
    repo, _, revision = name[len(PREFIX):].partition('@')
    said = ' '.join((str(e) or type(e).__name__).split())
    if isinstance(e, errors.HFValidationError):
        return UserError('%r names no repository: %s' % (name, said))
    if isinstance(e, errors.GatedRepoError):
        return UserError('%s is gated: ask for access at %s/%s, then log in (`hf auth login`, or set HF_TOKEN).' % (
            name, constants.ENDPOINT, repo))
    if isinstance(e, errors.RevisionNotFoundError):
        return UserError('%s: %s/%s has no revision %r: give a branch, a tag or a commit, or leave @… out.' % (
            name, constants.ENDPOINT, repo, revision or 'main'))
    if isinstance(e, errors.RepositoryNotFoundError) or _status(e) == 404:
        return UserError('%s: %s has no repository %s, or it is private: look at the spelling, or log in '
                         '(`hf auth login`, or set HF_TOKEN).' % (name, constants.ENDPOINT, repo))
    if _status(e) in (401, 403):
        return UserError('%s: %s refuses access to %s: log in with a token that may read it (`hf auth login`, or set '
                         'HF_TOKEN).' % (name, constants.ENDPOINT, repo))
    if constants.HF_HUB_OFFLINE:
        return UserError('%s is not in the cache (%s), and HF_HUB_OFFLINE is set: fetch it once without, or name the '
                         'right cache in HF_HOME.' % (name, constants.HF_HUB_CACHE))
    if isinstance(e, OSError) and e.errno and not isinstance(e, ConnectionError):
        return UserError('%s cannot be written to the cache %s: %s. Make room, or name another place in HF_HOME.' % (
            name, constants.HF_HUB_CACHE, e.strerror))
    return UserError('%s could not be fetched from %s, and is not whole in the cache (%s): %s. Check the network, or '
                     'name a mirror in HF_ENDPOINT.' % (name, constants.ENDPOINT, constants.HF_HUB_CACHE, said))
