"""Labels saved: how many texts chance must have labelled for the figure that a strategy reaches with fewer."""
import collections
import math
import statistics

# needed: {figure: (the fewest labels with which random order reaches it, …)}, see `savings`
Saving = collections.namedtuple('Saving', 'task checkpoint method pattern labels figures needed')
FIGURES = ('accuracy', 'AUC')


def savings(rows):
    """Of the rows of a test (see `tables.rows_of`) those of strategies, beside random order: a list of Saving.

    `figures` are means over the seeds. `needed` is read off the line through random order's means over the logarithm of
    the number of labels, where it first reaches the figure: a float; 0 where it is there with its fewest labels, and
    infinity where it is not with its most.
    """
    curves, found = {}, []
    for row in rows:
        if row['records'][0].get('strategy') == 'random':
            points = curves.setdefault(_where(row), {})
            points[int(row['labels'])] = _means(row)
    for row in rows:
        if row['records'][0].get('strategy', 'random') != 'random' and len(curves.get(_where(row), {})) > 1:
            figures, curve = _means(row), sorted(curves[_where(row)].items())
            needed = {name: _reached([(n, of[name]) for n, of in curve], figures[name]) for name in figures}
            found.append(Saving(row['task'], row['checkpoint'], row['method'], row['pattern'], int(row['labels']),
                                figures, needed))
    return found


def _where(row):
    return row['task'], row['checkpoint'], row['pattern']


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


def markdown(found, rows):
    """The Savings as a table."""
    counts = [int(row['labels']) for row in rows if row['records'][0].get('strategy') == 'random']
    names = ('task', 'checkpoint', 'strategy', 'pattern', 'labels', 'accuracy', 'random order needs', 'AUC',
             'random order needs')
    lines = ['| %s |' % ' | '.join(names), '|' + ' --- |' * len(names)]
    for one in found:
        cells = [one.task, one.checkpoint, one.method, one.pattern, one.labels]
        for name, form in zip(FIGURES, ('%.1f', '%.3f')):
            cells += [form % one.figures[name], _number(one.needed[name], counts)] if name in one.figures else ['', '']
        lines.append('| %s |' % ' | '.join(map(str, cells)))
    return '\n'.join(lines) + '\n'


def _number(needed, counts):
    if needed == 0.:
        return '%d or fewer' % min(counts)
    return 'more than %d' % max(counts) if math.isinf(needed) else '%.0f' % needed
