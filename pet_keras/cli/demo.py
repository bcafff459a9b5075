"""The four regimes on the reviews that ship with pet_keras: `pet-keras demo`."""
import time

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples
from pet_keras.data.shipped import shipped_texts

_OWN = ['这家酒店的早餐太好吃了，房间也安静', '买回来第三天就坏了，客服根本不理人', '屏幕清楚，就是电池不耐用，总的来说值这个价']


def run(pattern='P1', seed=0):
    """Prints a table of regime, pattern, accuracy and seconds, then a few predictions."""
    task = Task.load('sentiment')
    train, dev, test = [read_examples(shipped_texts('reviews.%s.tsv' % part), task)
                        for part in ('train', 'dev', 'test')]
    unlabelled = read_examples(shipped_texts('reviews.unlabelled.txt'), labelled=False)
    print('Is a review positive or negative? The model fills the blank: %s' % task.pattern(pattern).fill(
        '房间很干净', word='____'))
    print('很 (very) says %s, 不 (not) says %s. %d labelled texts, %d unlabelled, %d to choose the epoch by, '
          '%d to test on.\n' % (*task.labels, len(train), len(unlabelled), len(dev), len(test)))
    print('%-18s %-8s %9s %8s' % ('regime', 'pattern', 'accuracy', 'seconds'), flush=True)

    def row(regime, name, classifier, start):
        accuracy = classifier.evaluate(test)['accuracy']
        print('%-18s %-8s %8.1f%% %8.1f' % (regime, name, accuracy, time.time() - start), flush=True)
        return accuracy, classifier

    start = time.time()
    classifier = ClozeClassifier(task)
    for name in task.patterns:
        classifier.pattern = task.pattern(name)
        row('zero-shot', name, classifier, start)
        start = time.time()
    results = []
    for regime, data, epochs in (('zero-shot + MLM', (None, unlabelled), 3), ('few-shot', (train, None), 10),
                                 ('semi-supervised', (train, unlabelled), 6)):
        start = time.time()
        classifier = ClozeClassifier(task, pattern=pattern).fit(*data, dev=dev if data[0] else None, epochs=epochs,
                                                                seed=seed)
        results.append(row(regime, pattern, classifier, start))
    classifier = results[1][1]
    print('\nThe few-shot model on three more texts:')
    for text, proba in zip(_OWN, classifier.predict_proba(_OWN)):
        print('  %s %3.0f%%  %s' % (task.labels[proba.argmax()], 100 * proba.max(), text))
    print('\nYour own texts:  pet-keras train --task sentiment --labelled FILE --out my_model')
