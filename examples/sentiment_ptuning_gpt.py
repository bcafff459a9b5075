#! -*- coding: utf-8 -*-
"""P-tuning on a GPT: the prompt stands after the text, or before and after it, and the answer comes last.

    python examples/sentiment_ptuning_gpt.py                   # the texts that come with pet_keras
    python examples/sentiment_ptuning_gpt.py --data FOLDER --where both
"""
import argparse
import os

from pet_keras import ClozeClassifier, Task, prompt_pattern, read_examples, shipped_texts, without

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help='folder with sentiment.train.data, sentiment.valid.data, sentiment.test.data')
parser.add_argument('--checkpoint', default='gpt-mini-zh')
parser.add_argument('--where', default='after', choices=['before', 'after', 'both'])
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

# Zero-shot with a natural pattern: the model continues the text
zero_shot = ClozeClassifier(task, args.checkpoint, '{text}总之我感觉[MASK]')
print('zero-shot, %s: accuracy %.2f' % (zero_shot.pattern.string, zero_shot.evaluate(test)['accuracy']))

# {text}[unused1]…[unused8][MASK]
pattern = prompt_pattern(8, args.where, causal=True)
classifier = ClozeClassifier(task, args.checkpoint, pattern, train='prompt', seed=args.seed)
classifier.fit(train, dev=dev, epochs=args.epochs, mask_rate=0, seed=args.seed, verbose=1)
print('P-tuning, %s' % pattern)
report = classifier.evaluate(test)
print('accuracy on %d test texts: %.2f, area under the ROC curve %.3f' % (len(test), report['accuracy'], report['auc']))
