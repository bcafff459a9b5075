"""Records → tables, in Markdown, CSV and LaTeX."""
import csv
import io
import json
import statistics

from pet_keras.experiments import records
from pet_keras.experiments.statistics import Run, accuracy, mcnemar, paired_bootstrap

COLUMNS = ('task', 'checkpoint', 'method', 'labels', 'pattern', 'runs', 'accuracy', 'corrected', 'AUC', 'dev',
           'published')
_SAME = ('task', 'checkpoint', 'method', 'labels', 'pattern')
_FIGURES = ('accuracy', 'corrected', 'AUC', 'dev')
OTHER_TEXTS = 'other texts'


def rows_of(found, published, test, folder=None):
    """The rows of one test's table: a dict of COLUMNS each, figures as lists over the seeds, and

    - `records`, those of its runs;
    - `best_on_dev`: whether its mean dev accuracy is the best of its task and number of labels;
    - `published`: the rows of `published` that are about it. One of a checkpoint that the table has belongs to that
      checkpoint's rows, one of another stands beside all that agree in the rest, under its own checkpoint's name;
    - with `folder`, that of the records, `distinguishable`: whether its accuracy differs from that of the task's most
      accurate row, among those with the most runs, beyond a 95 % interval of `paired_bootstrap`: True, False,
      OTHER_TEXTS where they were not tested on the same, or None for that row itself; `difference`, (points, lower,
      upper end); and `mcnemar`, the p-value where both are one run. The last two are None where there is nothing to say.
    """
    rows = {}
    for record in found:
        if test not in record['tests']:
            continue
        identity = (*setting_of(record), record['pattern'])
        row = rows.setdefault(identity, dict(zip(_SAME, identity), records=[], **{name: [] for name in _FIGURES}))
        figures = record['tests'][test]
        row['records'].append(record)
        for column, value in (('accuracy', figures['accuracy']), ('corrected', figures.get('corrected')),
                              ('AUC', figures['auc']), ('dev', record.get('dev', {}).get('accuracy'))):
            if value is not None:
                row[column].append(value)
    rows = list(rows.values())
    here = {row['checkpoint'] for row in rows}
    for row in rows:
        row['runs'], row['best_on_dev'] = len(row['records']), row is _best_on_dev(rows, row)
        row['published'] = [p for p in published if p.get('test', test) == test and _agrees(p, row, here)]
    if folder:
        _mark(rows, test, folder)
    return rows


def setting_of(record):
    """(task, checkpoint, method, labels) of a record, as tables name them."""
    return (record.get('name') or str(record['task']), record['checkpoint'], record['method'],
            as_text(record['labelled']))


def _agrees(published, row, checkpoints):
    wanted = {'task': row['task'], 'method': row['method'], 'pattern': row['pattern'], 'labelled': row['labels']}
    if published.get('checkpoint') in checkpoints:
        wanted['checkpoint'] = row['checkpoint']
    return all(as_text(published[key]) == value for key, value in wanted.items() if key in published)


def as_text(value):
    """A value of an experiment file as a row of a table has it."""
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _best_on_dev(rows, row):
    same = [r for r in rows if r['dev'] and (r['task'], r['labels']) == (row['task'], row['labels'])]
    return max(same, key=lambda r: statistics.mean(r['dev'])) if len(same) > 1 else None


def _mark(rows, test, folder):
    for task in {row['task'] for row in rows}:
        same = [row for row in rows if row['task'] == task]
        best = max(same, key=lambda row: (row['runs'], statistics.mean(row['accuracy'])))
        runs = {id(row): runs_of(row['records'], test, folder) for row in same}
        for row in same:
            found = None if row is best else paired_bootstrap(runs[id(row)], runs[id(best)])
            row['difference'], row['mcnemar'] = found, None
            row['distinguishable'] = None if row is best else OTHER_TEXTS if found is None else not (
                found[1] <= 0. <= found[2])
            if found and row['runs'] == best['runs'] == 1:
                row['mcnemar'] = mcnemar(*[log_proba.argmax(axis=1) == truth for log_proba, truth in (
                    records.scores(folder, one['records'][0], test) for one in (row, best))])


def runs_of(found, test, folder, figure=accuracy):
    """Records of different seeds as `paired_bootstrap` takes them: a dict seed → Run, with a figure of `statistics`."""
    runs = {}
    for record in found:
        log_proba, truth = records.scores(folder, record, test)
        name = record['tests'][test].get('texts') or _texts_before(record, test, truth)
        runs[record['seed']] = Run(name, len(truth), figure(log_proba, truth))
    return runs


def _texts_before(record, test, truth):
    """A name of the texts for a record of before `texts`: by their labels, and by the seed where they depend on it."""
    by_seed = '{seed}' in json.dumps(record['data']) or 'labelled' in record['data']['tests'][test].get('leave_out', [])
    return json.dumps([truth.tolist(), record['seed'] if by_seed else None])


def notes(found, test):
    """What a reader of a test's table must know of its records, a list of sentences."""
    found = [record for record in found if test in record['tests']]
    counts = sorted({record['tests'][test]['n'] for record in found})
    said = ['%s texts.' % '–'.join(map(str, [counts[0], counts[-1]][:len(counts)]))]
    left_out = max(record['left_out'].get(test, 0) for record in found)
    if left_out:
        said.append('%d that stand in other files are left out.' % left_out)
    for part, what in (('labelled', 'labelled texts'), ('unlabelled', 'unlabelled texts'), ('dev', 'dev texts')):
        shared = max(record.get('shared', {}).get(test, {}).get(part, 0) for record in found)
        if shared:
            said.append('Up to %d of them stand in the %s of a run as well.' % (shared, what))
    versions = sorted({'%s %s' % pair for record in found for pair in record['versions'].items()
                       if pair[0] in ('pet_keras', 'tensorflow')})
    states = {record['versions'].get('code', record['versions']['pet_keras']) for record in found}
    if len(versions) > 2 or len(states) > 1:
        said.append('The records are of several states of the library (`versions`), and so may those of a row be: '
                    '%s.' % ', '.join(versions))
    for choice in sorted({'%s, %s: %s' % (record['checkpoint'], record['method'], ', '.join(
            '%s %s' % pair for pair in record['chosen'].items())) for record in found if record.get('chosen')}):
        said.append('Chosen on dev: %s.' % choice)
    return said


def summary(values, form='%.1f'):
    """Mean ± standard deviation; of one value itself; nothing of none."""
    if not values:
        return ''
    spread = ' ± ' + form % statistics.stdev(values) if len(values) > 1 else ''
    return form % statistics.mean(values) + spread


def cells(row):
    """A row as strings, in the order of COLUMNS."""
    published = '; '.join('%s%s' % (p['accuracy'], ' (%s)' % p['checkpoint'] if p.get(
        'checkpoint', row['checkpoint']) != row['checkpoint'] else '') for p in row['published'])
    mark = {None: '', False: ' ≈', True: '', OTHER_TEXTS: ' ?'}[row.get('distinguishable')]
    return [row['task'], row['checkpoint'], row['method'], labels_cell(row['labels']), row['pattern'], str(row['runs']),
            summary(row['accuracy']) + mark, summary(row['corrected']),
            summary(row['AUC'], '%.3f'), summary(row['dev']) + ' ◂' * row['best_on_dev'], published]


def labels_cell(labels):
    """The number of labels as a cell: nothing where none was learned from."""
    return '' if labels == '0' else labels


def markdown(rows):
    """A Markdown table; columns that are empty in every row are left out."""
    return markdown_table(*_kept(rows))


def markdown_table(header, lines):
    """A Markdown table of strings: the names of its columns, and a list of cells a line."""
    lines = [header, ['---'] * len(header)] + [[cell.replace('|', '\\|') for cell in line] for line in lines]
    return '\n'.join('| %s |' % ' | '.join(line) for line in lines) + '\n'


def latex(rows):
    """A LaTeX tabular (booktabs)."""
    header, lines = _kept(rows)
    special = str.maketrans(dict({c: '\\' + c for c in '&%$#_{}'}, **{
        '±': r'$\pm$', '≈': r'$\approx$', '◂': r'$\triangleleft$', '\\': r'\textbackslash{}', '~': r'\textasciitilde{}',
        '^': r'\textasciicircum{}'}))
    body = [' & '.join(cell.translate(special) for cell in line) + r' \\' for line in [header] + lines]
    return '\n'.join([r'\begin{tabular}{%s}' % ('l' * len(header)), r'\toprule', body[0], r'\midrule'] + body[1:] +
                     [r'\bottomrule', r'\end{tabular}', ''])


def comma_separated(rows):
    """CSV, one number a cell: means and standard deviations in columns of their own."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(list(_SAME) + ['runs'] + [c + part for c in _FIGURES for part in ('', ' sd')] + [
        'best on dev', 'published', 'distinguishable', 'difference', 'lower', 'upper', 'McNemar p'])
    for row in rows:
        numbers = [_number(f(row[c])) if len(row[c]) >= least else '' for c in _FIGURES
                   for f, least in ((statistics.mean, 1), (statistics.stdev, 2))]
        marks = [row.get('distinguishable')] + [_number(v) for v in row.get('difference') or [None] * 3] + [
            _number(row.get('mcnemar'))]
        writer.writerow([row[c] for c in _SAME] + [row['runs']] + numbers + [
            row['best_on_dev'], cells(row)[-1]] + marks)
    return stream.getvalue()


def _number(value):
    return '' if value is None else '%.6g' % value


def _kept(rows):
    lines = [cells(row) for row in rows]
    used = [i for i in range(len(COLUMNS)) if any(line[i] for line in lines)]
    if len({line[0] for line in lines}) < 2:
        used = used[1:]
    return [COLUMNS[i] for i in used], [[line[i] for i in used] for line in lines]
