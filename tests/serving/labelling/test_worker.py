"""The worker in the test's own process: what it does first, and what it sends."""
import os

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.serving.labelling import worker as module
from pet_keras.serving.labelling.worker import Worker

TEXTS = [Example('房间很干净%d' % i if i % 2 else '又吵又脏%d' % i) for i in range(40)]
TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})


def answers(n, **more):
    said = {i: '正面' if i % 2 else '负面' for i in range(n)}
    return dict({'answers': said, 'done': list(said), 'finish': False}, **more)


@pytest.fixture(scope='module')
def made():
    """Classifiers by their arguments, each with its untrained weights: to trace its training anew takes seconds."""
    return {}


@pytest.fixture
def begin(still, tmp_path, monkeypatch, made):
    """A worker with a task, and what it sends; scored a dozen at a time."""
    def classifier(*args, **kwargs):
        key = str(args[2:]) + str(kwargs)
        if key not in made:
            found = ClozeClassifier(*args, **kwargs)
            made[key] = found, found.model.get_weights()
        made[key][0].model.set_weights(made[key][1])
        return made[key][0]
    monkeypatch.setattr(module, 'ClozeClassifier', classifier)
    monkeypatch.setattr(module, '_CHUNK', 12)

    def call(task=TASK, **options):
        sent = []
        options = dict({'checkpoint': still, 'causal': False, 'pattern': None, 'maxlen': 32, 'precision': 'float32',
                        'train': 'all', 'strategy': 'mix', 'every': 5, 'seed': 0,
                        'settings': {'epochs': 1, 'learning_rate': .01}}, **options)
        worker = Worker(sent.append, TEXTS, str(tmp_path), options)
        if task:
            worker.take({'task': task})
        return worker, sent
    return call


def run(worker):
    while worker.step():
        pass


def of(sent, kind):
    return [message[kind] for message in sent if kind in message]


def test_without_a_task_it_waits(begin):
    worker, sent = begin(None)
    assert not worker.step() and sent == []


def test_it_scores_all_texts_and_chooses_ahead_each_time_that_it_knows_twice_as_many(begin):
    worker, sent = begin()
    run(worker)
    assert of(sent, 'ready') == ['[MASK]满意。{text}'] and of(sent, 'scored') == [12, 24, 36, 40]
    assert len(of(sent, 'wanted')) == 3 and len(of(sent, 'wanted')[-1]) == 40
    places = np.concatenate([places for places, _ in of(sent, 'guesses')])
    assert sorted(places) == list(range(40)) and of(sent, 'doing')[-1] == 'resting'


def test_it_learns_after_so_many_labels_and_when_the_model_is_wanted(begin, tmp_path):
    worker, sent = begin()
    worker.take(answers(4))
    run(worker)
    assert of(sent, 'model') == []
    worker.take(answers(5))
    run(worker)
    worker.take(answers(9))
    run(worker)
    assert [model['labels'] for model in of(sent, 'model')] == [5]
    worker.take(answers(9, finish=True))
    run(worker)
    assert [model['labels'] for model in of(sent, 'model')] == [5, 9]
    assert load(str(tmp_path / 'model')).predict([TEXTS[0]])[0] in TASK.labels


def test_labels_that_change_are_learned_anew_and_one_label_alone_is_not(begin):
    worker, sent = begin()
    worker.take({'answers': dict.fromkeys(range(9), '正面'), 'done': [], 'finish': True})
    run(worker)
    assert of(sent, 'model') == []
    worker.take(answers(10))
    run(worker)
    worker.take({'answers': {i: '负面' if i % 2 else '正面' for i in range(10)}, 'done': [], 'finish': False})
    run(worker)
    assert len(of(sent, 'model')) == 2


def test_it_is_cross_validated_from_ten_labels_on_when_they_have_grown_by_a_quarter(begin):
    worker, sent = begin()
    for n in (5, 10, 12, 15):
        worker.take(answers(n))
        run(worker)
        assert of(sent, 'doing')[-1] == 'resting'
    assert [point['labels'] for point in of(sent, 'estimate')] == [10, 15]
    for point in of(sent, 'estimate'):
        assert 0 <= point['low'] <= point['accuracy'] <= point['high'] <= 1


def test_a_guess_is_never_of_a_model_that_learned_the_text(begin):
    worker, sent = begin()
    run(worker)
    del sent[:]
    worker.take(answers(9))
    run(worker)
    assert of(sent, 'model') and not {int(p) for places, _ in of(sent, 'guesses') for p in places} & set(range(9))
    worker.take(answers(14))
    run(worker)
    guesses = [place for places, _ in of(sent, 'guesses') for place in places.tolist()]
    assert set(range(14)) <= set(guesses)  # the folds' models, which did not


def test_answered_and_skipped_texts_are_not_wanted(begin):
    worker, sent = begin()
    worker.take(answers(6, done=list(range(6)) + [30, 31]))
    run(worker)
    assert not set(of(sent, 'wanted')[-1]) & (set(range(6)) | {30, 31})


def test_what_was_scored_is_there_at_the_next_start(begin):
    worker, sent = begin()
    run(worker)
    worker, sent = begin()
    worker.step()
    assert of(sent, 'scored') == [40] and len(of(sent, 'wanted')[0]) == 40
    worker, sent = begin(maxlen=16)  # another model
    worker.step()
    assert of(sent, 'scored') == []


def test_a_prompt_learns_where_it_is_asked_for(begin, tmp_path):
    worker, sent = begin(train='prompt')
    worker.take(answers(6))
    run(worker)
    assert '[unused1]' in of(sent, 'ready')[0] and of(sent, 'model')[0]['labels'] == 6
    assert not [name for name in os.listdir(str(tmp_path / 'model')) if name.endswith('.index')]


def test_a_training_that_fails_is_said_and_scoring_goes_on(begin):
    worker, sent = begin(settings={'learning_rate': 1e30})
    worker.take(answers(6))
    run(worker)
    assert 'could not be trained' in of(sent, 'failed')[0] and of(sent, 'doing')[-1] == 'resting'


def test_a_full_disk_is_said_the_page_goes_on_and_with_room_the_next_model_is_saved(begin, tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, 'No space left on device')
    worker, sent = begin()
    monkeypatch.setattr(module.ActiveLearner, 'save_scores', no_room)
    worker.take(answers(6))
    with monkeypatch.context() as full:
        full.setattr(ClozeClassifier, 'save', no_room)
        run(worker)
    assert 'could not be saved: [Errno 28] No space left' in of(sent, 'failed')[0] and not of(sent, 'model')
    assert of(sent, 'doing')[-1] == 'resting' and of(sent, 'wanted')
    worker.take(answers(12))
    run(worker)
    assert of(sent, 'model')[0]['labels'] == 12 and load(str(tmp_path / 'model')).labels == ['正面', '负面']


def test_patterns_are_proposed_and_a_word_outside_the_vocabulary_is_said(begin):
    worker, sent = begin(None)
    worker.take({'propose': {'好评': ['好评'], '差评': ['差评']}})
    worker.step()
    found, = of(sent, 'proposals')
    assert len(found) == 6 and all('[MASK][MASK]' in pattern for pattern, _ in found)
    assert [bits for _, bits in found] == sorted((bits for _, bits in found), reverse=True)
    worker.take({'propose': {'好': ['好'], '㍿': ['㍿']}})
    worker.step()
    assert '㍿' in of(sent, 'proposals')[1]


def test_a_checkpoint_that_is_not_there_ends_it(begin, tmp_path):
    worker, _ = begin(checkpoint=str(tmp_path / 'none'))
    with pytest.raises(UserError, match='none'):
        run(worker)
