#! -*- coding: utf-8 -*-
"""P-tuning on BERT: the pattern is eight [unused] tokens, and only their embedding rows train (kexue.fm 8295).

    python examples/sentiment_ptuning_bert.py                  # the texts that come with pet_keras
    python examples/sentiment_ptuning_bert.py --data FOLDER    # sentiment.{train,valid,test}.data
"""
import argparse
import os

from pet_keras import ClozeClassifier, Task, prompt_pattern, read_examples, shipped_texts, without

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help='folder with sentiment.train.data, sentiment.valid.data, sentiment.test.data')
parser.add_argument('--checkpoint', default='bert-mini-zh', help='default bert-mini-zh, the quick one')
parser.add_argument('--prompt-tokens', type=int, default=8)
parser.add_argument('--prompt-encoder', choices=['lstm', 'mlp'])
parser.add_argument('--mask-rate', type=float, default=0.15, help='of the auxiliary MLM loss; 0 leaves it out')
parser.add_argument('--epochs', type=int, help='passes (default: 24)')
parser.add_argument('--seed', type=int, default=0)
args = parser.parse_args()

task = Task.load('sentiment')
if args.data:
    train, dev, test = [read_examples(os.path.join(args.data, 'sentiment.%s.data' % part), task)
                        for part in ('train', 'valid', 'test')]
    dev, train = without(dev, train + test)[:200], train[:168]
else:
    train, dev, test = [read_examples(shipped_texts('reviews.%s.tsv' % part), task)
                        for part in ('train', 'dev', 'test')]

# [unused1]…[unused4][MASK][unused5]…[unused8]{text}
classifier = ClozeClassifier(task, args.checkpoint, prompt_pattern(args.prompt_tokens, 'before'), train='prompt',
                             prompt_encoder=args.prompt_encoder, seed=args.seed)
print('trainable: %s' % [(w.name, tuple(w.shape)) for w in classifier.model.trainable_weights])
classifier.fit(train, dev=dev, epochs=args.epochs, mask_rate=args.mask_rate, seed=args.seed, verbose=1)
report = classifier.evaluate(test)
print('accuracy on %d test texts: %.2f, area under the ROC curve %.3f' % (len(test), report['accuracy'], report['auc']))
