"""How many labels a strategy saves: accuracy on unseen texts against the number of labels, for each strategy.

    python benchmarks/labelling.py [--data FOLDER] [--out benchmarks/labelling] [--strategy mix random ...]
                                   [--task sentiment topics] [--seeds 0 1 2] [--plot]

A person is simulated, who answers each question as the file does. The strategy chooses the first 20 texts of a pile by
the zero-shot guesses; the model learns, the strategy chooses 20 more by what it then thinks, and so on at 40, 80, 160
and 320 labels. FOLDER (default PET_KERAS_DATA) holds

- sentiment: data/sentiment, 2,000 lines of train as the pile, 1,000 of test that stand in neither as the unseen ones;
- topics: five topics of data/fewclue/tnews, its train and dev lines as the pile, those of test_public as unseen.

Each run (task, strategy, seed) appends one JSON line to OUT/records.jsonl when it is done, with the accuracy on unseen
texts after each round, the cross-validated accuracy that a person would have seen, and the seconds; a run that has its
line is not done again. --plot draws OUT/labelling.png, mean and standard deviation over the seeds.
"""
import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', default=os.environ.get('PET_KERAS_DATA'))
parser.add_argument('--out', default=os.path.join(os.path.dirname(os.path.abspath(__file__)), 'labelling'))
parser.add_argument('--checkpoint', default='bert-mini-zh')
parser.add_argument('--task', nargs='+', default=['sentiment', 'topics'], choices=['sentiment', 'topics'])
parser.add_argument('--strategy', nargs='+', default=['random', 'mix', 'margin', 'entropy', 'least-confidence',
                                                      'k-centre', 'cluster'])
parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
parser.add_argument('--labels', type=int, nargs='+', default=[20, 40, 80, 160, 320])
parser.add_argument('--validate', type=int, default=80, help='cross-validate up to so many labels (default 80)')
parser.add_argument('--plot', action='store_true', help='draw and print what there is, and run nothing')
TOPICS = ('娱乐', '体育', '财经', '汽车', '教育')


def texts_of(task, data, seed):
    """(the pile, the unseen texts), lists of Example with labels; which lines they are depends on the seed alone."""
    import numpy as np
    from pet_keras import Task, read_examples, without
    rng = np.random.default_rng(seed)

    def drawn(examples, n):
        return [examples[i] for i in rng.permutation(len(examples))[:n]]

    def read(path, shipped):
        return list(dict.fromkeys(read_examples(os.path.join(data, 'data', path), Task.load(shipped))))
    if task == 'sentiment':
        pile = drawn(read('sentiment/sentiment.train.data', 'sentiment'), 2000)
        return pile, drawn(without(read('sentiment/sentiment.test.data', 'sentiment'), pile), 1000)
    pile = [e for part in ('train', 'dev') for e in read('fewclue/tnews/%s_few_all.json' % part, 'news')]
    unseen = without(read('fewclue/tnews/test_public.json', 'news'), pile)
    return [[e for e in drawn(part, len(part)) if e.label in TOPICS] for part in (pile, unseen)]


def task_of(task):
    """The Task: the shipped one, of the news the five topics."""
    from pet_keras import Task
    if task == 'sentiment':
        return Task.load('sentiment')
    patterns = {name: pattern.string for name, pattern in Task.load('news').patterns.items()}
    return Task(patterns, {label: label for label in TOPICS}, name='topics')


def simulate(task, strategy, seed, args, classifier):
    """One run's record: after each number of labels the accuracy on unseen texts, and the cross-validated one."""
    from pet_keras import ActiveLearner
    pile, unseen = texts_of(task, args.data, seed)
    learner = ActiveLearner(classifier, [e._replace(label=None) for e in pile], strategy, seed)
    classifier.calibrate([e._replace(label=None) for e in pile])  # of the zero-shot guesses; a training undoes it
    record = {'task': task, 'strategy': strategy, 'seed': seed, 'checkpoint': args.checkpoint, 'pile': len(pile),
              'unseen': len(unseen), 'rounds': []}
    answers = {}
    learner.score(len(pile))
    begun = time.perf_counter()
    for n in [0] + args.labels:
        if n:
            answers.update({int(i): pile[i].label for i in learner.choose(n - len(answers), answers, batch=20)})
            learner.train(answers)
            learner.score(len(pile))
        point = {'labels': n, 'accuracy': classifier.evaluate(unseen)['accuracy'] / 100.}
        if 0 < n <= args.validate:
            found = zip(learner.cross_validate(answers).argmax(axis=1), answers.values())
            point['cross_validated'] = statistics.mean(learner.labels[k] == label for k, label in found)
        record['rounds'].append(dict(point, seconds=round(time.perf_counter() - begun, 1)))
    return record


def read_records(out):
    """The records of a folder, a list of dict; a last line that a kill cut short is cut off."""
    path = os.path.join(out, 'records.jsonl')
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as reader:
        lines = reader.readlines()
    if lines and not lines[-1].endswith('\n'):
        os.truncate(path, len(''.join(lines[:-1]).encode()))
    return [json.loads(line) for line in lines if line.endswith('\n')]


def run(args):
    """Does the runs that have no record yet, the seeds one after another, so that the first rows come soon."""
    from pet_keras import ClozeClassifier
    os.makedirs(args.out, exist_ok=True)
    done = {(r['task'], r['strategy'], r['seed'], r['checkpoint']) for r in read_records(args.out)}
    for seed in args.seeds:
        for task in args.task:
            classifier = ClozeClassifier(task_of(task), args.checkpoint, check_head=False)
            start = classifier.model.get_weights()
            for strategy in args.strategy:
                if (task, strategy, seed, args.checkpoint) in done:
                    continue
                classifier.model.set_weights(start)
                record = simulate(task, strategy, seed, args, classifier)
                with open(os.path.join(args.out, 'records.jsonl'), 'a', encoding='utf-8') as writer:
                    writer.write(json.dumps(record, ensure_ascii=False) + '\n')
                print('%s, %s, seed %d: %s' % (task, strategy, seed, ', '.join(
                    '%d: %.1f%%' % (p['labels'], 100 * p['accuracy']) for p in record['rounds'])), flush=True)


def table(records):
    """Yields a Markdown table's lines for each task: accuracy on unseen texts, mean ± sd over the seeds."""
    for task in dict.fromkeys(r['task'] for r in records):
        own = [r for r in records if r['task'] == task]
        counts = [p['labels'] for p in own[0]['rounds']]
        yield '| %s, labels | seeds | %s |' % (task, ' | '.join(map(str, counts)))
        yield '|---|---|' + '---|' * len(counts)
        for strategy in dict.fromkeys(r['strategy'] for r in own):
            runs = [r['rounds'] for r in own if r['strategy'] == strategy]
            yield '| %s | %d | %s |' % (strategy, len(runs), ' | '.join(
                _cell([100 * run[i]['accuracy'] for run in runs]) for i in range(len(counts))))
        yield ''


def _cell(values):
    return '%.1f' % statistics.mean(values) + (' ± %.1f' % statistics.stdev(values) if len(values) > 1 else '')


def plot(records, path):
    """Draws accuracy against labels, a panel a task, a line a strategy."""
    import matplotlib
    matplotlib.use('Agg')
    import matplotlib.pyplot as plt
    tasks = list(dict.fromkeys(r['task'] for r in records))
    figure, axes = plt.subplots(1, len(tasks), figsize=(6 * len(tasks), 4.2), squeeze=False)
    for panel, task in zip(axes[0], tasks):
        own = [r for r in records if r['task'] == task]
        for strategy in dict.fromkeys(r['strategy'] for r in own):
            runs = [[100 * p['accuracy'] for p in r['rounds']] for r in own if r['strategy'] == strategy]
            labels = [p['labels'] for p in own[0]['rounds']]
            means = [statistics.mean(values) for values in zip(*runs)]
            spread = [statistics.stdev(values) if len(values) > 1 else 0. for values in zip(*runs)]
            panel.errorbar(labels, means, spread, label='%s (%d)' % (strategy, len(runs)), capsize=2, marker='.',
                           color='black' if strategy == 'random' else None)
        panel.set_xscale('symlog', linthresh=20)
        panel.set_xticks(labels, labels)
        panel.set_title(task)
        panel.set_xlabel('labels')
    axes[0][0].set_ylabel('accuracy on unseen texts (%), mean ± sd over seeds')
    axes[0][-1].legend(fontsize=7, title='strategy (seeds)')
    figure.savefig(path, dpi=120, bbox_inches='tight')
    plt.close(figure)


def main(argv=None):
    args = parser.parse_args(argv)
    if not args.plot:
        if not args.data:
            parser.error('--data or PET_KERAS_DATA names the folder that holds data/')
        run(args)
    records = read_records(args.out)
    print('\n'.join(table(records)))
    if args.plot and records:
        plot(records, os.path.join(args.out, 'labelling.png'))


if __name__ == '__main__':
    main()
