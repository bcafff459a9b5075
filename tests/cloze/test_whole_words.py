import numpy as np

from pet_keras.cloze.cloze import Cloze
from pet_keras.cloze.masking import random_masking, word_groups
from pet_keras.cloze.pattern import Pattern


def test_tokens_of_one_word_share_a_number():
    assert word_groups(['北', '京', '很', '好']) == [0, 0, 1, 2]
    assert word_groups(['[UNK]', '北', '京', 'wi', '##fi']) == [0, 1, 1, 2, 2]
    assert word_groups([]) == []


def test_words_are_masked_whole_and_at_the_rate_asked():
    ids, groups = np.arange(10, 4010), np.repeat(np.arange(2000), 2)
    source, drawn, targets = random_masking(ids, np.arange(4000), np.random.default_rng(0), 5000, 7, 0.15, groups)
    assert (np.bincount(groups[drawn], minlength=2000) % 2 == 0).all()
    assert abs(len(drawn) / 4000 - 0.15) < 0.02
    assert (targets == ids[drawn]).all()
    masked = (source == 7).reshape(-1, 2)
    assert (masked[:, 0] == masked[:, 1]).all()  # the two tokens of a word share one fate


def test_a_lesson_masks_the_words_of_its_text(tokenizer):
    cloze = Cloze(Pattern('[MASK]满意。{text}'), [(0, tokenizer.tokens_to_ids(['很'])), (1, [9])], tokenizer, 64)
    text = '北京北京北京北京'
    ids = tokenizer.tokens_to_ids(tokenizer.tokenize(text)[1:-1])
    for seed in range(30):
        lesson = cloze.lesson([ids], 0, np.random.default_rng(seed), 0.5, True)
        drawn = [p - 5 for p in lesson.positions[1:]]
        assert all((p ^ 1) in drawn for p in drawn)
