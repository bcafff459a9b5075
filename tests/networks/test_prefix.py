import os

import numpy as np
import pytest

import numpy_bert
from pet_keras.backend import tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.models import build, build_mlm
from pet_keras.networks.prefix import Prefix, PrefixAttention, PrefixTuning

TASK = Task({'P1': '[MASK]满意。{text}', 'P2': '{text}总之[MASK]'}, {'正面': '很', '负面': '不'})
LABELLED = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面')] * 2
TEXTS = ['房间很干净', '又吵又脏，再也不来了']


def _randomized(tuning, seed=0):
    """Gives a prefix random keys and values; returns them, [(keys, values) a layer]."""
    rng = np.random.default_rng(seed)
    tensors = {name: rng.normal(size=value.shape).astype('float32') for name, value in tuning.tensors().items()}
    tuning.set_tensors(tensors)
    return list(zip(tensors['prefix/keys'], tensors['prefix/values']))


def test_logits_are_those_of_a_numpy_bert_with_these_keys_and_values(tiny):
    tuning = PrefixTuning(3)
    model, prefix = build_mlm(tiny, tuning=tuning), _randomized(tuning)
    ids = [numpy_bert.token_ids(tiny, ['[CLS]', *tokens, '[SEP]']) for tokens in (['房', '[MASK]', '很', '好'],
                                                                                  ['很', '[MASK]'])]
    padded = np.zeros((2, 6), 'int32')
    for row, own in zip(padded, ids):
        row[:len(own)] = own
    logits = model([padded, np.zeros_like(padded), np.array([[2, 0], [2, 1]], 'int32')]).numpy()
    for row, own, places in zip(logits, ids, ([2, 0], [2, 1])):
        np.testing.assert_allclose(row, numpy_bert.mlm_logits(tiny, own, prefix=prefix)[places], atol=2e-4)
    plain = numpy_bert.mlm_logits(tiny, ids[0])[[2, 0]]
    assert np.abs(logits[0] - plain).max() > .1


def _rotated(x, places):
    """Vectors `[tokens, heads, d]` turned by rotary position embeddings: kexue.fm 8265, equation 13."""
    d = x.shape[-1]
    angles = places[:, None, None] * 10000. ** (-2. * np.arange(d // 2) / d)
    turned = (x[..., ::2] + 1j * x[..., 1::2]) * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


@pytest.mark.parametrize('kind', [None, 'typical_relative', 'rotary'])
@pytest.mark.parametrize('causal', [False, True])
def test_attention_reads_the_prefix_whatever_the_kind_of_places(kind, causal):
    rng, length, heads, size, n = np.random.default_rng(1), 4, 2, 6, 3
    layer = PrefixAttention(lambda **sizes: Prefix(n, **sizes), heads=heads, head_size=size, out_dim=5)
    x = rng.normal(size=(length, 5)).astype('float32')
    relative = rng.normal(size=(length, length, size)).astype('float32')
    angles = np.arange(length)[:, None] * 10000. ** (-2. * np.arange(size // 2) / size)
    sines = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(1, length, size).astype('float32')
    mask = np.tril(np.ones((length, length), bool)) if causal else np.ones((length, length), bool)
    others = [mask] * causal + {None: [], 'typical_relative': [relative], 'rotary': [sines]}[kind]
    inputs = [tf.constant(part) for part in [x, x, x] + others + [np.ones((1, length), bool)]]
    ours = layer(inputs, a_bias=causal or None, p_bias=kind).numpy()

    q, k, v = [(x @ dense.kernel.numpy()).reshape(length, heads, size) for dense in (
        layer.q_dense, layer.k_dense, layer.v_dense)]  # the biases are 0
    if kind == 'rotary':
        q, k = _rotated(q, np.arange(length)), _rotated(k, np.arange(length))
    keys, values = [part.numpy() for part in layer.prefix(None)]
    found = np.zeros((length, heads, size))
    for j in range(length):
        for h in range(heads):
            seen, far = np.flatnonzero(mask[j]), relative[j] * (kind == 'typical_relative')
            scores = [q[j, h] @ key for key in keys[:, h]] + [q[j, h] @ (k[i, h] + far[i]) for i in seen]
            weights = numpy_bert.softmax(np.array(scores) / np.sqrt(size))
            found[j, h] = weights @ np.concatenate([values[:, h], v[seen, h] + far[seen]])
    np.testing.assert_allclose(ours, found.reshape(length, -1) @ layer.o_dense.kernel.numpy(), atol=1e-5)


def test_only_the_prefix_trains_it_resumes_to_the_same_bits_and_is_saved_in_kilobytes(still, interrupt, tmp_path):
    def run(**settings):
        way = PrefixTuning(2, mlp=4)
        return ClozeClassifier(TASK, still, train=way).fit(LABELLED, epochs=2, batch_size=2, **settings)
    before, whole, out = ClozeClassifier(TASK, still), run(), str(tmp_path / 'out')
    assert {w.name.split('/')[-1] for w in whole.model.trainable_weights} == {'keys:0', 'values:0'}
    assert whole.parameters_trained == 2 * 2 * 16  # keys and values of one layer
    for (name, new), (_, old) in zip(whole.transformer.variables(), before.transformer.variables()):
        np.testing.assert_array_equal(new.numpy(), old.numpy(), err_msg=name)
    interrupt(1, lambda: run(out=out))
    resumed = run(out=out, resume=True)
    assert sorted(os.listdir(out)) == ['added.safetensors', 'model.json', 'task.json']
    assert os.path.getsize(os.path.join(out, 'added.safetensors')) < 1024
    loaded = load(out)
    assert loaded.train == 'prefix' and loaded.tuning.length == 2 and loaded.tuning.encoder is None
    for other in (resumed, loaded):
        for name, value in whole.tuning.tensors().items():
            np.testing.assert_array_equal(other.tuning.tensors()[name], value)
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), whole.predict_proba(TEXTS), atol=1e-6)


def test_what_the_mlp_puts_out_is_kept_and_the_mlp_is_dropped(still):
    tuning = PrefixTuning(3, mlp=4)
    classifier = ClozeClassifier(TASK, still, train=tuning)
    rows, encoder, (prefix,) = tuning.encoder.rows.numpy(), tuning.encoder, tuning.prefixes
    hidden = np.tanh(rows @ encoder.hidden.kernel.numpy() + encoder.hidden.bias.numpy())
    keys, values = [(hidden @ part.kernel.numpy() + part.bias.numpy()).reshape(3, 2, 8) for part in prefix.parts]
    for name, own in (('prefix/keys', keys), ('prefix/values', values)):
        np.testing.assert_allclose(tuning.tensors()[name][0], own, atol=1e-6)
    expected = classifier.predict_proba(TEXTS)
    tuning.finish()
    classifier._scorer = None
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), expected, atol=1e-6)
    assert [w.name.split('/')[-1] for w in classifier.model.trainable_weights] == ['keys:0', 'values:0']


def test_fine_tuning_with_a_prefix_trains_it_and_the_new_layer_alone_and_traces_once(still, tmp_path):
    classifier = FineTuningClassifier(TASK, still, train='prefix').fit(LABELLED, epochs=1)
    step = classifier.step
    classifier.fit(LABELLED, epochs=1, out=str(tmp_path / 'out'))
    assert len(classifier.model.trainable_weights) == 2 + 2 and classifier.step is step
    np.testing.assert_array_equal(load(str(tmp_path / 'out')).predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_a_prefix_of_another_model_and_a_wrong_length_are_refused(still, tmp_path):
    with pytest.raises(UserError, match='a length of 0 or more'):
        PrefixTuning(-1)
    tuning = PrefixTuning(2)
    build(Checkpoint(still), tuning=tuning)
    good = tuning.tensors()
    with pytest.raises(ValueError, match='of 2 layers, not 1'):
        tuning.set_tensors({name: np.concatenate([value, value]) for name, value in good.items()})
    with pytest.raises(ValueError):
        tuning.set_tensors({name: value[:, :1] for name, value in good.items()})
    with pytest.raises(KeyError):
        tuning.set_tensors({})

