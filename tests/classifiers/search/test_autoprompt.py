import pytest

from pet_keras.classifiers.loading import load
from pet_keras.classifiers.search.autoprompt import AutoPromptClassifier
from pet_keras.classifiers.search.triggers import search_triggers
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TEXTS = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面'), Example('早餐好吃', label='正面')]


def test_it_asks_in_the_pattern_that_the_search_finds_and_trains_nothing(still, tmp_path):
    classifier = AutoPromptClassifier('sentiment', still, 24, triggers=2, candidates=3, passes=1)
    before = classifier.model.get_weights()
    classifier.fit(TEXTS, dev=TEXTS[1:], seed=1)
    found = search_triggers(Task.load('sentiment'), TEXTS, still, TEXTS[1:], 2, candidates=3, passes=1, seed=1)
    assert classifier.pattern.string == found[0].pattern == classifier.history[0]['pattern']
    assert classifier.history[0]['dev_accuracy'] == found[0].dev_accuracy
    assert classifier.parameters_trained == 0
    assert all((one == other).all() for one, other in zip(before, classifier.model.get_weights()))
    classifier.save(str(tmp_path / 'out'))
    loaded = load(str(tmp_path / 'out'))
    assert type(loaded) is AutoPromptClassifier and loaded.pattern.string == found[0].pattern
    assert (loaded.predict_log_proba(TEXTS) == classifier.predict_log_proba(TEXTS)).all()


def test_the_search_reads_texts_as_the_classifier_does(still, monkeypatch):
    given = {}
    monkeypatch.setattr('pet_keras.classifiers.search.autoprompt.search_triggers',
                        lambda *args, **settings: given.update(settings) or search_triggers(*args, **settings))
    AutoPromptClassifier('sentiment', still, 16, 'bfloat16', 'tail', triggers=1, candidates=1, passes=1).fit(TEXTS)
    assert (given['maxlen'], given['precision'], given['long']) == (16, 'bfloat16', 'tail')


def test_soft_labels_are_refused(still):
    with pytest.raises(UserError, match='A text to search a pattern on needs one label, not a soft one.'):
        AutoPromptClassifier('sentiment', still, 24).fit([Example('好', label={'正面': .5, '负面': .5})])
