import os

import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.shipped import DEFAULT, shipped_checkpoints
from pet_keras.classifiers.cloze_classifier import ClozeClassifier


def test_the_shipped_models_are_found_by_the_names_of_their_folders():
    found = shipped_checkpoints()
    assert {'bert-mini-zh', 'bert-small-zh', 'gpt-mini-zh'} <= set(found)
    for name, folder in found.items():
        assert os.path.basename(folder) == name and os.path.isfile(os.path.join(folder, 'bert_config.json'))


def test_the_default_is_the_larger_masked_model():
    assert DEFAULT == ClozeClassifier().checkpoint.name == 'bert-small-zh'


@pytest.mark.parametrize('name,size', [('bert-mini-zh', 4.8), ('bert-small-zh', 23.9), ('gpt-mini-zh', 4.8)])
def test_a_shipped_model_has_the_size_of_its_card_and_no_dropout(name, size):
    checkpoint = Checkpoint(name).check()
    described = checkpoint.describe()
    assert described['mlm_head'] == 'present' and round(described['parameters'] / 1e6, 1) == size
    assert checkpoint.config['hidden_dropout_prob'] == checkpoint.config['attention_probs_dropout_prob'] == 0
    with open(os.path.join(checkpoint.folder, 'README.md'), encoding='utf-8') as reader:
        card = reader.read()
    assert '%s million' % size in card and 'without dropout' in card


def test_the_small_model_is_read_as_float32_and_fills_a_blank():
    from pet_keras.networks.models import build_mlm
    checkpoint = Checkpoint('bert-small-zh')
    assert checkpoint.load_variable('bert/embeddings/word_embeddings').dtype == np.float32
    text = ['[CLS]', '今', '天', '天', '[MASK]', '很', '好', '[SEP]']
    ids = np.array([[checkpoint.vocab[token] for token in text]])
    logits = build_mlm(checkpoint).predict_on_batch([ids, ids * 0, np.array([[4]])])
    assert logits[0, 0].argmax() == checkpoint.vocab['气']


def test_the_small_model_carries_the_licence_of_what_it_starts_from():
    with open(os.path.join(shipped_checkpoints()['bert-small-zh'], 'LICENSE'), encoding='utf-8') as reader:
        text = reader.read()
    assert 'Copyright (c) Microsoft Corporation' in text and 'The above copyright notice and this permission' in text
