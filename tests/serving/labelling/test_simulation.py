"""benchmarks/labelling.py in short: it labels, learns, goes on where it stopped, and draws."""
import importlib.util
import json
import os

import pytest

import pet_keras

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(pet_keras.__file__)))


@pytest.fixture
def simulation(tmp_path):
    """The script as a module, and a folder of data of the published shape."""
    spec = importlib.util.spec_from_file_location('labelling_simulation',
                                                  os.path.join(ROOT, 'benchmarks', 'labelling.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path / 'data' / 'sentiment'
    folder.mkdir(parents=True)
    for part, first in (('train', 0), ('test', 50)):  # ten of test stand in train too
        (folder / ('sentiment.%s.data' % part)).write_text(''.join(
            '%s%d\t%d\n' % ('干净' if i % 2 else '又吵', i, i % 2) for i in range(first, first + 60)), encoding='utf-8')
    return module


def test_no_text_of_the_pile_is_among_the_unseen(simulation, tmp_path):
    pile, unseen = simulation.texts_of('sentiment', str(tmp_path), 0)
    assert len(pile) == 60 and len(unseen) == 50 and not set(e.text for e in pile) & set(e.text for e in unseen)
    assert simulation.texts_of('sentiment', str(tmp_path), 0) == (pile, unseen)


def test_a_run_is_recorded_once_and_drawn(simulation, still, tmp_path, capsys):
    args = ['--data', str(tmp_path), '--out', str(tmp_path / 'out'), '--checkpoint', still, '--task', 'sentiment',
            '--strategy', 'random', 'margin', '--seeds', '0', '--labels', '6', '12', '--validate', '6']
    simulation.main(args)
    path = tmp_path / 'out' / 'records.jsonl'
    written = path.read_text()
    first, second = map(json.loads, written.splitlines())
    assert [one['strategy'] for one in (first, second)] == ['random', 'margin']
    assert [point['labels'] for point in first['rounds']] == [0, 6, 12]
    assert 'cross_validated' in first['rounds'][1] and 'cross_validated' not in first['rounds'][2]
    assert first['rounds'][0]['accuracy'] == second['rounds'][0]['accuracy']  # nothing is learned yet
    path.write_text(written + written[:20])  # a kill
    simulation.main(args)
    assert path.read_text().startswith(written) and len(simulation.read_records(str(tmp_path / 'out'))) == 2
    assert '| margin | 1 |' in capsys.readouterr().out
    pytest.importorskip('matplotlib', reason='the extra [experiments] is not installed')
    simulation.main(args[2:4] + ['--plot'])
    assert (tmp_path / 'out' / 'labelling.png').stat().st_size > 5000
