import functools
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cli.main import main
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example

TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '充电器发烫']
LABELS = ['正面', '负面', '正面', '负面']
CAUSAL_PATTERN = '{text}总之感觉[MASK]'


@pytest.fixture(scope='module')
def reviews(tmp_path_factory):
    path = str(tmp_path_factory.mktemp('reviews') / 'reviews.tsv')
    with open(path, 'w', encoding='utf-8') as writer:
        writer.write(''.join('%s\t%s\n' % pair for pair in zip(TEXTS, LABELS)))
    return path


@pytest.fixture(scope='module')
def trained(tiny, reviews, tmp_path_factory):
    """The folder that `pet-keras train --train prompt` wrote, with every option of a prompt."""
    out = str(tmp_path_factory.mktemp('trained') / 'prompt')
    assert main(_train(tiny, reviews, out, '--train', 'prompt', '--prompt-tokens', '3', '--prompt-where', 'both',
                       '--prompt-encoder', 'mlp', '--prompt-init', 'words', '--maxlen', '40')) == 0
    return out


@pytest.fixture(scope='module')
def classifier(trained):
    return ClozeClassifier.load(trained)


def _train(checkpoint, labelled, out, *more):
    return ['train', '--task', 'sentiment', '--checkpoint', checkpoint, '--labelled', labelled, '--out', str(out),
            '--epochs', '1', '--batch-size', '2'] + list(more)


def _fields(folder):
    with open(os.path.join(folder, 'model.json'), encoding='utf-8') as reader:
        return json.load(reader)


@pytest.fixture
def asked(monkeypatch):
    """What the command line makes of its options, with nothing built or trained: a dict a classifier."""
    calls = []

    @functools.wraps(ClozeClassifier.__init__)  # its arguments are what can be set
    def record(self, task, checkpoint, pattern=None, maxlen=128, **settings):
        self.task = Task.load(task)
        self.cloze = SimpleNamespace(pattern=self.task.pattern(pattern))
        self.tuning = SimpleNamespace(describe=lambda: '')
        calls.append(dict(settings, pattern=self.task.pattern(pattern).string, causal=checkpoint.is_causal))
    monkeypatch.setattr(ClozeClassifier, '__init__', record)
    monkeypatch.setattr(ClozeClassifier, 'fit', lambda self, *data, **settings: self)
    return calls


# --- training a prompt and using it ---------------------------------------------------------------------

def test_train_writes_a_prompt_that_evaluate_and_predict_use(run, trained, classifier, tiny, reviews):
    assert sorted(os.listdir(trained)) == ['added.safetensors', 'model.json', 'task.json']
    fields = _fields(trained)
    assert (fields['pattern'], fields['maxlen']) == ('[unused1][unused2]{text}[unused3][MASK]', 40)
    assert fields['checkpoint']['name'] == tiny and [h['epoch'] for h in fields['history']] == [1]
    status, out, _ = run('evaluate', '--model', trained, '--json', reviews)
    report = classifier.evaluate([Example(t, label=label) for t, label in zip(TEXTS, LABELS)])
    assert status == 0 and json.loads(out)['log_likelihood'] == pytest.approx(report['log_likelihood'], abs=1e-6)
    assert json.loads(out)['pattern'] == fields['pattern']
    status, out, _ = run('predict', '--model', trained, reviews)
    assert status == 0
    _check(out, classifier)


def _check(out, classifier):
    """The printed labels and probabilities are the classifier's."""
    rows = [line.split('\t') for line in out.splitlines()][1:]
    assert [r[-3] for r in rows] == classifier.predict(TEXTS)
    np.testing.assert_allclose(np.array([r[-2:] for r in rows], float), classifier.predict_proba(TEXTS), atol=2e-6)


def test_a_prompt_follows_its_checkpoint_to_another_place(run, fails, trained, classifier, tiny, reviews, tmp_path):
    moved = str(tmp_path / 'moved')
    shutil.copytree(tiny, moved)
    status, out, _ = run('predict', '--model', trained, '--checkpoint', moved, reviews)
    assert status == 0
    _check(out, classifier)
    error = fails('predict', '--model', trained, '--checkpoint', 'bert-mini-zh', reviews)
    assert 'another checkpoint' in error and _fields(trained)['checkpoint']['fingerprint'] in error


def test_a_model_folder_has_its_own_pattern(fails, trained, reviews):
    assert '--pattern belongs to --task' in fails('evaluate', '--model', trained, '--pattern', 'P1', reviews)


def test_train_does_not_write_over_a_prompt(fails, trained, still, reviews, tmp_path):
    folder = str(tmp_path / 'prompt')
    shutil.copytree(trained, folder)
    assert 'already holds a model' in fails(*_train(still, reviews, folder, '--train', 'prompt'))
    assert _fields(folder) == _fields(trained)


# --- what the options mean ------------------------------------------------------------------------------

def test_the_prompt_has_eight_tokens_before_the_text_or_after_it_for_a_causal_model(run, asked, still, causal,
                                                                                    reviews, tmp_path):
    for checkpoint, more in ((still, ()), (causal, ()), (still, ('--causal',))):
        assert run(*_train(checkpoint, reviews, tmp_path, '--train', 'prompt', *more))[0] == 0
    first, rest = (''.join('[unused%d]' % i for i in numbers) for numbers in (range(1, 5), range(5, 9)))
    assert [call['pattern'] for call in asked] == [first + '[MASK]' + rest + '{text}'] + [
        '{text}' + first + rest + '[MASK]'] * 2
    assert [call['causal'] for call in asked] == [False, True, True]
    assert all(call['train'] == 'prompt' for call in asked)


@pytest.mark.parametrize('more,expected', [
    (('--prompt-tokens', '3'), {'pattern': '[unused1][unused2][MASK][unused3]{text}'}),
    (('--prompt-where', 'after', '--prompt-tokens', '2'), {'pattern': '{text}[unused1][MASK][unused2]'}),
    (('--prompt-where', 'both', '--prompt-tokens', '2', '--causal'), {'pattern': '[unused1]{text}[unused2][MASK]'}),
    (('--pattern', '[unused7]{text}[MASK]'), {'pattern': '[unused7]{text}[MASK]'}),
    (('--prompt-encoder', 'mlp', '--prompt-init', 'random', '--seed', '7'),
     {'prompt_encoder': 'mlp', 'prompt_init': 'random', 'seed': 7}),
])
def test_options_reach_the_classifier(more, expected, run, asked, still, reviews, tmp_path):
    assert run(*_train(still, reviews, tmp_path, '--train', 'prompt', *more))[0] == 0
    assert {key: asked[0][key] for key in expected} == expected


def test_a_task_of_pairs_gets_a_pattern_of_pairs(run, asked, still, tmp_path):
    path = str(tmp_path / 'pairs.json')
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump({'patterns': {'P1': '{text_a}[MASK]，{text_b}'}, 'labels': {'同': '同', '异': '异'}}, writer)
    labelled = str(tmp_path / 'pairs.tsv')
    with open(labelled, 'w', encoding='utf-8') as writer:
        writer.write('甲\t乙\t同\n')
    assert run('train', '--task', path, '--checkpoint', still, '--labelled', labelled, '--out', tmp_path / 'out',
               '--train', 'prompt', '--prompt-tokens', 2)[0] == 0
    assert asked[0]['pattern'] == '[unused1][MASK][unused2]{text_a}[SEP]{text_b}'


@pytest.mark.parametrize('more', [('--prompt-encoder', 'lstm'), ('--prompt-init', 'words'), ('--train', 'prompt'),
                                  ('--prompt-where', 'before'), ('--prompt-learning-rate', '0.1')])
def test_an_option_of_prompts_alone_means_eight_tokens(more, run, asked, still, reviews, tmp_path):
    assert run(*_train(still, reviews, tmp_path, *more))[0] == 0
    assert asked[0]['pattern'].count('[unused') == 8


def test_a_tasks_own_prompt_pattern_is_taken_and_label_words_are_not_mixed_up_with_a_prompt(
        run, asked, fails, still, reviews, tmp_path):
    path = str(tmp_path / 'own.json')
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump({'patterns': {'P1': '[unused1][unused2][MASK]{text}'},
                   'labels': {'正面': '[unused21]', '负面': '[unused3]'}}, writer)
    command = _train(still, reviews, tmp_path / 'out', '--train', 'prompt')
    command[command.index('sentiment')] = path
    assert run(*command)[0] == 0 and asked[0]['pattern'] == '[unused1][unused2][MASK]{text}'
    assert 'label words' in fails(*command, '--prompt-tokens', '4')
    assert run(*command, '--prompt-tokens', '2')[0] == 0


def test_prompt_tokens_may_also_start_a_training_of_all_weights(run, asked, still, reviews, tmp_path):
    assert run(*_train(still, reviews, tmp_path, '--prompt-tokens', '2'))[0] == 0
    assert 'train' not in asked[0] and asked[0]['pattern'] == '[unused1][MASK][unused2]{text}'


@pytest.mark.parametrize('more,message', [
    (('--pattern', 'P1', '--prompt-encoder', 'lstm'), 'no [unused] token'),
    (('--pattern', 'P1', '--prompt-init', 'random'), '--prompt-tokens 8'),
    (('--train', 'prompt', '--prompt-learning-rate', '0.1'), "learning_rate is the prompt's"),
    (('--prompt-tokens', '2', '--prompt-learning-rate', '0'), 'above 0'),
    (('--train', 'prompt', '--pattern', 'P1', '--prompt-tokens', '4'), 'leave one out'),
    (('--train', 'prompt', '--pattern', 'P1', '--prompt-where', 'after'), 'leave one out'),
    (('--train', 'prompt', '--pattern', 'P1'), 'no [unused] token'),
    (('--train', 'prompt', '--prompt-tokens', '0'), '1 token or more'),
    (('--train', 'prompt', '--prompt-tokens', '100'), 'no room for a text'),
    (('--pattern', '[unused500][MASK]{text}'), 'vocabulary has no [unused500]'),
    (('--train', 'prompt', '--seed', '-1'), 'seed is 0 or more'),
    (('--causal', '--pattern', 'P1'), 'left to right'),
])
def test_options_that_do_not_go_together_are_refused(more, message, fails, still, reviews, tmp_path):
    assert message in fails(*_train(still, reviews, tmp_path / 'out', *more))
    assert not os.path.exists(str(tmp_path / 'out'))


@pytest.mark.parametrize('more', [('--train', 'rows'), ('--prompt-encoder', 'gru'), ('--prompt-init', 'zeros'),
                                  ('--prompt-where', 'middle')])
def test_choices_that_are_none_are_refused(more, still, reviews, tmp_path, capsys):
    with pytest.raises(SystemExit) as e:
        main(_train(still, reviews, tmp_path, '--train', 'prompt', *more))
    assert e.value.code == 2 and 'invalid choice' in capsys.readouterr().err


# --- causal models --------------------------------------------------------------------------------------

def test_causal_reads_a_checkpoint_from_left_to_right(run, still, reviews):
    status, out, _ = run('evaluate', '--task', 'sentiment', '--checkpoint', still, '--pattern', CAUSAL_PATTERN,
                         '--causal', '--json', reviews)
    expected = ClozeClassifier('sentiment', Checkpoint(still, application='lm'), CAUSAL_PATTERN).evaluate(
        [Example(t, label=label) for t, label in zip(TEXTS, LABELS)])
    assert status == 0 and json.loads(out)['log_likelihood'] == pytest.approx(expected['log_likelihood'], abs=1e-6)


@pytest.mark.parametrize('what', ['prompt', 'all'])
def test_a_model_trained_from_left_to_right_is_read_so_again(what, run, still, reviews, tmp_path, monkeypatch):
    """Training itself is left out: what is written is what is read."""
    def fit(self, *data, out=None, **settings):
        expected.append(self.predict_proba(TEXTS))
        self.save(out)
    expected, out = [], str(tmp_path / 'out')
    monkeypatch.setattr(ClozeClassifier, 'fit', fit)
    pattern = '{text}[unused1]感觉[MASK]'
    assert run(*_train(still, reviews, out, '--causal', '--train', what, '--pattern', pattern))[0] == 0
    again = ClozeClassifier.load(out)
    assert again.checkpoint.is_causal
    np.testing.assert_allclose(again.predict_proba(TEXTS), expected[0], atol=1e-6)


def test_help_names_the_options_of_a_prompt(capsys):
    with pytest.raises(SystemExit) as e:
        main(['train', '--help'])
    out = capsys.readouterr().out
    assert e.value.code == 0
    for option in ('--train', '--prompt-tokens', '--prompt-learning-rate',
                   '--prompt-where', '--prompt-encoder', '--prompt-init', '--causal'):
        assert option in out
