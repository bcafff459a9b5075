import json
import os
import shutil

import numpy as np
import pytest

import numpy_bert
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.cloze import Cloze
from pet_keras.cloze.pattern import Pattern
from pet_keras.cloze.prompt_pattern import prompt_pattern, prompt_tokens
from pet_keras.cloze.task import Task
from pet_keras.cloze.verbalizer import Verbalizer
from pet_keras.data.example import Example
from pet_keras.errors import UserError

TRACED = False  # the guide to prompts and tests/test_kills.py train some with a graph
TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}, name='reviews')
OWN_WORDS = Task({'P1': '[MASK]满意。{text}'}, {'正面': '[unused21]', '负面': ['[unused22]', '不']}, name='own')
LABELLED = [Example('房间干净', label='正面'), Example('又脏又吵', label='负面'), Example('早餐好吃', label='正面'),
            Example('味道难吃再也不来', label='负面')]
TEXTS = [e.text for e in LABELLED] + ['今天天气很好我们去吃饭']
MASKED, CAUSAL = prompt_pattern(4), prompt_pattern(4, 'both', causal=True)
ROWS = 'added.safetensors'


@pytest.fixture
def saved(still, tmp_path):
    """(classifier, folder) of a prompt with random rows."""
    classifier = _random(ClozeClassifier(TASK, still, MASKED, 40, train='prompt'))
    classifier.save(str(tmp_path / 'prompt'))
    return classifier, str(tmp_path / 'prompt')


def _random(classifier, seed=0):
    rows = np.random.default_rng(seed).normal(0, 0.5, classifier.embedding.prompt.shape)
    classifier.embedding.set_prompt(rows.astype('float32'))
    return classifier


def _fit(classifier, **settings):
    return classifier.fit(LABELLED, **dict({'epochs': 1, 'batch_size': 2, 'learning_rate': 0.05}, **settings))


def _rows(classifier):
    return classifier.embedding.rows().numpy()


def _written(folder):
    from safetensors.numpy import load_file
    return load_file(os.path.join(str(folder), ROWS))['prompt']


def _table(folder):
    return Checkpoint(folder).load_variable('bert/embeddings/word_embeddings')


# --- patterns -------------------------------------------------------------------------------------------

@pytest.mark.parametrize('where,causal,expected', [
    ('before', False, '[unused1][unused2][MASK][unused3]{text}'),
    ('after', False, '{text}[unused1][unused2][MASK][unused3]'),
    ('both', False, '[unused1][unused2]{text}[unused3][MASK]'),
    ('before', True, '[unused1][unused2][unused3]{text}[MASK]'),
    ('after', True, '{text}[unused1][unused2][unused3][MASK]'),
    ('both', True, '[unused1][unused2]{text}[unused3][MASK]'),
])
def test_a_pattern_of_prompt_tokens_stands_where_it_is_asked_to(where, causal, expected, tokenizer):
    assert prompt_pattern(3, where, causal) == expected
    pair = prompt_pattern(3, where, causal, is_pair=True)
    assert pair == expected.replace('{text}', '{text_a}[SEP]{text_b}')
    for string in (expected, pair):
        Cloze(Pattern(string), [(0, [5]), (1, [6])], tokenizer, 40, causal)  # refused if it does not fit the model


def test_patterns_of_one_token_and_of_many():
    assert prompt_pattern(1) == '[unused1][MASK]{text}'
    assert prompt_pattern(1, 'both', causal=True) == '[unused1]{text}[MASK]'
    assert prompt_pattern(12, 'after').count('[unused') == 12 and '[unused6][MASK][unused7]' in prompt_pattern(12)


@pytest.mark.parametrize('n,where,message', [(0, 'before', '1 token or more, not 0'), (-1, 'after', 'not -1'),
                                             (4, 'middle', "'middle': choose one of before, after, both")])
def test_a_pattern_that_cannot_be_is_refused(n, where, message):
    with pytest.raises(UserError, match=message):
        prompt_pattern(n, where)


def test_prompt_tokens_are_those_of_pattern_and_label_words_each_once_in_order():
    verbalizer = Verbalizer({'a': ['[unused30]很', '好'], 'b': '[unused2][unused31]'})
    assert prompt_tokens(Pattern('[unused9][unused2][MASK]{text}[unused9]'), verbalizer) == [
        '[unused9]', '[unused2]', '[unused30]', '[unused31]']
    plain = Verbalizer({'a': '很', 'b': '不'})
    assert prompt_tokens(Pattern('[unused3]满意[MASK]{text}'), plain) == ['[unused3]']
    assert prompt_tokens(Pattern('[MASK]满意。{text}'), plain) == []


# --- what trains ----------------------------------------------------------------------------------------

@pytest.mark.parametrize('kind', ['masked', 'causal'])
def test_training_moves_every_row_of_the_prompt_and_not_one_bit_of_the_model(kind, tiny, causal):
    classifier = ClozeClassifier(TASK, tiny if kind == 'masked' else causal, MASKED if kind == 'masked' else CAUSAL,
                                 train='prompt')
    assert [tuple(v.shape) for v in classifier.model.trainable_variables] == [(4, 16)]
    start = _rows(classifier)
    before = {v.ref(): v.numpy() for v in classifier.model.variables}
    _fit(classifier, epochs=2)
    after = {v.ref(): v.numpy() for v in classifier.model.variables}
    prompt = classifier.embedding.prompt.ref()
    assert set(after) == set(before) and prompt in before
    assert all(np.array_equal(after[v], before[v]) for v in before if v != prompt)
    assert (np.abs(_rows(classifier) - start).max(axis=1) > 1e-3).all()


def test_label_words_of_unused_tokens_train_as_well_at_the_input_and_at_the_blank(still, tmp_path):
    classifier = _fit(ClozeClassifier(OWN_WORDS, still, MASKED, train='prompt'))
    assert classifier.prompt_tokens == ['[unused%d]' % i for i in (1, 2, 3, 4, 21, 22)]
    ids, rows = numpy_bert.token_ids(still, classifier.prompt_tokens), _rows(classifier)
    assert (np.abs(rows - _table(still)[ids]).max(axis=1) > 1e-3).all()
    folder = str(tmp_path / 'bert')  # a plain BERT that holds these rows
    _with_rows(still, folder, ids, rows)
    expected = []
    for text in TEXTS:
        cloze = ['[CLS]', '[unused1]', '[unused2]', '[MASK]', '[unused3]', '[unused4]', *text, '[SEP]']
        p = [numpy_bert.word_probability(folder, cloze, [word]) for word in ('[unused21]', '[unused22]', '不')]
        expected.append([p[0], (p[1] + p[2]) / 2])
    expected = np.array(expected) / np.sum(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), expected, atol=1e-5)


def _with_rows(source, folder, ids, rows):
    """Copies a checkpoint with other rows of its token table."""
    from pet_keras.backend import tf
    shutil.copytree(source, folder)
    reader = tf.train.load_checkpoint(os.path.join(source, 'bert_model.ckpt'))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    values['bert/embeddings/word_embeddings'][ids] = rows
    tf.raw_ops.SaveV2(prefix=os.path.join(folder, 'bert_model.ckpt'), tensor_names=list(values),
                      shape_and_slices=[''] * len(values), tensors=[tf.constant(v) for v in values.values()])


def test_the_encoder_starts_from_the_seed(still):
    rows = [_rows(ClozeClassifier(TASK, still, MASKED, train='prompt', prompt_encoder='mlp', seed=seed))
            for seed in (3, 3, 4)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.abs(rows[0] - rows[2]).max() > 1e-3


# --- a prompt where all weights train -------------------------------------------------------------------

@pytest.mark.parametrize('encoder', [None, 'lstm'])
def test_all_weights_train_along_with_the_prompt_and_are_saved_as_one_checkpoint(encoder, tiny, tmp_path):
    classifier = ClozeClassifier(OWN_WORDS, tiny, MASKED, 40, prompt_encoder=encoder, prompt_init='words')
    start, before = _rows(classifier), {v.ref(): v.numpy() for v in classifier.model.trainable_variables}
    _fit(classifier, dev=LABELLED, learning_rate=0.01, out=str(tmp_path / 'out'))
    left = {v.ref(): v.numpy() for v in classifier.model.trainable_variables}
    assert all(not np.array_equal(before[v], left[v]) for v in left if encoder is None or v in before)
    assert (np.abs(_rows(classifier) - start).max(axis=1) > 1e-3).all()
    ids, folder = numpy_bert.token_ids(tiny, classifier.prompt_tokens), str(tmp_path / 'out')
    np.testing.assert_allclose(_table(folder)[ids], _rows(classifier), atol=1e-6)
    again = ClozeClassifier.load(folder)
    np.testing.assert_allclose(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-5)


def test_without_an_encoder_it_trains_as_a_plain_embedding_does(still, monkeypatch):
    prompt = _fit(ClozeClassifier(TASK, still, MASKED), learning_rate=0.01, epochs=2)
    monkeypatch.setattr('pet_keras.classifiers.cloze_classifier.prompt_tokens', lambda *_: [])
    plain = _fit(ClozeClassifier(TASK, still, MASKED), learning_rate=0.01, epochs=2)
    assert plain.embedding.__class__ is not prompt.embedding.__class__
    np.testing.assert_allclose(prompt.predict_proba(TEXTS), plain.predict_proba(TEXTS), atol=1e-4)


@pytest.mark.parametrize('train', ['prompt', 'all'])
def test_a_prompt_goes_on_learning_after_its_encoder_is_gone(train, still):
    classifier = _fit(ClozeClassifier(TASK, still, MASKED, train=train, prompt_encoder='mlp'))
    rows = _rows(classifier)
    _fit(classifier)
    assert (np.abs(_rows(classifier) - rows).max(axis=1) > 1e-3).all()


def test_a_model_whose_prompt_had_its_own_learning_rate_is_saved_by_keras(still, tmp_path):
    from pet_keras.backend import keras
    classifier = _fit(ClozeClassifier(TASK, still, MASKED), prompt_learning_rate=0.1)
    classifier.model.save(str(tmp_path / 'model.keras'))
    again = keras.models.load_model(str(tmp_path / 'model.keras'))
    assert len(again.trainable_weights) == len(classifier.model.trainable_weights)


def test_the_prompt_has_a_learning_rate_of_its_own(still):
    def steps(**settings):
        classifier = ClozeClassifier(TASK, still, MASKED)
        start = [v.numpy() for v in [classifier.embedding.prompt] + classifier.model.trainable_variables]
        _fit(classifier, batch_size=4, learning_rate=0.001, **settings)
        after = [v.numpy() for v in [classifier.embedding.prompt] + classifier.model.trainable_variables]
        names = ['prompt'] + [v.name.split(':')[0].split('/')[-1] for v in classifier.model.trainable_variables]
        return [(name, b - a) for name, a, b in zip(names, start, after)]
    same, own = steps(), steps(prompt_learning_rate=0.02)
    assert {name for name, _ in same} > {'prompt', 'embeddings', 'kernel'}
    for (name, one), (_, other) in zip(same, own):
        np.testing.assert_allclose(other, one * (20 if name == 'prompt' else 1), atol=1e-6)
    assert np.abs(same[0][1]).max() > 5e-4


@pytest.mark.parametrize('pattern,train', [('P1', 'all'), (MASKED, 'prompt')])
def test_a_learning_rate_of_its_own_is_refused_where_there_is_none_to_set_it_off_from(pattern, train, still):
    with pytest.raises(UserError, match="prompt_learning_rate is for train='all'"):
        _fit(ClozeClassifier(TASK, still, pattern, train=train), prompt_learning_rate=0.1)


def test_unlabelled_texts_are_refused_where_only_a_prompt_learns(still):
    with pytest.raises(UserError, match='teach a prompt nothing'):
        ClozeClassifier(TASK, still, MASKED, train='prompt').fit(LABELLED, TEXTS, epochs=1)


# --- the first rows -------------------------------------------------------------------------------------

def test_rows_start_from_the_unused_tokens_own(still):
    classifier = ClozeClassifier(TASK, still, MASKED, train='prompt')
    ids = numpy_bert.token_ids(still, ['[unused%d]' % i for i in (1, 2, 3, 4)])
    np.testing.assert_array_equal(_rows(classifier), _table(still)[ids])
    plain = ClozeClassifier(TASK, still, MASKED)
    np.testing.assert_allclose(classifier.predict_proba(TEXTS), plain.predict_proba(TEXTS), atol=1e-6)


def test_random_rows_are_seeded_and_of_the_tables_size(still):
    rows = [_rows(ClozeClassifier(TASK, still, prompt_pattern(60), 128, train='prompt', prompt_init='random', seed=s))
            for s in (1, 1, 2)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.abs(rows[0] - rows[2]).max() > 0.1
    ids = numpy_bert.token_ids(still, ['[unused%d]' % i for i in range(1, 61)])
    assert np.abs(rows[0] - _table(still)[ids]).max(axis=1).min() > 0.1
    np.testing.assert_allclose(rows[0].std(), _table(still).std(), rtol=0.1)
    assert abs(rows[0].mean()) < 0.05


def test_rows_may_start_from_the_words_of_the_first_natural_pattern(still):
    task = Task({'own': '[unused9][MASK]{text}', 'P1': '[MASK]满意。{text}', 'P2': '感觉[MASK]好。{text}'},
                {'正面': '很', '负面': '不'})
    classifier = ClozeClassifier(task, still, MASKED, train='prompt', prompt_init='words')
    words = numpy_bert.token_ids(still, ['满', '意', '。', '满'])
    np.testing.assert_array_equal(_rows(classifier), _table(still)[words])


def test_settings_that_cannot_be_are_refused(still):
    own = Task({'P1': MASKED}, {'正面': '很', '负面': '不'}, name='bare')
    for message, task, pattern, settings in [
            ("prompt_init='words'.*bare", own, None, {'prompt_init': 'words'}),
            ("prompt_init='zeros'.*'unused', 'random' or 'words'", TASK, MASKED, {'prompt_init': 'zeros'}),
            ('no .unused. token', TASK, 'P1', {}),
            ('no .unused. token', TASK, 'P1', {'train': 'all', 'prompt_encoder': 'lstm'}),
            ('no .unused. token', TASK, 'P1', {'train': 'all', 'prompt_init': 'random'}),
            ("train='head'.*'all', 'prompt'", TASK, MASKED, {'train': 'head'}),
            ("'gru'", TASK, MASKED, {'prompt_encoder': 'gru'}),
            ('vocabulary has no .unused5000.', TASK, '[unused5000][MASK]{text}', {'train': 'all'}),
            ('Not in the vocabulary.*.unused5000.', Task({'P1': MASKED}, {'正面': '[unused5000]', '负面': '不'}), None, {}),
            ('seed is 0 or more', TASK, MASKED, {'seed': -1})]:
        with pytest.raises(UserError, match=message):
            ClozeClassifier(task, still, pattern, **dict({'train': 'prompt'}, **settings))


@pytest.mark.parametrize('how', ['words', 'random'])
def test_label_words_keep_their_own_rows_whatever_the_prompt_starts_from(how, still):
    task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '[unused21]', '负面': '[unused22]'})
    rows = _rows(ClozeClassifier(task, still, MASKED, train='prompt', prompt_init=how))
    table, ids = _table(still), numpy_bert.token_ids(still, ['[unused%d]' % i for i in (1, 2, 3, 4, 21, 22)])
    np.testing.assert_array_equal(rows[4:], table[ids[4:]])
    assert np.abs(rows[:4] - table[ids[:4]]).max(axis=1).min() > 0.05


def test_building_and_loading_a_prompt_leave_the_random_numbers_of_others_alone(still, saved):
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    ClozeClassifier(TASK, still, MASKED, train='prompt', prompt_init='random')
    ClozeClassifier.load(saved[1])
    assert np.random.rand() == expected


# --- tokens beyond the vocabulary -----------------------------------------------------------------------

MANY = '[unused1][unused500][MASK][unused600]{text}'


def test_a_prompt_may_have_tokens_that_the_vocabulary_lacks(still, tmp_path):
    classifier = ClozeClassifier(TASK, still, MANY, train='prompt', seed=1)
    start, size = _rows(classifier), len(classifier.checkpoint.vocab)
    assert classifier.embedding.trainable_token_ids[1:] == [size, size + 1] and size == len(_table(still))
    np.testing.assert_array_equal(start[0], _table(still)[numpy_bert.token_ids(still, ['[unused1]'])[0]])
    np.testing.assert_allclose(start[1:].std(), _table(still).std(), rtol=0.5)
    assert np.abs(start[1] - start[2]).max() > 0.1 and np.abs(start[1:] - _table(still)[-1]).max(axis=1).min() > 0.1
    _fit(classifier)
    assert (np.abs(_rows(classifier) - start).max(axis=1) > 1e-3).all()
    classifier.save(str(tmp_path / 'prompt'))
    again = ClozeClassifier.load(str(tmp_path / 'prompt'))
    np.testing.assert_allclose(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-6)


def test_random_masks_put_no_token_in_that_the_model_does_not_know(still):
    many = ''.join('[unused%d]' % i for i in range(500, 540))
    classifier, rng = ClozeClassifier(TASK, still, many + '[MASK]{text}', train='prompt'), np.random.default_rng(0)
    text = classifier.tokenize(Example('房间很干净早餐也好'))
    shown = np.array([classifier.lesson(text, 0, rng, 0.9).token_ids[42:] for _ in range(600)])
    assert shown.max() < len(classifier.checkpoint.vocab) and len(np.unique(shown)) > 200


def test_the_blank_is_judged_among_the_words_of_the_vocabulary_alone(still):
    classifier = _random(ClozeClassifier(TASK, still, MANY, train='prompt'))
    ids = np.array([[1, 2, 3]], 'int32')
    assert classifier.model([ids, 0 * ids, ids[:, :1]]).shape[-1] == len(classifier.checkpoint.vocab)


# --- the best rows, interrupted runs --------------------------------------------------------------------

def _scripted(monkeypatch, accuracies):
    """Dev accuracies as given, one an epoch from 0 on; returns the rows that each was asked of."""
    asked, accuracies = [], iter(accuracies)

    def evaluate(self, examples, *args, **kwargs):
        asked.append(_rows(self))
        return {'accuracy': next(accuracies), 'auc': .5, 'log_likelihood': -1.}
    monkeypatch.setattr(ClozeClassifier, 'evaluate', evaluate)
    return asked


def test_the_best_epochs_rows_are_kept_and_written(still, monkeypatch, tmp_path):
    asked = _scripted(monkeypatch, [50., 60., 90., 70.])
    classifier = ClozeClassifier(TASK, still, MASKED, train='prompt', prompt_encoder='mlp')
    _fit(classifier, dev=LABELLED, epochs=3, out=str(tmp_path / 'out'))
    assert len(asked) == 4 and all(np.abs(rows - asked[2]).max() > 1e-4 for rows in asked[:2] + asked[3:])
    np.testing.assert_allclose(_rows(classifier), asked[2], atol=1e-7)
    np.testing.assert_allclose(_written(tmp_path / 'out'), asked[2], atol=1e-7)
    assert sorted(os.listdir(str(tmp_path / 'out'))) == [ROWS, 'model.json', 'task.json']


@pytest.mark.parametrize('train', ['prompt', 'all'])
def test_an_interrupted_run_resumes_to_the_same_bits(train, still, interrupt, tmp_path):
    own_rate = {} if train == 'prompt' else {'prompt_learning_rate': 0.2}

    def run(**settings):
        return _fit(ClozeClassifier(TASK, still, MASKED, train=train, prompt_encoder='mlp'), dev=LABELLED[:2],
                    epochs=2, **dict(settings, **own_rate))
    whole, out = run(), str(tmp_path / 'out')
    interrupt(1, lambda: run(out=out))
    resumed = run(out=out, resume=True)
    assert resumed.history == whole.history and [h['epoch'] for h in resumed.history] == [0, 1, 2]
    np.testing.assert_array_equal(_rows(resumed), _rows(whole))
    if train == 'prompt':
        np.testing.assert_array_equal(_written(out), _rows(whole))
    np.testing.assert_allclose(ClozeClassifier.load(out).predict_proba(TEXTS), whole.predict_proba(TEXTS), atol=1e-6)


@pytest.mark.parametrize('changed', [{'prompt_encoder': 'mlp'}, {'train': 'all'}], ids=['encoder', 'all weights'])
def test_a_run_is_not_resumed_with_other_weights_to_train(changed, still, monkeypatch, tmp_path):
    out, epochs = str(tmp_path / 'out'), []

    def train_epoch(self, epoch, texts):
        epochs.append(epoch)
        if epochs == [0, 1]:
            raise KeyboardInterrupt
        return 1.

    def run(resume=False, **settings):
        classifier = ClozeClassifier(TASK, still, MASKED, **dict({'train': 'prompt'}, **settings))
        _fit(classifier, epochs=2, out=out, resume=resume)
    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    with pytest.raises(KeyboardInterrupt):
        run()
    with pytest.raises(UserError, match='cannot be resumed'):
        run(resume=True, **changed)


def test_what_resume_needs_is_the_prompt_and_not_the_model(still, monkeypatch, tmp_path):
    monkeypatch.setattr(Trainer, '_train_epoch', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        _fit(ClozeClassifier(TASK, still, MASKED, train='prompt'), out=str(tmp_path))
    assert 0 < sum(p.stat().st_size for p in (tmp_path / 'resume').iterdir()) < 20 * 1024


def test_an_out_folder_that_holds_a_prompt_is_refused(still, saved):
    classifier, folder = saved
    with pytest.raises(UserError, match='already holds a model'):
        _fit(ClozeClassifier(TASK, still, MASKED, train='prompt'), out=folder)
    np.testing.assert_array_equal(_rows(ClozeClassifier.load(folder)), _rows(classifier))


# --- saving and loading ---------------------------------------------------------------------------------

@pytest.mark.parametrize('encoder', ['lstm', 'mlp'])
def test_a_saved_prompt_is_small_and_predicts_the_same(encoder, still, tmp_path):
    classifier = ClozeClassifier(OWN_WORDS, still, MASKED, 40, train='prompt', prompt_encoder=encoder)
    _fit(classifier, dev=LABELLED)
    assert [v.name.split('/')[-1] for v in classifier.model.trainable_variables] == ['prompt:0']
    # The classifier without its encoder is the one that was evaluated with it
    best = max(classifier.history, key=lambda h: (h['dev_accuracy'], h['dev_log_likelihood']))
    assert classifier.evaluate(LABELLED)['log_likelihood'] == pytest.approx(best['dev_log_likelihood'], abs=1e-6)
    folder, expected = str(tmp_path / 'prompt'), classifier.predict_proba(TEXTS)
    classifier.save(folder)
    assert sorted(os.listdir(folder)) == [ROWS, 'model.json', 'task.json']
    assert sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)) < 20 * 1024
    again = ClozeClassifier.load(folder)
    np.testing.assert_allclose(again.predict_proba(TEXTS), expected, atol=1e-6)
    np.testing.assert_array_equal(_rows(again), _rows(classifier))
    assert again.train == 'prompt' and again.history == classifier.history and len(again.history) == 2
    assert (again.maxlen, again.pattern.string, again.prompt_tokens) == (40, MASKED, classifier.prompt_tokens)
    assert again.task.verbalizer.words == OWN_WORDS.verbalizer.words


def test_a_prompt_saved_before_training_keeps_what_its_encoder_puts_out(still, tmp_path):
    classifier = ClozeClassifier(TASK, still, MASKED, train='prompt', prompt_encoder='mlp')
    expected = _rows(classifier)
    classifier.save(str(tmp_path))
    np.testing.assert_array_equal(_written(tmp_path), expected)
    np.testing.assert_array_equal(_rows(ClozeClassifier.load(str(tmp_path))), expected)


def test_a_prompt_read_from_left_to_right_is_loaded_so_and_not_otherwise(still, tmp_path):
    classifier = _random(ClozeClassifier(TASK, Checkpoint(still, application='lm'), CAUSAL, train='prompt'))
    classifier.save(str(tmp_path))
    again = ClozeClassifier.load(str(tmp_path))
    assert again.checkpoint.is_causal
    np.testing.assert_allclose(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS), atol=1e-6)
    with pytest.raises(UserError, match='trained on a causal .* is read as a masked one'):
        ClozeClassifier.load(str(tmp_path), Checkpoint(still))  # the same weights, read as a masked model


def test_a_prompt_opened_as_a_checkpoint_is_named(saved):
    with pytest.raises(UserError, match='is a prompt, not a checkpoint: open it with --model'):
        Checkpoint(saved[1])


def test_neither_kind_of_model_is_saved_over_the_other(still, saved, tmp_path):
    _, folder = saved
    whole, other = ClozeClassifier(TASK, still), str(tmp_path / 'whole')
    with pytest.raises(UserError, match='another model .cloze, train=.prompt.'):
        whole.save(folder)
    whole.save(other)
    with pytest.raises(UserError, match='another model .cloze, train=.all.'):
        saved[0].save(other)


def test_a_pattern_of_other_prompt_tokens_needs_another_classifier(still):
    classifier = ClozeClassifier(TASK, still, MASKED, train='prompt')
    classifier.pattern = prompt_pattern(4, 'after')  # the same tokens
    for pattern in (prompt_pattern(3), '[unused4][unused3][MASK][unused2][unused1]{text}', 'P1'):
        with pytest.raises(UserError, match='built for the prompt tokens .unused1.'):
            classifier.pattern = pattern
    plain = ClozeClassifier(TASK, still)
    plain.pattern = '{text}[MASK]满意'
    with pytest.raises(UserError, match='without .unused. tokens'):
        plain.pattern = MASKED


def test_rows_of_other_tokens_than_the_patterns_are_refused(saved):
    path = os.path.join(saved[1], 'model.json')
    with open(path, encoding='utf-8') as reader:
        fields = json.load(reader)
    fields['pattern'] = '[unused4][unused3][MASK][unused2][unused1]{text}'
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(fields, writer)
    with pytest.raises(UserError, match='damaged'):
        ClozeClassifier.load(saved[1])


def test_a_prompt_is_refused_by_another_checkpoint_with_both_fingerprints(saved, make_checkpoint, tmp_path):
    classifier, folder = saved
    other = make_checkpoint(tmp_path / 'other', num_hidden_layers=1, seed=1)
    for given in (other, Checkpoint(other)):
        with pytest.raises(UserError) as e:
            ClozeClassifier.load(folder, given)
        for part in (classifier.checkpoint.fingerprint, Checkpoint(other).fingerprint, folder, other):
            assert part in str(e.value)


def test_a_checkpoint_that_changed_where_it_stands_is_refused(make_checkpoint, tmp_path):
    place = make_checkpoint(tmp_path / 'bert', num_hidden_layers=1)
    ClozeClassifier(TASK, place, MASKED, train='prompt').save(str(tmp_path / 'prompt'))
    ClozeClassifier.load(str(tmp_path / 'prompt'))
    make_checkpoint(tmp_path / 'bert', num_hidden_layers=1, seed=1)
    with pytest.raises(UserError, match='another checkpoint'):
        ClozeClassifier.load(str(tmp_path / 'prompt'))


def test_a_prompt_loads_on_a_moved_copy_of_its_checkpoint_and_from_any_folder(still, tmp_path, monkeypatch):
    shutil.copytree(still, str(tmp_path / 'here'))
    monkeypatch.chdir(tmp_path)
    classifier = _random(ClozeClassifier(TASK, 'here', MASKED, train='prompt'))
    classifier.save('prompt')
    expected, folder = classifier.predict_proba(TEXTS), str(tmp_path / 'prompt')
    monkeypatch.chdir(os.path.dirname(str(tmp_path)))
    np.testing.assert_array_equal(_rows(ClozeClassifier.load(folder)), _rows(classifier))
    os.rename(str(tmp_path / 'here'), str(tmp_path / 'there'))
    with pytest.raises(UserError, match='here'):
        ClozeClassifier.load(folder)
    moved = ClozeClassifier.load(folder, str(tmp_path / 'there'))
    np.testing.assert_allclose(moved.predict_proba(TEXTS), expected, atol=1e-6)
    moved.save(folder)  # it remembers the new place
    assert ClozeClassifier.load(folder).checkpoint.folder == str(tmp_path / 'there')


def _cut(path):
    with open(path, 'rb+') as stream:
        stream.truncate(os.path.getsize(path) // 2)


def _overwrite(content):
    def damage(path):
        with open(path, 'wb') as stream:
            stream.write(content)
    return damage


@pytest.mark.parametrize('name,damage', [
    (ROWS, _cut), (ROWS, _overwrite(b'')), (ROWS, _overwrite(b'rubbish ' * 40)), (ROWS, os.remove),
    ('model.json', _cut), ('model.json', _overwrite(b'null')), ('model.json', _overwrite(b'{"pattern": "{text}"}')),
], ids=['rows cut', 'rows empty', 'rows rubbish', 'rows missing', 'json cut', 'json null', 'json without keys'])
def test_a_damaged_prompt_is_named_in_the_error(name, damage, saved):
    folder = saved[1]
    damage(os.path.join(folder, name))
    with pytest.raises(UserError) as e:
        ClozeClassifier.load(folder)
    assert folder in str(e.value) and 'damaged' in str(e.value)


def test_rows_of_another_shape_are_refused(saved):
    from safetensors.numpy import save_file
    folder = saved[1]
    for content in ({'prompt': np.zeros((3, 16), 'float32')}, {'rows': np.zeros((4, 16), 'float32')}):
        save_file(content, os.path.join(folder, ROWS))
        with pytest.raises(UserError) as e:
            ClozeClassifier.load(folder)
        assert folder in str(e.value)


def test_the_files_can_be_read_by_others_as_far_as_the_umask_allows(saved):
    folder = saved[1]
    modes = {name: os.stat(os.path.join(folder, name)).st_mode & 0o777 for name in os.listdir(folder)}
    assert modes[ROWS] == modes['model.json']


def test_model_json_says_what_the_rows_are(saved):
    classifier, folder = saved
    with open(os.path.join(folder, 'model.json'), encoding='utf-8') as reader:
        fields = json.load(reader)
    assert fields['prompt_tokens'] == ['[unused1]', '[unused2]', '[unused3]', '[unused4]']
    assert (fields['pattern'], fields['maxlen']) == (MASKED, 40)
    assert fields['checkpoint']['fingerprint'] == classifier.checkpoint.fingerprint
    assert os.path.isabs(fields['checkpoint']['name'])
