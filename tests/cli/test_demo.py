import os
import re
from types import SimpleNamespace

import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cli import demo
from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples
from pet_keras.data.shipped import shipped_texts


def test_demo_passes_its_settings_on(run, monkeypatch):
    calls = []
    monkeypatch.setattr(demo, 'run', lambda args: calls.append((args.pattern, args.seed)))
    assert run('demo')[0] == run('demo', '--pattern', 'P2', '--seed', 4)[0] == 0
    assert calls == [('P1', 0), ('P2', 4)]


def test_demo_prints_a_row_of_each_regime_with_its_data(tiny, monkeypatch, capsys):
    fits = []

    def fit(self, labelled=None, unlabelled=None, dev=None, **settings):
        fits.append((len(labelled or []), len(unlabelled or []), len(dev or []), self.pattern.string, settings['seed']))
        return self

    sizes = {'reviews.train.tsv': 16, 'reviews.dev.tsv': 8, 'reviews.test.tsv': 20, 'reviews.unlabelled.txt': 12}
    monkeypatch.setattr('pet_keras.checkpoints.checkpoint.shipped_checkpoints', lambda: {'bert-mini-zh': tiny})
    monkeypatch.setattr(ClozeClassifier, 'fit', fit)
    monkeypatch.setattr(demo, 'read_examples', lambda path, *args, **kwargs: read_examples(path, *args, **kwargs)[
        :sizes[os.path.basename(path)]])
    demo.run(SimpleNamespace(pattern='P2', seed=4))
    printed = capsys.readouterr().out
    rows = re.findall(r'^(\S.*?) +(P\d) +(\d+\.\d)% +(\d\.\d+) +\d+\.\d$', printed, re.M)
    assert [row[:2] for row in rows] == [('zero-shot', 'P%d' % n) for n in range(1, 7)] + [
        ('zero-shot + MLM', 'P2'), ('few-shot', 'P2'), ('semi-supervised', 'P2')]
    assert fits == [(0, 12, 0, '{text}[MASK]满意。', 4), (16, 0, 8, '{text}[MASK]满意。', 4),
                    (16, 12, 8, '{text}[MASK]满意。', 4)]
    task = Task.load('sentiment')
    test = read_examples(shipped_texts('reviews.test.tsv'), task)[:20]
    report = ClozeClassifier(task, tiny, 'P2').evaluate(test)
    assert [float(row[2]) for row in rows if row[1] == 'P2'] == [pytest.approx(report['accuracy'], abs=0.05)] * 4
    assert {row[3] for row in rows if row[1] == 'P2'} == {'%.3f' % report['auc']}
    assert '很 says 正面, 不 says 负面. 16 labelled texts, 12 unlabelled, 8 to choose the epoch by, 20 to test on' in printed
    assert len(re.findall(r'^  (正面|负面) +\d+%  ', printed, re.M)) == 3
