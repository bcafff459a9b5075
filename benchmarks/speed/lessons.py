"""The same work for every way: texts as long as those of the published sentiment set, encoded once."""
import json

import numpy as np

# characters of its test texts, every twentieth of them
QUANTILES = [1, 17, 23, 30, 34, 39, 45, 49, 55, 61, 69, 80, 92, 105, 127, 151, 169, 180, 188, 232, 1328]
WORKS, BATCH_SIZE, MAXLEN = ('scoring', 'few-shot', 'P-tuning', 'continued MLM'), 32, 128


def texts(count, seed=0):
    """Pieces of the texts that come with the project, of these lengths."""
    from pet_keras.data.shipped import shipped_texts
    rng = np.random.default_rng(seed)
    with open(shipped_texts('reviews.unlabelled.txt'), encoding='utf-8') as reader:
        line = ''.join(reader.read().split())
    lengths = np.interp(rng.random(count), np.linspace(0, 1, len(QUANTILES)), QUANTILES).astype(int)
    starts = rng.integers(0, len(line), count)
    return [(line * 2)[start:start + max(1, length)] for start, length in zip(starts, lengths)]


def way_of(work):
    """What a ClozeClassifier is told for this work."""
    from pet_keras import prompt_pattern
    prompt = {'train': 'prompt', 'pattern': prompt_pattern(8)} if work == 'P-tuning' else {}
    return dict({'maxlen': MAXLEN, 'check_head': False}, **prompt)


def lesson(classifier, work, i, text):
    """What one text teaches: kexue.fm 7764's pattern and masks, or the masks alone."""
    from pet_keras import Example
    return classifier.lesson(classifier.tokenize(Example(text)), None if work == 'continued MLM' else i % 2,
                             np.random.default_rng(i), 0. if work == 'scoring' else .15, False, 'text')


def write(path, checkpoint, count):
    """Encodes the texts for the ways that are not ours: of each text ids, places and the tokens wanted there."""
    from pet_keras import ClozeClassifier
    found = {}
    for work in WORKS:
        classifier = ClozeClassifier('sentiment', checkpoint, **way_of(work))
        lessons = [lesson(classifier, work, i, text) for i, text in enumerate(texts(count))]
        found[work] = [[np.asarray(part).tolist() for part in (one.token_ids, one.positions, one.targets)]
                       for one in lessons]
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(found, writer)


def batches(path, work):
    """(ids, targets) int32 `[batch, longest]` in the order of arrival, targets 0 where nothing is wanted."""
    with open(path, encoding='utf-8') as reader:
        lessons = json.load(reader)[work]
    for start in range(0, len(lessons), BATCH_SIZE):
        part = lessons[start:start + BATCH_SIZE]
        ids = np.zeros((len(part), max(len(one[0]) for one in part)), 'int32')
        targets = np.zeros_like(ids)
        for i, (tokens, places, wanted) in enumerate(part):
            ids[i, :len(tokens)] = tokens
            targets[i, places] = wanted
        yield ids, targets


def memory():
    """MiB that this process holds now, from where its peak is counted anew."""
    with open('/proc/self/clear_refs', 'w') as writer:
        writer.write('5')
    return _status('VmRSS')


def peak():
    """MiB that this process has held at most."""
    return _status('VmHWM')


def _status(name):
    with open('/proc/self/status') as reader:
        return int(next(line for line in reader if line.startswith(name)).split()[1]) / 1024.
