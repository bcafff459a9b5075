import json
import os
import shutil

import numpy as np
import pytest

from pet_keras.backend import tf
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.model_folder import read_added, read_header
from pet_keras.classifiers.training import Trainer
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from scripted import LABELLED, TASK, UNLABELLED, fit_new, noisy, same_bits, saved_weights, script


def test_the_out_folder_holds_the_kept_model_and_nothing_of_the_resume_state(fit, first, monkeypatch, tmp_path):
    out = str(tmp_path / 'deep' / 'model')
    script(monkeypatch, [50., 60., 90., 40.])
    weights, history = fit(dev=LABELLED, epochs=3, out=out)
    assert same_bits(weights, noisy(first, 2)) and same_bits(saved_weights(out), weights)
    assert sorted(os.listdir(out)) == ['bert_config.json', 'bert_model.ckpt.data-00000-of-00001',
                                       'bert_model.ckpt.index', 'model.json', 'task.json', 'vocab.txt']


@pytest.mark.parametrize('dropout', [0., .3])
def test_an_interrupted_and_resumed_run_equals_the_uninterrupted_one_to_the_bit(dropout, still, interrupt, tmp_path):
    def fit_new(*arguments, **settings):
        return ClozeClassifier(TASK, still, dropout_rate=dropout).fit(
            *arguments, learning_rate=1e-2, schedule='constant', **settings)
    out, settings = str(tmp_path / 'out'), dict(epochs=4, seed=3, mask_rate=0.3)
    whole = fit_new(LABELLED, UNLABELLED, **settings)
    interrupt(2, lambda: fit_new(LABELLED, UNLABELLED, out=out, **settings))
    assert len(ClozeClassifier.load(out).predict(['房间很干净'])) == 1  # what came before is usable
    resumed = fit_new(LABELLED, UNLABELLED, out=out, resume=True, **settings)
    assert resumed.history == whole.history
    assert same_bits(resumed.model.get_weights(), whole.model.get_weights())
    assert same_bits(saved_weights(out), whole.model.get_weights())
    assert not os.path.exists(os.path.join(out, 'resume'))


@pytest.mark.parametrize('accuracies', [
    [50., 60., 70., 80., 75.], [50., 60., 90., 80., 75.], [50., 90., 60., 80., 75.], [90., 50., 60., 80., 75.],
    [50., 90., 90., 90., 75.],
], ids=['after the interrupt', 'just before it', 'long before it', 'before training', 'three equals'])
def test_a_resumed_run_keeps_the_best_epoch_wherever_it_was(fit, first, monkeypatch, tmp_path, accuracies):
    out, likelihoods = str(tmp_path / 'out'), [-1.] * 5
    script(monkeypatch, accuracies, likelihoods, stop_in=3)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=4, out=out)
    script(monkeypatch, accuracies, likelihoods)
    resumed, history = fit(dev=LABELLED, epochs=4, out=out, resume=True)
    best = noisy(first, accuracies.index(max(accuracies)))
    assert [h['dev_accuracy'] for h in history] == accuracies
    assert same_bits(saved_weights(out), best)
    assert same_bits(resumed, best)


SCORES = [50., 60., 70., 80., 75.]


@pytest.fixture
def interrupted(fit, monkeypatch, tmp_path):
    """The out folder of a run that was interrupted in its third epoch."""
    out = str(tmp_path / 'interrupted')
    script(monkeypatch, SCORES, stop_in=3)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=4, out=out, verbose=1)
    script(monkeypatch, SCORES)
    return out


def test_patience_counts_on_over_an_interrupt(fit, monkeypatch, tmp_path):
    out, accuracies = str(tmp_path / 'out'), [50., 90., 60., 50., 40., 99.]
    script(monkeypatch, accuracies, stop_in=3)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=5, patience=2, out=out)
    script(monkeypatch, accuracies)
    history = fit(dev=LABELLED, epochs=5, patience=2, out=out, resume=True)[1]
    assert [h['epoch'] for h in history] == [0, 1, 2, 3]


def test_a_run_interrupted_in_its_first_epoch_can_be_resumed_too(fit, first, monkeypatch, tmp_path):
    out = str(tmp_path / 'out')
    script(monkeypatch, SCORES, stop_in=1)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=4, out=out)
    script(monkeypatch, SCORES)
    assert same_bits(fit(dev=LABELLED, epochs=4, out=out, resume=True)[0], noisy(first, 3))


def test_an_interrupt_says_what_to_do(capsys, interrupted):
    printed = capsys.readouterr().out
    assert 'Interrupted in epoch 3.' in printed and '--resume' in printed and interrupted in printed


def test_a_resume_may_have_more_epochs(fit, first, interrupted):
    weights, history = fit(dev=LABELLED, epochs=3, out=interrupted, resume=True)
    assert len(history) == 4 and same_bits(weights, noisy(first, 3))


def test_a_resume_with_another_setting_is_refused_and_says_which(fit, first, interrupted):
    for name, value in (('seed', 1), ('batch_size', 4), ('mask_rate', 0.3), ('learning_rate', 0.5),
                        ('auxiliary', 'all'), ('auxiliary_weight', 0.5)):
        with pytest.raises(UserError, match='%s was .* and is %s' % (name, value)):
            fit(dev=LABELLED, epochs=4, out=interrupted, resume=True, **{name: value})
    with pytest.raises(UserError, match='schedule was constant and is linear over 4 epochs'):
        fit(dev=LABELLED, epochs=4, out=interrupted, resume=True, schedule='linear')
    with pytest.raises(UserError, match='labelled was 24 and is 4'):
        fit(LABELLED[:4], dev=LABELLED, epochs=4, out=interrupted, resume=True)
    weights, _ = fit(dev=LABELLED, epochs=4, out=interrupted, resume=True)  # none of this harmed it
    assert same_bits(weights, noisy(first, 3))


def test_a_resume_with_other_shares_or_as_another_kind_of_classifier_is_refused(still, monkeypatch, tmp_path):
    def run(cls=ClozeClassifier, **settings):
        cls(TASK, still).fit(LABELLED, out=str(tmp_path / 'out'), **settings)
    monkeypatch.setattr(Trainer, '_train_epoch', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        run(unlabelled=['天气好'] * 9)
    for settings in ({'labelled_share': .25}, {'labelled_share': None}, {'unlabelled_weight': .5}):
        with pytest.raises(UserError, match='streams was'):
            run(unlabelled=['天气好'] * 9, resume=True, **settings)
    with pytest.raises(UserError, match='kind was cloze and is fine-tuning'):
        run(FineTuningClassifier, resume=True)


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
    script(monkeypatch, [])
    kept, _ = fit(epochs=1, out=out)
    with pytest.raises(UserError, match='already holds a model: choose another folder.$'):
        fit(epochs=2, out=out)
    with pytest.raises(UserError, match='no interrupted run'):
        fit(epochs=2, out=out, resume=True)
    assert same_bits(saved_weights(out), kept)


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
    script(monkeypatch, [])
    with pytest.raises(UserError, match='choose another folder'):
        fit_new(folder, LABELLED, epochs=1, out=folder)
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
    script(monkeypatch, [])
    write, calls = Checkpoint.write, []

    def failing(self, folder, *args):
        calls.append(folder)
        if len(calls) == 2:
            raise OSError('No space left on device')
        return write(self, folder, *args)

    monkeypatch.setattr(Checkpoint, 'write', failing)
    with pytest.raises(OSError, match='No space left'):
        fit(epochs=3, out=str(tmp_path / 'out'))
    assert len(calls) == 2
    assert same_bits(saved_weights(str(tmp_path / 'out')), noisy(first, 1))


def test_weights_half_written_leave_the_earlier_model(classifier, first, monkeypatch, tmp_path):
    def failing(prefix, **kwargs):
        with open(prefix + '.data-00000-of-00001', 'w') as writer:
            writer.write('half')
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')

    out = str(tmp_path / 'out')
    classifier.model.set_weights(noisy(first, 1))
    classifier.save(out)
    monkeypatch.setattr(tf.raw_ops, 'SaveV2', failing)
    classifier.model.set_weights(noisy(first, 2))
    with pytest.raises(OSError, match='No space left'):
        classifier.save(out)
    assert same_bits(saved_weights(out), noisy(first, 1))
    assert not [name for name in os.listdir(out) if 'tmp' in name]


def test_the_saved_history_is_that_of_the_whole_run_and_the_weights_are_the_best(fit, first, monkeypatch, tmp_path):
    script(monkeypatch, [50., 90., 60., 40.])
    _, history = fit(dev=LABELLED, epochs=3, out=str(tmp_path / 'out'))
    loaded = ClozeClassifier.load(str(tmp_path / 'out'))
    assert loaded.history == history and [h['epoch'] for h in history] == [0, 1, 2, 3]
    assert same_bits(loaded.model.get_weights(), noisy(first, 1))


# --- a run that diverged ----------------------------------------------------------------------------------

def test_a_run_that_diverged_goes_on_with_the_smaller_learning_rate_that_its_error_asks_for(still, tmp_path):
    out, data = str(tmp_path / 'out'), dict(labelled=LABELLED[::3], dev=LABELLED[1::3], epochs=2, batch_size=4)
    whole = ClozeClassifier(TASK, still).fit(learning_rate=1e-2, **data)
    with pytest.raises(UserError, match='smaller learning rate than 1e.38. Resume the run in .*out with it') as error:
        ClozeClassifier(TASK, still).fit(learning_rate=1e38, out=out, **data)
    assert 'after epoch 0' in str(error.value)
    with pytest.raises(UserError, match='seed was 0 and is 1.$'):
        ClozeClassifier(TASK, still).fit(learning_rate=1e-2, out=out, resume=True, seed=1, **data)
    resumed = ClozeClassifier(TASK, still).fit(learning_rate=1e-2, out=out, resume=True, **data)
    assert resumed.history == whole.history and len(whole.history) == 3
    assert same_bits(resumed.model.get_weights(), whole.model.get_weights())
    assert same_bits(saved_weights(out), whole.model.get_weights()) and not os.path.exists(os.path.join(out, 'resume'))


@pytest.mark.parametrize('dev,kept', [(LABELLED, 1), (None, 2)], ids=['dev', 'no dev'])
def test_a_run_that_diverged_goes_on_from_its_best_epoch(fit, first, monkeypatch, tmp_path, dev, kept):
    out, accuracies = str(tmp_path / 'out'), [50., 90., 60., 55., 95.]
    script(monkeypatch, accuracies)
    train_epoch = Trainer._train_epoch
    monkeypatch.setattr(Trainer, '_train_epoch', lambda self, epoch, streams: float('nan') if epoch == 2 else (
        train_epoch(self, epoch, streams)))
    with pytest.raises(UserError, match='The loss became nan in epoch 3.* after epoch %d.$' % kept):
        fit(dev=dev, epochs=4, out=out)
    assert same_bits(saved_weights(out), noisy(first, kept))
    script(monkeypatch, accuracies, stop_in=4)
    with pytest.raises(KeyboardInterrupt):
        fit(dev=dev, epochs=4, out=out, resume=True, learning_rate=1e-3)
    script(monkeypatch, accuracies)
    with pytest.raises(UserError, match='learning_rate was 0.001 and is 0.01'):  # it is that run now
        fit(dev=dev, epochs=4, out=out, resume=True)
    weights, history = fit(dev=dev, epochs=4, out=out, resume=True, learning_rate=1e-3)
    assert [h['epoch'] for h in history] == ([0, 1, 2, 3, 4] if dev else [1, 2, 3, 4])
    assert same_bits(weights, noisy(first, 4)) and same_bits(saved_weights(out), weights)


# --- a run that was killed --------------------------------------------------------------------------------

def test_a_resumed_run_writes_the_model_that_a_kill_prevented(fit, first, monkeypatch, tmp_path):
    out = str(tmp_path / 'out')
    script(monkeypatch, [90., 60., 50.], stop_in=2)
    with monkeypatch.context() as killing:
        killing.setattr(ClozeClassifier, 'save', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            fit(dev=LABELLED, epochs=2, out=out)
    assert os.listdir(out) == ['resume']
    with pytest.raises(KeyboardInterrupt):
        fit(dev=LABELLED, epochs=2, out=out, resume=True)
    assert same_bits(saved_weights(out), first) and len(read_header(out)['history']) == 1


def _copy_before_each_write(monkeypatch, folder, copies):
    """Copies `folder` to 000, 001, … before each change that a run makes in it: what a kill would leave there."""
    copying = []

    def copies_first(function):
        def call(*args, **kwargs):
            if not copying and os.path.isdir(folder):
                copying.append(True)
                shutil.copytree(folder, os.path.join(copies, '%03d' % len(os.listdir(copies))))
                copying.clear()
            return function(*args, **kwargs)
        return call
    for owner, names in ((os, ['replace', 'link', 'mkdir', 'rmdir', 'remove', 'unlink']), (json, ['dump']),
                         (tf.train.Checkpoint, ['write']), (tf.raw_ops, ['SaveV2'])):
        for name in names:
            monkeypatch.setattr(owner, name, copies_first(getattr(owner, name)))


def _script_adam(monkeypatch, accuracies):
    """As `script`, but Adam moves the prompt's rows, so that its state counts; returns a list, to which each epoch
    adds the rows."""
    script(monkeypatch, accuracies)
    count, rows = Trainer._train_epoch, []

    def train_epoch(self, epoch, streams):
        prompt, = self.classifier.model.trainable_variables
        before, gradient = prompt.numpy(), np.random.default_rng(epoch).normal(size=prompt.shape)
        count(self, epoch, streams)
        prompt.assign(before)
        self.step.optimizer.apply_gradients([(tf.constant(gradient, 'float32'), prompt)])
        rows.append(prompt.numpy())
        return 1.
    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    return rows


@pytest.mark.parametrize('accuracies', [[50., 90., 60.], [50., 60., 90.], [], [90., 60., 50.]],
                         ids=['middle', 'last', 'no dev', 'none'])
def test_a_run_killed_between_any_two_writes_has_its_model_and_resumes_to_the_same_bits(
        still, monkeypatch, tmp_path, accuracies):
    classifier = ClozeClassifier(TASK, still, '[unused1][MASK]满意。{text}', train='prompt')
    start, out, copies = classifier.embedding.rows().numpy(), str(tmp_path / 'out'), str(tmp_path / 'copies')

    def fit(out, resume=False):
        classifier.embedding.set_prompt(start)
        classifier.fit(LABELLED, dev=accuracies and LABELLED, epochs=2, out=out, resume=resume)
        return classifier.embedding.rows().numpy(), classifier.history
    os.mkdir(copies)
    made = _script_adam(monkeypatch, accuracies)
    with monkeypatch.context() as patched:
        _copy_before_each_write(patched, out, copies)
        rows, history = fit(out)
    made, ends, has_model = [start] + made, [], False
    assert np.array_equal(rows, made[accuracies.index(90.) if accuracies else 2])
    for folder in sorted(os.path.join(copies, name) for name in os.listdir(copies)):
        has_model = has_model or os.path.exists(os.path.join(folder, 'model.json'))
        if has_model:
            known = read_header(folder)['history']
            best = max(known, key=lambda h: h['dev_accuracy']) if accuracies else known[-1]
            assert known == history[:len(known)]
            assert np.array_equal(read_added(folder)['prompt'], made[best['epoch']]), folder
        begun = os.path.exists(os.path.join(folder, 'resume', 'progress.json'))
        ends.append('resumed' if begun else 'complete' if has_model else 'not begun')
        if ends[-1] != 'complete':
            _script_adam(monkeypatch, accuracies)
            found, found_history = fit(folder, resume=begun)
            assert np.array_equal(found, rows) and found_history == history, folder
            assert not os.path.exists(os.path.join(folder, 'resume'))
        assert np.array_equal(read_added(folder)['prompt'], rows) and read_header(folder)['history'] == history, folder
    assert sorted(set(ends), key=ends.index) == ['not begun', 'resumed', 'complete']
    assert ends.count('not begun') <= 4 and ends.count('resumed') > 20
