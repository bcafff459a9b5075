import json
import os

import pytest
from six_reviews import TEXTS

from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.methods import METHODS
from pet_keras.classifiers.training import Trainer
from pet_keras.cli.main import main


def _train(checkpoint, reviews, out, *more):
    return ('train', '--task', 'sentiment', '--checkpoint', checkpoint, '--labelled', reviews, '--out', out,
            '--epochs', 2, '--batch-size', 2, *more)


@pytest.mark.parametrize('method,kind,trained', [('fine-tuning', 'fine-tuning', 'all'),
                                                 ('p-tuning', 'cloze', 'prompt')])
def test_a_method_is_trained_evaluated_and_used_by_its_name(method, kind, trained, run, tiny, reviews, tmp_path):
    out = str(tmp_path / 'out')
    status, printed, err = run(*_train(tiny, reviews, out, '--method', method, '--dev', reviews))
    assert status == 0, err
    assert printed.startswith('fine-tuning; all weights train' if method == 'fine-tuning' else 'pattern [unused1]')
    with open(os.path.join(out, 'model.json'), encoding='utf-8') as reader:
        fields = json.load(reader)
    assert (fields['kind'], fields['tuning']['train']) == (kind, trained)
    status, printed, _ = run('evaluate', '--model', out, '--json', reviews)
    best = max((h['dev_accuracy'], h['dev_log_likelihood']) for h in fields['history'])
    assert (json.loads(printed)['accuracy'], json.loads(printed)['log_likelihood']) == pytest.approx(best, abs=1e-5)
    status, printed, _ = run('predict', '--model', out, reviews)
    assert status == 0 and [row.split('\t')[0] for row in printed.splitlines()[1:]] == TEXTS


@pytest.mark.parametrize('method,more', [
    ('bag-of-words', ('--penalty', '0.01', '--characters', 2)), ('frozen-features', ('--penalty', '0.01')),
    ('priming', ('--shot-length', 20, '--seed', 1)), ('vat', ('--epsilon', '0.5', '--epochs', 1)),
    ('autoprompt', ('--triggers', 1)), ('lm-bff', ('--epochs', 1))])
def test_every_other_method_is_too(method, more, run, tiny, causal, reviews, tmp_path):
    if method.startswith(('bag', 'frozen')):
        pytest.importorskip('sklearn')
    out, checkpoint = str(tmp_path / 'out'), {'bag-of-words': (), 'priming': ('--checkpoint', causal)}.get(
        method, ('--checkpoint', tiny))
    status, printed, err = run('train', '--task', 'sentiment', '--method', method, '--labelled', reviews, '--dev',
                               reviews, '--out', out, *checkpoint, *more)
    assert status == 0 and 'Dev accuracy' in printed or 'No epoch' in printed, err
    assert load(out).kind == method
    accuracy = max(h['dev_accuracy'] for h in load(out).history)
    status, printed, _ = run('evaluate', '--model', out, reviews)
    assert status == 0 and printed.splitlines()[-1] == 'accuracy %.2f' % accuracy
    status, printed, _ = run('evaluate', '--model', out, '--json', reviews)
    assert (json.loads(printed)['checkpoint'] is None) == (method == 'bag-of-words')
    status, printed, _ = run('predict', '--model', out, reviews)
    assert status == 0 and [row.split('\t')[0] for row in printed.splitlines()[1:]] == TEXTS


def test_an_interrupted_fine_tuning_goes_on(run, tiny, reviews, tmp_path, monkeypatch):
    train_epoch = Trainer._train_epoch

    def interrupted(self, epoch, streams):
        if epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(self, epoch, streams)
    whole, out = str(tmp_path / 'whole'), str(tmp_path / 'out')
    assert run(*_train(tiny, reviews, whole, '--method', 'fine-tuning'))[0] == 0
    monkeypatch.setattr(Trainer, '_train_epoch', interrupted)
    assert run(*_train(tiny, reviews, out, '--method', 'fine-tuning'))[0] == 130
    monkeypatch.setattr(Trainer, '_train_epoch', train_epoch)
    assert run(*_train(tiny, reviews, out, '--method', 'fine-tuning', '--resume'))[0] == 0
    assert FineTuningClassifier.load(out).history == FineTuningClassifier.load(whole).history


@pytest.mark.parametrize('more', [('--mask-rate', '0.15'), ('--pattern', 'P1'), ('--prompt-tokens', '3'), (
    '--auxiliary-weight', 'none'), ('--whole-words',)], ids=' '.join)
def test_an_option_that_does_not_belong_to_the_method_is_one_line(more, fails, tiny, reviews, tmp_path):
    error = fails(*_train(tiny, reviews, tmp_path / 'out', '--method', 'fine-tuning', *more))
    assert '%s does not belong to --method fine-tuning, but to cloze' % more[0] in error


def test_help_says_what_each_method_is(capsys):
    with pytest.raises(SystemExit):
        main(['train', '--help'])
    shown = capsys.readouterr().out
    assert all('  %-18s %s\n' % (name, method.line) in shown for name, method in METHODS.items())
