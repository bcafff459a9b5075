#! -*- coding: utf-8 -*-
"""Topics of headlines, fifteen labels with two-character label words, four regimes.

    python examples/news.py                              # the headlines that come with pet_keras
    python examples/news.py --data FOLDER                # FewCLUE's tnews: train_0.json, dev_0.json, test_public.json …
    python examples/news.py --regime zero-shot --pattern '[MASK][MASK]快讯。{text}'
"""
import argparse
import os

from pet_keras import ClozeClassifier, Task, read_examples, shipped_texts

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help="folder of FewCLUE's tnews")
parser.add_argument('--regime', default='few-shot', choices=['zero-shot', 'mlm', 'few-shot', 'semi-supervised'])
parser.add_argument('--pattern', default='P1', help='a name in the task news, or a pattern of your own')
parser.add_argument('--checkpoint', default='bert-mini-zh', help='default bert-mini-zh, the quick one')
parser.add_argument('--unlabelled', type=int, default=3000, help='unlabelled texts used')
parser.add_argument('--epochs', type=int, help='passes (default: 6; 1 over unlabelled texts alone)')
parser.add_argument('--seed', type=int, default=0)
args = parser.parse_args()

# 下面报导一则体育新闻。… : each label is its own label word
task = Task.load('news')

if args.data:
    labelled, dev, test = [read_examples(os.path.join(args.data, name), task)
                           for name in ('train_0.json', 'dev_0.json', 'test_public.json')]
    unlabelled = read_examples(os.path.join(args.data, 'unlabeled.json'), labelled=False)
else:
    labelled, dev, test = [read_examples(shipped_texts('headlines.%s.tsv' % part), task)
                           for part in ('train', 'dev', 'test')]
    unlabelled = read_examples(shipped_texts('headlines.unlabelled.txt'), labelled=False)
unlabelled = unlabelled[:args.unlabelled]

classifier = ClozeClassifier(task, args.checkpoint, args.pattern)
if args.regime == 'mlm':
    classifier.fit(unlabelled=unlabelled, epochs=args.epochs, seed=args.seed, verbose=1)
elif args.regime == 'few-shot':
    classifier.fit(labelled, dev=dev, epochs=args.epochs, seed=args.seed, verbose=1)
elif args.regime == 'semi-supervised':
    classifier.fit(labelled, unlabelled, dev=dev, epochs=args.epochs, seed=args.seed, verbose=1)

report = classifier.evaluate(test)
print('%s, %s' % (args.regime, classifier.pattern.string))
for label, figures in report['labels'].items():
    print('%s  precision %5.1f  recall %5.1f' % (label, figures['precision'], figures['recall']))
print('accuracy on %d test texts: %.2f, area under the ROC curve %.3f' % (len(test), report['accuracy'], report['auc']))
