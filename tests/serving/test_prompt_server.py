import json
import os
import shutil

import numpy as np
import pytest

from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.prompt_pattern import prompt_pattern
from pet_keras.cloze.task import Task
from pet_keras.errors import UserError
from pet_keras.serving.prompt_server import PromptServer

TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大，快递也快，就是价格贵了一点点', '股市今日大涨']
KINDS = ['bert', 'causal', 'gpt']


def _task(name, words, is_pair=False):
    return Task({'P1': ('{text_a}[SEP]{text_b}' if is_pair else '{text}') + '总之[MASK]'}, words, name=name)


# name: (task, tokens of the prompt, maxlen)
TASKS = {
    'one token': (_task('one token', {'正面': ['很', '真'], '负面': '不'}), 4, 128),
    'two tokens': (_task('two tokens', {'股票': '股票', '体育': '体育', '财经': '财经'}), 3, 16),
    'lengths': (_task('lengths', {'好': ['好', '不错'], '坏': ['糟糕', '很不好']}), 5, 128),
    'own words': (_task('own words', {'正面': '[unused3]', '负面': ['[unused21]', '差']}), 4, 128),
    'beyond': (_task('beyond', {'好': ['好', '不错'], '坏': '糟糕'}), 4, 128),
    'pair': (_task('pair', {'同': '同', '异': '异'}, is_pair=True), 2, 24),
}


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory, make_checkpoint):
    """One of each kind: a BERT; the same read from left to right, without segment ids; a GPT, without output bias."""
    from pet_keras.backend import tf
    folder = tmp_path_factory.mktemp('checkpoints')
    found = {'bert': make_checkpoint(folder / 'bert', num_hidden_layers=1),
             'causal': make_checkpoint(folder / 'causal', num_hidden_layers=1, type_vocab_size=0, application='lm'),
             'gpt': make_checkpoint(folder / 'gpt', num_hidden_layers=1, type_vocab_size=0)}
    reader = tf.train.load_checkpoint(os.path.join(found['gpt'], 'bert_model.ckpt'))
    values = {name.replace('bert/', 'gpt/').replace('encoder', 'transformer'): tf.constant(reader.get_tensor(name))
              for name in reader.get_variable_to_shape_map() if name.startswith('bert/')}
    tf.raw_ops.SaveV2(prefix=os.path.join(found['gpt'], 'bert_model.ckpt'), tensor_names=list(values),
                      shape_and_slices=[''] * len(values), tensors=list(values.values()))
    assert Checkpoint(found['gpt']).family == 'gpt'
    return found


def _prompt(checkpoint, name, folder, seed):
    """A classifier with random rows, saved into `folder`."""
    task, n, maxlen = TASKS[name]
    pattern = prompt_pattern(n, 'both', causal=True, is_pair=task.is_pair)
    if name == 'beyond':  # a token that the vocabulary lacks
        pattern = pattern.replace('[unused1]', '[unused500]')
    classifier = ClozeClassifier(task, checkpoint, pattern, maxlen, train='prompt')
    classifier.embedding.set_prompt(np.random.default_rng(seed).normal(0, 0.5, classifier.embedding.prompt.shape))
    classifier.save(str(folder))
    return classifier


@pytest.fixture(scope='module')
def served(checkpoints, tmp_path_factory):
    """kind → (PromptServer, dict name → ClozeClassifier, dict name → folder), each made once."""
    made = {}

    def make(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            names = list(TASKS) if kind == 'bert' else ['lengths', 'own words']
            classifiers = {name: _prompt(checkpoints[kind], name, folder / str(i), i) for i, name in enumerate(names)}
            folders = {name: str(folder / str(i)) for i, name in enumerate(names)}
            made[kind] = PromptServer(folders), classifiers, folders
        return made[kind]
    return make


def _mix(classifiers, seed=0):
    """Every text for every prompt, shuffled."""
    items = [(name, text) + ((TEXTS[0],) if TASKS[name][0].is_pair else ()) for name in classifiers for text in TEXTS]
    return [items[i] for i in np.random.default_rng(seed).permutation(len(items))]


def _alone(classifiers, item):
    name, *texts = item
    return classifiers[name].predict_log_proba([texts[0] if len(texts) == 1 else tuple(texts)])[0]


# --- equal to each classifier alone ---------------------------------------------------------------------

@pytest.mark.parametrize('kind', KINDS)
def test_a_mixed_batch_gives_each_text_what_its_own_classifier_gives(kind, served):
    server, classifiers, _ = served(kind)
    items = _mix(classifiers)
    found = server.predict_log_proba(items)
    assert len(found) == len(items)
    for item, scores in zip(items, found):
        assert scores.shape == (len(TASKS[item[0]][0].labels),)
        np.testing.assert_allclose(scores, _alone(classifiers, item), atol=1e-5, err_msg=str(item))
        assert np.exp(scores).sum() == pytest.approx(1.)


def test_neither_order_nor_batch_size_matters(served):
    server, classifiers, _ = served('bert')
    items, others = _mix(classifiers), _mix(classifiers, seed=1)
    expected = dict(zip(items, server.predict_log_proba(items)))
    for item, scores in zip(others, server.predict_log_proba(others, batch_size=3)):
        np.testing.assert_allclose(scores, expected[item], atol=1e-5)


def test_predict_names_the_likeliest_label_of_each_texts_own_task(served):
    server, classifiers, _ = served('bert')
    items = _mix(classifiers)
    expected = [TASKS[item[0]][0].labels[_alone(classifiers, item).argmax()] for item in items]
    assert server.predict(items) == expected and len(set(expected)) > 4
    assert server.predict([]) == []
    assert server.predict(item for item in items) == expected


def test_what_is_no_dict_of_folders_or_no_text_is_refused(served):
    server, _, folders = served('bert')
    with pytest.raises(UserError, match='dict of name: folder'):
        PromptServer(list(folders.values()))
    with pytest.raises(UserError, match='no text'):
        server.predict([('one token',)])


def test_a_pattern_with_words_of_its_own_is_served_with_them(checkpoints, tmp_path):
    pattern = '[unused1]{text}[MASK]'
    task = Task({'P1': '{text}总之[MASK]', 'P2': pattern}, {'正面': '很', '负面': '不'}, words={'P2': {'正面': '好', '负面': '差'}})
    classifier = ClozeClassifier(task, checkpoints['bert'], pattern, train='prompt')
    classifier.save(str(tmp_path / 'prompt'))
    found = PromptServer({'a': str(tmp_path / 'prompt')}).predict_log_proba([('a', text) for text in TEXTS])
    np.testing.assert_allclose(found, classifier.predict_log_proba(TEXTS), atol=1e-5)
    assert classifier.words[0][1] == classifier.tokenizer.tokens_to_ids(['好'])


# --- which checkpoint -----------------------------------------------------------------------------------

def test_prompts_are_served_on_a_moved_copy_of_their_checkpoint(served, checkpoints, tmp_path):
    server, _, folders = served('bert')
    moved = str(tmp_path / 'moved')
    shutil.copytree(checkpoints['bert'], moved)
    again = PromptServer({'own words': folders['own words']}, Checkpoint(moved))
    item = ('own words', TEXTS[3])
    np.testing.assert_allclose(again.predict_log_proba([item])[0], server.predict_log_proba([item])[0], atol=1e-5)


def test_a_prompt_of_another_checkpoint_is_refused(served, make_checkpoint, tmp_path):
    _, classifiers, folders = served('bert')
    other = Checkpoint(make_checkpoint(tmp_path / 'other', num_hidden_layers=1, seed=1))
    _prompt(other, 'one token', tmp_path / 'prompt', 0)
    for given, checkpoint in (({'a': folders['one token'], 'b': str(tmp_path / 'prompt')}, None),
                              ({'a': folders['one token']}, other)):
        with pytest.raises(UserError, match='another checkpoint') as e:
            PromptServer(given, checkpoint)
        assert other.fingerprint in str(e.value)
        assert classifiers['one token'].checkpoint.fingerprint in str(e.value)


def test_a_gpt_is_one_model_whether_or_not_it_is_said_to_be_causal(served, checkpoints):
    _, classifiers, folders = served('gpt')
    said = ClozeClassifier.load(folders['lengths'], Checkpoint(checkpoints['gpt'], application='lm'))
    np.testing.assert_allclose(said.predict_proba(TEXTS), classifiers['lengths'].predict_proba(TEXTS), atol=1e-6)


def test_prompts_of_one_checkpoint_read_in_two_ways_are_not_mixed_up(served, checkpoints, tmp_path):
    """One was trained on the masked model, one on the same weights read from left to right."""
    _, _, folders = served('bert')
    causal = _prompt(Checkpoint(checkpoints['bert'], application='lm'), 'lengths', tmp_path / 'prompt', 3)
    with pytest.raises(UserError, match='trained on a causal .* is read as a masked one'):
        PromptServer({'masked': folders['lengths'], 'causal': str(tmp_path / 'prompt')})
    with pytest.raises(UserError, match='trained on a masked .* is read as a causal'):
        PromptServer({'causal': str(tmp_path / 'prompt'), 'masked': folders['lengths']})
    server = PromptServer({'causal': str(tmp_path / 'prompt')})
    np.testing.assert_allclose(server.predict_log_proba([('causal', TEXTS[0])])[0],
                               causal.predict_log_proba(TEXTS[:1])[0], atol=1e-5)


def test_a_folder_that_is_no_prompt_and_no_folder_at_all_are_refused(tmp_path):
    with pytest.raises(UserError, match='at least one prompt'):
        PromptServer({})
    with pytest.raises(UserError, match='nothing here'):
        PromptServer({'a': str(tmp_path / 'nothing here')})


@pytest.mark.parametrize('key', ['pattern', 'prompt_tokens'])
def test_a_prompt_whose_header_lacks_something_is_named(key, served, tmp_path):
    folder = str(tmp_path / 'copy')
    shutil.copytree(served('bert')[2]['one token'], folder)
    path = os.path.join(folder, 'model.json')
    with open(path, encoding='utf-8') as reader:
        fields = json.load(reader)
    del fields[key]
    with open(path, 'w', encoding='utf-8') as writer:
        json.dump(fields, writer)
    with pytest.raises(UserError, match='copy.* is damaged.* it lacks %s' % key):
        PromptServer({'a': folder})


# --- what is asked --------------------------------------------------------------------------------------

def test_an_unknown_name_is_refused_with_the_known_ones(served):
    server = served('causal')[0]
    with pytest.raises(UserError, match="No prompt 'reviews'.*lengths, own words"):
        server.predict([('lengths', TEXTS[0]), ('reviews', TEXTS[0])])


def test_the_number_of_texts_must_be_the_tasks(served):
    server = served('bert')[0]
    with pytest.raises(UserError, match='one text, but two'):
        server.predict([('own words', TEXTS[0], TEXTS[1])])
    with pytest.raises(UserError, match='two texts, but only one'):
        server.predict([('pair', TEXTS[0])])
