import numpy as np
import pytest

from pet_keras.cloze.task import Task
from pet_keras.serving.answers import description, predictions


def test_predictions_name_the_likeliest_label_and_sum_to_one():
    assert predictions(['a', 'b'], [np.log([.25, .75])]) == [
        {'label': 'b', 'probabilities': {'a': pytest.approx(.25), 'b': pytest.approx(.75)}}]


def test_words_are_those_of_the_pattern_that_asks():
    task = Task.load('sentiment')
    fields = description('x', 'cloze', task, task.pattern('P6'), ['P1'])
    assert fields['words'] == {'正面': ['好'], '负面': ['差']} and fields['pattern'] == '{text}评价：[MASK]'
    assert fields['patterns'] == {'P1': {'pattern': '[MASK]满意。{text}', 'words': task.verbalizer.words}}
    assert (fields['fills'], fields['causal'], fields['example']) == (False, False, task.example)


def test_what_has_no_pattern_shows_no_words():
    fields = description('x', 'fine-tuning', Task.load('sentiment'), None)
    assert (fields['pattern'], fields['words'], fields['patterns']) == (None, {}, {})
