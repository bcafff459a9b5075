import json

import pytest

SMALL = {
    'task': 'sentiment',
    'data': {'train': 'train.tsv', 'dev': 'dev.tsv', 'tests': {'unseen': {'file': 'test.tsv', 'leave_out': ['train']},
                                                               'whole': 'test.tsv'}},
    'labelled': 4, 'unlabelled': 6, 'seeds': [0, 1], 'checkpoints': ['bert-mini-zh'], 'patterns': ['P1', 'P3'],
    'methods': {'zero-shot': {}, 'few-shot': {'learn': 'labelled'}},
}


def lines(name, n):
    """Lines of a file: texts of its own, every third one positive."""
    return ['%s %d\t%d\n' % (name, i, i % 3 == 0) for i in range(n)]


@pytest.fixture
def small():
    """An experiment to change."""
    return json.loads(json.dumps(SMALL))


@pytest.fixture
def write(tmp_path):
    """Writes an experiment as JSON beside its three files; returns the path.

    Of 10 test lines 2 stand in train (its first and last ones) and 1 in dev.
    """
    def _write(experiment):
        train, dev = lines('练', 20), lines('选', 6)
        for name, text in (('train', train), ('dev', dev), ('test', lines('测', 7) + [train[0], train[-1], dev[0]])):
            (tmp_path / (name + '.tsv')).write_text(''.join(text), encoding='utf-8')
        (tmp_path / 'grid.json').write_text(json.dumps(experiment), encoding='utf-8')
        return str(tmp_path / 'grid.json')
    return _write
