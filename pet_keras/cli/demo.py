"""`pet-keras demo`: the four regimes on the reviews that come with pet_keras."""
import time

from pet_keras.cli.options import add_command
from pet_keras.data.reading import read_examples
from pet_keras.data.shipped import shipped_texts

_OWN = ['这家酒店的早餐太好吃了，房间也安静', '买回来第三天就坏了，客服根本不理人', '屏幕清楚，就是电池不耐用，总的来说值这个价']


def add_parser(commands):
    parser = add_command(commands, 'demo', run,
                         'The four regimes on the reviews that come with pet_keras, in about two minutes.')
    parser.add_argument('--pattern', default='P1', help='pattern of the trained regimes (default P1)')
    parser.add_argument('--seed', type=int, default=0, help='of the trained regimes (default 0)')


def run(args):
    """Prints a table of regime, pattern, accuracy and seconds, then a few predictions."""
    from pet_keras.classifiers.cloze_classifier import ClozeClassifier
    from pet_keras.cloze.task import Task
    task = Task.load('sentiment')
    train, dev, test = [read_examples(shipped_texts('reviews.%s.tsv' % part), task)
                        for part in ('train', 'dev', 'test')]
    unlabelled = read_examples(shipped_texts('reviews.unlabelled.txt'), labelled=False)
    print('Is a review positive or negative? The model fills the blank: %s' % task.pattern(args.pattern).fill(
        '房间很干净', word='____'))
    print('很 (very) says %s, 不 (not) says %s. %d labelled texts, %d unlabelled, %d to choose the epoch by, '
          '%d to test on.\n' % (*task.labels, len(train), len(unlabelled), len(dev), len(test)))
    print('%-18s %-8s %9s %8s' % ('regime', 'pattern', 'accuracy', 'seconds'), flush=True)

    def row(regime, name, classifier, start):
        accuracy = classifier.evaluate(test)['accuracy']
        print('%-18s %-8s %8.1f%% %8.1f' % (regime, name, accuracy, time.time() - start), flush=True)

    start = time.time()
    classifier = ClozeClassifier(task)
    for name in task.patterns:
        classifier.pattern = task.pattern(name)
        row('zero-shot', name, classifier, start)
        start = time.time()
    trained = {}
    for regime, data, epochs in (('zero-shot + MLM', (None, unlabelled), 3), ('few-shot', (train, None), 10),
                                 ('semi-supervised', (train, unlabelled), 6)):
        start = time.time()
        classifier = ClozeClassifier(task, pattern=args.pattern)
        classifier.fit(*data, dev=dev if data[0] else None, epochs=epochs, seed=args.seed)
        row(regime, args.pattern, classifier, start)
        trained[regime] = classifier
    print('\nThe few-shot model on three more texts:')
    for text, proba in zip(_OWN, trained['few-shot'].predict_proba(_OWN)):
        print('  %s %3.0f%%  %s' % (task.labels[proba.argmax()], 100 * proba.max(), text))
    print('\nYour own texts:  pet-keras train --task sentiment --labelled FILE --out my_model')
