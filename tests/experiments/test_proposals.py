import numpy as np

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.experiments import proposals
from pet_keras.experiments.proposals import mined_patterns, paraphrased_patterns, preferred_words

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})


def _texts(*texts):
    return [Example(text) for text in texts]


def test_a_clause_is_mined_where_words_of_different_labels_stand_in_it():
    texts = _texts('房间还行，很实用。', '不实用！', '很实用', '很便宜', '性价比很高；性价比不高')
    assert mined_patterns(TASK, texts) == ['[MASK]实用。{text}', '{text}。[MASK]实用',
                                           '性价比[MASK]高。{text}', '{text}。性价比[MASK]高']
    assert mined_patterns(TASK, texts, most=1) == ['[MASK]实用。{text}']


def test_the_more_labels_share_a_clause_the_earlier_it_comes():
    task = Task({'P1': '[MASK]{text}'}, {'a': '很', 'b': '不', 'c': '太'})
    assert mined_patterns(task, _texts('很好', '不好', '很好', '不好', '很贵', '不贵', '太贵'))[0] == '[MASK]贵。{text}'


def test_a_word_of_a_label_alone_is_no_pattern_nor_is_a_clause_with_brackets():
    assert mined_patterns(TASK, _texts('很', '不', '很[好]', '不[好]')) == []
    assert mined_patterns(TASK, _texts('很' + '长' * 12, '不' + '长' * 12)) == []


def test_a_paraphrase_suits_the_words_of_every_label(monkeypatch):
    """很错 spoils what 不错 praises: a word that one label's texts want and the others' do not falls behind."""
    def fill(texts, checkpoint, top, model):
        assert not any('{' in text for text in texts) and {text[0] for text in texts} == {'很', '不'}
        return [[[('错', .9), ('好', .05)] if text[0] == '不' else [('好', .5), ('棒', .2)]] for text in texts]
    monkeypatch.setattr(proposals, 'fill_mask', fill)
    monkeypatch.setattr(proposals, 'build', lambda checkpoint: None)
    found = paraphrased_patterns(TASK, Pattern('[MASK]贵。{text}'), _texts('书[还]行', '送得快'), None)
    assert found[0] == '[MASK]好。{text}' and '[MASK]错。{text}' in found[1:]


def test_a_paraphrase_by_a_real_model_changes_one_word_and_can_be_asked():
    found = paraphrased_patterns(TASK, TASK.pattern(), _texts('房间很干净', '服务太差', '早餐好吃'), 'bert-mini-zh', most=3)
    assert 0 < len(found) <= 3
    for string in found:
        pattern = Pattern(string)
        assert pattern.pieces[0] == ('mask', 1) and pattern.pieces[1][1].endswith('。') and string != '[MASK]满意。{text}'
        assert len(pattern.pieces[1][1]) == 3


def test_preferred_words_are_those_whose_log_probability_the_label_raises_most():
    checkpoint = Checkpoint('bert-mini-zh')
    texts = [Example('房间很干净，很喜欢', None, '正面'), Example('太差了，很失望', None, '负面')]
    found = preferred_words(TASK, TASK.pattern(), texts, checkpoint, top=3)
    assert set(found) == {'正面', '负面'} and all(len(words) == 3 for words in found.values())
    best, other = found['正面'][0], found['负面'][0]
    classifier = ClozeClassifier(Task({'P1': '[MASK]满意。{text}'}, {'正面': best, '负面': other}), checkpoint)
    scores = classifier.label_scores([e._replace(label=None) for e in texts])
    assert np.diff(scores, axis=1)[1] > np.diff(scores, axis=1)[0]
    assert not set(found['正面']) & set(found['负面'])
