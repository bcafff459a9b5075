import functools
import json
import os

import numpy as np
import pytest
from six_reviews import TEXTS, write

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.multi_task import MultiTaskClassifier
from pet_keras.classifiers.training import Trainer

HEADLINES = '国足输了\t体育\n股市大涨\t股票\n楼市降温\t房产\n女排夺冠\t体育\n'


@pytest.fixture
def headlines(tmp_path):
    return write(tmp_path / 'headlines.tsv', HEADLINES)


@pytest.fixture
def given(tiny, reviews, headlines):
    return ['train', '--checkpoint', tiny, '--task', 'sentiment', '--labelled', reviews, '--dev', reviews,
            '--task', 'news', '--labelled', headlines, '--dev', headlines]


def test_two_tasks_are_trained_together_and_each_is_a_model_of_its_own(run, given, reviews, headlines, tmp_path):
    out = str(tmp_path / 'out')
    status, printed, err = run(*given, '--epochs', 2, '--learning-rate', .01, '--out', out)
    assert status == 0, err
    assert 'sentiment: pattern [MASK]满意。{text}\n' in printed
    assert 'news: pattern 下面报导一则[MASK][MASK]新闻。{text}\n' in printed
    assert 'The models are in %s, %s. ' % tuple(os.path.join(out, name) for name in ('sentiment', 'news')) in printed
    assert 'mean dev accuracy' in printed and sorted(os.listdir(out)) == ['news', 'sentiment']
    for name, path in (('sentiment', reviews), ('news', headlines)):
        folder = os.path.join(out, name)
        status, printed, _ = run('evaluate', '--model', folder, '--json', path)
        best = max(ClozeClassifier.load(folder).history, key=lambda record: record['dev_log_likelihood'])
        assert status == 0 and json.loads(printed)['task'] == name and best['epoch'] <= 2
        assert run('predict', '--model', folder, path)[0] == 0
    weights = [ClozeClassifier.load(os.path.join(out, name)).model.get_weights() for name in ('sentiment', 'news')]
    assert all(np.array_equal(a, b) for a, b in zip(*weights))


def test_files_and_pattern_are_those_of_the_task_before_them(run, tiny, reviews, headlines, tmp_path, monkeypatch):
    seen = {}

    @functools.wraps(MultiTaskClassifier.fit)  # the command reads its arguments
    def fit(self, *texts, **settings):
        seen.update(settings, texts=texts, maxlen={one.maxlen for one in self.classifiers.values()},
                    patterns=[one.pattern.string for one in self.classifiers.values()], dropout=self.dropout_rates())
    monkeypatch.setattr(MultiTaskClassifier, 'fit', fit)
    more = write(tmp_path / 'more.txt', '好\n')
    given = ('train', '--checkpoint', tiny, '--out', 'x', '--task', 'sentiment', '--labelled', reviews,
             '--pattern', 'P3', '--task', 'news', '--unlabelled', more, '--pattern', '{text}[MASK][MASK]。',
             '--labelled', headlines)
    assert run(*given)[0] == 0
    assert seen['patterns'] == ['[MASK]好。{text}', '{text}[MASK][MASK]。']
    assert [[list(texts), [len(items) for items in texts.values()]] for texts in seen['texts']] == [
        [['sentiment', 'news'], [6, 4]], [['news'], [1]], [[], []]]
    assert [e.text for e in seen['texts'][0]['sentiment']] == TEXTS and seen['texts'][1]['news'][0].label is None
    assert set(seen) == {'texts', 'patterns', 'maxlen', 'dropout', 'mixing', 'verbose', 'out'}
    assert (seen['mixing'], seen['maxlen'], seen['out']) == (1., {64}, 'x')
    assert run(*given, '--mixing', 0, '--epochs', 3, '--seed', 4, '--resume', '--maxlen', 33, '--dropout-rate', .2,
               '--labelled-share', .25, '--patience', 2)[0] == 0
    expected = dict(mixing=0., epochs=3, seed=4, resume=True, maxlen={33}, dropout=[.2, .2], labelled_share=.25,
                    patience=2)
    assert {name: seen[name] for name in expected} == expected


def test_the_place_of_an_option_does_not_matter_where_there_is_one_task(run, tiny, reviews, monkeypatch):
    seen = []
    monkeypatch.setattr(ClozeClassifier, 'fit', lambda self, *texts, **settings: seen.append(
        (self.pattern.string, len(texts[0]))))
    assert run('train', '--pattern', 'P3', '--labelled', reviews, '--task', 'sentiment', '--out', 'x', '--checkpoint',
               tiny)[0] == 0
    assert seen == [('[MASK]好。{text}', 6)]


def test_an_interrupted_training_of_two_tasks_is_resumed(run, fails, given, tmp_path, monkeypatch):
    def interrupted(self, epoch, texts):
        if epoch == 1:
            raise KeyboardInterrupt
        return 1.
    monkeypatch.setattr(Trainer, '_train_epoch', interrupted)
    out = str(tmp_path / 'models')
    given = given + ['--out', out, '--epochs', 2]
    status, printed, err = run(*given)
    assert status == 130 and '--resume' in printed and 'Traceback' not in err
    monkeypatch.setattr(Trainer, '_train_epoch', lambda self, epoch, texts: 2.)
    assert 'resume' in fails(*given)
    assert run(*given, '--resume')[0] == 0
    history = ClozeClassifier.load(os.path.join(out, 'news')).history
    assert [(record['epoch'], record['loss']) for record in history] == [(0, None), (1, 1.), (2, 2.)]


def test_what_cannot_be_is_one_line(fails, given, tiny, causal, reviews, headlines, tmp_path):
    out = ['--out', str(tmp_path / 'x')]
    assert 'two tasks of the name sentiment' in fails(*given, '--task', 'sentiment', '--labelled', reviews, *out)
    assert "No task 'weather'" in fails(*given, '--task', 'weather', '--labelled', reviews, *out)
    assert 'Task nli has nothing to learn from' in fails(*given, '--task', 'nli', *out)
    missing = str(tmp_path / 'missing.tsv')
    assert missing in fails(*given, '--unlabelled', missing, *out)
    assert 'not in task news' in fails(*given, '--labelled', reviews, *out)
    assert '--dev stands before the first --task' in fails('train', '--dev', reviews, *given[1:], *out)
    for option in (['--method', 'fine-tuning'], ['--method', 'p-tuning'], ['--train', 'prompt'],
                   ['--prompt-tokens', '4'], ['--calibrate', 'prior'], ['--prompt-init', 'words'], ['--epsilon', '1']):
        assert 'one task' in fails(*given, *option, *out)
    one = ['train', '--task', 'sentiment', '--labelled', reviews, '--mixing', 1]
    assert '--mixing is for several tasks' in fails(*one, *out)
    assert 'between 0' in fails(*given, '--mixing', 2, *out)
    left_to_right = ['train', '--checkpoint', causal] + given[3:]  # each takes the pattern that suits the model
    assert 'reads from left to right' in fails(*left_to_right, '--pattern', 'P1', *out)
    assert not os.path.exists(str(tmp_path / 'x'))


def test_a_causal_model_learns_both_in_the_patterns_that_suit_it(run, causal, given, tmp_path):
    status, printed, err = run('train', '--checkpoint', causal, *given[3:], '--epochs', 1, '--out', tmp_path / 'out')
    assert status == 0, err
    assert 'sentiment: pattern {text}评价：[MASK]\n' in printed and 'news: pattern {text}。分类：[MASK][MASK]\n' in printed


def test_the_help_shows_how_several_tasks_are_given(capsys):
    from pet_keras.cli.main import main
    with pytest.raises(SystemExit):
        main(['train', '--help'])
    said = capsys.readouterr().out
    assert '--task news --labelled b.tsv' in said and '--mixing POWER' in said
