#! -*- coding: utf-8 -*-
"""Sentiment of reviews, four regimes: zero-shot, zero-shot after MLM, few-shot, semi-supervised.

    python examples/sentiment.py                         # the texts that come with pet_keras
    python examples/sentiment.py --data FOLDER           # sentiment.{train,valid,test}.data, as in kexue.fm 7764
    python examples/sentiment.py --regime few-shot --pattern P5 --seed 3
"""
import argparse
import os

from pet_keras import ClozeClassifier, Task, read_examples, shipped_texts, without

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help='folder with sentiment.train.data, sentiment.valid.data, sentiment.test.data')
parser.add_argument('--regime', default='few-shot', choices=['zero-shot', 'mlm', 'few-shot', 'semi-supervised'])
parser.add_argument('--pattern', default='P1')
parser.add_argument('--checkpoint', default='bert-mini-zh', help='default bert-mini-zh, the quick one')
parser.add_argument('--labelled', type=int, default=168, help='labelled texts used (168: 1 %% of the published set)')
parser.add_argument('--unlabelled', type=int, default=3000, help='unlabelled texts used')
parser.add_argument('--epochs', type=int, help='passes (default: 6; 1 over unlabelled texts alone)')
parser.add_argument('--seed', type=int, default=0)
args = parser.parse_args()

# What is asked: 很满意 or 不满意?
task = Task(
    patterns={'P1': '[MASK]满意。{text}', 'P2': '{text}[MASK]满意。', 'P3': '[MASK]好。{text}',
              'P4': '[MASK]理想。{text}', 'P5': '感觉如何？[MASK]满意。{text}'},
    labels={'正面': '很', '负面': '不'},
    aliases={'正面': ['1'], '负面': ['0']},
    name='sentiment',
)

# The texts
if args.data:
    train, dev, test = [read_examples(os.path.join(args.data, 'sentiment.%s.data' % part), task)
                        for part in ('train', 'valid', 'test')]
    dev = without(dev, train + test)[:400]
    labelled, unlabelled = train[:args.labelled], [e.text for e in train[args.labelled:]]
else:
    labelled, dev, test = [read_examples(shipped_texts('reviews.%s.tsv' % part), task)
                           for part in ('train', 'dev', 'test')]
    labelled = labelled[:args.labelled]
    unlabelled = read_examples(shipped_texts('reviews.unlabelled.txt'), labelled=False)
unlabelled = unlabelled[:args.unlabelled]

# The regime is nothing but which texts are passed
classifier = ClozeClassifier(task, args.checkpoint, args.pattern)
if args.regime == 'mlm':
    classifier.fit(unlabelled=unlabelled, epochs=args.epochs, seed=args.seed, verbose=1)
elif args.regime == 'few-shot':
    classifier.fit(labelled, dev=dev, epochs=args.epochs, seed=args.seed, verbose=1)
elif args.regime == 'semi-supervised':
    classifier.fit(labelled, unlabelled, dev=dev, epochs=args.epochs, seed=args.seed, verbose=1)

print('%s, %s' % (args.regime, classifier.pattern.string))
report = classifier.evaluate(test)
print('accuracy on %d test texts: %.2f, area under the ROC curve %.3f' % (len(test), report['accuracy'], report['auc']))
if args.data:
    unseen = without(test, train)
    print('accuracy on the %d of them that do not stand in train: %.2f' % (
        len(unseen), classifier.evaluate(unseen)['accuracy']))
