import json
import os
import random

import numpy as np
import pytest

import numpy_bert
from pet_keras.backend import tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.tuning import default_learning_rate

TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})
LABELLED = [Example(a + b, label=label) for label, words in (('正面', ['干净', '好吃', '安静', '舒服']),
                                                              ('负面', ['很脏', '难吃', '吵人', '难受']))
            for a in ('房间', '味道', '早餐') for b in words]
UNLABELLED = ['今天天气很好我们去吃饭', '这本书纸张不错字也大', '又吵又脏再也不来了'] * 3


@pytest.fixture(scope='module')
def small(tmp_path_factory, make_checkpoint):
    """A checkpoint of one layer, with dropout."""
    return make_checkpoint(tmp_path_factory.mktemp('small'), dropout=0.1, num_hidden_layers=1)


@pytest.fixture(scope='module')
def classifier(still):
    return ClozeClassifier(TASK, still)


@pytest.fixture(scope='module')
def first(classifier):
    """The untrained weights."""
    return classifier.model.get_weights()


@pytest.fixture
def fit(classifier, first):
    """Trains `classifier` from the untrained weights on; returns the weights it keeps, and the history."""
    def run(labelled=LABELLED, **settings):
        classifier.model.set_weights(first)
        classifier.fit(labelled, **dict({'learning_rate': 1e-2}, **settings))
        return classifier.model.get_weights(), classifier.history
    return run


def _fit(checkpoint, *data, **settings):
    settings.setdefault('learning_rate', 1e-2)
    return ClozeClassifier(TASK, checkpoint).fit(*data, **settings)


def _equal(a, b):
    """Whether two lists of weights are the same to the bit."""
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


def _load(folder):
    """The weights of a saved model."""
    return ClozeClassifier.load(folder).model.get_weights()


def _noise(weights, epoch):
    rng = np.random.default_rng(epoch)
    return [w + rng.normal(0, 0.1, w.shape).astype('float32') for w in weights]


def _after(weights, epochs):
    """The weights that `_script` gives after so many epochs."""
    for epoch in range(epochs):
        weights = _noise(weights, epoch)
    return weights


def _script(monkeypatch, accuracies, likelihoods=None, stop_in=None):
    """Epochs that cost nothing (noise on the weights) and dev results as given, one an epoch from 0 on."""
    reached = {'epoch': 0}

    def train_epoch(self, epoch, streams):
        if epoch + 1 == stop_in:
            raise KeyboardInterrupt
        self.classifier.model.set_weights(_noise(self.classifier.model.get_weights(), epoch))
        reached['epoch'] = epoch + 1
        return 1.

    def evaluate(self, examples, *args, **kwargs):
        epoch = reached['epoch']
        return {'accuracy': accuracies[epoch], 'log_likelihood': likelihoods[epoch] if likelihoods else -1. - epoch}

    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    monkeypatch.setattr(ClozeClassifier, 'evaluate', evaluate)


# --- what is learned ------------------------------------------------------------------------------------

def test_one_seed_gives_the_same_weights_to_the_bit_and_another_seed_others(small):
    random.seed(1)
    one = _fit(small, LABELLED, UNLABELLED, epochs=2, seed=5)
    random.seed(2)
    np.random.seed(3)
    tf.random.set_seed(4)
    two = _fit(small, LABELLED, UNLABELLED, epochs=2, seed=5)
    assert _equal(one.model.get_weights(), two.model.get_weights()) and one.history == two.history
    other = _fit(small, LABELLED, UNLABELLED, epochs=2, seed=6)
    assert not _equal(one.model.get_weights(), other.model.get_weights())
    assert np.isfinite([h['loss'] for h in other.history]).all()


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
    classifier = _fit(small, LABELLED, dev=LABELLED, epochs=12, batch_size=4, mask_rate=0.)
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
    classifier = _fit(small, None, UNLABELLED, epochs=8, batch_size=4, mask_rate=0.4)
    assert _in_plain_text(classifier) > _in_plain_text(untrained) + 2.
    losses = [h['loss'] for h in classifier.history]
    assert len(losses) == 8 and losses[-1] < 0.8 * losses[0]


def test_labelled_and_unlabelled_texts_teach_together(small):
    untrained = ClozeClassifier(TASK, small)
    classifier = _fit(small, LABELLED, UNLABELLED, epochs=8, batch_size=4, mask_rate=0.2)
    assert _at_the_blank(classifier) > _at_the_blank(untrained) + 4.
    assert _in_plain_text(classifier) > _in_plain_text(untrained) + 2.


def test_every_weight_of_the_model_trains(still):
    before = ClozeClassifier(TASK, still)
    after = _fit(still, LABELLED[::6], UNLABELLED[:3], epochs=1, batch_size=4, mask_rate=0.4)
    for variable, old, new in zip(after.model.weights, before.model.get_weights(), after.model.get_weights()):
        assert not np.array_equal(old, new), variable.name


def test_the_loss_of_one_batch_is_the_mean_over_blanks_and_random_masks(still):
    classifier, data = ClozeClassifier(TASK, still), (LABELLED[:3], UNLABELLED[:3])
    trainer = Trainer(classifier, batch_size=6, mask_rate=0.3, seed=4)
    stream, = classifier.streams(classifier.examples(data[0]), classifier.examples(data[1]))
    losses = []
    for i, text in enumerate(stream.texts):
        source, segments, positions, targets, _ = classifier.lesson(*text, trainer._rng(0, i), trainer.mask_rate)
        proba = numpy_bert.softmax(numpy_bert.mlm_logits(still, source, segments))
        losses += [-np.log(proba[p, t]) for p, t in zip(positions, targets)]
    assert len(losses) > 6  # three blanks, and more
    classifier.fit(*data, batch_size=6, mask_rate=0.3, seed=4, epochs=1, learning_rate=1e-9)
    assert classifier.history[0]['loss'] == pytest.approx(np.mean(losses), abs=1e-4)


def test_a_loss_that_is_no_number_stops_the_training(small):
    with pytest.raises(UserError, match='smaller learning rate'):
        _fit(small, LABELLED[:4], epochs=4, learning_rate=1e38)


def test_the_default_learning_rate_is_that_of_a_base_model_and_grows_for_narrow_ones():
    assert default_learning_rate(768) == pytest.approx(2e-5)
    assert default_learning_rate(256) == pytest.approx(1.8e-4)


# --- masks and batches ----------------------------------------------------------------------------------

def _masked(classifier, index, n=40, labelled=LABELLED, unlabelled=UNLABELLED, **settings):
    """The encoded text itself, and `_mask` of it with n generators."""
    trainer = Trainer(classifier, **settings)
    text = classifier.streams(classifier.examples(labelled), classifier.examples(unlabelled))[0].texts[index]
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

    def fit(generator, steps_per_epoch, **kwargs):
        batches.extend(next(generator) for _ in range(steps_per_epoch))
        assert next(generator, None) is None
        return type('Result', (), {'history': {'loss': [1.]}})

    trainer = Trainer(classifier, batch_size=4, mask_rate=0.)
    trainer.step = type('Step', (), {'fit': staticmethod(fit)})
    labelled = LABELLED + [Example('好', label='正面'), Example('房间很干净服务也热情', label='负面')]
    trainer._train_epoch(0, classifier.streams(labelled, classifier.examples(UNLABELLED[:3])))
    shown = []
    for (source, segments, positions), (targets, weights) in batches:
        assert len(source) <= 4 and source.shape == segments.shape and positions.shape == targets.shape
        np.testing.assert_array_equal(weights, targets != 0)
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
    _script(monkeypatch, [50., 60., 90., 40., 30.])
    weights, history = fit(dev=LABELLED, epochs=4)
    assert _equal(weights, _after(first, 2))
    assert [h['dev_accuracy'] for h in history] == [50., 60., 90., 40., 30.]


def test_among_epochs_of_one_accuracy_the_likelier_is_kept_and_among_equals_the_first(fit, first, monkeypatch):
    _script(monkeypatch, [50., 90., 90., 90., 80.], [-1., -.5, -.2, -.2, -.1])
    assert _equal(fit(dev=LABELLED, epochs=4)[0], _after(first, 2))


def test_a_training_that_only_harms_is_undone(fit, first, monkeypatch):
    _script(monkeypatch, [90., 60., 50.])
    assert _equal(fit(dev=LABELLED, epochs=2)[0], first)


def test_without_dev_the_last_epoch_is_kept(fit, first, monkeypatch):
    _script(monkeypatch, [])
    weights, history = fit(epochs=3)
    assert _equal(weights, _after(first, 3))
    assert history == [{'epoch': n, 'loss': 1.} for n in (1, 2, 3)]


def test_patience_stops_after_so_many_epochs_without_a_better_one(fit, first, monkeypatch):
    _script(monkeypatch, [50., 60., 55., 70., 65., 64., 99.])
    weights, history = fit(dev=LABELLED, epochs=6, patience=2)
    assert [h['epoch'] for h in history] == [0, 1, 2, 3, 4, 5]
    assert _equal(weights, _after(first, 3))


def test_patience_that_is_never_used_up_does_not_stop(fit, monkeypatch):
    _script(monkeypatch, [50., 60., 55., 70., 65., 64., 99.])
    assert len(fit(dev=LABELLED, epochs=6, patience=3)[1]) == 7


# --- the out folder and resuming ------------------------------------------------------------------------

def test_the_out_folder_holds_the_kept_model_and_nothing_of_the_resume_state(fit, first, monkeypatch, tmp_path):
    out = str(tmp_path / 'deep' / 'model')
    _script(monkeypatch, [50., 60., 90., 40.])
    weights, history = fit(dev=LABELLED, epochs=3, out=out)
    assert _equal(weights, _after(first, 2)) and _equal(_load(out), weights)
    assert sorted(os.listdir(out)) == ['bert_config.json', 'bert_model.ckpt.data-00000-of-00001',
                                       'bert_model.ckpt.index', 'model.json', 'task.json', 'vocab.txt']


def test_an_interrupted_and_resumed_run_equals_the_uninterrupted_one_to_the_bit(still, monkeypatch, tmp_path):
    out, settings = str(tmp_path / 'out'), dict(epochs=4, seed=3, mask_rate=0.3)
    whole = _fit(still, LABELLED, UNLABELLED, **settings)
    train_epoch = Trainer._train_epoch

    def interrupted(self, epoch, streams):
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, epoch, streams)

    monkeypatch.setattr(Trainer, '_train_epoch', interrupted)
    with pytest.raises(KeyboardInterrupt):
        _fit(still, LABELLED, UNLABELLED, out=out, **settings)
    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    assert len(ClozeClassifier.load(out).predict(['房间很干净'])) == 1  # what came before is usable
    resumed = _fit(still, LABELLED, UNLABELLED, out=out, resume=True, **settings)
    assert resumed.history == whole.history
    assert _equal(resumed.model.get_weights(), whole.model.get_weights())
    assert _equal(_load(out), whole.model.get_weights())
    assert not os.path.exists(os.path.join(out, 'resume'))


@pytest.mark.parametrize('accuracies', [
    [50., 60., 70., 80., 75.], [50., 60., 90., 80., 75.], [50., 90., 60., 80., 75.], [90., 50., 60., 80., 75.],
    [50., 90., 90., 90., 75.],
], ids=['after the interrupt', 'just before it', 'long before it', 'before training', 'three equals'])
def test_a_resumed_run_keeps_the_best_epoch_wherever_it_was(fit, first, monkeypatch, tmp_path, accuracies):
    out, likelihoods = str(tmp_path / 'out'), [-1.] * 5
    _script(monkeypatch, accuracies, likelihoods, stop_in=3)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=4, out=out)
    _script(monkeypatch, accuracies, likelihoods)
    resumed, history = fit(dev=LABELLED, epochs=4, out=out, resume=True)
    best = _after(first, accuracies.index(max(accuracies)))
    assert [h['dev_accuracy'] for h in history] == accuracies
    assert _equal(_load(out), best)
    assert _equal(resumed, best)


SCORES = [50., 60., 70., 80., 75.]


@pytest.fixture
def interrupted(fit, monkeypatch, tmp_path):
    """The out folder of a run that was interrupted in its third epoch."""
    out = str(tmp_path / 'interrupted')
    _script(monkeypatch, SCORES, stop_in=3)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=4, out=out, verbose=1)
    _script(monkeypatch, SCORES)
    return out


def test_patience_counts_on_over_an_interrupt(fit, monkeypatch, tmp_path):
    out, accuracies = str(tmp_path / 'out'), [50., 90., 60., 50., 40., 99.]
    _script(monkeypatch, accuracies, stop_in=3)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=5, patience=2, out=out)
    _script(monkeypatch, accuracies)
    history = fit(dev=LABELLED, epochs=5, patience=2, out=out, resume=True)[1]
    assert [h['epoch'] for h in history] == [0, 1, 2, 3]


def test_a_run_interrupted_in_its_first_epoch_can_be_resumed_too(fit, first, monkeypatch, tmp_path):
    out = str(tmp_path / 'out')
    _script(monkeypatch, SCORES, stop_in=1)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=4, out=out)
    _script(monkeypatch, SCORES)
    assert _equal(fit(dev=LABELLED, epochs=4, out=out, resume=True)[0], _after(first, 3))


def test_an_interrupt_says_what_to_do(capsys, interrupted):
    printed = capsys.readouterr().out
    assert 'Interrupted in epoch 3.' in printed and '--resume' in printed and interrupted in printed


def test_a_resume_may_have_more_epochs(fit, first, interrupted):
    weights, history = fit(dev=LABELLED, epochs=3, out=interrupted, resume=True)
    assert len(history) == 4 and _equal(weights, _after(first, 3))


def test_a_resume_with_another_setting_is_refused_and_says_which(fit, first, interrupted):
    for name, value in (('seed', 1), ('batch_size', 8), ('mask_rate', 0.3), ('learning_rate', 0.5)):
        with pytest.raises(UserError, match='%s was .* and is %s' % (name, value)):
            fit(dev=LABELLED, epochs=4, out=interrupted, resume=True, **{name: value})
    with pytest.raises(UserError, match='labelled was 24 and is 4'):
        fit(LABELLED[:4], dev=LABELLED, epochs=4, out=interrupted, resume=True)
    weights, _ = fit(dev=LABELLED, epochs=4, out=interrupted, resume=True)  # none of this harmed it
    assert _equal(weights, _after(first, 3))


def test_a_resume_with_other_texts_is_refused_though_they_are_as_many(fit, interrupted):
    other = [Example('别的' + e.text, label=e.label) for e in LABELLED]
    with pytest.raises(UserError, match='cannot be resumed'):
        fit(other, dev=LABELLED, epochs=4, out=interrupted, resume=True)


def test_a_resume_with_other_label_words_is_refused(still, interrupted):
    other = ClozeClassifier(Task({'P1': '[MASK]满意。{text}'}, {'正面': '挺', '负面': '没'}), still)
    with pytest.raises(UserError, match='cannot be resumed'):
        other.fit(LABELLED, dev=LABELLED, epochs=4, out=interrupted, resume=True, learning_rate=1e-2)


def test_there_is_nothing_to_resume_in_a_folder_without_a_run(fit, tmp_path):
    with pytest.raises(UserError, match='no interrupted run'):
        fit(out=str(tmp_path / 'nowhere'), resume=True)
    with pytest.raises(UserError, match='resume needs the out folder'):
        fit(resume=True)


def test_a_finished_run_has_nothing_to_resume_and_its_folder_is_in_use(fit, monkeypatch, tmp_path):
    out = str(tmp_path / 'out')
    _script(monkeypatch, [])
    kept, _ = fit(epochs=1, out=out)
    with pytest.raises(UserError, match='already holds a model: choose another folder.$'):
        fit(epochs=2, out=out)
    with pytest.raises(UserError, match='no interrupted run'):
        fit(epochs=2, out=out, resume=True)
    assert _equal(_load(out), kept)


def test_an_interrupted_runs_folder_is_in_use_and_resume_is_offered(fit, interrupted):
    with pytest.raises(UserError, match='already holds a model.*resume'):
        fit(dev=LABELLED, out=interrupted)


@pytest.mark.parametrize('name', ['bert_model.ckpt', 'model.ckpt-1000'])
def test_a_pretrained_checkpoint_is_never_written_over(make_checkpoint, monkeypatch, tmp_path, name):
    folder = make_checkpoint(tmp_path / 'release', num_hidden_layers=1)
    for file in os.listdir(folder):
        os.rename(os.path.join(folder, file), os.path.join(folder, file.replace('bert_model.ckpt', name)))
    def content():
        return {file: open(os.path.join(folder, file), 'rb').read() for file in sorted(os.listdir(folder))}
    before = content()
    _script(monkeypatch, [])
    with pytest.raises(UserError, match='choose another folder'):
        _fit(folder, LABELLED, epochs=1, out=folder)
    assert content() == before


@pytest.mark.parametrize('below', ['file', 'file/model'])
def test_an_out_that_cannot_be_a_folder_is_refused_before_training(fit, monkeypatch, tmp_path, below):
    def train_epoch(self, epoch, streams):
        raise AssertionError('training began')

    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(UserError, match='cannot be written'):
        fit(out=str(tmp_path / below))
    assert (tmp_path / 'file').read_text() == 'in the way'


def test_a_save_that_fails_leaves_the_earlier_model(fit, first, monkeypatch, tmp_path):
    _script(monkeypatch, [])
    write, calls = Checkpoint.write, []

    def failing(self, folder, transformer):
        calls.append(folder)
        if len(calls) == 2:
            raise OSError('No space left on device')
        return write(self, folder, transformer)

    monkeypatch.setattr(Checkpoint, 'write', failing)
    with pytest.raises(OSError, match='No space left'):
        fit(epochs=3, out=str(tmp_path / 'out'))
    assert len(calls) == 2
    assert _equal(_load(str(tmp_path / 'out')), _after(first, 1))


def test_weights_half_written_leave_the_earlier_model(classifier, first, monkeypatch, tmp_path):
    def failing(prefix, **kwargs):
        with open(prefix + '.data-00000-of-00001', 'w') as writer:
            writer.write('half')
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')

    out = str(tmp_path / 'out')
    classifier.model.set_weights(_after(first, 1))
    classifier.save(out)
    monkeypatch.setattr(tf.raw_ops, 'SaveV2', failing)
    classifier.model.set_weights(_after(first, 2))
    with pytest.raises(OSError, match='No space left'):
        classifier.save(out)
    assert _equal(_load(out), _after(first, 1))
    assert not [name for name in os.listdir(out) if 'tmp' in name]


def test_the_saved_history_is_that_of_the_run(fit, monkeypatch, tmp_path):
    _script(monkeypatch, [])
    _, history = fit(epochs=2, out=str(tmp_path / 'out'))
    with open(str(tmp_path / 'out' / 'model.json'), encoding='utf-8') as reader:
        assert json.load(reader)['history'] == history


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
    (inputs, targets), = classifier.batches([lesson], [[0]])
    assert float(classifier.objective(classifier.model, inputs, targets)) == pytest.approx(expected, abs=1e-4)


def test_a_soft_label_that_no_one_sequence_can_ask_about_is_refused(still):
    task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '非常', '负面': '不'})
    with pytest.raises(UserError, match='words of one length'):
        ClozeClassifier(task, still).fit([Example('好', label={'正面': .5, '负面': .5})], epochs=1)


def test_a_dev_text_has_a_hard_label(classifier):
    with pytest.raises(UserError, match='dev text needs one label'):
        classifier.fit(LABELLED[:2], dev=[Example('好', label={'正面': .5, '负面': .5})], epochs=1)
