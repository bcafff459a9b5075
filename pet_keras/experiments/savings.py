"""Labels saved: how many texts chance must have labelled for the figure that a strategy reaches with fewer."""
import collections
import json
import math
import statistics

from pet_keras.experiments.tables import markdown_table

# figures, needed: dicts by FIGURES, see `savings`; fewest, most: the labels between which random order was measured
Saving = collections.namedtuple('Saving', 'task checkpoint method pattern labels figures needed fewest most')
FIGURES = ('accuracy', 'AUC')


def savings(rows):
    """Of the rows of a test (see `tables.rows_of`) those of strategies, beside random order with the same settings: a
    list of Saving.

    `figures` are means over the seeds. `needed` is read off the line through random order's means over the logarithm of
    the number of labels, where it first reaches the figure: a float; 0 where it is there with its fewest labels, and
    infinity where it is not with its most.
    """
    curves, found = {}, []
    chosen = [row for row in rows if 'strategy' in row['records'][0]]
    for row in chosen:
        if _is_random(row):
            curves.setdefault(_where(row), {})[int(row['labels'])] = _means(row)
    for row in chosen:
        curve = sorted(curves.get(_where(row), {}).items())
        if not _is_random(row) and len(curve) > 1:
            figures = _means(row)
            needed = {name: _reached([(n, of[name]) for n, of in curve], figures[name]) for name in figures}
            found.append(Saving(row['task'], row['checkpoint'], row['method'], row['pattern'], int(row['labels']),
                                figures, needed, curve[0][0], curve[-1][0]))
    return found


def _is_random(row):
    return row['records'][0]['strategy'] == 'random'


def _where(row):
    first = row['records'][0]
    return row['task'], row['checkpoint'], row['pattern'], json.dumps(
        [first.get(key) for key in ('classifier', 'learn', 'settings', 'fit', 'words')], sort_keys=True)


def _means(row):
    return {name: statistics.mean(row[name]) for name in FIGURES if row[name]}


def _reached(curve, wanted):
    """The number at which a line through points (number, figure) first reaches a figure."""
    before = None
    for n, figure in curve:
        if figure >= wanted:
            if before is None:
                return 0.
            share = (wanted - before[1]) / (figure - before[1])
            return math.exp(math.log(before[0]) + share * (math.log(n) - math.log(before[0])))
        before = n, figure
    return math.inf


def markdown(found):
    """The Savings as a table."""
    names = ('task', 'checkpoint', 'strategy', 'pattern', 'labels', 'accuracy', 'random order needs', 'AUC',
             'random order needs')
    lines = []
    for one in found:
        cells = [one.task, one.checkpoint, one.method, one.pattern, one.labels]
        for name, form in zip(FIGURES, ('%.1f', '%.3f')):
            cells += [form % one.figures[name], _number(one, name)] if name in one.figures else ['', '']
        lines.append(list(map(str, cells)))
    return markdown_table(names, lines)


def _number(saving, name):
    needed = saving.needed[name]
    if needed == 0.:
        return '%d or fewer' % saving.fewest
    return 'more than %d' % saving.most if math.isinf(needed) else '%.0f' % needed
