import numpy as np
import pytest
from made_up import record

from pet_keras.errors import UserError
from pet_keras.experiments import records
from pet_keras.experiments.claims import HOLDS, NOT, ONE_RUN, UNKNOWN, judge, markdown
from pet_keras.experiments.grid import Grid


def _right(share, seed=0, n=200):
    return np.random.default_rng(seed).random(n) < share


@pytest.fixture
def verdicts(tmp_path):
    def call(more, less, **fields):
        claim = dict({'claim': 'x', 'more': more, 'less': less, 'test': 't'}, **fields)
        return judge(claim, records.read(tmp_path), str(tmp_path))
    return call


def test_what_lies_above_holds_below_does_not_and_about_0_cannot_be_told(tmp_path, verdicts):
    for method, share in (('a', .9), ('b', .5), ('c', .52)):
        record(tmp_path, _right(share, seed=len(method)), method=method)
    record(tmp_path, _right(.9, seed=7), method='as good')
    for more, less, verdict in (('a', 'b', HOLDS), ('b', 'a', NOT), ('a', 'as good', UNKNOWN)):
        found, = verdicts({'method': more}, {'method': less})
        assert found['verdict'] == verdict
    found, = verdicts({'method': 'a'}, {'method': 'b'})
    assert found['more'] == pytest.approx(100 * _right(.9, 1).mean()) and found['runs'] == [1, 1]
    assert found['difference'][0] == pytest.approx(found['more'] - found['less'])


def test_a_verdict_on_one_run_of_what_learns_says_so(tmp_path, verdicts):
    for method, share, seeds in (('zero', .2, [0]), ('few', .8, [0, 1]), ('once', .85, [0])):
        for seed in seeds:
            record(tmp_path, _right(share, seed), method=method, seed=seed, learn=['labelled'] * (method != 'zero'))
    for more, less, verdict in (('few', 'zero', HOLDS), ('once', 'zero', HOLDS + ONE_RUN),
                                ('zero', 'once', NOT + ONE_RUN), ('once', 'few', UNKNOWN)):
        found, = verdicts({'method': more}, {'method': less})
        assert found['verdict'] == verdict


def test_rows_are_compared_on_the_patterns_that_both_sides_have(tmp_path, verdicts):
    for pattern, share in (('P1', .8), ('P2', .1)):
        record(tmp_path, _right(share), method='few', pattern=pattern)
    record(tmp_path, _right(.7), method='semi', pattern='P1')
    found, = verdicts({'method': 'semi'}, {'method': 'few'})
    assert found['less'] == pytest.approx(100 * _right(.8).mean())
    both, = verdicts({'method': 'semi'}, {'method': 'few', 'pattern': ['P1', 'P2']})
    assert both['less'] == pytest.approx(50 * (_right(.8).mean() + _right(.1).mean()))


def test_a_side_without_patterns_is_compared_with_all_or_with_the_best_on_dev(tmp_path, verdicts):
    for pattern, share, dev in (('P1', .6, 90.), ('P2', .9, 50.)):
        record(tmp_path, _right(share), method='few', pattern=pattern, dev=dev)
    record(tmp_path, _right(.7), method='fine-tuning', pattern='-')
    found, = verdicts({'method': 'few', 'best': 'dev'}, {'method': 'fine-tuning'})
    assert found['more'] == pytest.approx(100 * _right(.6).mean())
    found, = verdicts({'method': 'few'}, {'method': 'fine-tuning'})
    assert found['more'] == pytest.approx(50 * (_right(.6).mean() + _right(.9).mean()))


def test_each_checkpoint_has_its_verdict_unless_the_claim_names_some(tmp_path, verdicts):
    for checkpoint, share in (('small', .9), ('mini', .5)):
        record(tmp_path, _right(share), method='a', checkpoint=checkpoint)
        record(tmp_path, _right(share - .3, seed=1), method='b', checkpoint=checkpoint)
    assert [found['checkpoint'] for found in verdicts({'method': 'a'}, {'method': 'b'})] == ['small', 'mini']
    found, = verdicts({'method': 'a', 'checkpoint': 'small'}, {'method': 'a', 'checkpoint': 'mini'})
    assert found['checkpoint'] == 'small / mini' and found['verdict'] == HOLDS


def test_only_seeds_that_all_rows_of_a_side_have_count(tmp_path, verdicts):
    for seed in (0, 1):
        record(tmp_path, _right(.8, seed), method='few', pattern='P1', seed=seed)
    record(tmp_path, _right(.2), method='few', pattern='P2', seed=0)
    record(tmp_path, _right(.5), method='-', pattern='-')
    found, = verdicts({'method': 'few'}, {'method': '-'})
    assert found['runs'] == [1, 1] and found['more'] == pytest.approx(50 * (_right(.8).mean() + _right(.2).mean()))


def test_so_many_of_each_label_can_be_named(tmp_path, verdicts):
    for k, share in ((8, .5), (16, .9)):
        record(tmp_path, _right(share, seed=k), labelled={'per_label': k})
    found, = verdicts({'labelled': {'per_label': 16}}, {'labelled': {'per_label': 8}})
    assert found['verdict'] == HOLDS


def test_what_has_not_run_has_no_verdict_and_what_ran_on_other_texts_no_difference(tmp_path, verdicts):
    record(tmp_path, _right(.8), method='a')
    record(tmp_path, _right(.8), method='b', texts='y')
    assert verdicts({'method': 'a'}, {'method': 'c'}) == []
    found, = verdicts({'method': 'a'}, {'method': 'b'})
    assert found['difference'] is None
    assert markdown([found]).endswith('| – | 1 / 1 | tested on other texts |\n')


def test_a_claim_may_be_about_the_area_under_the_curve(tmp_path, verdicts):
    record(tmp_path, _right(.9), method='a')
    record(tmp_path, _right(.6), method='b')
    found, = verdicts({'method': 'a'}, {'method': 'b'}, figure='auc')
    area = records.read(tmp_path)[0]['tests']['t']['auc']
    assert found['more'] == pytest.approx(100 * area) and found['figure'] == 'auc'
    line = markdown([found]).splitlines()[2]
    assert '| auc | %.1f |' % (100 * area) in line and line.endswith('| 1 / 1 | holds |')


@pytest.mark.parametrize('change, said', [
    ({'less': {'pattern': 'P33'}}, 'no run is one of {"pattern": "P33"} with the test unseen'),
    ({'more': {'labelled': 99}}, 'no run is one of'), ({'less': {'pattern': 'default'}}, 'no run is one of'),
    ({'more': {'task': 'nonsense'}}, 'no run is one of'),
    ({'less': {'method': 'floor'}}, 'name one of each'), ({'less': {'method': 'elsewhere'}}, 'with the test unseen'),
    ({'test': 'nowhere'}, "'nowhere'"), ({'more': {'method': 'zero'}}, "perhaps 'zero-shot'"), ({'figure': 'f1'}, "'f1'"),
    ({'less': {'best': 'test'}}, "'test'"), ({'less': {'seed': 1}}, "'seed'"), ({'claim': None}, 'claims'),
])
def test_a_claim_that_cannot_be_judged_is_refused_before_the_first_run(small, write, change, said):
    claim = {'claim': 'x', 'more': {'method': 'few-shot'}, 'less': {'method': 'zero-shot'}, 'test': 'unseen'}
    small['methods'].update(floor={'learn': 'labelled', 'classifier': 'bag-of-words'}, elsewhere={'tests': 'whole'})
    assert Grid(write(dict(small, claims=[claim]))).claims == [claim]
    claim.update(change)
    with pytest.raises(UserError, match=said):
        Grid(write(dict(small, claims=[{k: v for k, v in claim.items() if v is not None}])))


def test_a_claim_names_rows_as_the_tables_do(small, write):
    del small['patterns']
    side = {'method': 'few-shot', 'pattern': 'default', 'labelled': '4', 'task': 'sentiment'}
    claim = {'claim': 'x', 'more': side, 'less': {'method': 'zero-shot', 'labelled': 0}, 'test': 'unseen'}
    assert Grid(write(dict(small, claims=[claim]))).claims == [claim]
