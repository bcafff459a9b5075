"""What is wrong with files of texts, before they are learned from: rows that cannot be read, repeats, leaks, balance.

Files are read a row at a time, and reading goes on after a bad row. Of each text its normalised form stays in memory.
"""
import hashlib
import itertools
from collections import Counter

import numpy as np

from pet_keras.data.duplicates import TextTable, bigrams, jaccard, near_partners, normalised
from pet_keras.data.reading import format_by_ending, format_of
from pet_keras.data.rows import LABEL, TEXT, TEXT_B, Lines, field_of, rows_of
from pet_keras.errors import UserError

_SHOWN = 3  # examples of each finding
_STEP = 100000  # lines between two words on progress


def check(paths, task=None, maxlen=128, near=0.8, format=None, progress=None):
    """A report on files of texts, alone and against each other.

    Two texts are the same as `normalised` says (NFKC, white space), and near duplicates where they are not the same and
    their sets of character bigrams overlap by `near` or more.

    Arguments:
        paths: list of files, or `-` for standard input.
        task: a Task: labels become its own spelling, unknown ones count as malformed; pairs are read where it takes
            pairs. Without it they are read where a column is called text_b or sentence2.
        maxlen: a text is over-long if its characters and the special tokens, 2 or for pairs 3, are more. Tokens are
            fewer where a text holds Latin letters or digits; the pattern comes on top.
        near: overlap from 0.5 to 1; None does not count near duplicates.
        format: 'tsv', 'csv', 'json' or 'text' where a file's ending does not say it.
        progress: called with a line of text now and then.

    Returns: dict, ready for JSON:
        `files`: a dict for each: `file`, `format`, `sha256`, `lines`, `texts`; `blank`, `empty`, `malformed` and
            `over_long` (`count`, and the first few `lines`, of malformed ones with the `problem`); `labels` (label:
            texts), `unlabelled`; `repeated` (texts that stand further up in the file, `examples`), `conflicting` (different
            texts with several labels, `examples`), `near` (texts with a near duplicate in the file, `examples`).
        `shared`: for each file and each `other` with which it shares a text: `count` (its texts that stand in the other
            too), `other_label` (those that have another label there), `near` (those that nearly stand there), each with
            `examples`.
        `near`: the threshold, or None, with `near_problem` where the library for it is missing.
    Raises: UserError for a file that is missing or cannot be read at all.
    """
    progress = progress or (lambda line: None)
    if list(paths).count('-') > 1:
        raise UserError('Standard input can be read once.')
    if near is not None and not 0.5 <= near <= 1:
        raise UserError('Near duplicates overlap by 0.5 to 1, not %g.' % near)
    table = TextTable()
    files = [_read(table, number, path, format_of(path, format if len(paths) == 1 else format_by_ending(path, format)),
                   task, maxlen, progress) for number, path in enumerate(paths)]
    table.close(len(files))
    report, partner = {'files': files, 'shared': [], 'near': near}, None
    if near is not None:
        try:
            partner = near_partners(table.texts, table.first >= 0, near,
                                    lambda share: progress('near duplicates: %.0f %%' % (100 * share)))
        except ImportError as e:
            report.update(near=None, near_problem=str(e))
    for number, one in enumerate(files):
        one.update(_within(table, number, partner))
    for one, other in itertools.permutations(range(len(files)), 2):
        found = _between(table, one, other, partner)
        if found['count'] or partner is not None and found['near']['count']:
            report['shared'].append(dict({'file': paths[one], 'other': paths[other]}, **found))
    return report


# --- reading ----------------------------------------------------------------------------------------------

def _parts(fields, task):
    """(texts, label or None) of a row; UserError for what is not a text, or no label of the task."""
    is_pair = task.is_pair if task else field_of(fields, TEXT_B) is not None
    texts = [field_of(fields, names) for names in (TEXT, TEXT_B)[:1 + is_pair]]
    if not all(isinstance(text, str) for text in texts):
        raise UserError('a text is missing' if None in texts else 'the text is not a string')
    label = field_of(fields, LABEL)
    if isinstance(label, (list, dict)):
        raise UserError('the label is not a string or a number')
    label = None if label is None else str(label).strip() or None
    return [text.strip() for text in texts], task.label_of(label) if task and label else label


def _read(table, number, path, format, task, maxlen, progress):
    """Adds the texts of a file to the table; returns what is known of the file so far."""
    found = {name: {'count': 0, 'lines': []} for name in ('blank', 'empty', 'malformed', 'over_long')}
    sha256, labels, before = hashlib.sha256(), Counter(), 0

    def each(number, raw):
        sha256.update(raw)
        if number % _STEP == 0:
            progress('%s: %d lines' % (path, number))

    def note(name, line):
        found[name]['count'] += 1
        if found[name]['count'] <= _SHOWN:
            found[name]['lines'].append(line)

    lines = Lines(path, each)
    for fields in rows_of(lines, format, bool(task and task.is_pair)):
        bad, before = lines.bad and not lines.bad.isdisjoint(range(before + 1, lines.number + 1)), lines.number
        if fields is None:
            note('blank', lines.number)
            continue
        try:
            if bad or isinstance(fields, str):
                raise UserError('not UTF-8' if bad else fields)
            texts, label = _parts(fields, task)
        except UserError as e:
            note('malformed', {'line': lines.number, 'problem': str(e)})
            continue
        if not all(texts):
            note('empty', lines.number)
            continue
        if sum(map(len, texts)) + 1 + len(texts) > maxlen:
            note('over_long', lines.number)
        table.add(number, lines.number, normalised(*texts), label)
        labels[label] += 1
    unlabelled = labels.pop(None, 0)
    return dict({'file': path, 'format': format, 'sha256': sha256.hexdigest(), 'lines': lines.number,
                 'texts': sum(labels.values()) + unlabelled}, **found,
                labels=dict(labels.most_common()), unlabelled=unlabelled)


# --- comparing --------------------------------------------------------------------------------------------

def _within(table, file, partner):
    """What a file's texts have among themselves."""
    rows = np.flatnonzero(table.file == file)
    text, first = table.text[rows], table.first[table.text[rows], file]
    several = np.bincount(_labelled(table, rows) // len(table.labels), minlength=len(table.texts)) > 1
    other = several[text] & (table.label[rows] >= 0) & (table.label[rows] != table.label[first])
    return {'repeated': _finding(table, rows, first, first != rows),
            'conflicting': dict(_finding(table, rows, first, other), count=int(several.sum())),
            'near': partner is not None and _near(table, rows, partner[text, file], file, True) or None}


def _between(table, file, other, partner):
    """What the texts of a file have in another file."""
    rows, others = np.flatnonzero(table.file == file), np.flatnonzero(table.file == other)
    text, there = table.text[rows], table.first[table.text[rows], other]
    pairs, size = _labelled(table, others), len(table.labels)
    labels = np.bincount(pairs // size, minlength=len(table.texts))[text]
    same = np.isin(text * size + table.label[rows], pairs)
    return dict(_finding(table, rows, there, there >= 0),
                other_label=_finding(table, rows, there, (table.label[rows] >= 0) & (labels > same)),
                near=None if partner is None else _near(table, rows, partner[text, other], other, there < 0))


def _labelled(table, rows):
    """The different pairs of text and label among rows, as text × number of labels + label."""
    rows = rows[table.label[rows] >= 0]
    return np.unique(table.text[rows] * len(table.labels) + table.label[rows])


def _near(table, rows, partner, file, where):
    """The finding that rows have near duplicates in a file."""
    found = _finding(table, rows, table.first[partner, file], where & (partner >= 0))
    for example in found['examples']:
        example['overlap'] = round(jaccard(bigrams(example['text']), bigrams(example['other_text'])), 3)
    return found


def _finding(table, rows, others, where):
    """How many of `rows` are meant, and the first few beside the row that each has in `others`."""
    examples = []
    for row, other in zip(rows[where][:_SHOWN].tolist(), others[where][:_SHOWN].tolist()):
        (text, label), (other_text, other_label) = [
            (table.texts[table.text[i]], table.labels[int(table.label[i])]) for i in (row, other)]
        examples.append({'line': int(table.line[row]), 'other_line': int(table.line[other]), 'text': text,
                         'other_text': other_text, 'label': label, 'other_label': other_label})
    return {'count': int(where.sum()), 'examples': examples}
