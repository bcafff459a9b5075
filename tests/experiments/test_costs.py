from pet_keras.experiments.costs import costs, markdown

MEASURED = {'parameters_trained': 10, 'step_seconds': 99., 'processor_seconds': {'train': 9., 'step': .25, 'predict': .0125},
            'peak_memory': 300 * 2 ** 20, 'saved_bytes': 4000}


def record(step=.25, **fields):
    fields.setdefault('processor_seconds', dict(MEASURED['processor_seconds'], step=step))
    return dict({'task': 'sentiment', 'checkpoint': 'one', 'method': 'm', 'labelled': 168, 'pattern': 'P1', 'seed': 0},
                **dict(MEASURED, **fields))


def test_patterns_and_seeds_are_one_row_of_their_medians():
    one, other = costs([record(.1), record(.3, pattern='P2'), record(9., seed=1),
                        record(.2, method='other')])
    assert (one.method, one.labels, one.step, one.saved_bytes) == ('m', '168', .3, 4000)
    assert (other.method, other.step) == ('other', .2)


def test_numbers_of_labels_checkpoints_and_tasks_are_rows_of_their_own():
    found = costs([record(), record(labelled=16), record(labelled={'per_label': 8}), record(checkpoint='two'),
                   record(name='named')])
    assert [(one.task, one.checkpoint, one.labels) for one in found] == [
        ('sentiment', 'one', '168'), ('sentiment', 'one', '16'), ('sentiment', 'one', '{"per_label": 8}'),
        ('sentiment', 'two', '168'), ('named', 'one', '168')]


def test_the_table_has_units_and_leaves_empty_what_was_not_measured():
    untrained = record(None, method='zero|shot', labelled=0, parameters_trained=0)
    older = record(method='older', processor_seconds={})
    table = markdown(costs([record(), untrained, older])).splitlines()
    assert table[0] == ('| checkpoint | method | labels | numbers trained | s to learn | ms a step | ms a prediction | '
                        'memory, MiB | saved, kB |')
    assert table[2:] == ['| one | m | 168 | 10 | 9 | 250 | 12.5 | 300 | 4 |',
                         '| one | zero\\|shot |  | 0 | 9 |  | 12.5 | 300 | 4 |',
                         '| one | older | 168 | 10 |  |  |  | 300 | 4 |']
    assert markdown(costs([record(), record(name='named')])).splitlines()[2].startswith('| sentiment | one | m |')
