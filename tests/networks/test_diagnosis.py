import json
import os
import shutil
from collections import Counter

import numpy as np
import pytest

import numpy_bert
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.data.shipped import shipped_texts
from pet_keras.errors import UserError
from pet_keras.networks.diagnosis import FIGURES, diagnose_mlm_head, looks_untrained, measure, spearman, verdict
from pet_keras.networks.models import build

HEAD = ('MLM-Dense', 'MLM-Norm', 'MLM-Bias')


def _sentences():
    with open(shipped_texts('sentences.txt'), encoding='utf-8') as reader:
        return reader.read().splitlines()


# --- what is measured ------------------------------------------------------------------------------------

def test_the_sentences_are_three_hundred_different_ones_that_stand_in_no_shipped_data_set():
    sentences = _sentences()
    assert 290 < len(sentences) == len(set(sentences))
    assert all(10 <= len(s) <= 40 and s == s.strip() for s in sentences)
    for name in set(os.listdir(shipped_texts(''))) - {'sentences.txt'}:
        with open(shipped_texts(name), encoding='utf-8') as reader:
            text = reader.read()
        assert not [sentence for sentence in sentences if sentence in text], name


def test_the_figures_are_those_of_a_numpy_bert_that_fills_every_seventh_common_character(tiny):
    checkpoint, sentences = Checkpoint(tiny), _sentences()
    vocab, counts, seen, clozes = checkpoint.vocab, Counter(''.join(sentences)), 0, []
    for sentence in sentences:
        tokens, blanks = ['[CLS]', *sentence, '[SEP]'], []
        tokens = [chr(ord(t) - 0xfee0) if t not in vocab and ord(t) > 0xff00 else t for t in tokens]  # ， is read as ,
        for i, token in enumerate(tokens):
            if token.isalpha() and token in vocab and counts[token] >= 8:
                blanks += [i] * (seen % 7 == 0)
                seen += 1
        masked = ['[MASK]' if i in blanks else token for i, token in enumerate(tokens)]
        clozes.append(([vocab[t] for t in masked], blanks, [vocab[tokens[i]] for i in blanks]))
    right, log_likelihoods = [], []
    for ids, blanks, targets in sorted(clozes, key=lambda cloze: -len(cloze[1]))[:12]:
        logits = numpy_bert.mlm_logits(tiny, ids)[blanks]
        right += (logits.argmax(axis=1) == targets).tolist()
        log_likelihoods += np.log(numpy_bert.softmax(logits)[np.arange(len(blanks)), targets]).tolist()
    network = build(checkpoint, return_keras_model=False)
    found, whole = measure(network, checkpoint, most=12), measure(network, checkpoint)
    assert found['blanks'] == len(right) > 30
    assert found['accuracy'] == pytest.approx(np.mean(right))
    assert found['log_likelihood'] == pytest.approx(np.mean(log_likelihoods), abs=1e-4)
    targets = [target for _, _, of_sentence in clozes for target in of_sentence]
    share = np.array(list(Counter(targets).values())) / len(targets)
    bias = checkpoint.load_variable('cls/predictions/output_bias')
    often = [c for c in counts if c.isalpha() and c in vocab]
    assert whole['verdict'] == found['verdict'] == 'untrained' and whole['blanks'] == len(targets) > 400
    for figures in (found, whole):
        assert figures['unigram_accuracy'] == pytest.approx(share.max())
        assert figures['unigram_log_likelihood'] == pytest.approx((share * np.log(share)).sum())
        assert figures['bias_correlation'] == pytest.approx(
            spearman([bias[vocab[c]] for c in often], [counts[c] for c in often]))
        assert abs(figures['bias_correlation']) < 0.2  # it is random


def test_a_causal_model_is_asked_for_the_next_character_and_shown_no_blank():
    checkpoint = Checkpoint('gpt-mini-zh')
    found = diagnose_mlm_head(checkpoint)
    assert found['verdict'] == 'trained'
    assert found['accuracy'] > 0.2 and found['log_likelihood'] > found['unigram_log_likelihood'] + 0.5


def test_equal_values_share_their_mean_rank_in_the_correlation():
    assert spearman([3, 1, 2], [30, 10, 20]) == pytest.approx(1.)
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(np.sqrt(3) / 2)
    assert spearman([1., 2., 3.], [5., 5., 5.]) == 0.


# --- trained heads, and what an initialiser or a stripping script makes of them ---------------------------

@pytest.fixture(scope='module')
def mini():
    return Checkpoint('bert-mini-zh')


@pytest.fixture(scope='module')
def network(mini):
    return build(mini, return_keras_model=False)


@pytest.fixture
def diagnosed(mini, network):
    """Diagnoses the shipped model after `change` has changed {layer: its weights}; all is as before afterwards."""
    layers = {name: layer for name, layer in network.layers.items() if getattr(layer, 'weights', None)}
    before = {name: layer.get_weights() for name, layer in layers.items()}

    def call(change):
        weights = {name: [w.copy() for w in of_layer] for name, of_layer in before.items()}
        change(weights)
        for name, layer in layers.items():
            layer.set_weights(weights[name])
        return measure(network, mini, most=100), looks_untrained(network, mini)
    yield call
    for name, layer in layers.items():
        layer.set_weights(before[name])


def _random(weights):
    return np.random.default_rng(0).normal(0., 0.02, weights.shape).astype('float32')


def _initialise_transform(weights):
    weights['MLM-Dense'] = [_random(weights['MLM-Dense'][0]), 0. * weights['MLM-Dense'][1]]


def _initialise_norm(weights):
    weights['MLM-Norm'] = [np.zeros_like(w) if abs(w.mean()) < 0.5 else np.ones_like(w) for w in weights['MLM-Norm']]


def _initialise_head(weights):
    _initialise_transform(weights)
    _initialise_norm(weights)
    weights['MLM-Bias'] = [0. * weights['MLM-Bias'][0]]


def _initialise_head_with_a_random_bias(weights):
    _initialise_head(weights)
    weights['MLM-Bias'] = [_random(weights['MLM-Bias'][0])]


def _initialise_all_but_the_bias(weights):
    _initialise_transform(weights)
    _initialise_norm(weights)


def _initialise_body(weights):
    for name in set(weights) - set(HEAD):
        weights[name] = [_random(w) if w.ndim > 1 else w for w in weights[name]]


def _other_vocabulary(weights):
    rows = np.random.default_rng(0).permutation(len(weights['Embedding-Token'][0]))
    weights['Embedding-Token'][0] = weights['Embedding-Token'][0][rows]


def _no_bias(weights):
    weights['MLM-Bias'] = [0. * weights['MLM-Bias'][0]]


def _other_bias(weights):
    weights['MLM-Bias'] = [np.random.default_rng(0).permutation(weights['MLM-Bias'][0])]


def test_a_trained_head_fills_far_more_blanks_than_the_unigram_rate_and_its_bias_follows_frequency(diagnosed):
    found, looks = diagnosed(lambda weights: None)
    assert found['verdict'] == 'trained' and not looks
    assert found['accuracy'] > 5 * found['unigram_accuracy']
    assert found['bias_correlation'] > 0.5


@pytest.mark.parametrize('change', [
    _initialise_head, _initialise_head_with_a_random_bias, _initialise_transform, _initialise_all_but_the_bias,
    _initialise_body, _other_vocabulary])
def test_a_head_with_a_part_as_an_initialiser_leaves_it_is_untrained(change, diagnosed):
    found, looks = diagnosed(change)
    assert found['verdict'] == 'untrained' and looks
    assert found['accuracy'] < 0.5 * found['unigram_accuracy']
    assert found['log_likelihood'] < found['unigram_log_likelihood'] - 1.


@pytest.mark.parametrize('change', [_no_bias, _other_bias])
def test_a_trained_head_is_not_called_untrained_for_its_bias_alone(change, diagnosed):
    found, looks = diagnosed(change)
    assert abs(found['bias_correlation']) < 0.2
    assert found['verdict'] == 'trained' and not looks
    assert 'bias does not follow frequency' in found['reason']


@pytest.mark.parametrize('name', ['google-bert', 'albert', 'electra-generator', 'gpt2'])
def test_a_random_checkpoint_of_any_family_is_untrained(name, data_folder):
    found = diagnose_mlm_head(os.path.join(data_folder, 'golden', name))
    assert found['verdict'] == 'untrained' and found['blanks'] > 400
    assert found['bias_correlation'] is None if name == 'gpt2' else abs(found['bias_correlation']) < 0.1


def test_a_missing_head_is_missing_and_nothing_is_measured(make_checkpoint, tmp_path):
    found = diagnose_mlm_head(make_checkpoint(tmp_path, head=False))
    assert found['verdict'] == 'missing' and 'no MLM head' in found['reason']
    assert {found[figure] for figure in FIGURES} == {None}


def test_of_a_vocabulary_without_chinese_nothing_is_said(tiny, tmp_path):
    folder = shutil.copytree(tiny, str(tmp_path / 'latin'))
    path = os.path.join(folder, 'vocab.txt')
    with open(path, encoding='utf-8') as reader:
        tokens = reader.read().splitlines()
    with open(path, 'w', encoding='utf-8') as writer:
        writer.writelines('%s\n' % (t if t.isascii() else 'word%d' % i) for i, t in enumerate(tokens))
    found = diagnose_mlm_head(folder)
    assert found['verdict'] == 'unknown' and found['blanks'] is None and 'vocabulary' in found['reason']
    checkpoint = Checkpoint(folder)
    assert not looks_untrained(build(checkpoint, return_keras_model=False), checkpoint)


def test_files_that_do_not_fit_together_are_an_error_and_no_verdict(tiny, tmp_path):
    folder = shutil.copytree(tiny, str(tmp_path / 'layers'))
    path = os.path.join(folder, 'bert_config.json')
    with open(path, encoding='utf-8') as reader:
        config = json.load(reader)
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(dict(config, num_hidden_layers=1), writer)
    with pytest.raises(UserError, match='says 1 layers'):
        diagnose_mlm_head(folder)


@pytest.mark.parametrize('accuracy, log_likelihood, bias, expected, why', [
    (0.45, -2.3, 0.64, 'trained', 'far more'),
    (0.19, -6.0, None, 'trained', 'far more'),
    (0.45, -2.3, 0., 'trained', 'though its bias does not follow'),
    (0.05, -4.0, 0.9, 'untrained', 'fewer'),
    (0.10, -4.0, 0.5, 'trained', 'but its bias follows'),
    (0.10, -4.0, 0.1, 'untrained', 'and its bias does not follow'),
    (0.10, -4.0, None, 'trained', 'likelier'),
    (0.10, -6.0, None, 'untrained', 'no likelier'),
])
def test_accuracy_decides_and_the_bias_where_accuracy_says_little(accuracy, log_likelihood, bias, expected, why):
    found, reason = verdict(498, accuracy, 0.06, log_likelihood, -4.7, bias)
    assert found == expected and why in reason


def test_weights_that_are_no_numbers_are_no_figures(diagnosed):
    def damage(weights):
        weights['MLM-Bias'][0][:] = np.inf
    with pytest.raises(UserError, match='no numbers'):
        diagnosed(damage)
