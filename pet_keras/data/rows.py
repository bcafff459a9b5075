"""The rows of a file as they stand: TSV, CSV, JSON lines (also one JSON array) or plain text, a dict of columns each.

A row that cannot be read is told as such, and reading goes on: what then happens is the caller's to say.
"""
import csv
import json
import os
import sys

from pet_keras.errors import UserError

TEXT = ('text', 'text_a', 'sentence', 'sentence1', 'content', 'review', 'title', 'abst')
TEXT_B = ('text_b', 'sentence2')
LABEL = ('label', 'label_id', 'answer')


class Lines(object):
    """Iterates over the lines of a file, or of standard input (`-`), without their ends.

    Attributes: `number`, that of the line read last; `unit`, 'line', or 'item' where the file is one JSON array, whose
    items are then numbered; `bad`, the numbers of the lines so far that are not UTF-8, in which U+FFFD stands.

    Arguments: `each`, called with every line's number and bytes.

    Raises: UserError where there is no such file.
    """
    def __init__(self, path, each=lambda number, raw: None):
        self.path, self.each, self.number, self.unit, self.bad = path, each, 0, 'line', set()
        self._lines = self._read()

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._lines)

    def _read(self):
        if self.path == '-' and sys.stdin.buffer.closed:
            raise UserError('Standard input can be read once: - stands for one file.')
        try:
            stream = sys.stdin.buffer if self.path == '-' else open(self.path, 'rb')
        except FileNotFoundError:
            raise UserError('%s: no such file.' % self.path) from None
        with stream:
            for self.number, raw in enumerate(stream, 1):
                self.each(self.number, raw)
                encoding = 'utf-8-sig' if self.number == 1 else 'utf-8'
                try:
                    line = raw.decode(encoding)
                except UnicodeDecodeError:
                    self.bad.add(self.number)
                    line = raw.decode(encoding, 'replace')
                yield line.rstrip('\r\n')

    def check(self):
        """Raises UserError where a line so far is not UTF-8."""
        if self.bad:
            raise UserError('%s, line %d: not UTF-8. Convert the file, e.g. iconv -f gb18030 -t utf-8.' % (
                self.path, min(self.bad)))


def rows_of(lines, format, is_pair=False, labelled=False):
    """Yields each row's columns as a dict, None for a blank row, or a str that says what is wrong with it.

    Arguments: `lines`, a Lines, whose `number` is where the row ends; `format`, one of these or 'parquet'; of a
    table without a header the columns are text, or with `is_pair` text_a and text_b, and label, which with `labelled`
    must be there.

    Raises: UserError for a JSON array that cannot be read as a whole.
    """
    if format == 'parquet':
        yield from _parquet_rows(lines)
    elif format == 'text':
        yield from ({'text': line.strip()} if line.strip() else None for line in lines)
    elif format == 'json':
        yield from _json_rows(lines)
    else:
        yield from _table_rows(_cells(lines, format), format, is_pair, labelled)


def field_of(fields, names):
    """The first of the columns `names`, whatever their case, that a record has; None without any."""
    lowered = {str(key).lower(): value for key, value in fields.items()}
    return next((lowered[name] for name in names if lowered.get(name) is not None), None)


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
    problem = _unwritable(value)
    if problem:
        raise UserError('%s: %s' % (place, problem))


def _unwritable(value):
    """Why a value could not be written again, or None."""
    try:
        json.dumps(value, ensure_ascii=False).encode('utf-8')
    except RecursionError:
        return 'it is nested too deeply.'
    except UnicodeEncodeError as e:
        return '\\u%x is half of a surrogate pair, not a character.' % ord(e.object[e.start])


def _json_rows(lines):
    first = True
    for line in lines:
        if first and line.lstrip().startswith('['):  # one array
            text = '\n'.join([line] + list(lines))
            lines.check()
            items, lines.unit = parse_json(text, lines.path + ': not a JSON array'), 'item'
            for lines.number, item in enumerate(items, 1):
                yield _checked(item)
            return
        first = first and not line.strip()
        try:
            yield _checked(parse_json(line, 'not JSON')) if line.strip() else None
        except UserError as e:
            yield str(e)


def _parquet_rows(lines):
    """Rows of a Parquet file, a hundred in memory at a time; what JSON has no type for becomes a string."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError('%s is a Parquet file, which needs pyarrow. Type:  pip install "pet-keras[ray]"' % (
            lines.path)) from None
    lines.unit = 'row'
    if os.path.exists(lines.path) and not os.path.isfile(lines.path):
        raise UserError('%s is no file: Parquet is not read from a pipe.' % lines.path)
    try:
        with open(lines.path, 'rb') as file:
            for block in iter(lambda: file.read(1 << 20), b''):
                lines.each(1, block)
        with parquet.ParquetFile(lines.path) as file:
            for batch in file.iter_batches(100):
                for start in range(0, batch.num_rows, 10):  # a long text that the file holds once becomes many
                    for item in batch.slice(start, 10).to_pylist():
                        lines.number += 1
                        yield _checked(json.loads(json.dumps(item, default=str)))
    except FileNotFoundError:
        raise UserError('%s: no such file.' % lines.path) from None
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as e:  # what it calls text may be none
        raise UserError('%s is no Parquet file, or damaged: %s' % (lines.path, str(e).split('\n')[0])) from None


def _checked(item):
    return (_unwritable(item) or item) if isinstance(item, dict) else 'not a JSON object.'


def _table_rows(records, format, is_pair, labelled):
    """A first row that names the columns is a header; without one they are text(s), label."""
    header, first, expected = None, True, ['text_a', 'text_b'] if is_pair else ['text']
    for cells in records:
        if isinstance(cells, str) or not any(cell.strip() for cell in cells):
            yield cells if isinstance(cells, str) else None
            continue
        is_header, first = first and {cell.strip().lower() for cell in cells} & set(TEXT), False
        columns = header or expected + ['label'] * (len(cells) > len(expected))
        if is_header:
            header = [cell.strip() for cell in cells]
        elif len(cells) != len(columns):
            yield '%d columns where %d (%s) were expected.%s' % (
                len(cells), len(columns), ', '.join(columns), ' A text must not hold a tab.' if format == 'tsv' else '')
        elif labelled and columns == expected and not header:
            yield 'no label; a row is %s.' % ', '.join(expected + ['label'])
        else:
            yield dict(zip(columns, cells))


def _cells(lines, format):
    """Yields the cells of each record, or a str that says what is wrong with it; CSV quotes may span lines."""
    if format == 'tsv':
        yield from (line.split('\t') for line in lines)
        return
    reader = csv.reader((line + '\n' for line in lines), strict=True)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            yield 'not CSV: %s' % e
