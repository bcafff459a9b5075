"""Accuracy with each way of calibrating, zero-shot, of the shipped models on FewCLUE's tnews and the sentiment set.

    python benchmarks/calibration.py DATA [--only sentiment] [--checkpoints bert-mini-zh]

DATA holds `fewclue/tnews` and `sentiment`. The texts to calibrate on are drawn from unlabeled.json (tnews) and from the
training lines (sentiment), without those that stand in dev or test; of fewer texts than all the figure is the mean over
five draws. Prints a line of JSON for each checkpoint, pattern and set of texts, and at the end the tables.
"""
import argparse
import json
import os
import random

import numpy as np

from pet_keras import ClozeClassifier, Task, read_examples

MOST = 500  # texts to calibrate on
SIZES = (20, 100, MOST)
TASKS = {
    'news': dict(folder='fewclue/tnews', patterns=('P1', 'P2'), premise='这是一则新闻。', test=('test_public.json', 2010),
                 dev=('dev_few_all.json', 1000), unlabelled='unlabeled.json'),
    'sentiment': dict(folder='sentiment', patterns=('P1', 'P2', 'P3', 'P4', 'P5'), premise='这是一条评论。',
                      test=('sentiment.test.data', 600), dev=('sentiment.valid.data', 200),
                      unlabelled='sentiment.train.data'),
}


class Remembering(ClozeClassifier):
    """Scores each text once, however often it is calibrated on."""
    def label_scores(self, examples, batch_size=32, verbose=0):
        known = self.__dict__.setdefault('known', {}).setdefault(self.pattern.string, {})
        examples = self.examples(examples)
        new = [e for e in {e.text: e for e in examples}.values() if e.text not in known]
        scores = super(Remembering, self).label_scores(new, batch_size) - self.offset
        known.update(zip([e.text for e in new], scores))
        return np.array([known[e.text] for e in examples]) + self.offset


def texts(task, spec, data):
    """{'test', 'dev': labelled texts; 'unlabelled'}, none of them in two parts."""
    found, seen = {}, set()
    parts = {'test': spec['test'], 'dev': spec['dev'], 'unlabelled': (spec['unlabelled'], MOST)}
    for part, (name, count) in parts.items():
        examples = read_examples(os.path.join(data, spec['folder'], name), task, part != 'unlabelled')
        examples = [e for e in {e.text: e for e in examples}.values() if e.text not in seen]
        random.Random(0).shuffle(examples)
        found[part] = examples[:count]
        seen.update(e.text for e in examples[:count] if part != 'unlabelled')
    return dict(found, unlabelled=[e._replace(label=None) for e in found['unlabelled']])


def offsets(classifier, unlabelled, premise):
    """{name of a way of calibrating: a list of offsets, one a draw}"""
    found = {'none': [np.zeros(len(classifier.labels))],
             'contextual': [classifier.calibrate(method='contextual').offset],
             'pmi': [classifier.calibrate(method='pmi').offset],
             'pmi, ' + premise: [classifier.calibrate(method='pmi', premise=premise).offset]}
    for method in ('mean', 'prior'):
        for size in SIZES:
            draws = [random.Random(seed).sample(unlabelled, size) for seed in range(5 if size < MOST else 1)]
            found['%s, %d' % (method, size)] = [classifier.calibrate(draw, method).offset for draw in draws]
    classifier.offset = np.zeros(len(classifier.labels))
    return found


def accuracies(classifier, examples, ways):
    """{way: (mean, standard deviation over the draws)}, percent."""
    scores = classifier.label_scores(examples)
    truth = np.array([classifier.labels.index(e.label) for e in examples])
    found = {way: [100. * np.mean((scores + offset).argmax(axis=1) == truth) for offset in drawn]
             for way, drawn in ways.items()}
    return {way: (float(np.mean(values)), float(np.std(values))) for way, values in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', metavar='DATA')
    parser.add_argument('--only', choices=TASKS, help='one of the two tasks')
    parser.add_argument('--checkpoints', nargs='+', default=['bert-small-zh', 'bert-mini-zh'])
    args = parser.parse_args()
    rows = {}
    for name in [args.only] if args.only else TASKS:
        spec, task = TASKS[name], Task.load(name)
        data = texts(task, spec, args.data)
        for checkpoint in args.checkpoints:
            classifier = Remembering(task, checkpoint, spec['patterns'][0])
            for pattern in spec['patterns']:
                classifier.pattern = pattern
                ways = offsets(classifier, data['unlabelled'], spec['premise'])
                for part in ('dev', 'test'):
                    row = accuracies(classifier, data[part], ways)
                    rows.setdefault((name, part), []).append((checkpoint, pattern, row))
                    print(json.dumps([name, part, len(data[part]), checkpoint, pattern, row], ensure_ascii=False),
                          flush=True)
    for (name, part), found in rows.items():
        print('\n%s, %s\n\n| checkpoint | pattern | %s |' % (name, part, ' | '.join(found[0][2])))
        print('|---' * (2 + len(found[0][2])) + '|')
        for checkpoint, pattern, row in found:
            print('| %s | %s | %s |' % (checkpoint, pattern, ' | '.join(
                '%.1f' % mean + (' ± %.1f' % spread) * (way.split(', ')[-1] in map(str, SIZES[:-1]))
                for way, (mean, spread) in row.items())))


if __name__ == '__main__':
    main()
