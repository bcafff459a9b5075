import copy
import os

import numpy as np
import pytest

import numpy_bert
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.model_folder import read_header
from pet_keras.classifiers.multi_task import MultiTaskClassifier
from pet_keras.classifiers.streams import epoch_of, sizes_of, steps_of
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.adapters import Adapters
from scripted import LABELLED, TASK, UNLABELLED, same_bits

REVIEWS = Task({'P1': '[MASK]满意。{text}', 'P2': '{text}[MASK]好。'}, {'正面': '很', '负面': '不'}, name='reviews')
NEWS = Task({'P1': '[MASK][MASK]新闻。{text}'}, {'体育': '体育', '股票': '股票', '房产': '房产'}, name='news')
HEADLINES = [Example(text, label=label) for text, label in (
    ('国足输了', '体育'), ('股市大涨', '股票'), ('楼市降温', '房产'), ('女排夺冠', '体育'), ('股民亏钱', '股票'))]
TEXTS = {'reviews': LABELLED[::3], 'news': HEADLINES}  # 8 and 5


@pytest.fixture(scope='module')
def sharp(tmp_path_factory, make_checkpoint):
    """A checkpoint of one layer, with dropout."""
    return make_checkpoint(tmp_path_factory.mktemp('sharp'), dropout=.1, num_hidden_layers=1)


def _new(checkpoint, *tasks, **settings):
    return MultiTaskClassifier(tasks or [REVIEWS, NEWS], checkpoint, **settings)


def _fit(classifier, labelled=TEXTS, *more, **settings):
    return classifier.fit(labelled, *more, **dict({'learning_rate': 1e-2, 'schedule': 'constant'}, **settings))


# --- what is learned --------------------------------------------------------------------------------------

def _lessons(folder):
    """[tokens, the places of the blank, the word] of each text, written out by hand; no random masks."""
    found = []
    for example in TEXTS['reviews']:
        found.append((['[CLS]', '[MASK]', *'满意。', *example.text, '[SEP]'], [1], '很' if example.label == '正面' else '不'))
    for example in HEADLINES:
        found.append((['[CLS]', '[MASK]', '[MASK]', *'新闻。', *example.text, '[SEP]'], [1, 2], example.label))
    return [(numpy_bert.token_ids(folder, tokens), places, numpy_bert.token_ids(folder, word))
            for tokens, places, word in found]


def _loss(folder, lessons):
    """The mean over all blanks of all texts of -log of the wanted token's probability."""
    losses = []
    for ids, places, word in lessons:
        proba = numpy_bert.softmax(numpy_bert.mlm_logits(folder, ids))
        losses += [-np.log(proba[place, token]) for place, token in zip(places, word)]
    return np.mean(losses)


def _batch(classifier, texts=TEXTS, mask_rate=0., auxiliary_weight=1., size=13):
    """One batch of all texts, as training steps are fed."""
    streams = classifier.streams({name: classifier.classifiers[name].examples(items, True)
                                  for name, items in texts.items()}, {})
    trainer = Trainer(classifier, mask_rate=mask_rate, auxiliary_weight=auxiliary_weight)
    batches = list(epoch_of(streams, 0, size, trainer._lesson, trainer._rng))
    assert len(batches) == 1 and len(batches[0]) == size
    return next(classifier.batches(batches, auxiliary_weight))


def _gradient(classifier, batch):
    from pet_keras.backend import tf
    with tf.GradientTape() as tape:
        loss = classifier.objective(classifier.model, *batch)
    gradients = tape.gradient(loss, classifier.model.trainable_variables)
    return float(loss), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


def test_the_loss_of_a_batch_of_two_tasks_is_one_mean_over_the_blanks_of_both(still):
    loss, _ = _gradient(*(lambda both: (both, _batch(both)))(_new(still)))
    assert loss == pytest.approx(_loss(still, _lessons(still)), rel=1e-5)


def test_its_gradient_is_that_of_the_numpy_model(still, monkeypatch):
    """Along a random direction of all weights at once, by central differences in float64."""
    both = _new(still)
    _, gradients = _gradient(both, _batch(both))
    names = {id(weight): name for name, weight in both.transformer.variables()}
    rng, by_name, slope = np.random.default_rng(0), {}, 0.
    for variable, gradient in zip(both.model.trainable_variables, gradients):
        direction = rng.normal(size=gradient.shape)
        slope += (direction * gradient).sum()
        by_name[names[id(variable)]] = direction
    weights, config = numpy_bert.variables(still)
    assert set(by_name) <= set(weights)

    def moved(by):
        there = dict(weights, **{name: weights[name] + by * direction for name, direction in by_name.items()})
        monkeypatch.setattr(numpy_bert, 'variables', lambda folder: (there, config))
        return _loss(still, lessons)
    lessons = _lessons(still)
    assert slope == pytest.approx((moved(1e-6) - moved(-1e-6)) / 2e-6, rel=1e-3)
    assert abs(slope) > 1.


def test_its_gradient_is_that_of_both_tasks_alone_by_their_numbers_of_blanks(still):
    both = _new(still)
    _, found = _gradient(both, _batch(both))
    alone = [_gradient(one, _batch(one, {name: TEXTS[name]}, size=len(TEXTS[name]))) for name, one in (
        ('reviews', _new(still, REVIEWS)), ('news', _new(still, NEWS)))]
    for mine, a, b in zip(found, alone[0][1], alone[1][1]):
        np.testing.assert_allclose(mine, (8 * a + 10 * b) / 18, atol=2e-5)


def test_both_tasks_are_learned(still):
    both = _new(still)
    before = both.evaluate(TEXTS)
    _fit(both, epochs=24, batch_size=8, mask_rate=0)
    after = both.evaluate(TEXTS)
    for name in TEXTS:
        assert after['tasks'][name]['log_likelihood'] > before['tasks'][name]['log_likelihood'] + .2
        assert after['tasks'][name]['accuracy'] > 90.
    assert both.history[-1]['loss'] < .5 * both.history[0]['loss']


def test_one_task_alone_learns_what_its_own_classifier_learns_to_the_bit(sharp):
    task = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}, name='reviews')
    given = dict(epochs=2, seed=3, learning_rate=1e-2)
    one = ClozeClassifier(task, sharp).fit(LABELLED, UNLABELLED, LABELLED[::5], **given)
    same = _new(sharp, task).fit({'reviews': LABELLED}, {'reviews': UNLABELLED}, {'reviews': LABELLED[::5]}, **given)
    assert same_bits(one.model.get_weights(), same.model.get_weights())
    assert same.classifiers['reviews'].history == one.history
    assert [record['loss'] for record in same.history] == [record['loss'] for record in one.history]


def test_unlabelled_texts_of_a_task_are_one_more_stream(still):
    both = _new(still)
    streams = both.streams({'reviews': LABELLED, 'news': both.classifiers['news'].examples(HEADLINES, True)},
                           {'news': [Example('天气好')] * 9})
    assert [(s.texts.kind, len(s.texts), s.share) for s in streams] == [
        ('texts of task reviews', 24, 24.), ('texts of task news', 5, 5.), ('unlabelled texts of task news', 9, 5.)]
    _fit(both, TEXTS, {'news': ['天气好', '下雨了']}, epochs=1)
    assert both.classifiers['news'].trained_on['unlabelled'] == 2
    assert both.classifiers['reviews'].trained_on['unlabelled'] == 0


# --- mixing -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize('mixing,sizes', [(1., [15, 5]), (0., [10, 10]), (.5, [13, 7])])
def test_a_tasks_share_of_a_batch_goes_as_its_size_to_the_power_asked_for(mixing, sizes, still):
    both = _new(still, NEWS, REVIEWS)
    texts = {'news': HEADLINES * 6, 'reviews': LABELLED * 4}  # 30 and 96
    texts = {name: both.classifiers[name].examples(items[:90], True) for name, items in texts.items()}
    streams = both.streams(texts, {}, mixing)
    assert [s.texts.task for s in streams] == ['reviews', 'news']  # the larger one first: an epoch is a pass over it
    assert sizes_of(streams, 20) == sizes and steps_of(streams, 20) == -(-90 // sizes[0])


@pytest.mark.parametrize('given,power', [({}, 1.), ({'mixing': 0}, 0.)])
def test_tasks_are_mixed_by_size_unless_asked_for_otherwise(given, power, still, monkeypatch):
    both, seen = _new(still), []
    monkeypatch.setattr(Trainer, 'run', lambda self, streams, dev: seen.extend(streams))
    _fit(both, **given)
    assert [s.share for s in seen] == [8 ** power, 5 ** power]


# --- one model --------------------------------------------------------------------------------------------

def test_the_classifiers_have_one_transformer_and_each_its_own_question(still):
    both = _new(still, patterns={'reviews': 'P2'})
    reviews, news = both.classifiers.values()
    assert reviews.transformer is news.transformer is both.transformer and reviews.tuning is news.tuning
    assert (reviews.pattern.string, news.pattern.string) == ('{text}[MASK]好。', '[MASK][MASK]新闻。{text}')
    for one in (reviews, news):  # each answers as one built alone
        alone = ClozeClassifier(one.task, still, one.pattern.string)
        np.testing.assert_allclose(one.predict_proba(['国足输了']), alone.predict_proba(['国足输了']), atol=1e-6)
    news.fit(HEADLINES, epochs=1, learning_rate=1e-2)
    assert same_bits(reviews.model.get_weights(), news.model.get_weights())


def test_what_is_saved_is_an_ordinary_model_a_task(still, tmp_path):
    both, out = _new(still, long='tail'), str(tmp_path / 'out')
    _fit(both, dev=TEXTS, epochs=2, out=out)
    both.save(str(tmp_path / 'again'))
    texts = ['房间很干净', '股市大涨' * 30]
    for folder in (out, str(tmp_path / 'again')):
        assert sorted(os.listdir(folder)) == ['news', 'reviews']
        for name, one in both.classifiers.items():
            loaded = load(os.path.join(folder, name))
            assert type(loaded) is ClozeClassifier and loaded.pattern.string == one.pattern.string
            assert (loaded.task.name, loaded.labels, loaded.long) == (name, one.labels, 'tail')
            np.testing.assert_array_equal(loaded.predict_proba(texts), one.predict_proba(texts))
            assert loaded.history == one.history and loaded.trained_on == one.trained_on
    header = read_header(os.path.join(out, 'news'))
    assert header['trained_on'].pop('digest of texts and label words')
    assert header['trained_on'] == {'labelled': 5, 'unlabelled': 0, 'dev': 5, 'together_with': ['reviews']}


def test_adapters_are_shared_and_saved_with_each_task(still, tmp_path):
    both, before = _new(still, train=Adapters(size=4)), ClozeClassifier(REVIEWS, still).model.get_weights()
    _fit(both, epochs=2, out=str(tmp_path / 'out'))
    for name, one in both.classifiers.items():
        loaded = load(str(tmp_path / 'out' / name))
        assert loaded.train == 'adapters' and not os.path.exists(str(tmp_path / 'out' / name / 'bert_config.json'))
        np.testing.assert_allclose(loaded.predict_proba(['房间']), one.predict_proba(['房间']), atol=1e-6)
    assert not same_bits(before, both.model.get_weights())


# --- the epoch that is kept ---------------------------------------------------------------------------------

def _script(monkeypatch, accuracies):
    """Epochs that cost nothing, and dev accuracies of each task as given, one an epoch from 0 on."""
    reached = {'epoch': 0}

    def train_epoch(self, epoch, streams):
        reached['epoch'] = epoch + 1
        self.classifier.model.set_weights([w + 1. for w in self.classifier.model.get_weights()])
        return 1.

    def evaluate(self, examples, *_, **__):
        return {'accuracy': accuracies[self.task.name][reached['epoch']], 'auc': None if self.task is NEWS else .5,
                'log_likelihood': -1.}
    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    monkeypatch.setattr(ClozeClassifier, 'evaluate', evaluate)


def test_the_epoch_is_kept_whose_mean_over_the_tasks_is_best(still, monkeypatch):
    both = _new(still)
    first = both.model.get_weights()
    _script(monkeypatch, {'reviews': [10., 90., 60., 20.], 'news': [10., 20., 60., 90.]})
    _fit(both, dev=TEXTS, epochs=3)
    assert same_bits(both.model.get_weights(), [w + 1. + 1. for w in first])
    assert [record['dev_accuracy'] for record in both.history] == [10., 55., 60., 55.]
    assert both.history[2] == {
        'epoch': 2, 'loss': 1., 'dev_accuracy': 60., 'dev_log_likelihood': -1., 'dev_auc': None, 'tasks': {
            'reviews': {'dev_accuracy': 60., 'dev_log_likelihood': -1., 'dev_auc': .5},
            'news': {'dev_accuracy': 60., 'dev_log_likelihood': -1., 'dev_auc': None}}}
    assert [record['dev_accuracy'] for record in both.classifiers['news'].history] == [10., 20., 60., 90.]
    _fit(both, dev={'news': HEADLINES}, epochs=3)  # the other one has none
    assert 'dev_accuracy' not in both.classifiers['reviews'].history[0]
    assert both.history[-1]['dev_accuracy'] == 90.


def test_an_epoch_is_said_with_each_tasks_accuracy(still, monkeypatch, capsys):
    _script(monkeypatch, {'reviews': [10., 90.], 'news': [20., 40.]})
    _fit(_new(still), dev=TEXTS, epochs=1, batch_size=8, verbose=1)
    said = capsys.readouterr().out
    assert '  dev accuracy 65.00% (reviews 90.00%, news 40.00%)\n' in said
    assert '6 texts of task news are read in all, of 5 given.\n' in said


def test_callbacks_see_the_means(still):
    from pet_keras.backend import keras
    logs = []
    _fit(_new(still), dev=TEXTS, epochs=1, callbacks=[
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, seen: logs.append(dict(seen)))])
    assert {'loss', 'dev_accuracy', 'val_accuracy'} <= set(logs[0]) and all(np.isscalar(v) for v in logs[0].values())


# --- interrupted and resumed ------------------------------------------------------------------------------

def test_an_interrupted_and_resumed_run_equals_the_undisturbed_one_to_the_bit(sharp, interrupt, tmp_path):
    out, given = str(tmp_path / 'out'), dict(unlabelled={'news': UNLABELLED}, dev=TEXTS, epochs=4, seed=3)
    whole = _fit(_new(sharp), **given)
    interrupt(2, lambda: _fit(_new(sharp), out=out, **given))
    assert len(load(os.path.join(out, 'news')).predict(['国足输了'])) == 1  # what came before is usable
    with pytest.raises(UserError, match='already holds a model.*resume the interrupted run'):
        _fit(_new(sharp), out=out, **given)
    resumed = _fit(_new(sharp), out=out, resume=True, **given)
    assert resumed.history == whole.history and len(whole.history) == 5
    assert same_bits(resumed.model.get_weights(), whole.model.get_weights())
    for name in TEXTS:
        saved = load(os.path.join(out, name))
        assert same_bits(saved.model.get_weights(), whole.model.get_weights())
        assert saved.history == whole.classifiers[name].history
    assert not os.path.exists(os.path.join(out, 'resume'))
    with pytest.raises(UserError, match='news already holds a model: choose another folder.$|reviews already'):
        _fit(_new(sharp), out=out, **given)


def test_a_resume_with_other_texts_patterns_or_mixing_is_refused_and_says_what(still, interrupt, tmp_path):
    out, given = str(tmp_path / 'out'), dict(dev=TEXTS, epochs=2)
    interrupt(1, lambda: _fit(_new(still), out=out, **given))
    for classifier, change, message in (
            (_new(still), {'labelled': dict(TEXTS, news=HEADLINES[1:])}, 'task news was'),
            (_new(still), {'mixing': .5}, 'streams was'),
            (_new(still, patterns={'reviews': 'P2'}), {}, 'tasks was'), (_new(still, REVIEWS, TASK), {
                'labelled': {'reviews': LABELLED, 'task': LABELLED}, 'dev': {}}, 'tasks was')):
        with pytest.raises(UserError, match=message):
            _fit(classifier, out=out, resume=True, **dict(given, **change))
    _fit(_new(still), out=out, resume=True, **given)  # none of this harmed it


# --- what cannot be ---------------------------------------------------------------------------------------

def test_tasks_that_cannot_be_together_are_refused(still, causal):
    def named(name):
        task = copy.copy(REVIEWS)
        task.name = name
        return task
    for tasks, message in (
            ([REVIEWS, TASK, named('reviews')], 'two tasks of the name reviews'), ([], 'list of tasks'),
            ([REVIEWS, 'weather'], "No task 'weather'"), ([REVIEWS, named('../x')], 'a folder of its name'),
            ([REVIEWS, named('resume')], 'a folder of its name')):
        with pytest.raises(UserError, match=message):
            MultiTaskClassifier(tasks, still)
    with pytest.raises(UserError, match='list of tasks'):
        MultiTaskClassifier('sentiment', still)
    with pytest.raises(UserError, match='no task weather here; there are reviews, news'):
        _new(still, patterns={'weather': 'P1'})
    with pytest.raises(UserError, match='reads from left to right'):  # the blank of NEWS comes first
        MultiTaskClassifier(['sentiment', NEWS], causal)
    for settings in ({'train': 'prompt'}, {'patterns': {'reviews': '[unused1][MASK]{text}'}},
                     {'patterns': {'news': '[unused1][MASK][MASK]{text}'}}):
        with pytest.raises(UserError, match='belongs to one task|without .unused. tokens'):
            _new(still, **settings)


@pytest.mark.parametrize('given,message', [
    ({'labelled': {'news': HEADLINES}}, 'Task reviews has nothing to learn from'),
    ({'labelled': {}}, 'nothing to learn'), ({'labelled': LABELLED}, 'Say of which task'),
    ({'labelled': dict(TEXTS, weather=[])}, 'no task weather'),
    ({'labelled': dict(TEXTS, news=LABELLED)}, 'not in task news'), ({'mixing': 2}, 'between 0'),
    ({'dev': {'weather': HEADLINES}}, 'no task weather'), ({'epochs': 0}, 'epochs'),
    ({'dev': {'news': [Example('好', label={'体育': 1.})]}}, 'one label, not a soft one'),
    ({'unlabelled': {'news': ['好']}, 'mask_rate': 0}, 'With mask_rate=0'), ({'resume': True}, 'out folder')], ids=str)
def test_data_and_settings_that_do_not_fit_are_refused_before_anything_is_written(given, message, still, tmp_path):
    out = str(tmp_path / 'out')
    with pytest.raises(UserError, match=message):
        _fit(_new(still), **dict(given, **{} if 'resume' in given else {'out': out}))
    assert not os.path.exists(out)


def test_there_is_nothing_to_evaluate_without_texts(still):
    with pytest.raises(UserError, match='Nothing to evaluate'):
        _new(still).evaluate({})
