"""What is gained, or lost, where one model learns two tasks: reviews and headlines, each alone and both together.

    python benchmarks/several_tasks.py DATA [--checkpoint bert-mini-zh] [--seeds 2]

DATA holds `sentiment` and `fewclue/tnews`. Seed s learns from 168 lines of the sentiment set, from line 168 s on, and
from tnews' train_s.json; epochs are chosen by 200 lines of the sentiment set's validation file and by dev_s.json. Test
texts (700 reviews, the headlines of test_public.json) do not stand in the training files. Default settings: P1, 6
passes, batches of 8 texts alone and of 16 together; "small batches" is together with 8. Prints a line a training.
"""
import argparse
import os
import time

from pet_keras import Checkpoint, ClozeClassifier, MultiTaskClassifier, Task, read_examples, without

TASKS = [Task.load('sentiment'), Task.load('news')]
WAYS = {'sentiment alone': (['sentiment'], {}), 'news alone': (['news'], {}), 'together': (['sentiment', 'news'], {}),
        'together, equal shares': (['sentiment', 'news'], {'mixing': 0}),
        'together, small batches': (['sentiment', 'news'], {'batch_size': 8})}


def texts(data, seed):
    """(labelled, dev, test), each a dict of Examples by task."""
    reviews = [read_examples(os.path.join(data, 'sentiment', 'sentiment.%s.data' % part), TASKS[0])
               for part in ('train', 'valid', 'test')]
    headlines = [read_examples(os.path.join(data, 'fewclue', 'tnews', name), TASKS[1])
                 for name in ('train_%d.json' % seed, 'dev_%d.json' % seed, 'test_public.json')]
    train, valid, test = reviews
    reviews = train[168 * seed:168 * (seed + 1)], without(valid, train + test)[:200], without(test, train)[:700]
    headlines[2] = without(headlines[2], headlines[0] + headlines[1])
    return [{'sentiment': of_reviews, 'news': of_headlines} for of_reviews, of_headlines in zip(reviews, headlines)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data')
    parser.add_argument('--checkpoint', default='bert-mini-zh')
    parser.add_argument('--seeds', type=int, default=2)
    args = parser.parse_args()
    checkpoint = Checkpoint(args.checkpoint)
    for seed in range(args.seeds):
        labelled, dev, test = texts(args.data, seed)
        print('seed %d, untrained: ' % seed + ', '.join('%s %.2f' % (
            task.name, ClozeClassifier(task, checkpoint).evaluate(test[task.name])['accuracy']) for task in TASKS))
        for way, (names, settings) in WAYS.items():
            begun = time.time()
            classifier = MultiTaskClassifier([task for task in TASKS if task.name in names], checkpoint)
            classifier.fit({name: labelled[name] for name in names}, dev={name: dev[name] for name in names}, seed=seed,
                           **settings)
            seconds, best = time.time() - begun, max(classifier.history, key=lambda record: (
                record['dev_accuracy'], record['dev_log_likelihood']))
            report = classifier.evaluate({name: test[name] for name in names})['tasks']
            figures = ['%s %.2f, AUC %.3f' % (name, report[name]['accuracy'], report[name]['auc']) for name in names]
            print('seed %d, %s (epoch %d, %d s): %s' % (
                seed, way, best['epoch'], seconds, ', '.join(figures)), flush=True)


if __name__ == '__main__':
    main()
