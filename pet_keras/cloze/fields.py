"""Named fields: what of a file's row, beside its text, stands in the holes of a task's patterns."""
from collections import namedtuple

from pet_keras.data.rows import TEXT as TEXT_COLUMNS
from pet_keras.data.rows import field_of
from pet_keras.errors import UserError

# names: the holes that a pattern may have, in the order in which an example gives their texts; sides: of each hole that
# is always cut at its other end, the side that is kept, 'head' or 'tail'; texts: how they stand without any question
Slots = namedtuple('Slots', 'names sides texts')

TEXT, PAIR = Slots(('text',), {}, '{text}'), Slots(('text_a', 'text_b'), {}, '{text_a}[SEP]{text_b}')
_PARTS = ('before', 'after')


class Fields(object):
    """The fields of a task, and its candidates: label words that belong to each example.

    Arguments:
        columns: dict, name of a hole → the column that it is read from; with dots a path into objects
            (`target.span1_text`). A column of the hole's own name serves as well, as tables have it. A list of texts
            is joined by 、.
        span: what cuts the text in two, `{before}` and `{after}`: a mark that stands in it once (`#idiom#`), or the
            columns of a place in it, in characters, and of what stands there. Too long a text is cut at its outer ends.
            In place of a mark the blank stands where no pattern says otherwise. In a row without a place, columns
            `before` and `after` serve.
        candidates: the column of the words, a list of texts; `candidates` serves as well.

    Attributes: `slots`, the Slots of the task's patterns; `candidates`.

    Raises: UserError for what is none of these.
    """
    def __init__(self, columns=None, span=None, candidates=None):
        self.columns, self.span, self.candidates = dict(columns or {}), span, candidates
        paths = list(self.columns.values()) + [candidates or ''] + (span if isinstance(span, list) else [span or ''])
        if not all(isinstance(path, str) for path in paths) or isinstance(span, list) and len(span) != 2:
            raise UserError('"fields" is an object of name: column, "candidates" a column, and "span" a mark or the '
                            'two columns of a place in the text and of what stands there.')
        taken = {'text', 'text_a', 'text_b', 'label'} | (set(_PARTS) if span else set()) | (
            {'candidates'} if candidates else set())
        if set(self.columns) & taken or not all(name.isidentifier() for name in self.columns):
            raise UserError('"fields" gives names, and none of %s; not %s.' % (
                ', '.join(sorted(taken)), ', '.join(self.columns)))
        parts = _PARTS if span else ()
        text = '{before}[MASK]{after}' if isinstance(span, str) else '{text}'
        self.slots = Slots(('text', *self.columns, *parts), {'before': 'tail', 'after': 'head'} if span else {},
                           '[SEP]'.join([text] + ['{%s}' % name for name in self.columns]))

    def of(self, row):
        """(texts of the fields by name, candidates or None) of a file's row, a dict of columns that holds a text;
        UserError says what it lacks."""
        found = {name: _text(name, _look(row, path) if _look(row, path) is not None else row.get(name))
                 for name, path in self.columns.items()}
        if self.span:
            cut = [row.get(part) for part in _PARTS]  # as `write_labels` has them, which knows no place
            marked = isinstance(self.span, str) or any(_look(row, path) is not None for path in self.span)
            found.update(zip(_PARTS, self._cut(row, field_of(row, TEXT_COLUMNS)) if marked or not all(
                isinstance(part, str) for part in cut) else cut))
        if not self.candidates:
            return found, None
        words = _look(row, self.candidates)
        return found, _words(row.get('candidates') if words is None else words)

    def _cut(self, row, text):
        if isinstance(self.span, str):
            if text.count(self.span) != 1:
                raise UserError('%s stands in the text %d times, not once.' % (self.span, text.count(self.span)))
            before, after = text.split(self.span)
            return before.strip(), after.strip()
        place, there = [_look(row, path) for path in self.span]
        if type(place) is not int or not isinstance(there, str) or text[place:place + len(there)] != there:
            raise UserError('%s and %s, %r and %r, are no place in the text and what stands there.' % (
                *self.span, place, there))
        return text[:place].strip(), text[place + len(there):].strip()


def _look(row, path):
    """What stands in a column, or where dots lead from there; None for nothing."""
    if path in row:
        return row[path]
    for key in path.split('.'):
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _text(name, value):
    value = '、'.join(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else value
    if not isinstance(value, str) or not value.strip():
        is_text = isinstance(value or '', str)
        raise UserError('the field %s is %s.' % (name, 'missing or empty' if is_text else 'no text'))
    return value.strip()


def _words(value):
    value = value.split('、') if isinstance(value, str) else value
    if not isinstance(value, list) or not all(isinstance(word, str) and word.strip() for word in value):
        raise UserError('the candidates are no list of words.')
    return [word.strip() for word in value]
