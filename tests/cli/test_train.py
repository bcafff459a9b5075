import json

import pytest
from six_reviews import LABELS, TEXTS, P, check, write

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.loading import load
from pet_keras.classifiers.predicting import Predicting
from pet_keras.classifiers.training import Trainer


BEFORE = {'loss': None, 'dev_accuracy': 50., 'dev_log_likelihood': -1., 'dev_auc': .5}


def test_a_trained_model_is_evaluated_and_used_by_its_folder_alone(run, model, reviews):
    trained = ClozeClassifier.load(model)
    assert (trained.pattern.string, trained.maxlen) == ('{text}[MASK]满意。', 40)
    assert [h['epoch'] for h in trained.history][:2] == [0, 1]
    status, out, _ = run('evaluate', '--model', model, '--json', reviews)
    report = json.loads(out)
    assert status == 0 and report['pattern'] == '{text}[MASK]满意。' and report['task'] == 'sentiment'
    best = max((h['dev_accuracy'], h['dev_log_likelihood']) for h in trained.history)
    assert (report['accuracy'], report['log_likelihood']) == pytest.approx(best, abs=1e-6)
    status, out, _ = run('predict', '--model', model, reviews)
    rows = [line.split('\t') for line in out.splitlines()]
    assert status == 0 and rows[0] == ['text', 'label', 'prediction', *P]
    check(trained, TEXTS, [r[2] for r in rows[1:]], [r[3:] for r in rows[1:]])


def test_the_settings_of_train_reach_the_training(run, tiny, reviews, tmp_path, monkeypatch):
    seen = {}

    def fit(self, labelled, unlabelled, dev, **settings):
        seen.update(settings, labelled=labelled, unlabelled=unlabelled, dev=dev, pattern=self.pattern.string,
                    checkpoint=self.checkpoint.folder, maxlen=self.maxlen, dropout=self.dropout)
        self.history = [dict(BEFORE, epoch=0), dict(BEFORE, epoch=1)]

    monkeypatch.setattr(ClozeClassifier, 'fit', fit)
    more = write(tmp_path / 'more.txt', '好\n')
    given = ('train', '--task', 'sentiment', '--checkpoint', tiny, '--out', 'x')
    status, out, _ = run(*given, '--unlabelled', more)
    assert status == 0 and 'pet-keras predict --model x' in out
    assert [e.text for e in seen['unlabelled']] == ['好'] and not seen['labelled'] and not seen['dev']
    assert not set(seen) - {'out', 'verbose', 'labelled', 'unlabelled', 'dev', 'pattern', 'checkpoint', 'maxlen',
                            'dropout'}
    assert seen['maxlen'] == 64 and seen['dropout'] == {}  # what is not given is left to the classifier
    assert run(*given, '--labelled', reviews, '--dev', reviews, '--resume', '--epochs', 3, '--batch-size', 5,
               '--learning-rate', 0.5, '--mask-rate', 0.25, '--patience', 2, '--seed', 9, '--pattern', 'P3',
               '--maxlen', 33, '--schedule', 'constant', '--auxiliary', 'all', '--auxiliary-weight', 'none',
               '--labelled-share', '0.25', '--dropout-rate', '0.1')[0] == 0
    expected = dict(epochs=3, batch_size=5, learning_rate=0.5, mask_rate=0.25, patience=2, seed=9, resume=True,
                    out='x', pattern='[MASK]好。{text}', checkpoint=tiny, maxlen=33, schedule='constant', auxiliary='all',
                    auxiliary_weight=None, labelled_share=.25,
                    dropout={'dropout_rate': .1, 'attention_dropout_rate': .1})
    assert {k: seen[k] for k in expected} == expected
    assert [(e.text, e.label) for e in seen['labelled']] == list(zip(TEXTS, LABELS)) == [
        (e.text, e.label) for e in seen['dev']]


def test_train_reads_files_without_a_known_ending_as_format_says(run, fails, tiny, reviews, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(ClozeClassifier, 'fit', lambda self, *data, **settings: (
        seen.append(data), setattr(self, 'history', [dict(BEFORE, epoch=0)])))
    with open(reviews, encoding='utf-8') as reader:
        table = reader.read()
    labelled, dev = write(tmp_path / 'reviews', table), write(tmp_path / 'dev.txt', table)
    unlabelled = write(tmp_path / 'a.jsonl', ''.join(json.dumps({'text': text}) + '\n' for text in TEXTS))
    given = ('train', '--task', 'sentiment', '--checkpoint', tiny, '--out', 'x', '--labelled', labelled, '--dev', dev,
             '--unlabelled', unlabelled)
    assert '--format' in fails(*given)
    assert run(*given, '--format', 'tsv')[0] == 0
    for part, labels in zip(seen[0], (LABELS, [None] * 6, LABELS)):
        assert [(e.text, e.label) for e in part] == list(zip(TEXTS, labels))


def test_train_teaches_a_causal_model_with_the_pattern_that_suits_it(run, causal, reviews, tmp_path):
    out = str(tmp_path / 'out')
    status, printed, _ = run('train', '--task', 'sentiment', '--checkpoint', causal, '--labelled', reviews, '--out',
                             out, '--epochs', 1)
    assert status == 0 and printed.startswith('pattern {text}评价：[MASK]; ')
    assert run('evaluate', '--model', out, reviews)[0] == 0


def test_an_interrupted_train_exits_with_130_and_resume_finishes_it(run, fails, tiny, reviews, tmp_path, monkeypatch):
    def interrupted(self, epoch, texts):
        if epoch == 1:
            raise KeyboardInterrupt
        return 1.

    monkeypatch.setattr(Trainer, '_train_epoch', interrupted)
    out = str(tmp_path / 'model')
    given = ('train', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews, '--out', out, '--epochs', 2)
    status, printed, err = run(*given)
    assert status == 130 and '--resume' in printed and err.splitlines()[-1] == 'Interrupted.'
    assert 'Traceback' not in err
    monkeypatch.setattr(Trainer, '_train_epoch', lambda self, epoch, texts: 2.)
    assert 'resume' in fails(*given)
    assert run(*given, '--resume')[0] == 0
    assert ClozeClassifier.load(out).history == [{'epoch': 1, 'loss': 1.}, {'epoch': 2, 'loss': 2.}]


def test_train_without_texts_or_into_a_folder_in_use_is_one_line(fails, model, tiny, reviews):
    assert '--labelled' in fails('train', '--task', 'sentiment', '--out', 'x')
    assert 'already holds a model' in fails('train', '--task', 'sentiment', '--checkpoint', tiny, '--labelled',
                                            reviews, '--out', model)


@pytest.mark.parametrize('after,says', [(40., 'No epoch was better on the dev texts than the untrained model (50.00%)'),
                                        (60., 'Dev accuracy 60.00% (epoch 1), before training 50.00%.')])
def test_train_says_whether_it_was_of_use(after, says, run, tiny, reviews, monkeypatch):
    def fit(self, *data, **settings):
        self.history = [dict(BEFORE, epoch=0), dict(BEFORE, epoch=1, dev_accuracy=after)]
    monkeypatch.setattr(ClozeClassifier, 'fit', fit)
    _, out, _ = run('train', '--task', 'sentiment', '--checkpoint', tiny, '--out', 'x', '--labelled', reviews, '--dev',
                    reviews)
    assert says in out and 'Without --dev' not in out
    _, out, _ = run('train', '--task', 'sentiment', '--checkpoint', tiny, '--out', 'x', '--labelled', reviews)
    assert 'Without --dev' in out


def test_a_calibrated_model_is_saved_so(run, fails, tiny, reviews, tmp_path):
    given = ('train', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews, '--epochs', 1, '--calibrate',
             'prior', '--out', tmp_path / 'out')
    assert '--calibrate-on, --unlabelled or --dev' in fails(*given)
    for method in ('contextual', 'pmi'):
        assert 'has no pattern' in fails(*given[:-4], '--calibrate', method, '--method', 'fine-tuning', *given[-2:])
        assert not (tmp_path / 'out').exists()  # it is said before anything is trained
    more = write(tmp_path / 'more.txt', ''.join(text + '\n' for text in TEXTS))
    assert run(*given, '--calibrate-on', more)[0] == 0
    found = ClozeClassifier.load(str(tmp_path / 'out')).predict_proba(TEXTS)
    assert found.mean(axis=0) == pytest.approx([.5, .5], abs=1e-4)


@pytest.mark.parametrize('method', ['cloze', 'bag-of-words'])
def test_a_kill_while_it_is_calibrated_leaves_no_model_that_is_not(method, run, tiny, reviews, tmp_path, monkeypatch):
    more = write(tmp_path / 'more.txt', ''.join(text + '\n' for text in TEXTS))
    given = ['train', '--task', 'sentiment', '--method', method, '--labelled', reviews, '--calibrate', 'prior',
             '--calibrate-on', more]
    given += ['--checkpoint', tiny, '--epochs', 1] if method == 'cloze' else []
    assert run(*given, '--out', tmp_path / 'whole')[0] == 0

    def stop(self, *settings):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(Predicting, 'calibrate', stop)
        assert run(*given, '--out', tmp_path / 'out')[0] == 130
    assert run(*given, '--out', tmp_path / 'out', *['--resume'] * (method == 'cloze'))[0] == 0
    whole, again = (load(str(tmp_path / name)) for name in ('whole', 'out'))
    assert whole.offset.any() and (whole.offset == again.offset).all()


def test_a_model_calibrated_without_texts_is_saved_so(run, tiny, reviews, tmp_path):
    status, _, err = run('train', '--task', 'sentiment', '--checkpoint', tiny, '--labelled', reviews, '--epochs', 1,
                         '--calibrate', 'contextual', '--out', tmp_path / 'out')
    assert status == 0, err
    saved = ClozeClassifier.load(str(tmp_path / 'out'))
    offset = saved.offset
    assert offset[0] != 0 and offset == pytest.approx(saved.calibrate(method='contextual').offset, abs=1e-5)
