"""Accuracy of the four regimes on the published sentiment set, patterns P1-P5.

    python benchmarks/sentiment_regimes.py --data FOLDER --records regimes.jsonl

One record a (regime, pattern, seed) is appended to the records file; what is there already is not run
again, so an interrupted table goes on. The last step prints the table.

Protocol (after kexue.fm 7764): seed s learns from lines 168 s to 168 (s + 1) of sentiment.train.data, the
unlabelled texts are the 2,000 lines after them without their labels, the epoch is chosen on 400 lines of
sentiment.valid.data that stand neither in train nor in test, and accuracy is on sentiment.test.data, as
published (2,111 lines) and without the lines that also stand in train.
"""
import argparse
import json
import os
import time

from pet_keras import ClozeClassifier, Task, read_examples, without

N = 168
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help='folder of sentiment.{train,valid,test}.data')
parser.add_argument('--records', default='regimes.jsonl', help='file of results, read and appended to')
parser.add_argument('--checkpoint', default='bert-mini-zh')
parser.add_argument('--patterns', nargs='+', default=['P1', 'P2', 'P3', 'P4', 'P5'])
parser.add_argument('--regimes', nargs='+', default=['zero-shot', 'zero-shot + MLM', 'few-shot', 'semi-supervised'])
parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
parser.add_argument('--epochs', type=int, default=12, help='of few-shot; the best on dev is kept')
parser.add_argument('--unlabelled', type=int, default=2000, help='unlabelled texts')
parser.add_argument('--table-only', action='store_true', help='print the table of the records and stop')
args = parser.parse_args()

records = []
if os.path.exists(args.records):
    records = [json.loads(line) for line in open(args.records, encoding='utf-8')]


def table():
    mean = lambda v: sum(v) / len(v)  # noqa: E731
    print('| regime | pattern | runs | accuracy, as published | without shared lines |')
    print('|---|---|---|---|---|')
    for regime in args.regimes:
        for pattern in args.patterns:
            rows = [r for r in records if (r['regime'], r['pattern']) == (regime, pattern)]
            if rows:
                cells = []
                for key in ('published', 'unshared'):
                    v = [r[key] for r in rows]
                    sd = (sum((x - mean(v)) ** 2 for x in v) / (len(v) - 1)) ** .5 if len(v) > 1 else None
                    cells.append('%.1f%s' % (mean(v), ' ± %.1f' % sd if sd is not None else ''))
                print('| %s | %s | %d | %s | %s |' % (regime, pattern, len(rows), *cells))


if args.table_only:
    raise SystemExit(table())

if not args.data:
    parser.error('--data is needed to run anything')
task = Task.load('sentiment')
train, valid, test = [read_examples(os.path.join(args.data, 'sentiment.%s.data' % s), task)
                      for s in ('train', 'valid', 'test')]
seen = {e.text for e in train}
unshared = [i for i, e in enumerate(test) if e.text not in seen]
dev = without(valid, train + test)[:400]


def record(regime, pattern, seed, classifier, seconds):
    classifier.pattern = task.pattern(pattern)
    right = [label == e.label for label, e in zip(classifier.predict(test), test)]
    row = {'regime': regime, 'pattern': pattern, 'seed': seed, 'published': 100. * sum(right) / len(right),
           'unshared': 100. * sum(right[i] for i in unshared) / len(unshared),
           'dev': classifier.evaluate(dev)['accuracy'], 'seconds': round(seconds, 1), 'history': classifier.history}
    records.append(row)
    with open(args.records, 'a', encoding='utf-8') as writer:
        writer.write(json.dumps(row, ensure_ascii=False) + '\n')
    print({k: v for k, v in row.items() if k != 'history'}, flush=True)


def todo(regime, seed):
    done = {(r['regime'], r['pattern'], r['seed']) for r in records}
    return [p for p in args.patterns if (regime, p, seed) not in done]


for regime in args.regimes:
    for seed in args.seeds if regime != 'zero-shot' else [0]:
        labelled = train[N * seed:N * (seed + 1)]
        unlabelled = [e.text for e in train[N * (seed + 1):]][:args.unlabelled]
        patterns = todo(regime, seed)
        if patterns and regime.startswith('zero-shot'):  # no pattern in it: one training serves all
            start, classifier = time.time(), ClozeClassifier(task, args.checkpoint)
            if 'MLM' in regime:
                classifier.fit(unlabelled=unlabelled, epochs=1, seed=seed)
            for pattern in patterns:
                record(regime, pattern, seed, classifier, time.time() - start)
            continue
        for pattern in patterns:
            start, classifier = time.time(), ClozeClassifier(task, args.checkpoint, pattern)
            if regime == 'few-shot':
                classifier.fit(labelled, dev=dev, epochs=args.epochs, batch_size=8, seed=seed)
            else:
                classifier.fit(labelled, unlabelled, dev=dev, epochs=3, seed=seed)
            record(regime, pattern, seed, classifier, time.time() - start)
table()
