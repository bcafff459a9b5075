import os
import sys

import numpy as np
import pytest
from made_up import record

from pet_keras.errors import UserError
from pet_keras.experiments import plots, records, tables


def _rows(folder):
    return tables.rows_of(records.read(folder), [], 't', str(folder))


@pytest.fixture
def full(tmp_path):
    """Records of two patterns, two numbers of labels and two seeds, one of which is the best on dev only."""
    for method, dev, wrong in (('a', 90., 30), ('b', 60., 5)):
        for pattern in ('P1', 'P2'):
            for labelled in ({'per_label': 4}, 32):
                for seed in (0, 1):
                    history = [{'epoch': i, 'dev_accuracy': 50. + i} for i in range(3 + seed)]
                    record(tmp_path, np.arange(40) >= wrong, method=method, pattern=pattern, labelled=labelled,
                           seed=seed, dev=dev, history=history)
    return tmp_path


def test_each_plot_is_drawn_where_there_is_enough_for_it(full, tmp_path):
    pytest.importorskip('matplotlib')
    written = plots.write_plots(_rows(full), 't', str(full), str(tmp_path / 'plots'))
    assert [os.path.basename(path) for path in written] == [
        't-labels.png', 't-patterns.png', 't-learning.png', 't-confusion.png', 't-reliability.png']
    assert all(os.path.getsize(path) > 2000 for path in written)


def test_one_run_has_no_curve_and_no_heat_map_and_tasks_have_plots_of_their_own(tmp_path):
    pytest.importorskip('matplotlib')
    record(tmp_path, [True, False] * 4, name='a')
    record(tmp_path, [True, False] * 4, name='b')
    written = plots.write_plots(_rows(tmp_path), 't', str(tmp_path), str(tmp_path / 'plots'))
    assert [os.path.basename(path) for path in written] == [
        't-1-confusion.png', 't-1-reliability.png', 't-2-confusion.png', 't-2-reliability.png']


def test_confusion_and_reliability_are_of_the_row_that_dev_chooses(full):
    pytest.importorskip('matplotlib')
    plt = plots._matplotlib()
    _, axes = plt.subplots()
    assert plots._confusion(axes, _rows(full), 't', str(full)) and axes.get_title().startswith('one, a,')
    plt.close('all')


def test_a_curve_has_the_numbers_of_labels_and_the_mean_over_seeds(full):
    pytest.importorskip('matplotlib')
    _, axes = plots._matplotlib().subplots()
    plots._labels(axes, _rows(full), 't', str(full))
    line = axes.get_lines()[0]
    assert line.get_xdata().tolist() == [8, 32] and line.get_ydata().tolist() == [25., 25.]
    plots._matplotlib().close('all')


def test_without_matplotlib_it_says_what_to_type(full, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    with pytest.raises(UserError, match=r'pip install "pet-keras\[experiments\]"'):
        plots.write_plots(_rows(full), 't', str(full), str(tmp_path))
