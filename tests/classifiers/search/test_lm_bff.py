import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.search.lm_bff import LmBffClassifier
from pet_keras.classifiers.search.words import search_words
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TEXTS = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面'), Example('早餐好吃', label='正面')]
FIT = {'epochs': 1, 'batch_size': 2, 'seed': 1}


def test_it_is_the_cloze_with_the_words_that_the_search_finds(still, tmp_path):
    classifier = LmBffClassifier('sentiment', still, 'P3', maxlen=24).fit(TEXTS, dev=TEXTS[1:], **FIT)
    words = search_words(Task.load('sentiment'), TEXTS, still, 'P3', TEXTS[1:], maxlen=24)[0].words
    cloze = ClozeClassifier(Task.load('sentiment').with_words(words), still, 'P3', maxlen=24)
    assert words != {label: own[0] for label, own in Task.load('sentiment').verbalizer.words.items()}
    assert classifier.task.verbalizer.words == cloze.task.verbalizer.words
    assert classifier.history == cloze.fit(TEXTS, dev=TEXTS[1:], **FIT).history
    classifier.save(str(tmp_path / 'out'))
    loaded = load(str(tmp_path / 'out'))
    assert type(loaded) is LmBffClassifier and loaded.task.verbalizer.words == classifier.task.verbalizer.words
    assert (loaded.predict_log_proba(TEXTS) == classifier.predict_log_proba(TEXTS)).all()


@pytest.mark.parametrize('labelled, said', [
    (None, 'searches label words on labelled texts: give some'), (TEXTS[:1], 'No labelled text has the label 负面'),
    ([Example('好', label={'正面': .5, '负面': .5})], 'A text to search label words on needs one label')])
def test_what_it_cannot_search_on_is_said(still, labelled, said):
    with pytest.raises(UserError, match=said):
        LmBffClassifier('sentiment', still, maxlen=24).fit(labelled, **FIT)
