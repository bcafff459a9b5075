"""The scripts in examples/ and benchmarks/ that take seconds run as a reader would run them."""
import json
import os
import re
import runpy
import subprocess
import sys

import pytest

import pet_keras
from pet_keras.cloze.task import Task
from pet_keras.data.reading import read_examples
from pet_keras.data.shipped import shipped_texts

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
TRACED = True  # real models, or many texts: graphs are worth tracing


def _subprocess(script, *args):
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT, os.environ.get('PYTHONPATH', '')]))
    done = subprocess.run([sys.executable, os.path.join(ROOT, 'examples', script), *args], env=env,
                          capture_output=True, encoding='utf-8')
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def tiny(make_checkpoint, tmp_path_factory):
    """One layer is enough here, and quicker to build."""
    return make_checkpoint(tmp_path_factory.mktemp('tiny'), num_hidden_layers=1)


@pytest.fixture
def example(monkeypatch, capsys):
    """Runs an example in this process; returns what it prints."""
    def run(script, *args):
        monkeypatch.setattr(sys, 'argv', [script, *args])
        capsys.readouterr()
        runpy.run_path(os.path.join(ROOT, 'examples', script), run_name='__main__')
        return capsys.readouterr().out
    return run


def _accuracy(printed, n):
    """The accuracy of the last line, which names the number of test texts."""
    found = re.fullmatch(r'accuracy on %d test texts: (\d+\.\d\d), area under the ROC curve [01]\.\d{3}' % n, printed.splitlines()[-1])
    assert found, printed
    return float(found.group(1))


# --- the scripts ----------------------------------------------------------------------------------------

def test_sentiment_runs_few_shot(tiny):
    printed = _subprocess('sentiment.py', '--labelled', '16', '--epochs', '1', '--checkpoint', tiny)
    _accuracy(printed, 100)
    assert 'few-shot, [MASK]满意。{text}' in printed


def test_news_runs_semi_supervised(tiny):
    printed = _subprocess('news.py', '--regime', 'semi-supervised', '--epochs', '1', '--unlabelled', '16',
                          '--checkpoint', tiny)
    _accuracy(printed, 105)
    assert printed.count('precision') == 15 and 'semi-supervised, ' in printed


def test_sentiment_runs_zero_shot_and_the_shipped_model_knows_something_before_any_training(example):
    printed = example('sentiment.py', '--regime', 'zero-shot', '--pattern', 'P5')
    assert _accuracy(printed, 100) > 60.
    assert 'zero-shot, 感觉如何？[MASK]满意。{text}' in printed


def test_news_runs_continued_pretraining(example, tiny):
    printed = example('news.py', '--regime', 'mlm', '--epochs', '1', '--unlabelled', '16', '--checkpoint', tiny,
                      '--pattern', '[MASK][MASK]快讯。{text}')
    _accuracy(printed, 105)
    assert 'mlm, [MASK][MASK]快讯。{text}' in printed


def test_sentiment_reads_the_published_files_and_counts_the_unseen_lines_apart(example, tiny, tmp_path):
    task = Task.load('sentiment')
    parts = {part: read_examples(shipped_texts('reviews.%s.tsv' % part), task)[:20]
             for part in ('train', 'dev', 'test')}
    parts['test'] += parts['train'][:3]  # lines that also stand in train, as in the published set
    for part, name in (('train', 'train'), ('dev', 'valid'), ('test', 'test')):
        with open(str(tmp_path / ('sentiment.%s.data' % name)), 'w', encoding='utf-8') as writer:
            writer.writelines('%s\t%d\n' % (e.text, e.label == '正面') for e in parts[part])
    printed = example('sentiment.py', '--data', str(tmp_path), '--regime', 'semi-supervised', '--labelled', '8',
                      '--unlabelled', '4', '--epochs', '1', '--checkpoint', tiny)
    lines = printed.splitlines()
    assert re.fullmatch(r'accuracy on 23 test texts: \d+\.\d\d, area under the ROC curve [01]\.\d{3}', lines[-2])
    assert re.fullmatch(r'accuracy on the 20 of them that do not stand in train: \d+\.\d\d', lines[-1])


def test_news_reads_fewclues_files(example, tiny, tmp_path):
    task = Task.load('news')
    headlines = read_examples(shipped_texts('headlines.test.tsv'), task)[:30]
    code = {label: names[0] for label, names in task.aliases.items()}
    for name in ('train_0.json', 'dev_0.json', 'test_public.json', 'unlabeled.json'):
        with open(str(tmp_path / name), 'w', encoding='utf-8') as writer:
            for e in headlines:
                fields = {'label_desc': code[e.label], 'label': code[e.label], 'sentence': e.text, 'keywords': ''}
                writer.write(json.dumps(fields if name != 'unlabeled.json' else {'sentence': e.text}) + '\n')
    printed = example('news.py', '--data', str(tmp_path), '--regime', 'zero-shot', '--checkpoint', tiny)
    _accuracy(printed, 30)


# --- P-tuning -------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def tiny_gpt(make_checkpoint, tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp('gpt'), type_vocab_size=0, application='lm')


def test_p_tuning_on_bert_trains_the_prompts_rows_alone(example, tiny):
    printed = example('sentiment_ptuning_bert.py', '--checkpoint', tiny, '--epochs', '1', '--prompt-tokens', '4')
    assert "trainable: [('Embedding-Token/prompt:0', (4, 16))]" in printed
    _accuracy(printed, 100)


def test_p_tuning_on_gpt_runs_zero_shot_and_with_a_prompt(example, tiny_gpt):
    printed = example('sentiment_ptuning_gpt.py', '--checkpoint', tiny_gpt, '--epochs', '1', '--where', 'both')
    assert 'zero-shot, {text}总之我感觉[MASK]: accuracy' in printed
    _accuracy(printed, 100)


@pytest.mark.parametrize('words', [[], ['--own-words']], ids=['topics', 'unused'])
def test_p_tuning_on_news_writes_a_prompt_of_kilobytes(example, tiny, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    printed = example('news_ptuning_bert.py', '--checkpoint', tiny, '--epochs', '1', *words)
    assert int(re.search(r'(\d+) bytes', printed).group(1)) < 4000
    _accuracy(printed, 105)


def test_the_layer_learns_in_a_model_of_ones_own(example):
    printed = example('own_model.py')
    before, after = map(float, re.search(r'accuracy: (\S+) → (\S+)', printed).groups())
    assert after > before + 0.05
    assert 'the table is as it was: True' in printed and 'loaded and equal: True' in printed


def test_the_benchmark_of_the_layer_prints_its_table(example):
    printed = example(os.path.join('..', 'benchmarks', 'ptuning_embedding.py'), '--vocab-size', '50', '--width', '8',
                      '--positions', '8', '--rounds', '1')
    assert [row for row in re.findall(r"^\| (.+?) \| \d+ \| \d+\.\d\d \| (\d+\.\d\d) \|$", printed, re.M)] == [
        ("the author's", '0.00'), ('plain, all rows', '0.00'), ('PtuningEmbedding', '0.00')]
