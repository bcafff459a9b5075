import numpy as np
import pytest

from pet_keras.classifiers.bag_of_words import BagOfWordsClassifier
from pet_keras.classifiers.cloze_classifier import ClozeClassifier
from pet_keras.classifiers.fine_tuning import FineTuningClassifier
from pet_keras.classifiers.priming import PrimingClassifier
from pet_keras.cloze.prompt_pattern import prompt_pattern
from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.errors import UserError
from pet_keras.networks.fill import fill_mask
from pet_keras.serving.answers import warm_up
from pet_keras.serving.engines import ClassifierEngine, PromptEngine, load_engines

TEXTS = ['房间很干净', '又吵又脏再也不来了', '好', '这本书纸张不错字也大，快递也快']
OWN = '[MASK]喜欢。{text}'


@pytest.fixture(scope='module')
def classifier(still):
    """A cloze with an offset; its task has a pattern, P6, with label words of its own."""
    made = ClozeClassifier('sentiment', still)
    made.offset = [.5, 0.]
    return made


@pytest.fixture(scope='module')
def engine(classifier):
    return ClassifierEngine(classifier)


@pytest.fixture(scope='module')
def folders(classifier, still, tmp_path_factory):
    """name → folder: a whole model, a fine-tuned one, and two prompts of one checkpoint, one of them for pairs."""
    folder = tmp_path_factory.mktemp('served')
    pairs = Task({'P1': '{text_a}[SEP]{text_b}总之[MASK]'}, {'同': '同', '异': '异'}, name='pairs')
    made = {'whole': classifier, 'fine': FineTuningClassifier('sentiment', still)}
    for seed, (name, task) in enumerate({'reviews': 'sentiment', 'pairs': pairs}.items()):
        made[name] = ClozeClassifier(task, still, prompt_pattern(4, is_pair=name == 'pairs'), train='prompt')
        made[name].embedding.set_prompt(np.random.default_rng(seed).normal(0, .5, made[name].embedding.prompt.shape))
    for name in made:
        made[name].save(str(folder / name))
    return {name: str(folder / name) for name in made}, made


def test_one_batch_may_ask_with_any_patterns_and_each_is_the_classifiers_own_answer(engine, classifier, still):
    items = [('x', pattern, [text]) for text in TEXTS for pattern in (None, 'P6', OWN, 'P2')]
    found = engine.classify(items)
    for (_, pattern, texts), scores in zip(items, found):
        alone = classifier if pattern is None else ClozeClassifier('sentiment', still, pattern)
        np.testing.assert_allclose(scores, alone.predict_log_proba(texts)[0], atol=1e-5, err_msg=str(pattern))


def test_other_patterns_leave_the_classifier_and_its_offset_as_they_are(engine, classifier):
    before = classifier.predict_log_proba(TEXTS)
    engine.classify([('x', OWN, ['好']), ('x', 'P6', ['好']), ('x', 'P1', ['好'])])
    assert classifier.pattern.string == '[MASK]满意。{text}' and classifier.offset.tolist() == [.5, 0.]
    np.testing.assert_array_equal(classifier.predict_log_proba(TEXTS), before)
    default, named = engine.classify([('x', None, ['好']), ('x', 'P1', ['好'])])
    # its own pattern by its name has its offset; two rows of one batch may differ in the last bits
    np.testing.assert_allclose(default, named, rtol=1e-5)


def test_fill_is_the_models_and_each_gets_as_many_tokens_as_it_asks_for(engine, classifier):
    found = engine.fill([('x', '房间很[MASK]净', 2), ('x', '[MASK]好[MASK]', 3)])
    wanted = fill_mask(['房间很[MASK]净', '[MASK]好[MASK]'], classifier.checkpoint, 3)
    assert [[t for t, _ in pairs] for pairs in found[0]] == [[t for t, _ in wanted[0][0][:2]]]
    assert [[t for t, _ in pairs] for pairs in found[1]] == [[t for t, _ in pairs] for pairs in wanted[1]]


def test_a_causal_model_names_the_patterns_whose_blank_comes_last(causal):
    fields = ClassifierEngine(ClozeClassifier('sentiment', causal)).describe('x')
    assert fields['causal'] and list(fields['patterns']) == ['P6'] and fields['pattern'] == '{text}评价：[MASK]'


@pytest.mark.parametrize('pattern, texts, said', [
    (None, ['好', '坏'], 'takes one text'), ('P9', ['好'], "no pattern 'P9'"), ('{text}', ['好'], 'must hold'),
    ('[MASK]{text}[MASK]', ['好'], 'more than one place'), ('[MASK]{text_a}', ['好'], 'must hold')])
def test_what_does_not_fit_is_said_before_it_waits(engine, pattern, texts, said):
    with pytest.raises(UserError, match=said):
        engine.check('x', pattern, texts)


def test_models_of_all_kinds_answer_as_their_classifiers_and_prompts_share_a_model(folders):
    folders, classifiers = folders
    engines = load_engines(folders)
    assert list(engines) == list(folders)
    assert isinstance(engines['reviews'], PromptEngine) and engines['reviews'] is engines['pairs']
    warm_up(engines)
    for name, engine in engines.items():
        texts = [[text, '好'] if name == 'pairs' else [text] for text in TEXTS]
        found = engine.classify([(name, None, one) for one in texts])
        wanted = classifiers[name].predict_log_proba([tuple(one) if len(one) > 1 else one[0] for one in texts])
        np.testing.assert_allclose(found, wanted, atol=1e-5, err_msg=name)
        kind = 'prompt' if name in ('reviews', 'pairs') else classifiers[name].kind
        fields = engine.describe(name)
        assert (fields['kind'], fields['pair']) == (kind, name == 'pairs')
        assert bool(fields['patterns']) == (name == 'whole') and fields['fills'] == (name != 'fine')
    assert engines['whole'].describe('whole')['patterns']['P6'] == {
        'pattern': '{text}评价：[MASK]', 'words': {'正面': ['好'], '负面': ['差']}}
    assert engines['fine'].describe('fine')['pattern'] is None
    for name, said in (('fine', 'fine-tuning reads the text alone'), ('reviews', 'takes no other')):
        with pytest.raises(UserError, match=said):
            engines[name].check(name, OWN, ['好'])


def test_a_prompts_tokens_are_its_own_where_its_model_fills_blanks(folders):
    folders, classifiers = folders
    engine = load_engines({name: folders[name] for name in ('pairs', 'reviews')})['reviews']
    text = '[unused1][unused2]很[MASK][unused3]'
    (pairs,), = engine.fill([('reviews', text, 40)])
    wanted = dict(fill_mask([text], classifiers['reviews'].checkpoint, 60, model=classifiers['reviews'].model)[0][0])
    assert len(pairs) == 40
    both = [(p, wanted[token]) for token, p in pairs if token in wanted and not token.startswith('[unused')]
    ratios = [p / other for p, other in both]  # but for the prompt's own tokens, which are answers there
    assert len(both) > 20 and max(ratios) < 1.001 * min(ratios)
    (others,), = engine.fill([('pairs', text, 40)])
    assert [token for token, _ in others] != [token for token, _ in pairs]


def test_a_checkpoint_is_for_prompts(folders, still, tiny):
    folders, _ = folders
    load_engines({'reviews': folders['reviews'], 'fine': folders['fine']}, still)
    with pytest.raises(UserError, match='no --model is a prompt'):
        load_engines({'whole': folders['whole']}, still)
    with pytest.raises(UserError, match='trained on another checkpoint'):
        load_engines({'reviews': folders['reviews']}, tiny)


def test_a_bag_of_words_and_a_priming_model_are_served_like_any_other(causal, tmp_path):
    pytest.importorskip('sklearn')
    labelled = [Example(text, label=label) for text, label in zip(TEXTS, ('正面', '负面', '正面', '正面'))]
    made = {'bag': BagOfWordsClassifier().fit(labelled), 'primed': PrimingClassifier('sentiment', causal).fit(labelled)}
    for name in made:
        made[name].save(str(tmp_path / name))
    engines = load_engines({name: str(tmp_path / name) for name in made})
    warm_up(engines)
    for name, engine in engines.items():
        np.testing.assert_array_equal(engine.classify([(name, None, [text]) for text in TEXTS]),
                                      made[name].predict_log_proba(TEXTS))
    assert engines['bag'].describe('bag')['kind'] == 'bag-of-words' and not engines['bag'].describe('bag')['fills']
    with pytest.raises(UserError, match='bag-of-words reads the text alone'):
        engines['bag'].check('bag', 'P1', ['好'])
