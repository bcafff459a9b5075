"""long='head' | 'tail' | 'windows': which part of a text is read, in scoring, training, files and commands."""
import json

import numpy as np
import pytest

from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.loading import load
from pet_keras.data.example import Example
from pet_keras.errors import UserError

MAXLEN = 16
LONG = '房间很干净服务也热情就是有点远不过早餐还不错下次再来'
SHORT = '又吵又脏'


@pytest.fixture(scope='module')
def classifier(still):
    return ClozeClassifier('sentiment', still, 'P3', maxlen=MAXLEN, check_head=False)


@pytest.fixture(scope='module')
def fine_tuning(still):
    return FineTuningClassifier('sentiment', still, maxlen=MAXLEN)


def room(classifier):
    return classifier.frame[1]


def log_proba(classifier, texts, long):
    classifier.long = long
    try:
        return classifier.predict_log_proba(texts)
    finally:
        classifier.long = 'head'


@pytest.mark.parametrize('name', ['classifier', 'fine_tuning'])
def test_the_tail_is_read_as_if_there_were_no_more(name, request):
    classifier = request.getfixturevalue(name)
    n = room(classifier)
    assert n < len(LONG)
    np.testing.assert_allclose(log_proba(classifier, [LONG, SHORT], 'tail'),
                               log_proba(classifier, [LONG[-n:], SHORT], 'head'), atol=1e-6)
    assert np.abs(log_proba(classifier, [LONG], 'tail') - log_proba(classifier, [LONG], 'head')).max() > 1e-4


@pytest.mark.parametrize('name', ['classifier', 'fine_tuning'])
def test_the_scores_of_windows_are_averaged_text_by_text(name, request):
    classifier = request.getfixturevalue(name)
    n, steps = room(classifier), -(-(len(LONG) - room(classifier)) // (room(classifier) // 2))
    starts = [int(i * (len(LONG) - n) / steps) for i in range(steps + 1)]
    alone = log_proba(classifier, [LONG[start:start + n] for start in starts], 'head').mean(axis=0)
    expected = np.stack([alone - np.logaddexp.reduce(alone), log_proba(classifier, [SHORT], 'head')[0]])
    np.testing.assert_allclose(log_proba(classifier, [LONG, SHORT], 'windows'), expected, atol=1e-5)


@pytest.mark.parametrize('name', ['classifier', 'fine_tuning'])
def test_in_training_another_window_is_shown_each_time_and_one_that_fits_without_a_draw(name, request):
    classifier = request.getfixturevalue(name)

    def shown(text, rng):
        lesson = classifier.lesson(classifier.tokenize(Example(text)), 0, rng, 0.)
        return ''.join(classifier.tokenizer.ids_to_tokens(lesson.token_ids))
    classifier.long = 'windows'
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    texts = {shown(LONG, rng) for _ in range(40)}
    assert len(texts) == len(classifier.parts(classifier.tokenize(Example(LONG)))) > 2
    classifier.part(classifier.tokenize(Example(SHORT)), other)
    assert other.bit_generator.state == np.random.default_rng(0).bit_generator.state
    classifier.long = 'head'


@pytest.mark.parametrize('kind', [ClozeClassifier, FineTuningClassifier])
def test_a_model_remembers_how_it_reads_long_texts_and_heads_leave_no_trace(kind, still, tmp_path):
    model = kind('sentiment', still, maxlen=MAXLEN, long='windows')
    model.save(str(tmp_path / 'model'))
    again = load(str(tmp_path / 'model'))
    assert again.long == 'windows' and 'long' not in kind('sentiment', still).settings()
    np.testing.assert_allclose(again.predict_log_proba([LONG]), model.predict_log_proba([LONG]), atol=1e-6)


def test_another_word_is_refused(still):
    with pytest.raises(UserError, match="long='middle'"):
        ClozeClassifier('sentiment', still, long='middle')


def test_the_commands_have_the_option_and_a_saved_model_may_be_read_otherwise(run, still, tmp_path):
    path, out = tmp_path / 'a.jsonl', str(tmp_path / 'model')
    path.write_text(''.join(json.dumps({'text': LONG, 'label': label}) + '\n' for label in '10'), encoding='utf-8')
    status, _, _ = run('train', '--task', 'sentiment', '--checkpoint', still, '--maxlen', MAXLEN, '--labelled', path,
                       '--epochs', 1, '--long', 'windows', '--out', out)
    assert status == 0
    answers = [json.loads(run('predict', '--model', out, *more, path)[1].splitlines()[0])['probabilities']['正面']
               for more in ([], ['--long', 'windows'], ['--long', 'tail'], ['--long', 'head'])]
    assert answers[0] == answers[1] and len(set(answers[1:])) == 3
    found = [json.loads(run('evaluate', '--json', '--task', 'sentiment', '--checkpoint', still, '--maxlen', MAXLEN,
                            '--long', long, path)[1])['log_likelihood'] for long in ('head', 'tail', 'windows')]
    assert len(set(found)) == 3
