"""Examples from files.

TSV (`.tsv`, `.data`), CSV, JSON lines (`.json`, `.jsonl`; also one JSON array) and plain text, in UTF-8
with or without BOM. FewCLUE's files and the published sentiment set are read as they are.
"""
import csv
import json
import os
import sys
from collections import namedtuple

from pet_keras.data.example import Example
from pet_keras.errors import UserError

Row = namedtuple('Row', 'example fields line')  # what was read, the file's own columns, and the line

_TEXT = ('text', 'text_a', 'sentence', 'sentence1', 'content', 'review', 'title', 'abst')
_TEXT_B = ('text_b', 'sentence2')
_LABEL = ('label', 'label_id')
_FORMATS = {'.tsv': 'tsv', '.data': 'tsv', '.csv': 'csv', '.json': 'json', '.jsonl': 'json', '.txt': 'text'}
FORMATS = ('tsv', 'csv', 'json', 'text')


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


def read_examples(path, task=None, labelled=True, format=None):
    """The examples of a file, as a list of Example; see `read_rows`."""
    return [row.example for row in read_rows(path, task, labelled, format)]


def read_rows(path, task=None, labelled=True, format=None):
    """The rows of a file. Blank lines are skipped, with a word on standard error.

    Arguments:
        path: a file, or `-` for standard input.
        task: a Task: labels become its own spelling, and pairs are asked for where it takes pairs.
        labelled: True asks for a label in each row; False drops labels.
        format: 'tsv', 'csv', 'json' or 'text' where the ending does not say it.

    Raises: UserError naming file and line: bad UTF-8, a missing text, a missing or unknown label, bad JSON.
    """
    format = format_of(path, format)
    rows, blank = [], []
    is_pair = bool(task and task.is_pair)
    for line, fields in _records(path, format, is_pair, labelled):
        if fields is None:
            blank.append(line)
            continue
        example = _example(path, line, fields, is_pair, labelled)
        if labelled and task is not None:
            try:
                example = example._replace(label=task.label_of(example.label))
            except UserError as e:
                raise UserError('%s, line %d: %s' % (path, line, e)) from None
        rows.append(Row(example, fields, line))
    if blank:
        shown = ', '.join(map(str, blank[:5])) + (', …' if len(blank) > 5 else '')
        print('%s: skipped %d blank line%s (%s)' % (path, len(blank), 's' * (len(blank) > 1), shown), file=sys.stderr)
    if not rows:
        raise UserError('%s holds no example.' % path)
    return rows


def _lines(path):
    """(number, text) of each line; UserError for what is not UTF-8."""
    try:
        stream = sys.stdin.buffer if path == '-' else open(path, 'rb')
    except FileNotFoundError:
        raise UserError('%s: no such file.' % path) from None
    with stream:
        for number, raw in enumerate(stream, 1):
            try:
                yield number, raw.decode('utf-8-sig' if number == 1 else 'utf-8').rstrip('\r\n')
            except UnicodeDecodeError:
                raise UserError('%s, line %d: not UTF-8. Convert the file, e.g. '
                                'iconv -f gb18030 -t utf-8.' % (path, number)) from None


def _records(path, format, is_pair, labelled):
    """(line, dict of columns) of each row; (line, None) for a blank one."""
    lines = _lines(path)
    if format == 'json':
        yield from _json_records(path, lines)
    elif format == 'text':
        for number, line in lines:
            yield number, {'text': line.strip()} if line.strip() else None
    else:
        yield from _table_records(path, format, lines, is_pair, labelled)


def _json_records(path, lines):
    first = True
    for number, line in lines:
        if first and line.lstrip().startswith('['):  # one array
            try:
                array = json.loads('\n'.join([line] + [rest for _, rest in lines]))
            except ValueError as e:
                raise UserError('%s: not a JSON array: %s' % (path, e)) from None
            for item, fields in enumerate(array, 1):
                if not isinstance(fields, dict):
                    raise UserError('%s, item %d: not a JSON object.' % (path, item))
                yield item, fields
            return
        first = first and not line.strip()
        try:
            fields = json.loads(line) if line.strip() else None
        except ValueError as e:
            raise UserError('%s, line %d: not JSON: %s' % (path, number, e)) from None
        if fields is not None and not isinstance(fields, dict):
            raise UserError('%s, line %d: not a JSON object.' % (path, number))
        yield number, fields


def _table_records(path, format, lines, is_pair, labelled):
    """TSV and CSV: a first row that names the columns is a header; without one they are text(s), label."""
    header, first = None, True
    expected = ['text_a', 'text_b'] if is_pair else ['text']
    for number, cells in _cells(path, format, lines):
        if not any(cell.strip() for cell in cells):
            yield number, None
            continue
        is_header, first = first and {c.strip().lower() for c in cells} & set(_TEXT), False
        if is_header:
            header = [c.strip() for c in cells]
        else:
            columns = header or expected + ['label'] * (len(cells) > len(expected))
            if len(cells) != len(columns):
                raise UserError('%s, line %d: %d columns where %s expected.%s' % (
                    path, number, len(cells), '%d (%s) were' % (len(columns), ', '.join(columns)),
                    ' A text must not hold a tab.' if format == 'tsv' else ''))
            if labelled and header is None and len(cells) == len(expected):
                raise UserError('%s, line %d: no label; a row is %s.' % (
                    path, number, ', '.join(expected + ['label'])))
            yield number, dict(zip(columns, cells))


def _cells(path, format, lines):
    """(line, list of cells); CSV quotes may span lines."""
    if format == 'tsv':
        for number, line in lines:
            yield number, line.split('\t')
        return
    reader = csv.reader((line + '\n' for _, line in lines), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as e:
        raise UserError('%s, line %d: not CSV: %s' % (path, reader.line_num, e)) from None


def _get(fields, names):
    lowered = {str(key).lower(): value for key, value in fields.items()}
    for name in names:
        if lowered.get(name) is not None:
            return str(lowered[name]).strip()


def _example(path, line, fields, is_pair, labelled):
    text, text_b, label = _get(fields, _TEXT), _get(fields, _TEXT_B) if is_pair else None, None
    for name, value in (('text', text),) + ((('second text', text_b),) if is_pair else ()):
        if not value:
            raise UserError('%s, line %d: the %s is %s.' % (path, line, name, 'empty' if value == '' else 'missing'))
    if labelled:
        label = _get(fields, _LABEL)
        if not label:
            raise UserError('%s, line %d: no label.' % (path, line))
    return Example(text, text_b, label)
