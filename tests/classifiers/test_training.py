import random

import numpy as np
import pytest

import numpy_bert
from pet_keras.backend import determinism, tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.data.spool import Spool
from pet_keras.errors import UserError
from pet_keras.networks.tuning import default_learning_rate
from scripted import LABELLED, TASK, UNLABELLED, fit_new, noisy, same_bits, script


@pytest.fixture(scope='module')
def small(tmp_path_factory, make_checkpoint):
    """A checkpoint of one layer, with dropout."""
    return make_checkpoint(tmp_path_factory.mktemp('small'), dropout=0.1, num_hidden_layers=1)


# --- what is learned ------------------------------------------------------------------------------------

def test_one_seed_gives_the_same_weights_to_the_bit_and_another_seed_others(small):
    random.seed(1)
    one = fit_new(small, LABELLED, UNLABELLED, epochs=2, seed=5)
    random.seed(2)
    np.random.seed(3)
    tf.random.set_seed(4)
    two = fit_new(small, LABELLED, UNLABELLED, epochs=2, seed=5)
    assert same_bits(one.model.get_weights(), two.model.get_weights()) and one.history == two.history
    other = fit_new(small, LABELLED, UNLABELLED, epochs=2, seed=6)
    assert not same_bits(one.model.get_weights(), other.model.get_weights())
    assert np.isfinite([h['loss'] for h in other.history]).all()


def _build_and_fit(checkpoint):
    ClozeClassifier(TASK, checkpoint).fit(LABELLED[:2], dev=LABELLED[:2], epochs=1)


@pytest.mark.parametrize('action', [
    _build_and_fit,
    lambda checkpoint: ClozeClassifier(TASK, checkpoint, '[unused1][MASK]{text}', prompt_encoder='lstm', seed=1),
    lambda checkpoint: FineTuningClassifier(TASK, checkpoint, seed=1),
], ids=['fit', 'prompt encoder', 'fine-tuning'])
def test_the_callers_random_numbers_go_on_as_if_nothing_had_been_built_or_trained(action, small):
    def drawn(action):
        random.seed(1)
        np.random.seed(2)
        tf.random.set_seed(3)
        draw = tf.function(lambda: tf.random.uniform([]))
        numbers = []
        for _ in range(2):
            numbers += [random.random(), np.random.rand(), float(tf.random.uniform([])), float(draw())]
            action(small)
        return numbers
    numbers = drawn(action)
    assert len(set(numbers)) == 8 and numbers == drawn(lambda _: None)
    assert not determinism.is_op_determinism_enabled()


def test_one_seed_gives_one_encoder_and_one_new_layer_whatever_was_drawn_before(still):
    def weights(seed, before):
        tf.keras.utils.set_random_seed(before)
        prompt = ClozeClassifier(TASK, still, '[unused1][MASK]{text}', prompt_encoder='lstm', seed=seed)
        return prompt.embedding.encoder.get_weights() + FineTuningClassifier(TASK, still, seed=seed).head.get_weights()[:1]
    one, two, other = weights(1, before=5), weights(1, before=6), weights(2, before=5)
    assert same_bits(one, two) and not any(np.array_equal(a, b) for a, b in zip(one, other) if a.ndim > 1)
    forward, backward = one[0], one[3]
    assert forward.shape == backward.shape and not np.array_equal(forward, backward)


def _at_the_blank(classifier):
    """Mean log-probability of the right word, of the whole vocabulary, in the blank of LABELLED."""
    found = []
    for example in LABELLED[::5]:
        ids = classifier.pattern.encode(classifier.tokenizer, example.text).token_ids
        logits = classifier.model([np.array([x], 'int32') for x in (ids, [0] * len(ids), [1])], training=False)
        word = classifier.tokenizer.token_to_id('很' if example.label == '正面' else '不')
        found.append(tf.nn.log_softmax(logits)[0, 0, word].numpy())
    return np.mean(found)


def _in_plain_text(classifier):
    """Mean log-probability of each masked character of UNLABELLED's first text."""
    ids = np.array(classifier.tokenizer.encode(UNLABELLED[0])[0], 'int32')
    places = np.arange(1, len(ids) - 1)
    rows = np.tile(ids, (len(places), 1))
    rows[np.arange(len(places)), places] = classifier.tokenizer._token_mask_id
    logits = classifier.model([rows, np.zeros_like(rows), places[:, None]], training=False)
    return tf.gather(tf.nn.log_softmax(logits)[:, 0], ids[places], batch_dims=1).numpy().mean()


def test_labelled_texts_teach_the_blank_and_the_best_dev_epoch_is_kept(small):
    untrained = ClozeClassifier(TASK, small)
    before = untrained.evaluate(LABELLED)
    classifier = fit_new(small, LABELLED, dev=LABELLED, epochs=12, batch_size=4, mask_rate=0., seed=1)
    after, history = classifier.evaluate(LABELLED), classifier.history
    assert _at_the_blank(classifier) > _at_the_blank(untrained) + 4.
    assert after['log_likelihood'] > before['log_likelihood'] + 0.4
    assert after['accuracy'] > 90. > before['accuracy']
    assert [h['epoch'] for h in history] == list(range(13)) and history[0]['loss'] is None
    assert history[0]['dev_accuracy'] == before['accuracy']
    assert history[-1]['loss'] < 0.2 * history[1]['loss']
    best = max((h['dev_accuracy'], h['dev_log_likelihood']) for h in history)
    assert (after['accuracy'], after['log_likelihood']) == pytest.approx(best, abs=1e-9)


def test_unlabelled_texts_alone_teach_the_language_model(small):
    untrained = ClozeClassifier(TASK, small)
    classifier = fit_new(small, None, UNLABELLED, epochs=8, batch_size=4, mask_rate=0.4)
    assert _in_plain_text(classifier) > _in_plain_text(untrained) + 2.
    losses = [h['loss'] for h in classifier.history]
    assert len(losses) == 8 and losses[-1] < 0.8 * losses[0]


def test_labelled_and_unlabelled_texts_teach_together(small):
    untrained = ClozeClassifier(TASK, small)
    classifier = fit_new(small, LABELLED, UNLABELLED, epochs=8, batch_size=4, mask_rate=0.2)
    assert _at_the_blank(classifier) > _at_the_blank(untrained) + 4.
    assert _in_plain_text(classifier) > _in_plain_text(untrained) + 2.


def test_every_weight_of_the_model_trains(still):
    before = ClozeClassifier(TASK, still)
    after = fit_new(still, LABELLED[::6], UNLABELLED[:3], epochs=1, batch_size=4, mask_rate=0.4)
    for variable, old, new in zip(after.model.weights, before.model.get_weights(), after.model.get_weights()):
        assert not np.array_equal(old, new), variable.name


def test_the_loss_of_one_batch_is_the_mean_over_blanks_and_random_masks(still):
    classifier, data = ClozeClassifier(TASK, still), (LABELLED[:3], UNLABELLED[:3])
    trainer = Trainer(classifier, batch_size=6, mask_rate=0.3, seed=4)
    stream, = classifier.streams(classifier.examples(data[0]), classifier.examples(data[1]), labelled_share=None)
    losses = []
    for i, text in enumerate(stream.texts):
        source, segments, positions, targets, *_ = classifier.lesson(*text, trainer._rng(0, i), trainer.mask_rate)
        proba = numpy_bert.softmax(numpy_bert.mlm_logits(still, source, segments))
        losses += [-np.log(proba[p, t]) for p, t in zip(positions, targets)]
    assert len(losses) > 6  # three blanks, and more
    classifier.fit(*data, batch_size=6, mask_rate=0.3, seed=4, epochs=1, learning_rate=1e-9, labelled_share=None,
                   auxiliary_weight=None)
    assert classifier.history[0]['loss'] == pytest.approx(np.mean(losses), abs=1e-4)


def test_a_loss_that_is_no_number_stops_the_training(small):
    with pytest.raises(UserError, match='smaller learning rate'):
        fit_new(small, LABELLED[:4], epochs=4, learning_rate=1e38)


@pytest.mark.parametrize('train, pattern, epochs, rate, schedule', [
    ('all', None, 6, default_learning_rate(16), 'linear'), ('prompt', '[unused1][MASK]{text}', 24, .01, 'constant'),
    ('all', '[unused1][MASK]{text}', 6, default_learning_rate(16), 'linear')])
def test_the_defaults_belong_to_what_trains(still, train, pattern, epochs, rate, schedule):
    tuning = ClozeClassifier('sentiment', still, pattern, train=train).tuning
    assert (tuning.epochs(True), tuning.schedule) == (epochs, schedule)
    assert tuning.learning_rate(True) == pytest.approx(rate)


def test_the_default_learning_rate_is_that_of_a_base_model_and_grows_for_small_ones():
    assert default_learning_rate(768) == pytest.approx(2e-5)
    assert default_learning_rate(384) == pytest.approx(8e-5)
    assert default_learning_rate(256) == pytest.approx(1.8e-4)
    assert default_learning_rate(256, labelled=False) == pytest.approx(4.5e-5)


def test_the_defaults_depend_on_what_trains_and_on_how_many_texts_there_are(classifier):
    for labelled, unlabelled, epochs, batch_size in ((LABELLED, [], 6, 8), (LABELLED * 50, [], 6, 16),
                                                     ([], UNLABELLED, 1, 8), (LABELLED, UNLABELLED, 6, 16)):
        trainer = Trainer(classifier)
        trainer._compile(classifier.streams(classifier.examples(labelled, True), classifier.examples(unlabelled)))
        assert (trainer.epochs, trainer.batch_size) == (epochs, batch_size)


# --- masks and batches ----------------------------------------------------------------------------------

def _masked(classifier, index, n=40, labelled=LABELLED, unlabelled=UNLABELLED, **settings):
    """The encoded text itself, and `_mask` of it with n generators."""
    trainer = Trainer(classifier, **settings)
    text = classifier.streams(classifier.examples(labelled), classifier.examples(unlabelled), None)[0].texts[index]
    return [classifier.lesson(*text, trainer._rng(0, i), trainer.mask_rate)[:4] for i in range(n)]


def test_without_random_masks_the_blank_is_the_only_target(classifier, still):
    for index, word in ((0, '很'), (len(LABELLED) - 1, '不')):
        expected = numpy_bert.token_ids(still, ['[CLS]', '[MASK]', *'满意。', *LABELLED[index].text, '[SEP]'])
        for source, segments, positions, targets in _masked(classifier, index, mask_rate=0.):
            assert list(source) == expected
            assert list(segments) == [0] * len(expected)
            assert (list(positions), list(targets)) == ([1], numpy_bert.token_ids(still, word))


def test_random_masks_never_fall_on_the_pattern(classifier, still):
    text = LABELLED[0].text
    original = numpy_bert.token_ids(still, ['[CLS]', '[MASK]', *'满意。', *text, '[SEP]'])
    drawn, changed = set(), set()
    for source, _, positions, targets in _masked(classifier, 0, n=200, mask_rate=0.5):
        assert (positions[0], targets[0]) == (1, numpy_bert.token_ids(still, '很')[0])  # the blank first
        drawn.update(positions[1:])
        changed.update(i for i, n in enumerate(source) if n != original[i])
        assert [original[i] for i in positions[1:]] == list(targets[1:])  # the text's own tokens are the targets
        assert all(source[i] == n for i, n in enumerate(original) if i not in positions)
    assert drawn == changed == set(range(5, 5 + len(text)))


def test_the_mask_rate_is_the_share_of_text_tokens_drawn(classifier):
    drawn = [len(positions) - 1 for _, _, positions, _ in _masked(classifier, 0, n=2000, mask_rate=0.15)]
    assert np.mean(drawn) / len(LABELLED[0].text) == pytest.approx(0.15, abs=0.02)


def test_unlabelled_texts_carry_no_pattern_and_no_blank(classifier, still):
    index = len(LABELLED)
    original = numpy_bert.token_ids(still, ['[CLS]', *UNLABELLED[0], '[SEP]'])
    drawn = set()
    for source, segments, positions, targets in _masked(classifier, index, n=200, mask_rate=0.3):
        assert len(source) == len(segments) == len(original) and not any(segments)
        assert [original[i] for i in positions] == list(targets)
        assert all(source[i] == n for i, n in enumerate(original) if i not in positions)
        drawn.update(positions)
    assert drawn == set(range(1, len(original) - 1))  # never [CLS] and [SEP]
    assert all(len(p) == 0 for _, _, p, _ in _masked(classifier, index, mask_rate=0.))


def test_unlabelled_pairs_stand_in_two_segments(still):
    classifier = ClozeClassifier(Task({'P1': '{text_a}[MASK]是{text_b}'}, {'是': '很', '否': '不'}), still)
    source, segments, positions, _ = _masked(classifier, 0, n=1, labelled=[], unlabelled=[('下雨了', '晴')],
                                             mask_rate=0.)[0]
    assert list(source) == numpy_bert.token_ids(still, ['[CLS]', *'下雨了', '[SEP]', '晴', '[SEP]'])
    assert (list(segments), list(positions)) == ([0] * 5 + [1] * 2, [])


def test_each_word_of_the_label_is_taught_and_no_other_with_as_many_masks_as_it_has_tokens(still):
    classifier = ClozeClassifier(Task({'P1': '[MASK]满意。{text}'}, {'正面': ['很', '非常'], '负面': '不'}), still)
    seen = set()
    for source, _, positions, targets in _masked(classifier, 0, mask_rate=0.):
        mask = numpy_bert.token_ids(still, ['[MASK]'])[0]
        assert list(positions) == [i for i, n in enumerate(source) if n == mask] == list(range(1, 1 + len(targets)))
        seen.add(tuple(targets))
    assert seen == {tuple(numpy_bert.token_ids(still, word)) for word in ('很', '非常')}


def test_masks_and_order_change_from_epoch_to_epoch_and_with_the_seed_alone(classifier):
    trainer = Trainer(classifier, mask_rate=0.5)
    text = classifier.streams([], classifier.examples(UNLABELLED))[0].texts[0]
    sources = [tuple(classifier.lesson(*text, trainer._rng(epoch, 0), trainer.mask_rate)[0]) for epoch in range(5)]
    assert len(set(sources)) == 5
    assert tuple(classifier.lesson(*text, Trainer(classifier, seed=0)._rng(3, 0), 0.5)[0]) == sources[3]
    assert tuple(classifier.lesson(*text, Trainer(classifier, seed=1)._rng(3, 0), 0.5)[0]) != sources[3]


def test_an_epoch_shows_every_text_once_and_padding_carries_no_loss(classifier):
    batches = []

    def fit(dataset, steps_per_epoch, **kwargs):
        batches.extend(dataset.as_numpy_iterator())
        assert len(batches) == steps_per_epoch
        return type('Result', (), {'history': {'loss': [1.]}})

    trainer = Trainer(classifier, batch_size=4, mask_rate=0.)
    trainer.step = type('Step', (), {'fit': staticmethod(fit)})
    trainer.callbacks = type('Callbacks', (), {'within': staticmethod(lambda epoch: [])})
    labelled = LABELLED + [Example('好', label='正面'), Example('房间很干净服务也热情', label='负面')]
    trainer._train_epoch(0, classifier.streams(labelled, classifier.examples(UNLABELLED[:3]), None))
    shown = []
    for (source, segments, positions), (targets, weights) in batches:
        assert len(source) <= 4 and source.shape == segments.shape and positions.shape == targets.shape
        np.testing.assert_array_equal(weights > 0, targets != 0)
        for row, place, target in zip(source, positions, targets):
            shown.append(tuple(row[row != 0]))
            blank = list(row).index(classifier.tokenizer._token_mask_id) if target.any() else 0
            assert (place[0], np.count_nonzero(target[1:])) == (blank, 0)
    assert len(batches) == 8
    pattern = classifier.pattern
    expected = [pattern.encode(classifier.tokenizer, e.text).token_ids for e in labelled]
    expected += [classifier.cloze.plain.encode(classifier.tokenizer, text).token_ids for text in UNLABELLED[:3]]
    assert sorted(shown) == sorted(map(tuple, expected))


# --- the best epoch and patience ------------------------------------------------------------------------

def test_the_weights_of_the_best_dev_epoch_are_kept(fit, first, monkeypatch):
    script(monkeypatch, [50., 60., 90., 40., 30.])
    weights, history = fit(dev=LABELLED, epochs=4)
    assert same_bits(weights, noisy(first, 2))
    assert [h['dev_accuracy'] for h in history] == [50., 60., 90., 40., 30.]


def test_among_epochs_of_one_accuracy_the_likelier_is_kept_and_among_equals_the_first(fit, first, monkeypatch):
    script(monkeypatch, [50., 90., 90., 90., 80.], [-1., -.5, -.2, -.2, -.1])
    assert same_bits(fit(dev=LABELLED, epochs=4)[0], noisy(first, 2))


def test_a_training_that_only_harms_is_undone(fit, first, monkeypatch):
    script(monkeypatch, [90., 60., 50.])
    assert same_bits(fit(dev=LABELLED, epochs=2)[0], first)


def test_without_dev_the_last_epoch_is_kept(fit, first, monkeypatch):
    script(monkeypatch, [])
    weights, history = fit(epochs=3)
    assert same_bits(weights, noisy(first, 3))
    assert history == [{'epoch': n, 'loss': 1.} for n in (1, 2, 3)]


def test_patience_stops_after_so_many_epochs_without_a_better_one(fit, first, monkeypatch):
    script(monkeypatch, [50., 60., 55., 70., 65., 64., 99.])
    weights, history = fit(dev=LABELLED, epochs=6, patience=2)
    assert [h['epoch'] for h in history] == [0, 1, 2, 3, 4, 5]
    assert same_bits(weights, noisy(first, 3))


def test_patience_that_is_never_used_up_does_not_stop(fit, monkeypatch):
    script(monkeypatch, [50., 60., 55., 70., 65., 64., 99.])
    assert len(fit(dev=LABELLED, epochs=6, patience=3)[1]) == 7


# --- runs that end early --------------------------------------------------------------------------------

def _end_in_the_third(monkeypatch, how):
    """Changes the third of `script`'s epochs: weights are spoiled, then this happens."""
    train_epoch = Trainer._train_epoch

    def ending(self, epoch, streams):
        loss = train_epoch(self, epoch, streams)
        if epoch == 2:
            spoiled = np.inf if how == 'infinite' else 7.
            self.classifier.model.set_weights([np.full_like(w, spoiled) for w in self.classifier.model.get_weights()])
            if how == 'interrupt':
                raise KeyboardInterrupt
        return float('nan') if epoch == 2 and how == 'nan' else loss
    monkeypatch.setattr(Trainer, '_train_epoch', ending)


@pytest.mark.parametrize('how', ['interrupt', 'nan', 'infinite'])
@pytest.mark.parametrize('dev,epochs,kept', [(LABELLED, [0, 1, 2], 1), (None, [1, 2], 2)], ids=['dev', 'no dev'])
def test_a_run_that_ends_early_leaves_the_best_weights_so_far(fit, classifier, first, monkeypatch, how, dev, epochs,
                                                                kept):
    script(monkeypatch, [50., 90., 60., 95.])
    _end_in_the_third(monkeypatch, how)
    with pytest.raises(KeyboardInterrupt if how == 'interrupt' else UserError) as error:
        fit(dev=dev, epochs=4)
    what = {'interrupt': '', 'nan': 'loss became nan', 'infinite': 'weights became infinite'}[how]
    assert str(error.value) == (what and 'The %s in epoch 3: try a smaller learning rate than 0.01.' % what)
    assert same_bits(classifier.model.get_weights(), noisy(first, kept))
    assert [h['epoch'] for h in classifier.history] == epochs


def test_an_interrupt_says_which_weights_are_kept(fit, monkeypatch, capsys):
    script(monkeypatch, [50., 90., 60., 95.])
    _end_in_the_third(monkeypatch, 'interrupt')
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=4, verbose=1)
    assert 'Interrupted in epoch 3. The weights are those of epoch 1.' in capsys.readouterr().out


# --- settings -------------------------------------------------------------------------------------------

@pytest.mark.parametrize('settings', [
    {'epochs': 0}, {'batch_size': 0}, {'mask_rate': 1.}, {'mask_rate': -0.1}, {'patience': 0}, {'learning_rate': 0.},
    {'learning_rate': -1e-3}, {'learning_rate': float('nan')}, {'seed': -1},
], ids=lambda s: ' '.join('%s=%s' % pair for pair in s.items()))
def test_a_setting_out_of_range_is_refused_before_training(classifier, settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        classifier.fit(LABELLED[:2], **dict({'epochs': 1}, **settings))


def test_no_data_is_refused(classifier):
    for labelled, unlabelled in ((None, None), ([], [])):
        with pytest.raises(UserError, match='Nothing to learn from'):
            classifier.fit(labelled, unlabelled, dev=LABELLED)


# --- soft labels ------------------------------------------------------------------------------------------

def test_a_soft_label_asks_for_a_word_of_each_label_by_its_share(still):
    classifier = ClozeClassifier(TASK, still)
    soft = classifier.examples([Example('房间很干净', label={'正面': .75, '负面': .25})], labelled=True)
    text = classifier.streams(soft, [])[0].texts[0]
    lesson = classifier.lesson(*text, np.random.default_rng(0), 0.)
    assert list(lesson.positions) == [1, 1] and lesson.weights == [.75, .25]
    assert list(lesson.targets) == numpy_bert.token_ids(still, '很不')
    logits = numpy_bert.mlm_logits(still, lesson.token_ids)
    expected = -np.log(numpy_bert.softmax(logits[1])[lesson.targets]) @ [.75, .25]
    (inputs, targets), = classifier.batches([[lesson]])
    assert float(classifier.objective(classifier.model, inputs, targets)) == pytest.approx(expected, abs=1e-4)


def test_a_soft_label_that_no_one_sequence_can_ask_about_is_refused(still):
    task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '非常', '负面': '不'})
    with pytest.raises(UserError, match='words of one length'):
        ClozeClassifier(task, still).fit([Example('好', label={'正面': .5, '负面': .5})], epochs=1)


def test_a_dev_text_has_a_hard_label(classifier):
    with pytest.raises(UserError, match='needs one label, not a soft one'):
        classifier.fit(LABELLED[:2], dev=[Example('好', label={'正面': .5, '负面': .5})], epochs=1)


# --- the auxiliary loss and the schedule ------------------------------------------------------------------

@pytest.mark.parametrize('causal', [False, True], ids=['masked', 'causal'])
def test_an_auxiliary_loss_on_all_tokens_reaches_the_pattern_too_but_never_the_blank(causal, still):
    checkpoint = Checkpoint(still, 'lm') if causal else still
    pattern = '{text}总之[MASK]' if causal else '[unused1]满意[MASK]{text}'
    classifier = ClozeClassifier(TASK, checkpoint, pattern)
    text = classifier.streams(classifier.examples(LABELLED[:1], labelled=True), [])[0].texts[0]
    length = len(classifier.pattern.encode(classifier.tokenizer, LABELLED[0].text).token_ids)
    answers, seen = set(), set()
    for seed in range(40):
        lesson = classifier.lesson(*text, np.random.default_rng(seed), 0.5, False, 'all')
        assert lesson.answers == 1 and len(lesson.positions) == len(lesson.targets) == len(lesson.weights)
        answers.add(lesson.positions[0])
        seen.update(lesson.positions[1:])
    blank, = answers
    assert seen == set(range(length - 1 if causal else length)) - {blank}


def test_the_loss_of_two_means_is_that_of_the_blanks_and_so_much_of_the_masks(still):
    losses = []
    for weight in (.5, 1., None):
        classifier = ClozeClassifier(TASK, still)
        classifier.fit(LABELLED[:6], epochs=1, batch_size=6, mask_rate=.4, seed=3, learning_rate=1e-9,
                       auxiliary_weight=weight)
        losses.append(classifier.history[0]['loss'])
    trainer = Trainer(classifier, mask_rate=.4, seed=3)
    stream, = classifier.streams(classifier.examples(LABELLED[:6], labelled=True), [])
    blanks, masks = [], []
    for i, text in enumerate(stream.texts):
        lesson = classifier.lesson(*text, trainer._rng(0, i), .4)
        proba = numpy_bert.softmax(numpy_bert.mlm_logits(still, lesson.token_ids, lesson.segment_ids))
        each = [-np.log(proba[p, t]) for p, t in zip(lesson.positions, lesson.targets)]
        blanks, masks = blanks + each[:1], masks + each[1:]
    expected = [np.mean(blanks) + .5 * np.mean(masks), np.mean(blanks) + np.mean(masks), np.mean(blanks + masks)]
    np.testing.assert_allclose(losses, expected, atol=1e-4)


def test_a_linear_schedule_falls_to_nothing_over_the_run(still):
    rates = []

    def record(self, epoch, streams):
        rates.append(float(self.step.optimizer._learning_rate(self.step.optimizer.iterations)))
        self.step.optimizer.iterations.assign_add(6)  # as many as 24 texts in batches of 4
        return 1.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, '_train_epoch', record)
        ClozeClassifier(TASK, still).fit(LABELLED, epochs=4, batch_size=4, learning_rate=.8, schedule='linear')
    np.testing.assert_allclose(rates, [.8, .6, .4, .2], rtol=1e-6)


@pytest.mark.parametrize('setting', [{'auxiliary': 'prompt'}, {'schedule': 'cosine'}, {'auxiliary_weight': 0},
                                     {'auxiliary_weight': -1.}], ids=str)
def test_an_auxiliary_setting_that_cannot_be_is_refused(setting, classifier):
    with pytest.raises(UserError, match=next(iter(setting))):
        classifier.fit(LABELLED[:2], epochs=1, **setting)


def test_unlabelled_texts_without_masks_are_refused_since_they_would_teach_nothing(classifier):
    for labelled in (None, LABELLED[:2]):
        with pytest.raises(UserError, match='teach nothing'):
            classifier.fit(labelled, UNLABELLED, mask_rate=0, epochs=1)


def test_what_a_run_does_unless_it_is_told_otherwise(classifier, monkeypatch):
    """The defaults that the guides name and that measured figures rest on."""
    seen = []
    monkeypatch.setattr(Trainer, 'run', lambda self, streams, dev: seen.append(
        (self, streams, list(map(float, map(self._compile(streams).optimizer._learning_rate, (0, 17, 18)))))))
    classifier.fit(LABELLED, UNLABELLED)
    classifier.fit(LABELLED)
    classifier.fit(None, UNLABELLED)
    (both, streams, rate), (_, labelled, _), (alone, unlabelled, _) = seen
    assert [(len(s.texts), s.share, s.weight) for s in streams] == [(24, .5, 1.), (9, .5, 1.)]
    assert [len(labelled), len(unlabelled)] == [1, 1]
    assert (both.mask_rate, both.auxiliary, both.auxiliary_weight, both.schedule) == (.15, 'text', 1., 'linear')
    assert rate[0] == pytest.approx(default_learning_rate(16)) and rate[1] > 0. == rate[2]  # 6 x 24 / 8 steps
    assert alone.learning_rate == pytest.approx(both.learning_rate / 4)


def test_a_resume_with_another_dropout_rate_is_refused(still, monkeypatch, tmp_path):
    monkeypatch.setattr(Trainer, '_train_epoch', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        ClozeClassifier(TASK, still).fit(LABELLED, out=str(tmp_path / 'out'))
    with pytest.raises(UserError, match='dropout was'):
        ClozeClassifier(TASK, still, dropout_rate=.5).fit(LABELLED, out=str(tmp_path / 'out'), resume=True)


def test_two_spellings_of_one_label_add_up(still):
    task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}, aliases={'正面': '1'})
    found, = ClozeClassifier(task, still).examples([Example('好', label={'1': .5, '正面': .2, '负面': .3})], labelled=True)
    assert found.label == pytest.approx({'正面': .7, '负面': .3})


@pytest.mark.parametrize('with_labels, share', [(True, .5), (True, None), (False, .5)])
def test_a_spool_teaches_what_a_list_of_its_texts_does(with_labels, share, still, tmp_path):
    task, texts, trained = Task.load('sentiment'), ['今天天气%s' % c for c in '好坏热冷早晚'], []
    (tmp_path / 'pile.txt').write_text('\n'.join(texts), encoding='utf-8')
    (tmp_path / 'labelled.tsv').write_text('好\tPositive\n坏\t负面\n', encoding='utf-8')
    lists = [Example('好', label='正面'), Example('坏', label='负面')], texts
    for labelled, unlabelled in (lists, (Spool(str(tmp_path / 'labelled.tsv'), task, labelled=True),
                                         Spool(str(tmp_path / 'pile.txt')))):
        classifier = ClozeClassifier(task, still, maxlen=32)
        classifier.fit(labelled if with_labels else None, unlabelled, epochs=1, batch_size=2, labelled_share=share)
        trained.append((classifier.trained_on, classifier.model.get_weights()))
    assert trained[0][0] == trained[1][0]
    assert all((a == b).all() for a, b in zip(trained[0][1], trained[1][1]))
