"""`pet-keras demo`: the four regimes on the reviews that come with pet_keras."""
import time

from pet_keras.cli.options import add_command
from pet_keras.data.reading import read_examples
from pet_keras.data.shipped import shipped_texts

_CHECKPOINT = 'bert-mini-zh'  # the quick one
_OWN = ['这家酒店的早餐太好吃了，房间也安静', '买回来第三天就坏了，客服根本不理人', '屏幕清楚，就是电池不耐用，总的来说值这个价']


def add_parser(commands):
    parser = add_command(commands, 'demo', run,
                         'The four regimes on the reviews that come with pet_keras, in two to three minutes.')
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
    pattern = task.pattern(args.pattern)
    print('Is a review positive or negative? The model fills the blank: %s' % pattern.fill('房间很干净'))
    words = ', '.join('%s says %s' % (word[0], label) for label, word in task.verbalizer_of(pattern).words.items())
    print('%s. %d labelled texts, %d unlabelled, %d to choose the epoch by, %d to test on.\n' % (
        words, len(train), len(unlabelled), len(dev), len(test)))
    print('%-18s %-8s %9s %6s %8s' % ('regime', 'pattern', 'accuracy', 'AUC', 'seconds'), flush=True)

    def row(regime, name, classifier, start):
        report = classifier.evaluate(test)
        print('%-18s %-8s %8.1f%% %6.3f %8.1f' % (
            regime, name, report['accuracy'], report['auc'], time.time() - start), flush=True)

    start = time.time()
    classifier = ClozeClassifier(task, _CHECKPOINT)
    for name in task.patterns:
        classifier.pattern = task.pattern(name)
        row('zero-shot', name, classifier, start)
        start = time.time()
    trained = {}
    for regime, data in (('zero-shot + MLM', (None, unlabelled)), ('few-shot', (train, None)),
                         ('semi-supervised', (train, unlabelled))):
        start = time.time()
        classifier = ClozeClassifier(task, _CHECKPOINT, args.pattern)
        classifier.fit(*data, dev=dev if data[0] else None, seed=args.seed)
        row(regime, args.pattern, classifier, start)
        trained[regime] = classifier
    print('\nThe few-shot model on three more texts:')
    for text, proba in zip(_OWN, trained['few-shot'].predict_proba(_OWN)):
        print('  %s %3.0f%%  %s' % (task.labels[proba.argmax()], 100 * proba.max(), text))
    print('\nYour own texts:  pet-keras train --task sentiment --labelled FILE --out my_model')
