"""Few-shot splits as files: the lines that a seed draws, the same bytes on every machine, with checksums."""
import csv
import hashlib
import json
import os
import random
from collections import Counter

from pet_keras.data.example import without
from pet_keras.data.reading import format_by_ending, format_of, read_rows, sha256_of
from pet_keras.data.rows import TEXT_B, field_of
from pet_keras.errors import UserError

SPLITS = 'splits.json'


def sample(path, out, per_label=None, total=None, stratified=False, seeds=(0,), dev=0, task=None, leave_out=(),
           labelled=True, format=None):
    """Draws lines of a file and writes `train_<seed>` and `dev_<seed>` in its format, and `splits.json` about them.

    A text that stands in the file several times can be drawn once, in its first line: no text is in two splits of a
    seed. The lines are written as they are, in the order of the file; quotes and spaces of CSV and JSON arrays may
    change. They are the first of an order that `random.Random(seed).random()` gives, which Python keeps the same over
    versions: 8 a label are among the 16 a label of the same seed, and `dev` does not change what is drawn for train.

    Arguments:
        path: a labelled file.
        out: folder to write to; it may exist, the files may not.
        per_label: so many texts of each label; or
        total: so many in all; `stratified`: with the file's shares of the labels (largest remainders).
        seeds: one pair of files each.
        dev: a second sample, of so many a label or in all, as the first.
        task: a Task, to check labels and join those it takes for one; labels are otherwise taken as they stand.
        leave_out: files; texts that stand in one of them are not drawn.
        labelled: False for a file without labels, as plain text is; of these a total can be drawn.
        format: 'tsv', 'csv', 'json' or 'text' where a file's ending does not say it.

    Returns: dict, what `splits.json` holds: `source` and `left_out` (with the files' SHA-256), `settings`, and `files`
        (seed, SHA-256, number of texts and of each label).
    Raises: UserError for a file with too few texts, settings that do not go together, a file that exists.
    """
    format = format_of(path, format)
    if path == '-':
        raise UserError('A sample is drawn from a file, not from standard input.')
    labelled = labelled and format != 'text'
    _check(per_label, total, stratified, seeds, dev, labelled)
    rows, left = _read(path, task, labelled, format), {}
    for row in rows:
        left.setdefault((row.example.text, row.example.text_b), row)
    texts = len(left)
    for other in leave_out:
        others = [row.example for row in _read(other, task, False, format_by_ending(other, format))]
        left = {e[:2]: left[e[:2]] for e in without([row.example for row in left.values()], others)}
    left = list(left.values())
    group = (lambda row: row.example.label) if per_label or stratified else (lambda row: None)
    labels = (task.labels if task else sorted({group(row) for row in rows})) if per_label or stratified else [None]
    counts = Counter(map(group, left))
    sizes = [dict.fromkeys(labels, n) if per_label or not stratified else _shares(counts, n)
             for n in (per_label or total, dev)]
    for label in labels:
        if sum(size[label] for size in sizes) > counts[label]:
            raise UserError(_too_few(path, label, counts, sizes, labels, len(left)))
    drawn = {name + '_%d' % seed + os.path.splitext(path)[1]: (seed, chosen) for seed in seeds
             for name, chosen in zip(('train', 'dev'), draw(left, group, sizes, seed)) if chosen}
    record = {'source': dict(_file(path), lines=len(rows), texts=texts),
              'left_out': dict(files=[_file(other) for other in leave_out], texts=texts - len(left)),
              'settings': {'per_label': per_label, 'total': total, 'stratified': stratified, 'dev': dev,
                           'seeds': list(seeds), 'task': task and task.name}, 'files': []}
    written, contents = _as_written(path, format), {}
    for name, (seed, chosen) in drawn.items():
        contents[name] = written(rows, chosen)
        record['files'].append({
            'file': name, 'seed': seed, 'sha256': hashlib.sha256(contents[name]).hexdigest(), 'texts': len(chosen),
            'labels': dict(sorted(Counter(row.example.label for row in chosen).items())) if labelled else {}})
    contents[SPLITS] = (json.dumps(record, ensure_ascii=False, indent=1) + '\n').encode('utf-8')
    _write(out, contents)
    return record


def _check(per_label, total, stratified, seeds, dev, labelled):
    """UserError for settings that do not go together."""
    seeds = list(seeds)
    if (per_label is None) == (total is None):
        raise UserError('A sample is so many texts of each label, or so many in all: --per-label or --total.')
    if (per_label or total or 0) < 1 or dev < 0 or not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError('A sample holds 1 text or more, dev 0 or more; seeds are different numbers from 0.')
    if stratified and per_label:
        raise UserError('--stratified belongs to --total: so many of each label are alike already.')
    if not labelled and (per_label or stratified):
        raise UserError('A file without labels can only be sampled by --total, without --stratified.')


def _read(path, task, labelled, format):
    """The rows of a file; without a task, pairs where a column is called text_b or sentence2."""
    rows = read_rows(path, task, labelled, format)
    if any(isinstance(row.example.label, dict) for row in rows):
        raise UserError('%s has soft labels, of which a sample cannot be drawn.' % path)
    if task is not None:
        return rows
    others = [field_of(row.fields, TEXT_B) for row in rows]
    return [row if other is None else row._replace(example=row.example._replace(text_b=str(other).strip()))
            for row, other in zip(rows, others)]


def _shares(counts, total):
    """`total` by the shares of the counts: rounded down, and the largest remainders up."""
    n = sum(counts.values()) or 1
    shares = {label: total * count // n for label, count in counts.items()}
    rest = sorted(counts, key=lambda label: (-(total * counts[label] % n), label))
    for label in rest[:total - sum(shares.values())]:
        shares[label] += 1
    return Counter(shares)


def _too_few(path, label, counts, sizes, labels, available):
    wanted = '%d for train' % sizes[0][label] + (' and %d for dev' % sizes[1][label] if sizes[1][label] else '')
    if label is None:
        return '%s: %d different texts, and %s are wanted.' % (path, available, wanted)
    return '%s: label %s has %d different texts, and %s are wanted. All: %s.' % (
        path, label, counts[label], wanted, ', '.join('%s %d' % (one, counts[one]) for one in labels))


def draw(rows, group, sizes, seed):
    """Rows for train and for dev, a list of two lists, each in the order of the file.

    Arguments: `group`, a function of a row that gives its label; `sizes`, of either, a dict label → how many.
    """
    rng = random.Random(seed)
    numbers = [rng.random() for _ in rows]
    drawn, taken = ([], []), Counter()
    for i in sorted(range(len(rows)), key=numbers.__getitem__):
        label = group(rows[i])
        train, both = sizes[0][label], sizes[0][label] + sizes[1][label]
        if taken[label] < both:
            drawn[taken[label] >= train].append(i)
            taken[label] += 1
    return [[rows[i] for i in sorted(part)] for part in drawn]


def _file(path):
    return {'file': os.path.basename(path), 'sha256': sha256_of(path)}


def _as_written(path, format):
    """A function of all rows and some of them: these as bytes, below the file's header if it has one."""
    with open(path, encoding='utf-8-sig', newline='') as reader:
        lines = [line.rstrip('\r') for line in reader.read().split('\n')]
    if format == 'json' and ''.join(lines).lstrip().startswith('['):
        return lambda rows, chosen: ('[\n%s\n]\n' % ',\n'.join(
            json.dumps(row.fields, ensure_ascii=False) for row in chosen)).encode('utf-8')
    records = dict(enumerate(lines, 1))
    if format == 'csv':
        reader = csv.reader(line + '\n' for line in lines)
        records = {reader.line_num: _csv(cells) for cells in reader if any(cell.strip() for cell in cells)}
    first = next(line for line, record in records.items() if record.strip())

    def written(rows, chosen):
        head = [first] if format in ('tsv', 'csv') and first != rows[0].line else []
        return ''.join(records[line] + '\n' for line in head + [row.line for row in chosen]).encode('utf-8')
    return written


def _csv(cells):
    """A record as text. csv.writer's choice of what to quote differs between versions of Python."""
    return ','.join('"%s"' % cell.replace('"', '""') if set(cell) & set(',"\r\n') else cell for cell in cells)


def _write(folder, contents):
    """Writes all files or none."""
    paths = {os.path.join(folder, name): content for name, content in contents.items()}
    for path in paths:
        if os.path.exists(path):
            raise UserError('%s exists already; nothing is overwritten.' % path)
    made, parent = [], os.path.abspath(folder)
    while not os.path.exists(parent):
        made.append(parent)
        parent = os.path.dirname(parent)
    try:
        os.makedirs(folder, exist_ok=True)
        for path, content in paths.items():
            with open(path + '.part', 'wb') as writer:
                writer.write(content)
        for path in paths:
            os.replace(path + '.part', path)
    except BaseException:  # an interrupt too
        for path in paths:
            for name in (path, path + '.part'):
                if os.path.isfile(name):
                    os.remove(name)
        for name in filter(os.path.isdir, made):
            os.rmdir(name)
        raise
