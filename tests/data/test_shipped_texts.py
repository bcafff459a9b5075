import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.example import without
from pet_keras.data.reading import read_examples
from pet_keras.data.shipped import shipped_texts


@pytest.mark.parametrize('name, task', [
    ('reviews.train.tsv', 'sentiment'), ('reviews.dev.tsv', 'sentiment'), ('reviews.test.tsv', 'sentiment'),
    ('headlines.train.tsv', 'news'), ('headlines.dev.tsv', 'news'), ('headlines.test.tsv', 'news'),
    ('nli.train.tsv', 'nli')])
def test_shipped_labelled_texts_read_with_their_task_and_hold_its_labels(name, task):
    task = Task.load(task)
    examples = read_examples(shipped_texts(name), task)
    assert {e.label for e in examples} == set(task.labels)


@pytest.mark.parametrize('name', ['reviews', 'headlines'])
def test_shipped_texts_to_test_on_do_not_stand_among_those_to_train_on(name):
    train, dev, test = (read_examples(shipped_texts('%s.%s.tsv' % (name, part))) for part in ('train', 'dev', 'test'))
    unlabelled = read_examples(shipped_texts(name + '.unlabelled.txt'), labelled=False)
    assert without(test, train + dev + unlabelled) == test
    assert without(dev, train) == dev
