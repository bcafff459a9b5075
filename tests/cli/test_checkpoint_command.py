import json
import os
import re
import shutil

import pytest
from safetensors.numpy import load_file, save_file

import pet_keras

SLOW_PART = 'pet_keras.networks.diagnosis.diagnose_mlm_head'


@pytest.fixture
def unmeasured(monkeypatch):
    """Fails where the head is measured."""
    monkeypatch.setattr(SLOW_PART, lambda checkpoint: pytest.fail('it was measured'))


def test_checkpoint_list_names_the_shipped_model_and_inspect_describes_one(run, tiny):
    status, out, _ = run('checkpoint', 'list')
    folders = dict(line.split(None, 1) for line in out.splitlines())
    assert status == 0 and sorted(folders) == ['bert-mini-zh', 'bert-small-zh', 'gpt-mini-zh']
    assert all(os.path.isfile(os.path.join(folder, 'vocab.txt')) for folder in folders.values())
    status, out, _ = run('checkpoint', 'inspect', tiny)
    assert status == 0 and 'mlm head' in out and 'present' in out and tiny in out
    status, out, _ = run('checkpoint', 'inspect', tiny, '--json')
    found = json.loads(out)
    assert status == 0
    assert (found['family'], found['layers'], found['hidden_size'], found['max_position']) == ('bert', 1, 16, 64)


def test_what_the_page_on_diagnosis_shows_is_what_the_command_prints(run):
    root = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))
    with open(os.path.join(root, 'docs', 'diagnosis.md'), encoding='utf-8') as reader:
        command, shown = re.search(r'^```\n\$ pet-keras (.*?)\n(.*?)^```', reader.read(), re.M | re.S).groups()
    status, out, _ = run(*command.split())
    assert status == 0 and re.fullmatch(re.escape(shown).replace('…\\\n', '(?:.*\n)*'), out), out


def test_checkpoint_inspect_says_that_an_mlm_head_is_missing(run, make_checkpoint, tmp_path):
    folder = make_checkpoint(tmp_path, head=False)
    status, out, _ = run('checkpoint', 'inspect', folder, '--json')
    assert status == 0 and json.loads(out)['mlm_head'] == 'missing'
    assert json.loads(out)['diagnosis']['verdict'] == 'missing'
    status, out, _ = run('checkpoint', 'inspect', folder)
    assert status == 0 and '\ndiagnosis          missing: ' in out and 'blanks filled' not in out


def test_checkpoint_inspect_tells_a_trained_head_from_a_random_one_and_shows_the_figures(run, tiny):
    for name, verdict in (('bert-mini-zh', 'trained'), (tiny, 'untrained')):
        status, out, _ = run('checkpoint', 'inspect', name, '--json')
        found = json.loads(out)
        measured = found['diagnosis']
        assert status == 0 and measured['verdict'] == verdict and found['mlm_head'] == 'present, ' + verdict
        assert (measured['accuracy'] > measured['unigram_accuracy']) == (verdict == 'trained')
        assert (measured['bias_correlation'] > 0.3) == (verdict == 'trained')
    status, out, _ = run('checkpoint', 'inspect', tiny)
    lines = dict((line[:19].strip(), line[19:]) for line in out.splitlines())
    assert lines['blanks filled'] == '%.1f %% of %d right; by always taking the commonest character %.1f %%' % (
        100 * measured['accuracy'], measured['blanks'], 100 * measured['unigram_accuracy'])
    assert lines['log-likelihood'].startswith('%.2f nats' % measured['log_likelihood'])
    assert lines['bias'].endswith('%.2f' % measured['bias_correlation'])
    assert lines['diagnosis'].startswith('untrained: ')


def test_checkpoint_inspect_can_leave_the_measuring_out(run, tiny, unmeasured):
    status, out, _ = run('checkpoint', 'inspect', tiny, '--no-measure', '--json')
    assert status == 0 and json.loads(out)['mlm_head'] == 'present' and 'diagnosis' not in json.loads(out)


def test_checkpoint_inspect_counts_what_the_vocabulary_holds(run, tiny):
    status, out, _ = run('checkpoint', 'inspect', tiny, '--no-measure', '--json')
    found = json.loads(out)
    assert found['vocabulary'] == {'size': 5970, 'table_rows': 5970, 'matches': True, 'unused': 99}
    status, out, _ = run('checkpoint', 'inspect', tiny, '--no-measure')
    assert 'the embedding table has 5970 rows: they match\n' in out and '99 [unused*]' in out
    assert '%d, every one was read' % found['tensors'] in out


def test_checkpoint_inspect_goes_on_where_vocabulary_and_table_differ_and_says_what_it_is(run, tiny, tmp_path):
    folder = shutil.copytree(tiny, str(tmp_path / 'other'))
    with open(os.path.join(folder, 'vocab.txt'), 'a', encoding='utf-8') as writer:
        writer.write('龘\n')
    with open(os.path.join(folder, 'bert_config.json'), encoding='utf-8') as reader:
        config = dict(json.load(reader), vocab_size=5971)
    with open(os.path.join(folder, 'bert_config.json'), 'w', encoding='utf-8') as writer:
        json.dump(config, writer)
    status, out, _ = run('checkpoint', 'inspect', folder, '--no-measure')
    assert status == 0 and 'vocab size         5971\n' in out and '5970 rows: THEY DO NOT BELONG TOGETHER' in out
    status, out, _ = run('checkpoint', 'inspect', folder, '--task', 'sentiment')
    assert status == 0 and 'THEY DO NOT BELONG TOGETHER' in out and 'task sentiment' in out
    assert '\ndiagnosis          unusable: %s' % folder in out and 'has embeddings of 5970 tokens' in out
    with open(os.path.join(folder, 'bert_config.json'), 'w', encoding='utf-8') as writer:
        json.dump(dict(config, vocab_size=5970), writer)
    status, out, _ = run('checkpoint', 'inspect', folder)
    assert status == 0 and '\ndiagnosis          unusable: %s' % folder in out and 'holds 5971 tokens but' in out


def test_checkpoint_inspect_names_the_label_words_that_the_vocabulary_lacks(run, fails, tiny, tmp_path):
    task = str(tmp_path / 'rare.json')
    with open(task, 'w', encoding='utf-8') as writer:
        json.dump({'patterns': {'P1': '[MASK]{text}', 'P2': '{text}[MASK]', 'P3': '{text}。[MASK]'},
                   'labels': {'好': ['好', '龘'], '坏': '[unused7]坏'},
                   'words': {'P2': {'好': '很𠮷', '坏': '[unused777]'}}}, writer)
    status, out, _ = run('checkpoint', 'inspect', tiny, '--no-measure', '--json', '--task', 'sentiment', task)
    assert status == 0 and json.loads(out)['tasks'] == {'sentiment': [], task: ['龘', '很𠮷', '[unused777]']}
    status, out, _ = run('checkpoint', 'inspect', tiny, '--no-measure', '--task', 'sentiment', '--task', task)
    assert 'task sentiment     every label word is in the vocabulary\n' in out
    assert 'not in the vocabulary: 龘、很𠮷、[unused777]\n' in out
    assert 'No task' in fails('checkpoint', 'inspect', tiny, '--no-measure', '--task', 'nonsense')


def test_checkpoint_inspect_reads_a_checkpoint_as_a_causal_one_where_asked_to(run, tiny):
    status, out, _ = run('checkpoint', 'inspect', tiny, '--causal', '--no-measure', '--json')
    assert status == 0 and json.loads(out)['application'] == 'lm'
    status, out, _ = run('checkpoint', 'inspect', 'gpt-mini-zh', '--json')
    assert json.loads(out)['application'] == 'lm' and json.loads(out)['diagnosis']['verdict'] == 'trained'


def test_checkpoint_inspect_of_a_broken_checkpoint_prints_one_error_and_nothing_else(run, fails, tiny, tmp_path):
    folder = shutil.copytree(tiny, str(tmp_path / 'cut'))
    path = os.path.join(folder, 'bert_model.ckpt.data-00000-of-00001')
    os.truncate(path, os.path.getsize(path) - 100)
    assert 'cannot be read' in fails('checkpoint', 'inspect', folder, '--no-measure')
    assert run('checkpoint', 'inspect', folder)[1] == ''
    assert 'neither a folder nor' in fails('checkpoint', 'inspect', str(tmp_path / 'none'))


def test_checkpoint_inspect_names_weights_that_are_no_numbers_and_counts_surplus_rows(run, make_checkpoint, tmp_path):
    from pet_keras.backend import tf
    folder = make_checkpoint(tmp_path)
    variables = {name: tf.train.load_variable(folder + '/bert_model.ckpt', name)
                 for name, _ in tf.train.list_variables(folder + '/bert_model.ckpt')}
    variables['bert/encoder/layer_1/output/dense/bias'][3] = float('nan')
    tf.raw_ops.SaveV2(prefix=folder + '/bert_model.ckpt', tensor_names=list(variables),
                      shape_and_slices=[''] * len(variables), tensors=list(variables.values()))
    with open(folder + '/vocab.txt', encoding='utf-8') as reader:
        tokens = reader.readlines()
    with open(folder + '/vocab.txt', 'w', encoding='utf-8') as writer:
        writer.writelines(tokens[:-7])
    status, out, _ = run('checkpoint', 'inspect', folder)
    assert status == 0 and 'unusable: %s gives no numbers (NaN or infinite)' % folder in out and ' nan' not in out
    assert '5970 rows: 7 more than there are tokens' in out
    assert 'DAMAGED            1 tensors hold NaN or infinite numbers: bert/encoder/layer_1/output/dense/bias\n' in out


def test_checkpoint_inspect_says_that_the_output_has_a_table_of_its_own(run, tiny, tmp_path):
    folder = str(tmp_path / 'apart')
    run('checkpoint', 'convert', tiny, folder, '--to', 'safetensors')
    tensors = load_file(folder + '/model.safetensors')
    tensors['cls.predictions.decoder.weight'] = tensors['bert.embeddings.word_embeddings.weight'] + 1
    save_file(tensors, folder + '/model.safetensors')
    status, out, _ = run('checkpoint', 'inspect', folder)
    assert status == 0 and 'unusable: %s' % folder in out and '(cls.predictions.decoder.weight) is not that of' in out
