"""What each method costs: numbers that train, time to learn, of a step and of a prediction, memory, bytes saved."""
import collections
import statistics

from pet_keras.experiments.tables import labels_cell, markdown_table, setting_of

# medians over its runs, seconds of the processors; None where no run has the figure (nothing is trained, no text
# predicted, an older record)
Cost = collections.namedtuple('Cost', 'task checkpoint method labels parameters_trained train step predict peak_memory '
                                      'saved_bytes')
_COLUMNS = ('task', 'checkpoint', 'method', 'labels', 'numbers trained', 's to learn', 'ms a step', 'ms a prediction',
            'memory, MiB', 'saved, kB')


def costs(found):
    """Of records a Cost for each task, checkpoint, method and number of labels; patterns and seeds cost the same."""
    groups = {}
    for record in found:
        groups.setdefault(setting_of(record), []).append(record)
    return [Cost(*identity, *(_median(same, name) for name in Cost._fields[4:])) for identity, same in groups.items()]


def _median(found, name):
    values = [dict(record, **record.get('processor_seconds', {})).get(name) for record in found]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def markdown(found):
    """The Costs as a table; the task is left out where there is but one."""
    first = len({one.task for one in found}) < 2
    return markdown_table(_COLUMNS[first:], [list(one[first:3]) + [
        labels_cell(one.labels), '%d' % (one.parameters_trained or 0), _form('%.0f', one.train, 1.),
        _form('%.0f', one.step, 1e3), _form('%.1f', one.predict, 1e3), _form('%.0f', one.peak_memory, 2. ** -20),
        _form('%.0f', one.saved_bytes, 1e-3)] for one in found])


def _form(form, value, unit):
    return '' if value is None else form % (value * unit)
