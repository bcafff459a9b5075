"""Claims that an experiment file makes, "a is more accurate than b", judged by the records of its runs."""
import numpy as np

from pet_keras.experiments.statistics import Run, accuracy, area_under_roc, mean_figure, paired_bootstrap
from pet_keras.experiments.tables import as_text, markdown_table, rows_of, runs_of

FIGURES = {'accuracy': accuracy, 'auc': area_under_roc}
SELECTS = ('task', 'checkpoint', 'method', 'pattern', 'labelled')
HOLDS, NOT, UNKNOWN, OTHER = 'holds', 'does not hold', 'cannot be told', 'tested on other texts'
ONE_RUN = ' for this run'


def judge(claim, found, folder):
    """The verdicts on a claim, one for each task, and each checkpoint that the claim does not name: a list of dict

    with `claim`, `source`, `figure`, `task`, `checkpoint`, `more` and `less` (mean figures times 100), `difference`
    (points, lower, upper end; see `paired_bootstrap`), `runs` (of either side) and `verdict`: holds where the whole
    interval is above 0, does not hold where it is below, else cannot be told. Of a side that learns and has one run the
    interval does not know what another seed would give, and the verdict is for this run. Where the sides' texts are not
    the same there is no difference (None), and the verdict says so. Empty where a side has no run yet.

    Rows are compared like with like: where both sides have the same patterns (numbers of labels), those that both have;
    each side is the mean over its rows.

    Arguments: `claim` as Grid checks it; `found`, records; `folder`, that of their scores.
    """
    rows, figure = rows_of(found, [], claim['test']), claim.get('figure', 'accuracy')
    sides = [_selected(rows, claim[side]) for side in ('more', 'less')]
    named = {key for side in ('more', 'less') for key in claim[side]}
    verdicts = []
    for place in dict.fromkeys((row['task'], None if 'checkpoint' in named else row['checkpoint']) for row in sides[0]):
        here = [[row for row in side if place in ((row['task'], row['checkpoint']), (row['task'], None))]
                for side in sides]
        for key, name in (('pattern', 'pattern'), ('labels', 'labelled')):
            both = set.intersection(*[{row[key] for row in side} for side in here])
            if both and name not in named:
                here = [[row for row in side if row[key] in both] for side in here]
        runs = [_mean_of([runs_of(row['records'], claim['test'], folder, FIGURES[figure]) for row in side])
                for side in here]
        if all(runs):
            difference = paired_bootstrap(*runs, samples=2000)
            alone = any(len(side) == 1 and any(record['learn'] for row in rows for record in row['records'])
                        for side, rows in zip(runs, here))
            verdicts.append({
                'claim': claim['claim'], 'source': claim.get('source', ''), 'figure': figure, 'task': place[0],
                'checkpoint': place[1] or ' / '.join('+'.join(sorted({row['checkpoint'] for row in s})) for s in here),
                'more': 100. * mean_figure(runs[0]), 'less': 100. * mean_figure(runs[1]), 'difference': difference,
                'runs': [len(side) for side in runs],
                'verdict': OTHER if difference is None else UNKNOWN if difference[1] <= 0 <= difference[2] else (
                    HOLDS if difference[1] > 0 else NOT) + ONE_RUN * alone})
    return verdicts


def _selected(rows, wanted):
    """The rows that agree with a side of a claim; with `best: dev` the one among each checkpoint's that dev prefers."""
    values = {key: [as_text(value) for value in (wanted[key] if isinstance(wanted[key], list) else [wanted[key]])]
              for key in SELECTS if key in wanted}
    rows = [row for row in rows if all(row['labels' if key == 'labelled' else key] in of for key, of in values.items())]
    if wanted.get('best') != 'dev':
        return rows
    places = {}
    for row in rows:
        places.setdefault((row['task'], row['checkpoint']), []).append(row)
    return [max(same, key=lambda row: np.mean(row['dev'] or [-1.])) for same in places.values()]


def _mean_of(rows):
    """Several rows' Runs as one row's, by the seeds that all have: of each the mean figure, if on the same texts."""
    found = {}
    for seed in set.intersection(*map(set, rows)) if rows else ():
        runs = [row[seed] for row in rows]
        if len({run.texts for run in runs}) == 1:
            found[seed] = Run(runs[0].texts, runs[0].size, lambda weights, runs=runs: np.mean(
                [run.figure(weights) for run in runs], axis=0))
    return found


def markdown(verdicts):
    """The verdicts as a Markdown table."""
    columns = ('claim', 'source', 'task', 'checkpoint', 'figure', 'more', 'less', 'difference', 'runs', 'verdict')
    return markdown_table(columns, [[
        v['claim'], v['source'], v['task'], v['checkpoint'], v['figure'], '%.1f' % v['more'], '%.1f' % v['less'],
        '%+.1f (%+.1f to %+.1f)' % v['difference'] if v['difference'] else '–', ' / '.join(map(str, v['runs'])),
        v['verdict']] for v in verdicts])
