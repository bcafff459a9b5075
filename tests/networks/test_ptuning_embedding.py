import subprocess
import sys

import numpy as np
import pytest

from pet_keras.backend import Embedding, K, keras, tf
from pet_keras.errors import UserError
from pet_keras.networks.prompt_encoder import PromptEncoder
from pet_keras.networks.ptuning_embedding import PtuningEmbedding

SIZE, WIDTH, IDS = 30, 8, [7, 2, 11]  # ids in no order
TEXTS = np.array([[1, 7, 3, 2, 29], [11, 11, 4, 7, 9]], 'int32')
TARGETS = np.array([[2, 5, 7, 7, 1], [5, 29, 11, 0, 3]])
POLICY = 'mixed_bfloat16'


class AuthorsEmbedding(Embedding):
    """The layer as kexue.fm 8295 gives it: one table, masked."""
    def call(self, inputs, mode='embedding'):
        embeddings, mask = self.embeddings, np.zeros((self.input_dim, 1), 'float32')
        mask[IDS] = 1.
        self.embeddings = embeddings * mask + K.stop_gradient(embeddings) * (1 - mask)
        outputs = super(AuthorsEmbedding, self).call(inputs, mode)
        self.embeddings = embeddings
        return outputs


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def half():
    """Layers compute in bfloat16."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(POLICY)
    yield
    keras.mixed_precision.set_global_policy(before)


def _layer(rng, ids=IDS, size=SIZE, **kwargs):
    """A layer with a random table and other random rows; (layer, table, rows)."""
    layer = PtuningEmbedding(size, WIDTH, ids, **kwargs)
    layer.build((None, None))
    table, rows = rng.normal(size=(size, WIDTH)).astype('float32'), rng.normal(size=(len(ids), WIDTH))
    layer.embeddings.assign(table)
    layer.set_prompt(rows.astype('float32'))
    return layer, table, rows.astype('float32')


def _merged(table, rows, ids=IDS):
    table = table.copy()
    table[ids] = rows
    return table


def _model(embedding):
    """A text's vectors through a frozen layer, compared with every token: logits `[batch, length, SIZE]`."""
    token_ids = keras.Input((None,), dtype='int32')
    x = keras.layers.Dense(WIDTH, activation='tanh', trainable=False)(embedding(token_ids))
    return keras.Model(token_ids, embedding(x, mode='dense'))


def _names(weights):
    return [w.name.split('/')[-1] for w in weights]


# --- values and gradients -------------------------------------------------------------------------------

def test_values_and_gradients_of_both_modes_together_are_those_of_the_authors_layer(rng):
    ours, table, rows = _layer(rng)
    theirs = AuthorsEmbedding(SIZE, WIDTH)
    theirs.build((None, None))
    theirs.embeddings.assign(_merged(table, rows))
    inner = tf.Variable(rng.normal(size=(WIDTH, WIDTH)).astype('float32'))

    def run(layer, variable):
        with tf.GradientTape() as tape:
            vectors = layer(TEXTS)
            logits = layer(tf.tanh(tf.einsum('blh,hk->blk', vectors, inner)), mode='dense')
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(TARGETS, logits, from_logits=True))
        return (vectors, logits) + tuple(tf.convert_to_tensor(g) for g in tape.gradient(loss, [variable, inner]))

    expected, found = run(theirs, theirs.embeddings), run(ours, ours.prompt)
    for a, b in zip(expected[:2] + expected[3:], found[:2] + found[3:]):
        np.testing.assert_allclose(b, a, atol=1e-5)
    assert np.abs(expected[2].numpy()[IDS]).max(axis=1).min() > 1e-3
    np.testing.assert_allclose(found[2], expected[2].numpy()[IDS], atol=1e-5)
    assert not np.delete(expected[2].numpy(), IDS, axis=0).any()


def test_each_mode_alone_has_the_authors_gradient(rng):
    ours, table, rows = _layer(rng)
    theirs = AuthorsEmbedding(SIZE, WIDTH)
    theirs.build((None, None))
    theirs.embeddings.assign(_merged(table, rows))
    features = tf.constant(rng.normal(size=(2, 4, WIDTH)).astype('float32'))
    for inputs, mode, width in ((TEXTS, 'embedding', WIDTH), (features, 'dense', SIZE)):
        weights = rng.normal(size=inputs.shape[:2] + (width,)).astype('float32')
        gradients = []
        for layer, variable in ((theirs, theirs.embeddings), (ours, ours.prompt)):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(inputs, mode=mode) ** 2 * weights)
            gradients.append(tf.convert_to_tensor(tape.gradient(loss, variable)).numpy())
        np.testing.assert_allclose(gradients[1], gradients[0][IDS], rtol=1e-5, atol=1e-4)


def test_table_holds_the_trained_rows_and_passes_their_gradient_on(rng):
    layer, table, rows = _layer(rng)
    np.testing.assert_array_equal(layer.table(), _merged(table, rows))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(layer.table(), [2, 5]))
    np.testing.assert_array_equal(tf.convert_to_tensor(tape.gradient(loss, layer.prompt)),
                                  [[0.] * WIDTH, [1.] * WIDTH, [0.] * WIDTH])


def test_the_table_has_no_gradient_even_when_asked_for(rng):
    layer, _, _ = _layer(rng)
    for run in (lambda: layer(TEXTS), lambda: layer(tf.ones((1, 2, WIDTH)), mode='dense'), layer.table,
                lambda: layer(layer(TEXTS), mode='dense')):
        with tf.GradientTape() as tape:
            tape.watch(layer.embeddings)
            loss = tf.reduce_sum(run() ** 2)
        gradient = tape.gradient(loss, layer.embeddings)
        assert gradient is None or not np.any(tf.convert_to_tensor(gradient))


def test_gradients_of_a_model_have_the_shape_of_the_rows_alone(rng):
    layer, _, _ = _layer(rng)
    model = _model(layer)
    assert _names(model.trainable_weights) == ['prompt:0']
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(TEXTS) ** 2)
    assert (SIZE, WIDTH) not in [tuple(v.shape) for v in tape.watched_variables()]
    assert [tuple(g.shape) for g in tape.gradient(loss, model.trainable_variables)] == [(3, WIDTH)]


def test_a_new_layer_is_a_no_op(rng):
    plain, ours = Embedding(SIZE, WIDTH), PtuningEmbedding(SIZE, WIDTH, IDS)
    features = tf.constant(rng.normal(size=(2, 3, WIDTH)).astype('float32'))
    ours(TEXTS), plain(TEXTS)
    plain.set_weights([ours.embeddings.numpy()])
    assert ours.embeddings.numpy().any()
    np.testing.assert_array_equal(ours(TEXTS), plain(TEXTS))
    np.testing.assert_allclose(ours(features, mode='dense'), plain(features, mode='dense'), atol=1e-6)


def test_prompt_from_table_undoes_set_prompt(rng):
    layer, table, _ = _layer(rng)
    layer.prompt_from_table()
    np.testing.assert_array_equal(layer.prompt, table[IDS])
    np.testing.assert_array_equal(layer(TEXTS), table[TEXTS])


# --- the other rows train too ---------------------------------------------------------------------------

def test_with_a_trainable_table_the_gradients_are_those_of_a_plain_embedding(rng):
    ours, table, rows = _layer(rng, trainable_table=True)
    plain = Embedding(SIZE, WIDTH)
    plain.build((None, None))
    plain.embeddings.assign(_merged(table, rows))

    def gradients(layer, variables):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(tf.tanh(layer(TEXTS)), mode='dense') ** 2)
        return [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, variables)]
    (expected,), (others, prompt) = gradients(plain, [plain.embeddings]), gradients(ours, ours.trainable_weights)
    np.testing.assert_allclose(_merged(others, prompt), expected, rtol=1e-4, atol=1e-4)
    assert not others[IDS].any()


@pytest.mark.parametrize('encoder,names', [(None, ['prompt:0']),
                                           ('mlp', ['encoder_input:0'] + ['kernel:0', 'bias:0'] * 2)])
def test_with_a_trainable_table_the_prompt_still_has_weights_of_its_own(encoder, names, rng):
    layer, table, _ = _layer(rng, encoder=encoder, trainable_table=True)
    assert sorted(_names(layer.prompt_weights)) == sorted(names)
    assert sorted(_names(layer.trainable_weights)) == sorted(names + ['embeddings:0'])
    expected = layer(TEXTS).numpy()
    layer.absorb_encoder()
    assert _names(layer.trainable_weights) == ['embeddings:0', 'prompt:0']
    assert _names(layer.prompt_weights) == ['prompt:0']
    np.testing.assert_allclose(layer(TEXTS), expected, atol=1e-6)
    layer.prompt_to_table()
    np.testing.assert_array_equal(layer.embeddings, _merged(table, layer.prompt.numpy()))
    np.testing.assert_allclose(layer(TEXTS), expected, atol=1e-6)


# --- training -------------------------------------------------------------------------------------------

OPTIMIZERS = {
    'adam': lambda: keras.optimizers.Adam(0.05),
    'weight decay': lambda: keras.optimizers.AdamW(0.05, weight_decay=0.1),
    'clipnorm': lambda: keras.optimizers.Adam(0.05, clipnorm=0.1),
    'clipvalue': lambda: keras.optimizers.SGD(0.5, momentum=0.9, clipvalue=0.01),
}


def _train(optimizer, rng):
    """Five steps; (layer, table before, rows before)."""
    layer, table, rows = _layer(rng)
    model, optimizer = _model(layer), OPTIMIZERS[optimizer]()
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(5):
        model.train_on_batch(TEXTS, TARGETS)
    assert all(tuple(v.shape) in ((), (3, WIDTH)) for v in optimizer.variables)  # no slot of the table's size
    return layer, table, rows


@pytest.mark.parametrize('optimizer', sorted(OPTIMIZERS))
def test_training_changes_every_row_and_not_one_bit_of_the_table(optimizer, rng):
    layer, table, rows = _train(optimizer, rng)
    np.testing.assert_array_equal(layer.embeddings, table)
    assert (np.abs(layer.prompt.numpy() - rows).max(axis=1) > 1e-5).all()


def test_training_in_bfloat16_changes_every_row_and_not_one_bit_of_the_table(rng, half):
    layer, table, rows = _train('weight decay', rng)
    assert layer.compute_dtype == 'bfloat16' and layer.prompt.dtype == layer.embeddings.dtype == tf.float32
    np.testing.assert_array_equal(layer.embeddings, table)
    assert (np.abs(layer.prompt.numpy() - rows).max(axis=1) > 1e-5).all()


def test_in_bfloat16_both_modes_give_the_rounded_values(rng, half):
    layer, table, rows = _layer(rng)
    merged = _merged(table, rows)
    vectors, features = layer(TEXTS), rng.normal(size=(2, 3, WIDTH)).astype('float32')
    logits = layer(tf.cast(features, 'bfloat16'), mode='dense')
    assert vectors.dtype == logits.dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(vectors, 'float32'), tf.cast(tf.cast(merged[TEXTS], 'bfloat16'), 'float32'))
    np.testing.assert_allclose(tf.cast(logits, 'float32'), features @ merged.T, atol=0.2)


# --- saving ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize('trainable_table', [False, True])
@pytest.mark.parametrize('encoder', [None, 'lstm', 'mlp'])
def test_config_and_serialization_bring_the_layer_back_without_custom_objects(encoder, trainable_table, rng):
    layer, _, _ = _layer(rng, ids=[7, 2, 40], encoder=encoder, trainable_table=trainable_table, mask_zero=True,
                         name='tokens')
    assert layer.get_config()['encoder'] == encoder and layer.get_config()['trainable_token_ids'] == [7, 2, 40]
    for again in (PtuningEmbedding.from_config(layer.get_config()),
                  keras.layers.deserialize(keras.layers.serialize(layer))):
        again.build((None, None))
        again.set_weights(layer.get_weights())
        assert type(again) is PtuningEmbedding and (again.name, again.mask_zero) == ('tokens', True)
        assert again.get_config() == layer.get_config() and again.trainable_table is trainable_table
        np.testing.assert_array_equal(again(TEXTS), layer(TEXTS))


@pytest.mark.parametrize('encoder,ending', [(None, 'keras'), (None, 'h5'), ('mlp', 'keras'), ('mlp', 'h5'),
                                            ('lstm', 'keras'), ('lstm', 'h5')])
def test_a_saved_model_loads_with_equal_logits(encoder, ending, rng, tmp_path):
    layer, table, _ = _layer(rng, encoder=encoder)
    model = _model(layer)
    expected = model(TEXTS).numpy()
    path = str(tmp_path / ('model.' + ending))
    model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(again(TEXTS), expected)
    assert len(again.trainable_weights) == len(model.trainable_weights)
    loaded = [layer for layer in again.layers if isinstance(layer, PtuningEmbedding)]
    assert len(loaded) == 1
    np.testing.assert_array_equal(loaded[0].embeddings, table)


LOADING = """
from pet_keras import PtuningEmbedding
from tensorflow import keras
import numpy as np
print(keras.models.load_model(%r)(np.array(%r, 'int32')).numpy().sum())
"""


def test_a_saved_model_loads_in_a_new_process(rng, tmp_path):
    model, path = _model(_layer(rng)[0]), str(tmp_path / 'model.keras')
    model.save(path)
    done = subprocess.run([sys.executable, '-c', LOADING % (path, TEXTS.tolist())], capture_output=True, encoding='utf-8')
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(model(TEXTS).numpy().sum(), abs=1e-3)


def test_a_regularizer_and_a_constraint_are_those_of_the_rows(rng):
    layer, table, rows = _layer(rng, embeddings_regularizer='l2', embeddings_constraint='non_neg')
    assert float(sum(layer.losses)) == pytest.approx(0.01 * (rows ** 2).sum(), rel=1e-5)
    model = _model(layer)
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(TEXTS, TARGETS)
    assert layer.prompt.numpy().min() >= 0
    np.testing.assert_array_equal(layer.embeddings, table)


@pytest.mark.parametrize('ending', ['keras', 'h5'])
def test_a_model_is_saved_after_its_encoder_is_gone(ending, rng, tmp_path):
    layer, _, _ = _layer(rng, encoder='lstm')
    model = _model(layer)
    layer.absorb_encoder()
    expected, path = model(TEXTS).numpy(), str(tmp_path / ('model.' + ending))
    assert sorted(_names(layer.weights)) == ['embeddings:0', 'prompt:0']
    model.save(path)
    again = keras.models.load_model(path)
    np.testing.assert_array_equal(again(TEXTS), expected)
    assert _names(again.trainable_weights) == ['prompt:0']


def test_a_table_of_ones_own_goes_in_as_the_initializer(rng):
    table = rng.normal(size=(SIZE, WIDTH)).astype('float32')
    layer = PtuningEmbedding(SIZE, WIDTH, IDS, embeddings_initializer=keras.initializers.Constant(table))
    np.testing.assert_array_equal(layer(TEXTS), table[TEXTS])
    np.testing.assert_array_equal(layer.prompt, table[IDS])


# --- ids, masks, errors ---------------------------------------------------------------------------------

def test_ids_beyond_the_table_can_be_looked_up_and_have_no_logit(rng):
    ids = [SIZE + 3, 4, SIZE]
    layer, table, rows = _layer(rng, ids=ids)
    expected = [rows[2], rows[1], table[9], rows[0], table[0]]
    np.testing.assert_array_equal(layer([[SIZE, 4, 9, SIZE + 3, 0]])[0], expected)
    features = rng.normal(size=(2, 3, WIDTH)).astype('float32')
    logits = layer(features, mode='dense')
    assert logits.shape == (2, 3, SIZE) and tuple(layer.compute_output_shape((2, 3, WIDTH))) == (2, 3, SIZE)
    np.testing.assert_allclose(logits, features @ _merged(table, rows[1:2], [4]).T, atol=1e-5)
    np.testing.assert_array_equal(layer.table(), _merged(table, rows[1:2], [4]))


def test_mask_zero_masks_as_bert4keras_does(rng):
    plain, ours = Embedding(SIZE, WIDTH, mask_zero=True), _layer(rng, mask_zero=True)[0]
    token_ids = tf.constant([[7, 0, 3, 0], [0, 0, 2, 5]])
    expected = [[True, False, True, False], [True, False, True, True]]
    np.testing.assert_array_equal(plain.compute_mask(token_ids), expected)
    np.testing.assert_array_equal(ours.compute_mask(token_ids), expected)
    pooled = keras.layers.GlobalAveragePooling1D()(ours(token_ids))
    vectors = ours(token_ids).numpy()
    np.testing.assert_allclose(pooled[0], vectors[0, [0, 2]].mean(axis=0), atol=1e-6)
    assert _layer(rng)[0].compute_mask(token_ids) is None


@pytest.mark.parametrize('ids,message', [((), 'at least one'), ([3, 5, 3], 'different'), ([4, -1], 'not negative')])
def test_ids_that_cannot_be_are_refused(ids, message):
    with pytest.raises(UserError, match=message):
        PtuningEmbedding(SIZE, WIDTH, ids)


# --- the prompt encoder ---------------------------------------------------------------------------------

@pytest.mark.parametrize('kind,reaches', [('lstm', True), ('mlp', False)])
def test_encoder_keeps_the_shape_and_only_the_lstm_looks_at_neighbours(kind, reaches, rng):
    encoder = PromptEncoder(WIDTH, kind)
    rows = rng.normal(size=(4, WIDTH)).astype('float32')
    out, rows[3] = encoder(tf.constant(rows)).numpy(), 0.
    assert out.shape == (4, WIDTH)
    after = encoder(tf.constant(rows)).numpy()
    assert np.abs(after[3] - out[3]).max() > 1e-4
    assert (np.abs(after[0] - out[0]).max() > 1e-8) == reaches


def test_encoder_of_an_odd_width_keeps_the_shape():
    layer = PtuningEmbedding(SIZE, 7, IDS, encoder='lstm')
    assert layer(TEXTS).shape == (2, 5, 7)


def test_encoder_of_another_kind_is_refused():
    with pytest.raises(UserError, match="'gru'.*lstm.*mlp"):
        PromptEncoder(WIDTH, 'gru')
    with pytest.raises(UserError, match='gru'):
        PtuningEmbedding(SIZE, WIDTH, IDS, encoder='gru')


@pytest.mark.parametrize('encoder', ['lstm', 'mlp'])
def test_absorbing_the_encoder_keeps_the_outputs_and_leaves_the_prompt_alone_to_train(encoder, rng):
    layer, _, rows = _layer(rng, encoder=encoder)
    model = _model(layer)
    assert len(model.trainable_weights) > 1 and np.abs(layer.rows().numpy() - rows).max() > 1e-3
    before, encoded = model(TEXTS).numpy(), layer.rows().numpy()
    layer.absorb_encoder()
    np.testing.assert_array_equal(layer.prompt, encoded)
    np.testing.assert_allclose(model(TEXTS), before, atol=1e-6)
    assert _names(model.trainable_weights) == ['prompt:0'] and layer.get_config()['encoder'] is None
    layer.absorb_encoder()  # nothing is left to absorb
    np.testing.assert_array_equal(layer.prompt, encoded)


def test_what_a_model_predicts_does_not_change_when_the_encoder_is_absorbed(rng):
    layer, _, _ = _layer(rng, encoder='mlp')
    model = _model(layer)
    before = model.predict(TEXTS, verbose=0)
    layer.absorb_encoder()
    np.testing.assert_allclose(model.predict(TEXTS, verbose=0), before, atol=1e-6)


def test_training_through_the_encoder_leaves_the_table_as_it_was(rng):
    layer, table, _ = _layer(rng, encoder='lstm')
    model = _model(layer)
    model.compile(keras.optimizers.AdamW(0.05, weight_decay=0.1),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    encoded = layer.rows().numpy()
    model.train_on_batch(TEXTS, TARGETS)
    np.testing.assert_array_equal(layer.embeddings, table)
    assert (np.abs(layer.rows().numpy() - encoded).max(axis=1) > 1e-5).all()
