"""Records → plots. Needs matplotlib, an extra."""
import json
import os
import statistics

import numpy as np

from pet_keras.errors import UserError
from pet_keras.experiments import records

_CHINESE = ['Noto Sans CJK SC', 'Source Han Sans SC', 'PingFang SC', 'Heiti SC', 'Microsoft YaHei', 'SimHei',
            'WenQuanYi Zen Hei', 'WenQuanYi Micro Hei']


def write_plots(rows, test, folder, out):
    """Writes what the rows of a test (see `tables.rows_of`) have enough for; returns the paths.

    - `labels`: accuracy against the number of labels, a line a method and checkpoint, where there are several numbers;
    - `patterns`: a heat map of pattern × checkpoint and method;
    - `learning`: dev accuracy after each epoch, its mean over the seeds;
    - `confusion` and `reliability` of the row that is best on dev, or, without dev, on the test. Reliability: texts by
      the probability of the predicted label, against the share of them that are right (arXiv 1706.04599, section 2).

    Arguments: `folder` of the records; `out`, the folder to write to. Of several tasks each has its own files.

    Raises: UserError without matplotlib; OSError where a file cannot be written.
    """
    plt = _matplotlib()
    os.makedirs(out, exist_ok=True)
    written, tasks = [], list(dict.fromkeys(row['task'] for row in rows))
    for i, task in enumerate(tasks):
        own = [row for row in rows if row['task'] == task]
        for name, draw in (('labels', _labels), ('patterns', _patterns), ('learning', _learning),
                           ('confusion', _confusion), ('reliability', _reliability)):
            figure, axes = plt.subplots(figsize=(7, 4.5))
            axes.set_prop_cycle(plt.cycler(linestyle=['-', '--', ':']) * plt.cycler(color=plt.cm.tab10.colors))
            if draw(axes, own, test, folder):
                written.append(os.path.join(out, '%s%s-%s.png' % (test, '-%d' % (i + 1) * (len(tasks) > 1), name)))
                figure.savefig(written[-1], dpi=120, bbox_inches='tight')
            plt.close(figure)
    return written


def _matplotlib():
    try:
        import matplotlib
    except ImportError:
        raise UserError('Plots need matplotlib. Type:  pip install "pet-keras[experiments]"') from None
    matplotlib.use('Agg')
    import matplotlib.pyplot as plt
    plt.rcParams['font.sans-serif'] = _CHINESE + ['DejaVu Sans']
    return plt


def _names(labels):
    """The labels as ticks: numbered where no font at hand has Chinese characters."""
    from matplotlib import font_manager
    there = {font.name for font in font_manager.fontManager.ttflist}
    shown = there & set(_CHINESE) or ''.join(labels).isascii()
    return labels if shown else ['%d' % i for i in range(1, len(labels) + 1)]


def _labels(axes, rows, test, folder):
    lines = {}
    for row in rows:
        n = json.loads(row['labels']) if row['labels'] != 'all' else 0
        if isinstance(n, dict):
            n = n['per_label'] * len(row['records'][0]['tests'][test]['labels'])
        if n:
            lines.setdefault((row['checkpoint'], row['method'], row['pattern']), []).append((n, row['accuracy']))
    lines = {name: sorted(points) for name, points in lines.items() if len(points) > 1}
    for name, points in lines.items():
        axes.errorbar([n for n, _ in points], [statistics.mean(v) for _, v in points],
                      [statistics.stdev(v) if len(v) > 1 else 0. for _, v in points], label=', '.join(name), capsize=3)
    counts = sorted({n for points in lines.values() for n, _ in points})
    axes.set_xscale('log')
    axes.set_xticks(counts, counts)
    axes.minorticks_off()
    axes.set_xlabel('labelled texts')
    axes.set_ylabel('accuracy (%), mean ± sd over seeds')
    _legend(axes)
    return bool(lines)


def _patterns(axes, rows, test, folder):
    rows = [row for row in rows if row['pattern'] not in ('-', 'default')]
    columns, names = ([*dict.fromkeys(map(part, rows))] for part in (lambda row: row['pattern'], _row))
    cells = np.full((len(names), len(columns)), np.nan)
    for row in rows:
        cells[names.index(_row(row)), columns.index(row['pattern'])] = statistics.mean(row['accuracy'])
    if len(columns) < 2:
        return False
    image = axes.imshow(cells, aspect='auto', cmap='viridis')
    for (i, j), value in np.ndenumerate(cells):
        if not np.isnan(value):
            axes.text(j, i, '%.1f' % value, ha='center', va='center', fontsize=8,
                      color='black' if value > np.nanmean(cells) else 'white')
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.figure.colorbar(image, label='accuracy (%)')
    return True


def _learning(axes, rows, test, folder):
    drawn = False
    for row in rows:
        curves = [[epoch['dev_accuracy'] for epoch in record['history'] if 'dev_accuracy' in epoch]
                  for record in row['records']]
        curves = [curve for curve in curves if len(curve) > 1]
        if curves:
            shortest = min(map(len, curves))
            axes.plot(range(shortest), np.mean([curve[:shortest] for curve in curves], axis=0), marker='.',
                      label='%s, %s' % (_row(row), row['pattern']))
            drawn = True
    axes.set_xlabel('epoch (0: before training)')
    axes.set_ylabel('dev accuracy (%), mean over seeds')
    _legend(axes)
    return drawn


def _legend(axes):
    """Beside the axes, where it hides no line."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc='upper left', bbox_to_anchor=(1.02, 1.))


def _row(row):
    """A row's name but for its pattern."""
    return ', '.join([row['checkpoint'], row['method']] + [row['labels']] * (row['labels'] != '0'))


def _best(rows):
    figure = 'dev' if all(row['dev'] for row in rows) else 'accuracy'
    return max(rows, key=lambda row: statistics.mean(row[figure]))


def _title(axes, row):
    axes.set_title('%s, %s' % (_row(row), row['pattern']), fontsize=9)


def _confusion(axes, rows, test, folder):
    best = _best(rows)
    figures = [record['tests'][test] for record in best['records']]
    labels = list(figures[0]['labels'])
    counts = np.mean([f['confusion'] for f in figures], axis=0)
    image = axes.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), vmin=0, vmax=1, cmap='Blues')
    axes.set_xticks(range(len(labels)), _names(labels), rotation=90, fontsize=8)
    axes.set_yticks(range(len(labels)), _names(labels), fontsize=8)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    axes.figure.colorbar(image, label='share of the true label')
    _title(axes, best)
    return True


def _reliability(axes, rows, test, folder):
    best = _best(rows)
    found = [records.scores(folder, record, test) for record in best['records']]
    sure = np.exp(np.concatenate([log_proba.max(axis=1) for log_proba, _ in found]))
    right = np.concatenate([log_proba.argmax(axis=1) == truth for log_proba, truth in found])
    bins = np.clip((sure * 10).astype(int), 0, 9)
    used = [b for b in range(10) if (bins == b).any()]
    axes.plot([0, 1], [0, 1], color='grey', linewidth=1)
    axes.plot([sure[bins == b].mean() for b in used], [right[bins == b].mean() for b in used], marker='o')
    for b in used:
        axes.annotate(str((bins == b).sum()), (sure[bins == b].mean(), right[bins == b].mean()), fontsize=7)
    axes.set_xlabel('probability of the predicted label')
    axes.set_ylabel('share that is right')
    _title(axes, best)
    return True
