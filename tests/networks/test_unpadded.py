import numpy as np
import pytest

from pet_keras.backend import keras, tf
from pet_keras.networks.models import build_lm, build_mlm, model_inputs
from pet_keras.networks.unpadded import GatherPositions, Kept, Unpad

TOKENS = np.array([[5, 6, 7, 0, 0], [5, 0, 7, 8, 9], [5, 0, 0, 0, 0]], 'int32')  # a 0 inside is no padding
POSITIONS = np.array([[1, 0], [4, 2], [2, 0]], 'int32')  # the last row is asked beyond its tokens


def test_a_sequence_ends_with_its_last_token_or_the_last_place_asked_about():
    kept = Kept()([tf.constant(TOKENS), tf.constant(POSITIONS)]).numpy()
    assert kept.tolist() == [[True] * 3 + [False] * 2, [True] * 5, [True] * 3 + [False] * 2]


def test_tokens_stand_end_to_end_and_are_found_again():
    x = np.arange(3 * 5 * 2, dtype='float32').reshape(3, 5, 2)
    kept = Kept()([tf.constant(TOKENS), tf.constant(POSITIONS)])
    flat = Unpad()([tf.constant(x), kept])
    np.testing.assert_array_equal(flat.numpy(), np.concatenate([x[0, :3], x[1], x[2, :3]]))
    for positions in (POSITIONS, POSITIONS.astype('float32')):
        picked = GatherPositions()([flat, kept, tf.constant(positions)]).numpy()
        np.testing.assert_array_equal(picked, np.stack([x[i, row] for i, row in enumerate(POSITIONS)]))


def test_no_mask_is_passed_on():
    tokens, positions = keras.layers.Input((None,)), keras.layers.Input((None,), dtype='int32')
    embedded, kept = keras.layers.Embedding(5, 2, mask_zero=True)(tokens), Kept()([tokens, positions])
    flat = Unpad()([embedded, kept])
    assert getattr(embedded, '_keras_mask', None) is not None
    assert getattr(flat, '_keras_mask', None) is None
    assert getattr(GatherPositions()([flat, kept, positions]), '_keras_mask', None) is None


@pytest.mark.parametrize('builder,name', [(build_mlm, 'bert-mini-zh'), (build_lm, 'gpt-mini-zh')])
def test_padding_takes_no_part_and_the_last_layer_works_at_the_asked_places_alone(builder, name):
    transformer = builder(name, return_keras_model=False)
    outputs = [transformer.layers['Transformer-%d-FeedForward-Norm' % i].output for i in (0, 2, 3)]
    network = keras.Model(transformer.model.inputs, outputs)
    shapes = [tuple(x.shape) for x in network(model_inputs(network, TOKENS, np.zeros_like(TOKENS), POSITIONS))]
    assert shapes == [(11, 256), (11, 256), (3, 2, 256)]


@pytest.mark.parametrize('builder,name', [(build_mlm, 'bert-mini-zh'), (build_lm, 'gpt-mini-zh')])
def test_logits_and_gradients_of_a_batch_are_those_of_its_sequences_alone(builder, name):
    model, rng = builder(name), np.random.default_rng(0)
    lengths = (4, 9, 6)
    rows = [rng.integers(5, 100, n) for n in lengths]
    tokens = np.zeros((3, 11), 'int32')
    for row, own in zip(tokens, rows):
        row[:len(own)] = own
    positions = np.array([[1, 3], [8, 2], [0, 5]], 'int32')

    def run(tokens, positions):
        with tf.GradientTape() as tape:
            logits = model(model_inputs(model, tokens, np.zeros_like(tokens), positions))
            loss = tf.reduce_sum(logits[..., 7] ** 2)
        return logits.numpy(), [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, model.trainable_weights)
                                if g is not None]
    logits, gradients = run(tokens, positions)
    alone = [run(row[None].astype('int32'), positions[i:i + 1]) for i, row in enumerate(rows)]
    np.testing.assert_allclose(logits, np.concatenate([a for a, _ in alone]), atol=2e-4)
    for together, *parts in zip(gradients, *[g for _, g in alone]):
        np.testing.assert_allclose(together, sum(parts), atol=2e-4 * max(1, np.abs(together).max()))
