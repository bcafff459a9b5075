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

TEXT = ('text', 'text_a', 'sentence', 'sentence1', 'content', 'review', 'title', 'abst')
TEXT_B = ('text_b', 'sentence2')
LABEL = ('label', 'label_id')
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


def format_by_ending(path, default=None):
    """The format of one of several files: what a table's or JSON's ending says goes before `default`."""
    known = _FORMATS.get(os.path.splitext(path)[1].lower(), 'text')
    return default if known == 'text' else known


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


def parse_json(text, complaint):
    """JSON text → Python; UserError that begins with `complaint`."""
    try:
        return json.loads(text)
    except RecursionError:
        raise UserError('%s: it is nested too deeply.' % complaint) from None
    except ValueError as e:
        raise UserError('%s: %s' % (complaint, e)) from None


def check_writable(value, place):
    """UserError for what JSON can say and no UTF-8 file can hold: better now than after the work."""
    try:
        json.dumps(value, ensure_ascii=False).encode('utf-8')
    except RecursionError:
        raise UserError('%s: it is nested too deeply.' % place) from None
    except UnicodeEncodeError as e:
        raise UserError('%s: \\u%x is half of a surrogate pair, not a character.' % (
            place, ord(e.object[e.start]))) from None


def _json_records(path, lines):
    first = True
    for number, line in lines:
        if first and line.lstrip().startswith('['):  # one array
            array = parse_json('\n'.join([line] + [rest for _, rest in lines]), path + ': not a JSON array')
            for item, fields in enumerate(array, 1):
                if not isinstance(fields, dict):
                    raise UserError('%s, item %d: not a JSON object.' % (path, item))
                check_writable(fields, '%s, item %d' % (path, item))
                yield item, fields
            return
        first = first and not line.strip()
        fields = parse_json(line, '%s, line %d: not JSON' % (path, number)) if line.strip() else None
        if fields is not None and not isinstance(fields, dict):
            raise UserError('%s, line %d: not a JSON object.' % (path, number))
        check_writable(fields, '%s, line %d' % (path, number))
        yield number, fields


def _table_records(path, format, lines, is_pair, labelled):
    """TSV and CSV: a first row that names the columns is a header; without one they are text(s), label."""
    header, first = None, True
    expected = ['text_a', 'text_b'] if is_pair else ['text']
    for number, cells in _cells(path, format, lines):
        if not any(cell.strip() for cell in cells):
            yield number, None
            continue
        is_header, first = first and {c.strip().lower() for c in cells} & set(TEXT), False
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


def field_of(fields, names):
    """The first of the columns `names`, whatever their case, that a record has; None without any."""
    lowered = {str(key).lower(): value for key, value in fields.items()}
    return next((lowered[name] for name in names if lowered.get(name) is not None), None)


def _example(path, line, fields, is_pair, labelled):
    place = '%s, line %d' % (path, line)
    text = _text(place, 'text', field_of(fields, TEXT))
    text_b = _text(place, 'second text', field_of(fields, TEXT_B)) if is_pair else None
    if not labelled:
        return Example(text, text_b)
    label = field_of(fields, LABEL)
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
