import json

import numpy as np
import pytest

import numpy_bert
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.cloze.pattern import Pattern, tokenize
from pet_keras.cloze.task import Task, shipped_tasks
from pet_keras.data.example import Example
from pet_keras.errors import UserError

PATTERNS, LABELS = {'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'}


@pytest.fixture
def write(tmp_path):
    """Writes a task file from its text or from fields; returns the path."""
    def _write(content=None, **fields):
        path = tmp_path / 'mine.json'
        content = json.dumps(dict({'patterns': PATTERNS, 'labels': LABELS}, **fields)) if content is None else content
        path.write_bytes(content if isinstance(content, bytes) else content.encode('utf-8'))
        return str(path)
    return _write


# shipped tasks

SHIPPED = ['bustm', 'chid', 'cluewsc', 'csl', 'csldcp', 'iflytek', 'news', 'nli', 'nli_binary', 'sentiment']


def test_ten_tasks_are_shipped_and_three_have_another_name():
    assert shipped_tasks() == SHIPPED
    assert [Task.load(name).name for name in ('eprstmt', 'tnews', 'ocnli')] == ['sentiment', 'news', 'nli']
    assert [len(Task.load(name).labels) for name in ('csldcp', 'iflytek', 'chid')] == [67, 119, 7]


@pytest.mark.parametrize('name', SHIPPED)
def test_a_shipped_task_loads_by_name_and_says_what_it_is(name):
    task = Task.load(name)
    assert task.name == name and task.description and task.example
    assert len(task.example) == len(task.slots.names)


def test_the_sentiment_patterns_are_those_of_the_post():
    task = Task.load('sentiment')
    assert {key: pattern.string for key, pattern in task.patterns.items() if key != 'P6'} == {
        'P1': '[MASK]满意。{text}', 'P2': '{text}[MASK]满意。', 'P3': '[MASK]好。{text}', 'P4': '[MASK]理想。{text}',
        'P5': '感觉如何？[MASK]满意。{text}'}
    assert list(task.patterns)[0] == 'P1'
    assert task.verbalizer.words == {'正面': ['很'], '负面': ['不']}


def test_news_has_fifteen_labels_and_nli_is_the_task_of_pairs():
    assert len(Task.load('news').labels) == 15
    assert [name for name in shipped_tasks() if Task.load(name).is_pair] == ['bustm', 'nli', 'nli_binary']
    assert Task.load('nli').labels == ['蕴含', '中立', '矛盾']


def test_the_posts_own_question_about_two_sentences_is_a_task():
    task = Task.load('nli_binary')
    assert task.verbalizer.words == {'蕴含': ['是的'], '矛盾': ['不是']}
    assert [task.label_of(name) for name in ('entailment', 'contradiction')] == task.labels
    assert task.pattern().string == '{text_a}？[MASK][MASK]，{text_b}'
    assert '  矛盾: 我去了北京？不是，我去了上海' in task.show().split('\n')


@pytest.mark.parametrize('name', SHIPPED)
def test_every_label_word_of_a_shipped_task_is_in_the_shipped_vocabulary(name, tokenizer):
    task = Task.load(name)
    for pattern in task.patterns.values():
        for label, words in task.verbalizer_of(pattern).words.items():
            for word in words:
                tokens = tokenize(tokenizer, word)
                assert tokens == list(word) and set(tokens) <= set(tokenizer._token_dict), (label, word)


@pytest.mark.parametrize('name', SHIPPED)
def test_every_pattern_of_a_shipped_task_is_in_the_shipped_vocabulary(name, tokenizer):
    task = Task.load(name)
    for pattern in task.patterns.values():
        encoded = pattern.encode(tokenizer, *task.example, word_length=4)
        assert len(encoded.mask_positions) == 4
        assert tokenizer._token_unk_id not in encoded.token_ids


@pytest.mark.parametrize('name, alias, label', [
    ('sentiment', '1', '正面'), ('sentiment', 'Positive', '正面'), ('sentiment', '0', '负面'), ('news', '100', '故事'),
    ('sentiment', 'Negative', '负面'), ('news', 'news_game', '电竞'), ('nli', 'contradiction', '矛盾')])
def test_a_shipped_task_understands_the_labels_of_the_public_data_sets(name, alias, label):
    assert Task.load(name).label_of(alias) == label


# labels and aliases

def test_label_of_takes_the_label_an_alias_a_number_and_surrounding_space():
    task = Task(PATTERNS, LABELS, aliases={'正面': [1, 'pos'], '负面': ['0']})
    assert [task.label_of(name) for name in ('正面', 'pos', 1, '1', ' 0\n', 0)] == ['正面'] * 4 + ['负面'] * 2


def test_labels_and_aliases_that_are_no_strings_become_strings(still):
    task = Task({'P1': '{text}[MASK]'}, {1: '很', 0: '不'}, {1: 'pos', 0: -1}, words={'P1': {0: '差', 1: '好'}})
    assert task.labels == ['1', '0'] and task.aliases == {'1': ['pos'], '0': ['-1']}
    assert [task.label_of(name) for name in (1, '1', np.int64(0), ' 0', -1)] == ['1', '1', '0', '0', '0']
    assert list(task.verbalizer_of(task.pattern()).words.items()) == [('1', ['好']), ('0', ['差'])]
    classifier = ClozeClassifier(task, still)
    assert classifier.evaluate([Example('很好', label=1), Example('太差', label='0')])['n'] == 2
    assert classifier.predict(['很好'])[0] in ('1', '0')


def test_a_label_is_known_whatever_space_stands_around_it_in_the_task():
    task = Task(PATTERNS, {' 正面 ': '很', '负面': '不'}, {'正面': [' pos'], '负面': 0})
    assert task.labels == ['正面', '负面'] and task.label_of('正面') == task.label_of('pos') == '正面'
    assert task.aliases == {'正面': ['pos'], '负面': ['0']}


@pytest.mark.parametrize('labels', [{1: '很', '1': '不'}, {'a': '很', ' a': '不'}])
def test_labels_that_are_spelled_alike_are_refused(labels):
    with pytest.raises(UserError, match='two labels that are spelled alike'):
        Task(PATTERNS, labels)


def test_an_unknown_label_is_named_with_the_labels_and_aliases_there_are():
    with pytest.raises(UserError) as e:
        Task(PATTERNS, LABELS, aliases={'正面': ['1']}, name='reviews').label_of('5')
    assert "label '5' is not in task reviews (labels: 正面=1, 负面)" in str(e.value)


@pytest.mark.parametrize('aliases, message', [
    ({'中性': ['2']}, "gives aliases for '中性', which is not one of its labels"),
    ({'正面': ['1'], '负面': ['1']}, "alias '1' stands for two labels"),
    ({'正面': ['负面']}, "alias '负面' stands for two labels"),
])
def test_aliases_must_be_of_one_label_of_the_task(aliases, message):
    with pytest.raises(UserError, match=message):
        Task(PATTERNS, LABELS, aliases=aliases)


# patterns

def test_a_pattern_is_found_by_name_and_the_first_is_the_default():
    task = Task({'short': '[MASK]{text}', 'long': '{text}，[MASK]满意'}, LABELS)
    assert task.pattern().string == '[MASK]{text}'
    assert task.pattern('long').string == '{text}，[MASK]满意'


def test_a_pattern_of_ones_own_may_be_given_as_a_string():
    assert Task.load('sentiment').pattern('{text}真[MASK]！').string == '{text}真[MASK]！'
    assert Task.load('nli').pattern('{text_a}[MASK]{text_b}').is_pair


def test_an_unknown_pattern_name_lists_the_names_there_are():
    with pytest.raises(UserError) as e:
        Task.load('sentiment').pattern('P9')
    assert "no pattern 'P9'" in str(e.value) and 'P1, P2, P3, P4, P5' in str(e.value)


@pytest.mark.parametrize('name, string', [
    ('sentiment', '{text}满意'), ('sentiment', '{text_a}[MASK]{text_b}'), ('nli', '[MASK]{text}')])
def test_a_pattern_object_must_have_a_mask_and_the_texts_of_the_task(name, string):
    with pytest.raises(UserError) as e:
        Task.load(name).pattern(Pattern(string))
    assert string in str(e.value)
    pattern = Pattern('{text}真[MASK]！')
    assert Task.load('sentiment').pattern(pattern) is pattern


def test_a_classifier_refuses_a_pattern_object_without_a_mask_and_keeps_its_own(still):
    classifier = ClozeClassifier('sentiment', still)
    with pytest.raises(UserError, match='must hold .MASK. and {text}'):
        classifier.pattern = Pattern('{text}')
    with pytest.raises(UserError, match='must hold .MASK. and {text}'):
        ClozeClassifier('sentiment', still, Pattern('{text}'))
    assert classifier.pattern.string == '[MASK]满意。{text}'


# causal models

@pytest.mark.parametrize('name', SHIPPED)
def test_each_shipped_task_has_a_pattern_for_causal_models_and_shows_which(name, causal):
    task = Task.load(name)
    default = task.pattern(None, causal=True)
    assert default.mask_is_last and task.pattern() is list(task.patterns.values())[0]
    key, = [key for key, pattern in task.patterns.items() if pattern is default]
    assert 'default: P1; of a causal model, which reads the blank last: %s' % key in task.show().split('\n')
    classifier = ClozeClassifier(task, causal)
    assert classifier.pattern is default
    example = Example(*task.example) if task.is_pair else task.complete(Example(task.example[0]), task.row)
    assert classifier.predict([example])[0] in task.labels


def test_a_causal_model_starts_from_the_first_pattern_whose_blank_comes_last_if_there_is_one():
    patterns = {'P1': '[MASK]好。{text}', 'P2': '{text}[MASK]好。', 'P3': '{text}真[MASK]。', 'P4': '{text}很[MASK]'}
    task = Task(patterns, LABELS)
    assert [task.pattern(None, causal).string for causal in (False, True)] == ['[MASK]好。{text}', '{text}真[MASK]。']
    assert task.pattern('P2', causal=True).string == '{text}[MASK]好。'
    task = Task({'P1': '[MASK]好。{text}', 'P2': '{text}[MASK]好。'}, LABELS)
    assert task.pattern(None, causal=True).string == '[MASK]好。{text}'
    assert 'which reads the blank last: none of these' in task.show()


def test_a_causal_model_learns_from_few_texts_and_is_saved_with_its_pattern(causal, tmp_path):
    examples = [Example('房间很干净', label='正面'), Example('又吵又脏', label='负面')]
    classifier = ClozeClassifier('sentiment', causal).fit(examples, epochs=1, batch_size=2, out=str(tmp_path / 'out'))
    again = ClozeClassifier.load(str(tmp_path / 'out'))
    assert again.pattern.string == classifier.pattern.string == '{text}评价：[MASK]'
    np.testing.assert_allclose(again.predict_proba(['好']), classifier.predict_proba(['好']), atol=1e-6)
    assert again.words == classifier.words == [(0, numpy_bert.token_ids(causal, '好')),
                                               (1, numpy_bert.token_ids(causal, '差'))]


def test_a_prompt_for_a_causal_model_starts_from_the_words_before_its_blank(causal):
    classifier = ClozeClassifier('sentiment', causal, '{text}[unused1][unused2][MASK]', train='prompt',
                                 prompt_init='words')
    table = classifier.embedding.embeddings.numpy()
    np.testing.assert_array_equal(classifier.embedding.rows(), table[numpy_bert.token_ids(causal, '评价')])


# words of a pattern's own

OWN = Task({'P1': '[MASK]满意。{text}', 'P2': '{text}很[MASK]'}, LABELS,
           words={'P2': {'负面': '差', '正面': ['好', '棒']}})


def test_a_pattern_may_have_label_words_of_its_own():
    assert OWN.verbalizer_of(OWN.pattern()) is OWN.verbalizer
    for pattern in ('P2', '{text}很[MASK]', Pattern('{text}很[MASK]')):
        assert OWN.verbalizer_of(OWN.pattern(pattern)).words == {'正面': ['好', '棒'], '负面': ['差']}
        assert OWN.verbalizer_of(OWN.pattern(pattern)).labels == OWN.labels
    assert OWN.verbalizer_of(Pattern('{text}真[MASK]')) is OWN.verbalizer
    assert {'  正面: …很棒', '  负面: …很差', '  正面: 很满意。…'} <= set(OWN.show().split('\n'))


def test_words_of_a_patterns_own_are_saved(tmp_path):
    path = str(tmp_path / 'task.json')
    OWN.save(path)
    again = Task.load(path)
    assert again.show() == OWN.show()
    assert again.verbalizer_of(again.pattern('P2')).words == OWN.verbalizer_of(OWN.pattern('P2')).words
    Task(PATTERNS, LABELS).save(path)
    assert 'words' not in json.loads(open(path, encoding='utf-8').read())


def test_a_classifier_asks_about_the_words_of_its_pattern(still):
    texts, other = ['房间很干净', '又吵又脏'], Task({'P': '{text}很[MASK]'}, {'正面': ['好', '棒'], '负面': '差'})
    classifier = ClozeClassifier(OWN, still)
    first = classifier.predict_proba(texts)
    classifier.pattern = 'P2'
    np.testing.assert_allclose(classifier.predict_proba(texts), ClozeClassifier(other, still).predict_proba(texts),
                               atol=1e-6)
    classifier.pattern = 'P1'
    np.testing.assert_allclose(classifier.predict_proba(texts), first, atol=1e-6)
    lessons = [ClozeClassifier(task, still, '{text}很[MASK]').lesson([[9]], 1, np.random.default_rng(0), 0.)
               for task in (OWN, other)]
    assert lessons[0].targets == lessons[1].targets == numpy_bert.token_ids(still, '差')


@pytest.mark.parametrize('name, string', [
    ('sentiment', '{text}满意'), ('sentiment', '{text_a}[MASK]{text_b}'), ('nli', '[MASK]{text}'),
    ('nli', '{text_a}{text_b}'), ('sentiment', '{text}{texts}[MASK]'), ('sentiment', '[MASK]{text}[MASK]')])
def test_a_pattern_of_ones_own_must_have_a_mask_and_the_texts_of_the_task(name, string):
    with pytest.raises(UserError) as e:
        Task.load(name).pattern(string)
    assert string in str(e.value)


# show

@pytest.mark.parametrize('name', SHIPPED)
def test_show_contains_every_pattern_filled_with_every_label_word(name):
    task = Task.load(name)
    shown = task.show()
    for key, pattern in task.patterns.items():
        assert '%s  %s' % (key, pattern.string) in shown.split('\n')
        for label, words in task.verbalizer_of(pattern).words.items():
            for word in words:
                assert '  %s: %s' % (label, pattern.fill(*task.example, word=word)) in shown.split('\n')


def test_show_contains_labels_words_aliases_and_the_aggregation():
    shown = Task(PATTERNS, {'正面': ['很', '挺'], '负面': '不'}, {'正面': ['1', 'pos']}, 'sum', description='Reviews.').show()
    assert 'task: Reviews.' in shown and 'sum over several words' in shown
    assert '  正面 → 很 挺   (in files also: 1, pos)' in shown.split('\n') and '  负面 → 不' in shown.split('\n')
    assert '  正面: 挺满意。…' in shown.split('\n')


def test_show_works_without_an_example_for_pairs_too():
    assert '  正面: …很…' in Task({'P1': '{text_a}[MASK]{text_b}'}, LABELS).show().split('\n')


# files

def test_a_saved_task_loads_as_it_was(tmp_path):
    path = str(tmp_path / 'task.json')
    task = Task({'P1': '[MASK]满意。{text}', 'own': '{text}，[unused1][MASK]！'}, {'正面': ['很', '[unused7]'], '负面': '不'},
                {'正面': ['1', 'pos']}, 'max', '评论', 'Reviews.', '房间很干净')
    task.save(path)
    loaded = Task.load(path)
    assert {k: p.string for k, p in loaded.patterns.items()} == {k: p.string for k, p in task.patterns.items()}
    for name in ('words', 'aggregation', 'labels'):
        assert getattr(loaded.verbalizer, name) == getattr(task.verbalizer, name)
    for name in ('name', 'description', 'aliases', 'example', 'labels', 'is_pair'):
        assert getattr(loaded, name) == getattr(task, name)
    assert loaded.label_of('pos') == '正面' and loaded.show() == task.show()


@pytest.mark.parametrize('name', SHIPPED)
def test_a_shipped_task_survives_saving_and_loading(name, tmp_path):
    path = str(tmp_path / 'copy.json')
    Task.load(name).save(path)
    assert Task.load(path).show() == Task.load(name).show()
    assert Task.load(path).aliases == Task.load(name).aliases


def test_chinese_is_readable_in_the_saved_file(tmp_path):
    path = tmp_path / 'task.json'
    Task(PATTERNS, LABELS).save(str(path))
    assert '[MASK]满意。{text}' in path.read_text('utf-8')


def test_a_task_needs_only_patterns_and_labels_and_is_named_after_its_file(write):
    task = Task.load(write())
    assert (task.name, task.description, task.example, task.aliases) == ('mine', '', [], {})
    assert task.verbalizer.aggregation == 'mean'


def test_a_byte_order_mark_is_no_obstacle(write):
    content = b'\xef\xbb\xbf' + json.dumps({'patterns': PATTERNS, 'labels': LABELS}).encode('utf-8')
    assert Task.load(write(content)).labels == ['正面', '负面']


def test_a_file_named_like_a_shipped_task_needs_its_ending(write, tmp_path, monkeypatch):
    write(name='own')
    (tmp_path / 'mine.json').rename(tmp_path / 'sentiment.json')
    monkeypatch.chdir(tmp_path)
    assert Task.load('sentiment.json').name == 'own'
    assert Task.load('sentiment').name == 'sentiment'


@pytest.mark.parametrize('name', ['sentimental', 'no/such.json'])
def test_a_task_that_is_not_there_is_named_with_the_shipped_ones(name):
    with pytest.raises(UserError) as e:
        Task.load(name)
    assert repr(name) in str(e.value) and 'news, nli, nli_binary, ocnli, sentiment' in str(e.value)


@pytest.mark.parametrize('content, message', [
    ('{"patterns": ', 'is not JSON'),
    (b'\xff\xfe{', 'is not JSON'),
    ('[' * 5000 + ']' * 5000, 'is not JSON: it is nested too deeply'),
    ('[]', 'a task is a JSON object with "patterns" and "labels"'),
    ('3', 'a task is a JSON object'),
    ('{"labels": {"a": "b"}}', 'a task is a JSON object with "patterns" and "labels"'),
    ('{"patterns": {"P1": "[MASK]{text}"}}', 'a task is a JSON object with "patterns" and "labels"'),
])
def test_a_file_that_is_no_task_is_named(write, content, message):
    path = write(content)
    with pytest.raises(UserError) as e:
        Task.load(path)
    assert path in str(e.value) and message in str(e.value)


@pytest.mark.parametrize('fields, message', [
    ({'lables': {}}, 'unknown key lables'),
    ({'patterns': {}}, 'has no pattern'),
    ({'patterns': {'P1': '满意。{text}'}}, 'has no [MASK] for the label word'),
    ({'patterns': {'P1': '[MASK]{txt}'}}, '{txt} is not one of {text}'),
    ({'patterns': {'P1': '[MASK]满意'}}, 'must hold {text} once'),
    ({'patterns': {'P1': '[MASK]{text}[MASK]'}}, 'more than one place'),
    ({'patterns': {'P1': '[MASK]{text}', 'P2': '{text_a}[MASK]{text_b}'}}, 'mixes patterns of one text'),
    ({'patterns': ['[MASK]{text}']}, '"patterns" is an object of name: text'),
    ({'patterns': {'P1': 1}}, '"patterns" is an object of name: text'),
    ({'labels': ['正面', '负面']}, '"labels" an object of label: word'),
    ({'labels': {'正面': 1, '负面': 2}}, '"labels" an object of label: word'),
    ({'labels': {'正面': '很'}}, 'needs two labels or more'),
    ({'labels': {'正面': '很', '负面': []}}, "Label '负面' needs at least one word"),
    ({'labels': {'正面': '很', '负面': '很'}}, "The word '很' is given twice"),
    ({'aggregation': 'median'}, "No aggregation 'median'"),
    ({'aliases': {'中性': ['2']}}, "aliases for '中性'"),
    ({'aliases': {'正面': ['1'], '负面': ['1']}}, 'stands for two labels'),
    ({'aliases': {'正面': None}}, 'and so is "aliases"'),
    ({'words': {'P2': LABELS}}, '"words" gives a pattern of the task a word for each label; \'P2\' is no pattern'),
    ({'words': {'P1': {'正面': '好'}}}, '"words" gives a pattern of the task a word for each label'),
    ({'words': {'P1': {'正面': '好', '负面': '好'}}}, "The word '好' is given twice"),
    ({'words': {'P1': '好'}}, '"words" is an object of name of a pattern'),
    ({'words': ['好']}, '"words" is an object of name of a pattern'),
    ({'patterns': {'P1': '[MASK]{text}', 'P2': '[MASK]{text}'}, 'words': {'P2': LABELS}}, 'has pattern P2 twice'),
    ({'labels': {'正\ud800': '很', '负面': '不'}}, '\\ud800 is half of a surrogate pair'),
    ({'example': '\udc00'}, '\\udc00 is half of a surrogate pair'),
])
def test_what_is_wrong_with_a_task_is_said_with_the_name_of_the_file(write, fields, message):
    path = write(**fields)
    with pytest.raises(UserError) as e:
        Task.load(path)
    assert str(e.value).startswith(path) and message in str(e.value)
