from pet_keras.experiments.costs import costs, markdown

MEASURED = {'parameters_trained': 10, 'step_seconds': .25, 'predict_seconds': .0125, 'peak_memory': 300 * 2 ** 20,
            'saved_bytes': 4000}


def record(**fields):
    return dict({'task': 'sentiment', 'checkpoint': 'one', 'method': 'm', 'labelled': 168, 'pattern': 'P1', 'seed': 0},
                **dict(MEASURED, **fields))


def test_patterns_and_seeds_are_one_row_of_their_medians():
    one, other = costs([record(step_seconds=.1), record(pattern='P2', step_seconds=.3), record(seed=1, step_seconds=9.),
                        record(method='other', step_seconds=.2)])
    assert (one.method, one.labels, one.step_seconds, one.saved_bytes) == ('m', '168', .3, 4000)
    assert (other.method, other.step_seconds) == ('other', .2)


def test_numbers_of_labels_checkpoints_and_tasks_are_rows_of_their_own():
    found = costs([record(), record(labelled=16), record(labelled={'per_label': 8}), record(checkpoint='two'),
                   record(name='named')])
    assert [(one.task, one.checkpoint, one.labels) for one in found] == [
        ('sentiment', 'one', '168'), ('sentiment', 'one', '16'), ('sentiment', 'one', '{"per_label": 8}'),
        ('sentiment', 'two', '168'), ('named', 'one', '168')]


def test_the_table_has_units_and_leaves_empty_what_was_not_measured():
    untrained = record(method='zero|shot', labelled=0, parameters_trained=0, step_seconds=None, predict_seconds=None)
    table = markdown(costs([record(), untrained])).splitlines()
    assert table[0] == ('| checkpoint | method | labels | numbers trained | ms a step | ms a prediction | memory, MiB | '
                        'saved, kB |')
    assert table[2:] == ['| one | m | 168 | 10 | 250 | 12.5 | 300 | 4 |',
                         '| one | zero\\|shot |  | 0 |  |  | 300 | 4 |']
    assert markdown(costs([record(), record(name='named')])).splitlines()[2].startswith('| sentiment | one | m |')
