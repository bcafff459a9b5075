import json
import os
import random
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from folders import error, files, path, rewrite, set_vocab
from pet_keras.backend import Tokenizer
from pet_keras.checkpoints.checkpoint import Checkpoint
from pet_keras.checkpoints.conversion import convert
from pet_keras.checkpoints.vocabulary_cut import tokens_to_keep
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.pattern import tokenize
from pet_keras.errors import UserError

SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
TEXTS = ['房间很干净，服务也热情', '又吵又脏,再也不来了', 'WiFi不行 ٣', '龘𠮷 hello-world']


@pytest.fixture
def reviews(tmp_path):
    return write(tmp_path / 'reviews.tsv', ''.join('%s\t正面\n' % text for text in TEXTS))


def write(path, text):
    with open(str(path), 'w', encoding='utf-8') as writer:
        writer.write(text)
    return str(path)


def vocabulary(tokens):
    """What tokens_to_keep asks a checkpoint, over a made-up vocabulary."""
    vocab = {token: i for i, token in enumerate(SPECIAL + tokens)}
    return SimpleNamespace(vocab=vocab, tokenizer=lambda: Tokenizer(vocab, do_lower_case=True))


def kept(names, checkpoint):
    tokens = list(checkpoint.vocab)
    return [tokens[i] for i in tokens_to_keep(names, checkpoint)]


# which

def test_what_texts_are_made_of_is_kept_with_special_tokens_ascii_and_punctuation(tmp_path):
    checkpoint = vocabulary(['[unused1]', '<S>', '好', '坏', 'a', '##a', 'wifi', 'hotel', '##tel', '。', '1', '##１'])
    found = kept([write(tmp_path / 'a.txt', '好WiFi\n')], checkpoint)
    assert found == SPECIAL + ['[unused1]', '<S>', '好', 'a', '##a', 'wifi', '。', '1']


def test_a_hundred_unused_tokens_are_kept_and_those_that_are_named(tmp_path):
    checkpoint = vocabulary(['[unused%d]' % i for i in range(1, 201)] + ['好', '坏', '很'])
    task = write(tmp_path / 'task.json', json.dumps({'patterns': {'P1': '[unused150][MASK]{text}'},
                                                     'labels': {'a': '[unused160]好', 'b': '坏'}}))
    found = kept([task], checkpoint)
    assert found == SPECIAL + ['[unused%d]' % i for i in list(range(1, 101)) + [150, 160]] + ['好', '坏']


def test_of_a_task_patterns_words_of_each_and_the_example_count(tmp_path):
    checkpoint = vocabulary(list('好坏很差房服务吗'))
    task = write(tmp_path / 'task.json', json.dumps({
        'patterns': {'P1': '[MASK]服{text}', 'P2': '{text}[MASK]务'}, 'labels': {'a': '好', 'b': '坏'},
        'words': {'P2': {'a': ['很'], 'b': '差'}}, 'example': '房'}))
    assert kept([task], checkpoint) == SPECIAL + list('好坏很差房服务')
    assert set('很不') <= set(kept(['sentiment'], Checkpoint('bert-mini-zh')))


@pytest.mark.parametrize('name, text', [
    ('a.tsv', 'text_a\ttext_b\tlabel\n一\t二\t三\n'), ('b.tsv', '一\t二\t三\n'), ('c.tsv', '一\t二三\n'),
    ('d.csv', 'text,label\n"一,二",三\n'), ('e.json', '{"sentence1": "一", "sentence2": "二", "keyword": ["三"]}\n'),
    ('f.jsonl', '{"text": "\\u4e00\\u4e8c\\n\\u4e09"}\n'), ('g.txt', '一\n二三\n'), ('notes', '一二\n三\n')])
def test_every_column_of_a_file_counts_in_whatever_format(name, text, tmp_path):
    assert kept([write(tmp_path / name, text)], vocabulary(list('一二三四'))) == SPECIAL + list('一二三')


def test_what_is_neither_file_nor_task_is_told(tmp_path):
    for name in ('nonsense', str(tmp_path / 'none.tsv')):
        with pytest.raises(UserError, match='%s.*neither a file nor.*sentiment' % name):
            tokens_to_keep([name], vocabulary([]))
    with pytest.raises(UserError, match='a.tsv, line 1: 4 columns where 2'):
        tokens_to_keep([write(tmp_path / 'a.tsv', '一\t二\t三\t四\n')], vocabulary([]))


# texts are read as before

def test_a_word_that_was_unknown_stays_unknown(tmp_path):
    tokens = ['αβ', 'α', '##βγ', 'δ']  # αβγ: αβ is found and nothing for the rest
    checkpoint = vocabulary(tokens)
    found = kept([write(tmp_path / 'a.txt', 'αβγ δβγ α\n')], checkpoint)
    assert found == SPECIAL + tokens


def test_the_tokens_of_texts_within_it_are_the_same(tmp_path):
    random_ = random.Random(0)

    def word(longest):
        return ''.join(random_.choice('αβγ') for _ in range(random_.randint(1, longest)))
    for n in range(200):
        tokens = sorted({random_.choice(['', '##']) + word(3) for _ in range(12)})
        text = ' '.join(word(6) for _ in range(5))
        whole = vocabulary(tokens)
        cut = vocabulary([token for token in kept([write(tmp_path / 'a.txt', text)], whole) if token not in SPECIAL])
        for part in [text] + text.split():
            before, after = (['[UNK]' if token not in of.vocab else token for token in tokenize(of.tokenizer(), part)]
                             for of in (whole, cut))
            assert before == after, (tokens, text)


@pytest.mark.filterwarnings('ignore:.*untrained')
@pytest.mark.parametrize('name, to', [('bert-mini-zh', 'safetensors'), ('tiny', 'google')])
def test_predictions_on_texts_within_it_are_the_same_and_the_model_is_another(name, to, tiny, reviews, tmp_path):
    checkpoint, out = Checkpoint(tiny if name == 'tiny' else name), str(tmp_path / 'cut')
    found = convert(checkpoint, out, to, keep_tokens=[reviews, 'sentiment'])
    cut = Checkpoint(out)
    assert found['tokens'] == len(cut.vocab) < 400 < found['tokens_before'] == len(checkpoint.vocab)
    assert found['fingerprint'] == cut.fingerprint != checkpoint.fingerprint
    assert found['bytes'] < convert(checkpoint, out + '2', to)['bytes']
    before, after = (ClozeClassifier('sentiment', of).predict_proba(TEXTS) for of in (checkpoint, cut))
    np.testing.assert_allclose(after, before, atol=1e-6)
    assert [cut.tokenizer().decode(cut.tokenizer().encode(text)[0]) for text in TEXTS] == [
        checkpoint.tokenizer().decode(checkpoint.tokenizer().encode(text)[0]) for text in TEXTS]


def test_logits_of_a_causal_model_are_those_of_the_tokens_that_are_left(reviews, tmp_path):
    from pet_keras.networks.models import build, model_inputs
    whole = Checkpoint('gpt-mini-zh')
    rows = tokens_to_keep([reviews], whole)
    convert(whole, str(tmp_path / 'cut'), keep_tokens=reviews)
    cut, places, logits = Checkpoint(str(tmp_path / 'cut')), np.array([[3, 5]]), []
    for checkpoint in (whole, cut):
        ids, segments = checkpoint.tokenizer().encode(TEXTS[0])
        model = build(checkpoint)
        logits.append(model([np.array(a, 'int32') for a in model_inputs(model, [ids], [segments], places)]).numpy())
    np.testing.assert_allclose(logits[1], logits[0][..., rows], atol=1e-4)


# rows

def test_rows_of_the_table_of_the_bias_and_of_their_moments_are_left_and_nothing_else_changes(copy, reviews, tmp_path):
    table, bias = 'bert/embeddings/word_embeddings', 'cls/predictions/output_bias'
    rewrite(copy, lambda variables: variables.update({
        table + '/adam_m': variables[table] + 1, 'bert/pooler/dense/bias': np.ones(5970, 'float32')}))
    convert(copy, str(tmp_path / 'cut'), keep_tokens=[reviews])
    whole, cut = Checkpoint(copy), Checkpoint(str(tmp_path / 'cut'))
    rows = tokens_to_keep([reviews], whole)
    for name in whole.shapes:
        value = whole.load_variable(name)
        np.testing.assert_array_equal(cut.load_variable(name), value[rows] if name in (
            table, bias, table + '/adam_m') else value)
    assert list(cut.vocab) == [token for token in whole.vocab if whole.vocab[token] in set(rows)]


def test_ids_in_the_config_are_those_of_the_new_vocabulary(reviews, tmp_path):
    convert('gpt-mini-zh', str(tmp_path / 'cut'), 'safetensors', keep_tokens=[reviews])
    with open(str(tmp_path / 'cut' / 'config.json')) as reader:
        assert json.load(reader)['vocab_size'] == len(Checkpoint(str(tmp_path / 'cut')).vocab)


def test_unknown_tensors_that_may_have_a_row_a_token_are_dropped_and_named(tiny, reviews, tmp_path):
    folder = str(tmp_path / 'hf')
    convert(tiny, folder, 'safetensors')
    file = path(folder, 'model.safetensors')
    save_file(dict(load_file(file), **{'head.x': np.ones((3, 5970), 'float32'), 'head.y': np.ones(3)}), file)
    found = convert(folder, str(tmp_path / 'cut'), 'safetensors', keep_tokens=[reviews])
    assert found['dropped'] == ['head.x'] and 'head.y' in load_file(path(str(tmp_path / 'cut'), 'model.safetensors'))


def test_a_vocabulary_that_is_not_the_table_s_is_told_and_nothing_is_written(copy, reviews, tmp_path):
    set_vocab(copy, lambda tokens: tokens.append('龘'))
    with open(path(copy, 'bert_config.json'), encoding='utf-8') as reader:
        config = dict(json.load(reader), vocab_size=5971)
    write(path(copy, 'bert_config.json'), json.dumps(config))
    before = files(copy)
    message = error(copy, lambda folder: convert(folder, str(tmp_path / 'cut'), keep_tokens=[reviews]))
    assert '5970 tokens' in message and path(copy, 'vocab.txt') in message
    assert not os.path.exists(str(tmp_path / 'cut')) and files(copy) == before
