#! -*- coding: utf-8 -*-
"""P-tuning with fifteen labels and two-character label words: only the prompt's rows train.

    python examples/news_ptuning_bert.py                       # the headlines that come with pet_keras
    python examples/news_ptuning_bert.py --data FOLDER         # FewCLUE's tnews
    python examples/news_ptuning_bert.py --own-words           # labels said by [unused] tokens, which train as well
"""
import argparse
import os

from pet_keras import ClozeClassifier, Task, prompt_pattern, read_examples, shipped_texts

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help="folder of FewCLUE's tnews")
parser.add_argument('--checkpoint', default='bert-mini-zh', help='default bert-mini-zh, the quick one')
parser.add_argument('--own-words', action='store_true', help='say the labels by [unused21], [unused22], …')
parser.add_argument('--out', default='news_prompt', help='folder for the prompt (default news_prompt)')
parser.add_argument('--epochs', type=int, help='passes (default: 24)')
parser.add_argument('--seed', type=int, default=0)
args = parser.parse_args()

task = Task.load('news')
if args.own_words:
    task = Task({'P1': task.pattern().string}, {label: '[unused%d]' % (21 + i) for i, label in enumerate(task.labels)},
                task.aliases, name='news')
names = ('train_0.json', 'dev_0.json', 'test_public.json')
if not args.data:
    names = ('headlines.train.tsv', 'headlines.dev.tsv', 'headlines.test.tsv')
train, dev, test = [read_examples(os.path.join(args.data, name) if args.data else shipped_texts(name), task)
                    for name in names]

classifier = ClozeClassifier(task, args.checkpoint, prompt_pattern(8), train='prompt', prompt_init='words',
                             seed=args.seed)
classifier.fit(train, dev=dev, epochs=args.epochs, seed=args.seed, verbose=1)
classifier.save(args.out)
print('the prompt is in %s: %d bytes of rows' % (
    args.out, os.path.getsize(os.path.join(args.out, 'added.safetensors'))))
report = classifier.evaluate(test)
print('accuracy on %d test texts: %.2f, area under the ROC curve %.3f' % (len(test), report['accuracy'], report['auc']))
