"""The regimes, patterns and ways of tuning on the published sentiment set: accuracy, prior-corrected accuracy, AUC.

    python benchmarks/sentiment.py --data FOLDER --records sentiment.jsonl --checkpoint bert-small-zh
    python benchmarks/sentiment.py --records sentiment.jsonl --table-only

One record a run is appended to the records file, with every setting it depends on; a run that is there already, with
the same settings on the same checkpoint, is not run again.

Protocol (after kexue.fm 7764 and 8295): seed s learns from lines 168 s to 168 (s + 1) of sentiment.train.data; the
2,000 lines after them are its unlabelled texts; the epoch is chosen on 200 lines of sentiment.valid.data that stand
neither in train nor in test. Figures are on a fixed 700 lines of sentiment.test.data that do not stand in train; with
--whole-test also on the whole test set. "Corrected" is the accuracy after `calibrate` on 1,000 of the unlabelled
texts, equal shares. All settings stand below or in the record, as the library's defaults were when this was written.
"""
import argparse
import hashlib
import json
import os
import random
import statistics
import time

N, UNLABELLED, TEST = 168, 2000, 700
PATTERNS = ('P1', 'P2', 'P3', 'P4', 'P5')
# name: (which texts, arguments of the classifier or None for plain fine-tuning, arguments of fit, patterns)
FIT = {'epochs': 6, 'batch_size': 8, 'mask_rate': .15, 'auxiliary': 'text', 'auxiliary_weight': 1., 'schedule': 'linear'}
PROMPT, BOTH = dict(FIT, epochs=24, schedule='constant'), dict(FIT, batch_size=16, labelled_share=.5)
METHODS = {
    'zero-shot': ('', {}, {}, PATTERNS),
    'continued MLM': ('u', {}, dict(FIT, epochs=1, batch_size=16), PATTERNS),
    'few-shot': ('l', {}, FIT, PATTERNS),
    'semi-supervised': ('lu', {}, BOTH, ('P1', 'P3', 'P4', 'P2', 'P5')),
    'fine-tuning': ('l', None, FIT, ('-',)),
    'P-tuning': ('l', {'train': 'prompt'}, PROMPT, ('8 tokens',)),
    'P-tuning, no auxiliary loss': ('l', {'train': 'prompt'}, dict(PROMPT, mask_rate=0), ('8 tokens',)),
    'P-tuning, auxiliary loss on all tokens': ('l', {'train': 'prompt'}, dict(PROMPT, auxiliary='all'), ('8 tokens',)),
    'few-shot, no auxiliary loss': ('l', {}, dict(FIT, mask_rate=0), ('P1',)),
    'few-shot, one mean': ('l', {}, dict(FIT, auxiliary_weight=None), ('P1',)),
    "semi-supervised, the post's stream": ('lu', {}, dict(BOTH, epochs=3, labelled_share=None, auxiliary_weight=None),
                                           ('P1',)),
}
# What tells one run from another
KEY = ('method', 'checkpoint', 'fingerprint', 'dropout', 'pattern', 'seed', 'settings', 'rate', 'lines', 'digest')
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help='folder of sentiment.{train,valid,test}.data')
parser.add_argument('--records', default='sentiment.jsonl', help='file of results, read and appended to')
parser.add_argument('--checkpoint', default='bert-small-zh')
parser.add_argument('--methods', nargs='+', default=list(METHODS), choices=list(METHODS), metavar='NAME')
parser.add_argument('--patterns', nargs='+', help='of the methods that have several (default: all)')
parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
parser.add_argument('--whole-test', action='store_true', help='score the whole published test set too')
parser.add_argument('--table-only', action='store_true', help='print the table of the records and stop')
args = parser.parse_args()
records = []
if os.path.exists(args.records):
    records = [json.loads(line) for line in open(args.records, encoding='utf-8')]


def table():
    def summary(values, form):
        spread = ' ± ' + form % statistics.stdev(values) if len(values) > 1 else ''
        return form % statistics.mean(values) + spread
    print('| checkpoint | method | pattern | runs | accuracy | corrected | AUC |\n|---|---|---|---|---|---|---|')
    groups = {}  # of runs that differ in nothing but the seed
    for r in records:
        rest = {k: v for k, v in r.items() if k in KEY and k != 'seed'}
        groups.setdefault((r['checkpoint'], list(METHODS).index(r['method']), r['pattern'],
                           json.dumps(rest, sort_keys=True)), []).append(r)
    for (checkpoint, method, pattern, _), rows in sorted(groups.items()):
        print('| %s | %s | %s | %d | %s | %s | %s |' % (
            checkpoint, list(METHODS)[method], pattern, len(rows), summary([r['accuracy'] for r in rows], '%.1f'),
            summary([r['corrected'] for r in rows], '%.1f'), summary([r['auc'] for r in rows], '%.3f')))


if args.table_only:
    raise SystemExit(table())
if not args.data:
    parser.error('--data is needed to run anything')

from pet_keras import Checkpoint, ClozeClassifier, FineTuningClassifier, Task, prompt_pattern, read_examples, without
from pet_keras.backend import keras

task, checkpoint = Task.load('sentiment'), Checkpoint(args.checkpoint)
train, valid, test = [read_examples(os.path.join(args.data, 'sentiment.%s.data' % s), task)
                      for s in ('train', 'valid', 'test')]
dev, unshared = without(valid, train + test)[:200], without(test, train)
random.Random(0).shuffle(unshared)
unshared = unshared[:TEST]
digest = hashlib.sha256(repr([train, dev, unshared, task.scoring(), [p.string for p in task.patterns.values()]]).encode())
# from labelled texts, all weights training; the other rates hang together with it
rate = ClozeClassifier(task, checkpoint).tuning.learning_rate(True)


def record(settings, classifier, calibration, seconds):
    row = dict(settings, seconds=round(seconds), history=classifier.history, dev=classifier.evaluate(dev)['accuracy'])
    if args.whole_test:
        whole = classifier.evaluate(test)
        row.update(whole_accuracy=whole['accuracy'], whole_auc=whole['auc'])
    found = classifier.evaluate(unshared)
    row.update(accuracy=found['accuracy'], auc=found['auc'],
               corrected=classifier.calibrate(calibration).evaluate(unshared)['accuracy'])
    classifier.offset = [0, 0]
    records.append(row)
    with open(args.records, 'a', encoding='utf-8') as writer:
        writer.write(json.dumps(row, ensure_ascii=False) + '\n')
    print({k: v for k, v in row.items() if k not in ('history', 'settings')}, flush=True)


for seed in args.seeds:
    labelled = train[N * seed:N * (seed + 1)]
    unlabelled = [e.text for e in train[N * (seed + 1):]][:UNLABELLED]
    for name in args.methods:
        texts, make, fit, patterns = METHODS[name]
        if seed and not texts:
            continue  # nothing in it is random; its texts to calibrate on are those of seed 0
        classifier = None
        if checkpoint.is_causal and len(patterns) > 1:
            patterns = [key for key, pattern in task.patterns.items() if pattern.mask_is_last]
        for pattern in [p for p in patterns if not args.patterns or p in args.patterns or len(patterns) == 1]:
            settings = {'method': name, 'checkpoint': args.checkpoint, 'fingerprint': checkpoint.fingerprint,
                        'dropout': checkpoint.config['hidden_dropout_prob'], 'pattern': pattern, 'seed': seed,
                        'settings': [make, fit], 'rate': round(rate, 7), 'lines': [N, UNLABELLED, len(dev), len(unshared)],
                        'digest': digest.hexdigest()[:12]}
            if any(all(r.get(k) == v for k, v in settings.items()) for r in records):
                continue
            start, string = time.time(), pattern
            if pattern == '8 tokens':
                string = prompt_pattern(8, 'after' if checkpoint.is_causal else 'before', checkpoint.is_causal)
            if classifier is not None and 'l' not in texts:  # no pattern in it: one training serves all
                classifier.pattern = string
            else:
                keras.backend.clear_session()
                classifier = FineTuningClassifier(task, checkpoint, seed=seed) if make is None else ClozeClassifier(
                    task, checkpoint, string, seed=seed, **make)
                if texts:
                    classifier.fit(labelled if 'l' in texts else None, unlabelled if 'u' in texts else None,
                                   dev=dev if 'l' in texts else None, seed=seed, **fit)
            record(settings, classifier, unlabelled[:1000], time.time() - start)
table()
