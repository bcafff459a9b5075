import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.task import Task, shipped_tasks
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.experiments import linting
from pet_keras.experiments.linting import LEVELS, lint

PATTERN = {'P1': '[MASK]满意。{text}'}


def _found(words, patterns=PATTERN, checkpoint=None, **settings):
    """The findings on a task, each as (level, where, problem), without what all patterns alike are noted for."""
    return [one[:3] for one in lint(Task(patterns, words, **settings), checkpoint)
            if (one.level, one.where) != ('note', 'patterns')]


@pytest.mark.parametrize('checkpoint', ['bert-small-zh', 'bert-mini-zh'])
@pytest.mark.parametrize('name', shipped_tasks())
def test_the_shipped_tasks_have_no_errors_and_no_bad_words(name, checkpoint):
    rare = {'csldcp', 'iflytek'} & {name}  # disciplines and kinds of applications have names that are seldom read
    assert [one for one in lint(name, checkpoint) if one.level != 'note' and not (rare and 'is rare' in one.problem)] == []


def test_words_that_the_vocabulary_lacks_or_that_have_the_tokens_of_others_are_errors():
    (level, where, problem), = _found({'正面': '很', '负面': '𠮷'})
    assert (level, where) == ('error', 'words, 负面') and problem == "'𠮷' is not in the vocabulary (𠮷)."
    (level, where, problem), = _found({'正面': 'a', '负面': ['A']})
    assert (level, where) == ('error', 'words, 负面') and problem == "'A' has the tokens of a word of 正面 (a)."


def test_latin_words_and_numbers_that_are_cut_are_warned_of_and_so_are_words_of_different_lengths():
    found = _found({'正面': '好', '负面': 'xqz'})
    assert [(level, where) for level, where, _ in found] == [('warning', 'words, 负面'), ('warning', 'words')]
    pieces = ' '.join(Checkpoint('bert-small-zh').tokenizer().tokenize('xqz')[1:-1])
    assert found[0][2] == "'xqz' is cut into %s, which the model fills one by one." % pieces and len(pieces) > 3
    assert "'好' has 1 token" in found[1][2]
    assert _found({'正面': '好', '负面': '不好'}, word_score='product') == []  # the task has decided
    assert len(_found({'正面': '好', '负面': '不好'})) == 1


def test_words_of_one_pattern_are_named_by_it():
    found = lint(Task(dict(PATTERN, P2='{text}真[MASK]'), {'正面': '很', '负面': '不'},
                      words={'P2': {'正面': '好', '负面': '𠮷'}}))
    assert [one.where for one in found] == ['words of P2, 负面']


def test_a_word_is_rare_by_the_checkpoints_own_bias():
    checkpoint = Checkpoint('bert-small-zh')
    bias = checkpoint.load_variable('cls/predictions/output_bias')
    characters = [token for token in checkpoint.vocab if '\u4e00' <= token <= '\u9fff']
    order = sorted(characters, key=lambda token: -bias[checkpoint.vocab[token]])
    seldom, common = order[linting.COMMON + 9], order[linting.COMMON - 9]  # some have equal biases
    (level, where, problem), = _found({'正面': order[0] + common, '负面': order[1] + seldom})
    assert (level, where) == ('warning', 'words, 负面') and '(%s)' % seldom in problem and common not in problem


def test_patterns_that_cannot_be_read_or_leave_little_room(make_checkpoint, tmp_path):
    found = _found({'正面': '很', '负面': '不'}, {'P1': '[MASK]𠮷。{text}', 'P2': '[MASK]好。{text}'})
    assert [(level, where) for level, where, _ in found] == [('error', 'P1')] and '𠮷' in found[0][2]
    short = make_checkpoint(tmp_path / 'short', num_hidden_layers=1, max_position_embeddings=40)
    pair = {'P1': '{text_a}？[MASK]，{text_b}', 'P2': '很' * 40 + '{text_a}[MASK]{text_b}'}
    found = [one for one in _found({'正面': '很', '负面': '不'}, pair, short) if 'rare' not in one[2]]
    assert [(level, where) for level, where, _ in found] == [('error', 'P2'), ('warning', 'P1')]
    assert found[1][2] == 'It takes 5 of 40 tokens and leaves 17 for each of two texts.'  # [CLS]？[MASK]，[SEP]
    task = Task(PATTERN, {'正面': '很', '负面': '不'})
    assert [len(lint(task, maxlen=maxlen)) for maxlen in (37, 38)] == [2, 1]


def test_a_causal_model_is_asked_when_it_has_read_the_text(causal):
    patterns = dict(PATTERN, P2='{text}是[MASK]新闻', P3='{text}真[MASK]。')
    words = {'正面': '很', '负面': '不'}
    found = [one for one in _found(words, patterns, causal) if 'rare' not in one[2]]
    assert [(level, where) for level, where, _ in found] == [('warning', 'P1'), ('note', 'P2')]
    found = [one for one in _found(words, PATTERN, causal) if 'rare' not in one[2]]
    assert [(level, where) for level, where, _ in found] == [('error', 'patterns')]
    assert [(one.level, one.where) for one in lint(Task(PATTERN, words))] == [('note', 'patterns')]
    assert _found(words, patterns) == []


def test_the_balance_of_the_labels_is_that_of_the_classifier(still):
    task = Task(dict(PATTERN, P2='[MASK]好。{text}', P3='[unused1][MASK]{text}', P4='[MASK]𠮷。{text}'),
                {'正面': '很', '负面': '不'})
    texts = ['房间很干净', '又吵又脏', '好', '这本书纸张不错字也大']
    found = {one.where: one for one in lint(task, still, texts) if 'Mean probability' in one.problem}
    assert set(found) == {'P1', 'P2'}  # a prompt that nobody has trained says nothing, and P4 cannot be read
    for name in found:
        proba = ClozeClassifier(task, still, name, check_head=False).predict_proba(texts)
        for k, label in enumerate(task.labels):
            share = '%s %.3f, %.1f %%' % (label, proba[:, k].mean(), 100 * np.mean(proba.argmax(axis=1) == k))
            assert share in found[name].problem and '4 texts' in found[name].problem
        assert (found[name].level == 'warning') == (proba.mean(axis=0).min() < .25)
        assert ('--calibrate' in found[name].advice) == (found[name].level == 'warning')


def test_texts_that_are_cut_are_counted_and_at_most_500_are_scored(still, monkeypatch):
    task = Task(PATTERN, {'正面': '很', '负面': '不'})
    monkeypatch.setattr(linting, '_TEXTS', 8)
    texts = [Example('好' * (20 + 40 * (i % 4 == 0)), label='正面') for i in range(8)]
    cut = [one for one in lint(task, still, texts, maxlen=38) if 'are cut' in one.problem]
    assert [(one.level, one.where) for one in cut] == [('warning', 'P1')]
    assert cut[0].problem.startswith('25 % of the texts are longer than the 32 tokens')
    balance, = [one for one in lint(task, still, texts * 2) if 'Mean probability' in one.problem]
    assert 'share of 8 texts' in balance.problem
    with pytest.raises(UserError, match='unlabelled holds no text'):
        lint(task, still, [])


def test_no_network_is_built_without_texts_and_errors_come_first(monkeypatch):
    monkeypatch.setattr(linting, 'ClozeClassifier', None)
    found = lint(Task({'P1': '[MASK]𠮷。{text}', 'P2': '[MASK]好。{text}'}, {'正面': '好', '负面': '不好'}))
    assert [one.level for one in found] == sorted((one.level for one in found), key=LEVELS.index)
    assert [one.where for one in found] == ['P1', 'words', 'patterns']
