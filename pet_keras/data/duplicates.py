"""Texts that are the same, and texts that are nearly the same.

The same: after NFKC (full-width and half-width forms become one) and with each run of white space as one space.
Nearly: the sets of their character bigrams overlap, |A∩B| / |A∪B|. MinHash finds the pairs worth comparing, so a
million texts are not compared two by two (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3).
"""
import array
import hashlib
import unicodedata
import zlib

import numpy as np

from pet_keras.errors import UserError

_HASHES = 128  # a text's signature
_RECALL = 0.995  # of the pairs at the threshold, the share that is to be compared
_STEP = 100000  # texts between two words on progress
_PART = 4096  # bigrams hashed at a time: a line may be a whole book


def normalised(text, text_b=None):
    """A text, or a pair as one string, such that the same texts are equal."""
    one = ' '.join(unicodedata.normalize('NFKC', text).split())
    return one if text_b is None else one + '\n' + normalised(text_b)


def bigrams(text):
    """The set of a text's character bigrams; a single character is its own."""
    return {text[i:i + 2] for i in range(len(text) - 1)} or {text}


def jaccard(a, b):
    """What two sets share, of what they hold together."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


class TextTable(object):
    """The texts of several files, a row each, in about 50 bytes and the text itself.

    `add` takes them in order; after `close(number of files)` there are, as arrays by row, `file`, `line`, `label` (a
    key of the dict `labels`, -1: none) and `text`, the index of the row's text among the different ones. These are the
    sequence `texts`, and `first`, int32 `[texts, files]`, is the row of a file in which a text stands first, or -1.
    """
    def __init__(self):
        self.file, self.line, self.label = array.array('i'), array.array('q'), array.array('i')
        self.labels, self._keys, self._ends, self._bytes = {None: -1}, array.array('Q'), array.array('q'), bytearray()

    def add(self, file, line, text, label):
        text = text.encode('utf-8')
        self.file.append(file)
        self.line.append(line)
        self.label.append(self.labels.setdefault(label, len(self.labels) - 1))
        self._keys.append(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), 'little'))
        self._bytes += text
        self._ends.append(len(self._bytes))

    def close(self, files):
        self.file, self.line, self.label = np.array(self.file), np.array(self.line), np.array(self.label)
        _, rows, texts = np.unique(np.array(self._keys), return_index=True, return_inverse=True)
        order = np.argsort(rows)  # texts are numbered as they are met
        self.text = np.argsort(order)[texts]
        self.texts = _Texts(self._bytes, np.array(self._ends), rows[order])
        self.first = np.full((len(rows), files), -1, 'int32')
        places, rows = np.unique(self.text * files + self.file, return_index=True)
        self.first.flat[places] = rows
        self.labels = {code: label for label, code in self.labels.items()}


class _Texts(object):
    """Sequence of the different texts."""
    def __init__(self, data, ends, rows):
        self.data, self.ends, self.rows = data, ends, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        return self.data[self.ends[row - 1] if row else 0:self.ends[row]].decode('utf-8')


def near_partners(texts, present, threshold=0.8, progress=None):
    """For each text and file one other text of the file that is nearly the same.

    Of the pairs that overlap by just `threshold`, 99.5 % are compared, of closer ones more; what is compared is counted
    exactly. In a crowd of texts that look alike each is compared with some forty others and as many of each file, not
    with all: of the pairs of a crowd that is itself not near enough, some are missed.

    Arguments:
        texts: sequence of different str, each as `normalised` leaves it.
        present: bool `[texts, files]`: where each text stands.
        threshold: overlap of the sets of character bigrams, from 0.5 to 1.
        progress: called now and then with the share of the texts that have a signature.

    Returns: int32 `[texts, files]`, the index of the partner, -1 where there is none.
    Raises: UserError for a threshold out of range; ImportError without datasketch.
    """
    if not 0.5 <= threshold <= 1:
        raise UserError('Near duplicates overlap by 0.5 to 1, not %g.' % threshold)
    partner, rng = np.full(present.shape, -1, 'int32'), np.random.default_rng(0)
    for bucket in _buckets(texts, threshold, progress or (lambda share: None)):
        order = rng.permutation(len(texts))  # in a crowd, other neighbours each time
        order = order[np.argsort(bucket[order], kind='stable')]
        for left, right in _pairs(bucket[order], present[order]):
            _compare(texts, present, threshold, partner, order[left], order[right])
    return partner


def _pairs(bucket, present):
    """Yields positions to compare, as two arrays, where sorted numbers are equal."""
    other = bucket[1:] != bucket[:-1]
    left = np.flatnonzero(~other)
    yield left, left + 1
    run = np.cumsum(np.append(True, other)[:len(bucket)])
    for file in present.T:
        members = np.flatnonzero(file)
        runs, at = np.unique(run[members], return_index=True)
        leader = np.full(len(bucket) + 1, -1)
        leader[runs] = members[at]
        right = leader[run]
        left = np.flatnonzero((right >= 0) & (right != np.arange(len(bucket))))
        yield left, right[left]


def _buckets(texts, threshold, progress):
    """Yields uint64 `[texts]` several times: texts with equal numbers are worth comparing."""
    rows = max(r for r in range(1, _HASHES + 1) if 1 - (1 - threshold ** r) ** (_HASHES // r) >= _RECALL)
    bands = np.empty((_HASHES // rows, len(texts)), 'uint64')
    for i, signature in enumerate(_signatures(texts)):
        key = np.zeros(len(bands), 'uint64')
        for column in signature[:rows * len(bands)].reshape(-1, rows).T:
            key = key * np.uint64(0x9E3779B97F4A7C15) + column  # modulo 2^64
        bands[:, i] = key
        if i % _STEP == _STEP - 1:
            progress(i / len(texts))
    yield from bands


def _signatures(texts):
    """Yields the MinHash of each text, uint64 `[128]`."""
    try:
        from datasketch import MinHash
    except ImportError:
        raise ImportError('Near duplicates need datasketch. Type:  pip install "pet-keras[data]"') from None
    empty = MinHash(_HASHES, seed=1, hashfunc=zlib.crc32)
    for text in texts:
        minhash, grams = empty.copy(), [gram.encode('utf-8') for gram in bigrams(text)]
        for start in range(0, len(grams), _PART):
            minhash.update_batch(grams[start:start + _PART])
        yield minhash.hashvalues.astype('uint64')


def _compare(texts, present, threshold, partner, left, right):
    """Compares the pairs that can still add a partner, and notes those that are near."""
    def wanted(a, b):
        return ((partner[a] < 0) & present[b]).any(-1)
    useful = wanted(left, right) | wanted(right, left)
    for a, b in zip(left[useful].tolist(), right[useful].tolist()):
        if (wanted(a, b) or wanted(b, a)) and jaccard(bigrams(texts[a]), bigrams(texts[b])) >= threshold:
            for one, other in ((a, b), (b, a)):
                partner[one, (partner[one] < 0) & present[other]] = other
