"""Label words of several characters in one pass and step by step, zero-shot, where words are long: FewCLUE's csldcp,
iflytek (two characters) and chid (idioms of four).

    python benchmarks/stepwise.py DATA [--checkpoint bert-mini-zh] [--texts 200] [--tasks chid]

DATA holds `fewclue`. The texts are drawn from dev_few_all.json. Prints a row of a Markdown table for each task and way:
accuracy, the same with each label's mean over these texts taken off, AUC, and seconds a text.
"""
import argparse
import os
import random
import time

from pet_keras import ClozeClassifier, Task, read_examples
from pet_keras.classifiers.metrics import classification_report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data')
    parser.add_argument('--checkpoint', default='bert-mini-zh')
    parser.add_argument('--texts', type=int, default=200)
    parser.add_argument('--tasks', nargs='+', default=['chid', 'csldcp', 'iflytek'])
    args = parser.parse_args()
    print('| task | words | texts | accuracy | corrected | AUC | seconds a text |\n|---|---|---|---|---|---|---|')
    for name in args.tasks:
        task = Task.load(name)
        examples = read_examples(os.path.join(args.data, 'fewclue', name, 'dev_few_all.json'), task)
        examples = random.Random(0).sample(examples, min(args.texts, len(examples)))
        for way in ('product', 'stepwise'):
            task.verbalizer.word_score = way
            classifier, begun = ClozeClassifier(task, args.checkpoint), time.perf_counter()
            log_proba = classifier.predict_log_proba(examples)
            seconds, labels = (time.perf_counter() - begun) / len(examples), [e.label for e in examples]
            raw, corrected = [classification_report(labels, scores, task.labels) for scores in (
                log_proba, log_proba - log_proba.mean(axis=0))]
            print('| %s | %s | %d | %.1f | %s | %.3f | %.2f |' % (
                name, way, len(examples), raw['accuracy'], '–' if task.candidates else '%.1f' % corrected['accuracy'],
                raw['auc'], seconds), flush=True)


if __name__ == '__main__':
    main()
