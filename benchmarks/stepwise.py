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
            report = classifier.evaluate(examples)
            seconds, corrected = (time.perf_counter() - begun) / len(examples), '–'
            if not task.candidates:
                scores, labels = classifier.predict_log_proba(examples), [e.label for e in examples]
                found = [task.labels[i] for i in (scores - scores.mean(axis=0)).argmax(axis=1)]
                corrected = '%.1f' % (100. * sum(map(str.__eq__, found, labels)) / len(labels))
            print('| %s | %s | %d | %.1f | %s | %.3f | %.2f |' % (
                name, way, len(examples), report['accuracy'], corrected, report['auc'], seconds), flush=True)


if __name__ == '__main__':
    main()
