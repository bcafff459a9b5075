"""Examples from files.

TSV (`.tsv`, `.data`), CSV, JSON lines (`.json`, `.jsonl`; also one JSON array) and plain text, in UTF-8
with or without BOM, and Parquet. FewCLUE's files and the published sentiment set are read as they are.
"""
import hashlib
import json
import os
import sys
from collections import namedtuple

from pet_keras.data.example import Example
from pet_keras.data.rows import LABEL, TEXT, TEXT_B, Lines, field_of, rows_of
from pet_keras.errors import UserError

Row = namedtuple('Row', 'example fields line')  # what was read, the file's own columns, and the line

_FORMATS = {'.tsv': 'tsv', '.data': 'tsv', '.csv': 'csv', '.json': 'json', '.jsonl': 'json', '.txt': 'text',
            '.parquet': 'parquet'}
FORMATS = ('tsv', 'csv', 'json', 'text')  # those that --format can say


def format_of(path, given=None):
    """'tsv', 'csv', 'json' or 'text', from the file's ending; standard input (`-`) is plain text."""
    if given:
        return given
    if path == '-':
        return 'text'
    ending = os.path.splitext(path)[1].lower()
    if ending not in _FORMATS:
        raise UserError('%s: cannot tell the format from the ending %r; it should be one of %s, or give --format.' % (
            path, ending, ' '.join(_FORMATS)))
    return _FORMATS[ending]


def has_format(path):
    """Whether a file's ending says its format."""
    return os.path.splitext(path)[1].lower() in _FORMATS


def format_by_ending(path, default=None):
    """The format of one of several files: what a table's or JSON's ending says goes before `default`."""
    known = _FORMATS.get(os.path.splitext(path)[1].lower(), 'text')
    return default if known == 'text' else known


def sha256_of(path):
    """The SHA-256 of a file, hexadecimal."""
    found = hashlib.sha256()
    with open(path, 'rb') as reader:
        for block in iter(lambda: reader.read(1 << 20), b''):
            found.update(block)
    return found.hexdigest()


def read_examples(path, task=None, labelled=True, format=None):
    """The examples of a file, as a list of Example; see `read_rows`."""
    return [row.example for row in read_rows(path, task, labelled, format)]


def read_rows(path, task=None, labelled=True, format=None):
    """The rows of a file, a list; see `iterate_rows`."""
    return list(iterate_rows(path, task, labelled, format))


def iterate_rows(path, task=None, labelled=True, format=None, each=lambda number, raw: None, quiet=False):
    """Yields the rows of a file as they are read. Blank lines are skipped, in the end with a word on standard error.

    Of JSON lines, tables and plain text no more than a row is in memory; one JSON array is there as a whole.

    Arguments:
        path: a file, or `-` for standard input.
        task: a Task: labels become its own spelling, and pairs, fields and candidates are asked for where it takes
            them.
        labelled: True asks for a label in each row; False drops labels. With a task a label in JSON may be soft, an
            object of label: probability.
        format: 'tsv', 'csv', 'json' or 'text' where the ending does not say it.
        each: called with the number and the bytes of every line.
        quiet: says nothing of blank lines.

    Raises: UserError naming file and line: bad UTF-8, a missing text, a missing or unknown label, bad JSON.
    """
    format = format_of(path, format)
    count, blank, first_blank = 0, 0, []
    is_pair = bool(task and task.is_pair)
    lines = Lines(path, each)
    for fields in rows_of(lines, format, is_pair, labelled):
        lines.check()
        line = lines.number
        if isinstance(fields, str):
            raise UserError('%s, %s %d: %s' % (path, lines.unit, line, fields))
        if fields is None:
            blank += 1
            first_blank += [line] if blank <= 5 else []
            continue
        example = _example(path, line, fields, is_pair, labelled, soft=task is not None)
        if task is not None:
            try:
                example = task.complete(example, fields)
                if labelled:
                    example = example._replace(label=task.label_of(example.label))
            except UserError as e:
                raise UserError('%s, line %d: %s' % (path, line, e)) from None
        count += 1
        yield Row(example, fields, line)
    lines.check()
    if blank and not quiet:
        shown = ', '.join(map(str, first_blank)) + (', …' if blank > 5 else '')
        print('%s: skipped %d blank line%s (%s)' % (path, blank, 's' * (blank > 1), shown), file=sys.stderr)
    if not count:
        raise UserError('%s holds no example.' % path)


def _example(path, line, fields, is_pair, labelled, soft):
    place = '%s, line %d' % (path, line)
    text = _text(place, 'text', field_of(fields, TEXT))
    text_b = _text(place, 'second text', field_of(fields, TEXT_B)) if is_pair else None
    if not labelled:
        return Example(text, text_b)
    label = field_of(fields, LABEL)
    if isinstance(label, dict) and soft and all(isinstance(share, (int, float)) for share in label.values()):
        return Example(text, text_b, label)
    if isinstance(label, (list, dict)):
        raise UserError('%s: the label is %s, not a string or a number.' % (place, _quote(label)))
    if label is None or not str(label).strip():
        raise UserError('%s: no label.' % place)
    return Example(text, text_b, str(label).strip())


def _text(place, name, value):
    """A text without the space around it. No number: JSON does not say how it was spelled (007, 1.0, 1e5)."""
    if value is None:
        raise UserError('%s: the %s is missing.' % (place, name))
    if not isinstance(value, str):
        raise UserError('%s: the %s is %s, not a string.' % (place, name, _quote(value)))
    if not value.strip():
        raise UserError('%s: the %s is empty.' % (place, name))
    return value.strip()


def _quote(value):
    """JSON as an error message quotes it."""
    written = json.dumps(value, ensure_ascii=False)
    return written if len(written) <= 60 else written[:60] + '…'
