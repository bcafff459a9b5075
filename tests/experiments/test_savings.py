import math

import pytest
from made_up import record

from pet_keras.experiments import records
from pet_keras.experiments.savings import markdown, savings
from pet_keras.experiments.tables import rows_of


@pytest.fixture
def rows(tmp_path):
    def call(**curves):
        """Of each strategy: how many of ten texts are right with 20, 40, 80 labels, a list a seed."""
        for strategy, seeds in curves.items():
            for seed, curve in enumerate(seeds):
                for n, right in zip((20, 40, 80), curve):
                    record(str(tmp_path), [True] * right + [False] * (10 - right), method=strategy, strategy=strategy,
                           labelled=n, seed=seed)
        return rows_of(records.read(str(tmp_path)), [], 't')
    return call


def test_what_random_order_needs_is_read_off_its_line_over_the_logarithm(rows):
    found = savings(rows(random=[[4, 6, 8]], mix=[[5, 7, 9]]))
    assert [(one.method, one.labels, one.figures['accuracy']) for one in found] == [
        ('mix', 20, 50.), ('mix', 40, 70.), ('mix', 80, 90.)]
    assert [one.needed['accuracy'] for one in found] == [
        pytest.approx(20 * 2 ** .5), pytest.approx(40 * 2 ** .5), math.inf]


def test_it_is_the_mean_over_seeds_and_the_first_place_where_the_line_is_so_high(rows):
    one, *_ = savings(rows(random=[[4, 8, 4], [6, 8, 4]], mix=[[6, 6, 6], [7, 7, 7]]))
    assert one.figures['accuracy'] == 65. and one.needed['accuracy'] == pytest.approx(20 * 2 ** .5)


def test_less_than_random_order_with_its_fewest_labels_is_said_so(rows):
    lines = markdown(savings(rows(random=[[5, 6, 7]], mix=[[4, 8, 6]]))).splitlines()
    assert '| 20 | 40.0 | 20 or fewer |' in lines[2] and '| 40 | 80.0 | more than 80 |' in lines[3]
    assert '| 80 | 60.0 | 40 |' in lines[4]


def test_without_random_order_there_is_nothing_to_compare_with(rows):
    assert savings(rows(mix=[[5, 7, 9]])) == []


def test_each_way_of_training_has_its_own_random_order(rows, tmp_path):
    rows(random=[[4, 6, 8]], mix=[[5, 7, 9]])
    for n, right in ((20, 8), (40, 9)):
        record(str(tmp_path), [True] * right + [False] * (10 - right), method='random, longer', strategy='random',
               labelled=n, seed=0, fit={'epochs': 9})
    one, *_ = savings(rows())
    assert one.needed['accuracy'] == pytest.approx(20 * 2 ** .5)
