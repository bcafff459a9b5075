"""A pickle of tensors, read by an unpickler that knows tensors and nothing else.

Python's own unpickler calls, changes and hashes what a pickle tells it to, even where `find_class` is strict. This
one has the opcodes alone that a dict of tensors is made of, and calls the functions of `torch_objects` alone;
whatever else stands in a pickle is refused where it stands. What an opcode does: Python's `pickletools`.
"""
import io
import pickletools

from pet_keras.checkpoints.tensor_files.torch_objects import KNOWN, Function, expect, put, storage_of
from pet_keras.errors import UserError

LONGEST = 1 << 24  # bytes; a pickle of 1,000 tensors has about 200,000

_MARK = object()
_NOTHING = {'PROTO', 'FRAME', 'STOP'}
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False, 'EMPTY_TUPLE': (), 'MARK': _MARK}
_NUMBERS_AND_TEXTS = {
    'INT', 'BININT', 'BININT1', 'BININT2', 'LONG', 'LONG1', 'LONG4', 'FLOAT', 'BINFLOAT', 'UNICODE', 'BINUNICODE',
    'SHORT_BINUNICODE', 'BINUNICODE8', 'STRING', 'BINSTRING', 'SHORT_BINSTRING', 'BINBYTES', 'SHORT_BINBYTES',
    'BINBYTES8'}
_SAME = {'BINGET': 'GET', 'LONG_BINGET': 'GET', 'BINPUT': 'PUT', 'LONG_BINPUT': 'PUT'}


def load(data, start, path):
    """The pickle that begins at byte `start` of the bytes `data`.

    Returns: what it holds, with a `torch_objects.Tensor` for every tensor; the storages of these, a dict key →
    `torch_objects.Storage`; the byte after the pickle.

    Raises: UserError, naming `path`, where the pickle is damaged or holds anything but tensors, numbers and texts.
    """
    reader = io.BytesIO(data)
    reader.seek(start)
    machine = _Machine(path)
    try:
        return machine.run(reader), machine.storages, reader.tell()
    except UserError:
        raise
    except Exception as e:  # nonsense raises any type
        raise UserError('%s is damaged: its pickle cannot be read (%s: %s). Is the download complete?' % (
            path, type(e).__name__, str(e).split('\n')[0][:200])) from None


class _Machine(object):
    """An unpickler: a stack, a memo, and a method for every opcode that is more than a value."""
    def __init__(self, path):
        self.path, self.stack, self.memo, self.storages = path, [], {}, {}

    def run(self, reader):
        for opcode, argument, _ in pickletools.genops(reader):
            name = _SAME.get(opcode.name, opcode.name)
            if name in _NUMBERS_AND_TEXTS:
                self.stack.append(argument)
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name not in _NOTHING:
                do = getattr(self, '_do_' + name, None)
                if do is None:
                    raise self._refusal('the opcode %s (%s)' % (name, argument) if argument else 'the opcode ' + name)
                do(argument)
        found, = self._pop(1)
        return found

    def _refusal(self, what):
        return UserError(
            '%s is refused: its pickle holds code or objects that are no tensors, %.200s. Nothing of it ran. If you '
            'trust its author, load it with torch and save the state_dict alone, as safetensors.' % (self.path, what))

    def _pop(self, count):
        expect(len(self.stack) >= count, 'an empty stack')
        found = self.stack[-count:]
        del self.stack[-count:]
        return found

    def _since_mark(self):
        found = []
        while self.stack[-1] is not _MARK:
            found.append(self.stack.pop())
        self.stack.pop()
        return found[::-1]

    def _pairs(self):
        values = self._since_mark()
        expect(len(values) % 2 == 0, 'a key without value')
        return zip(values[::2], values[1::2])

    # values remembered

    def _do_PUT(self, index):
        self.memo[index] = self.stack[-1]

    def _do_MEMOIZE(self, _):
        self.memo[len(self.memo)] = self.stack[-1]

    def _do_GET(self, index):
        self.stack.append(self.memo[index])

    def _do_DUP(self, _):
        self.stack.append(self.stack[-1])

    def _do_POP(self, _):
        self.stack.pop()

    def _do_POP_MARK(self, _):
        self._since_mark()

    # containers

    def _do_TUPLE(self, _):
        self.stack.append(tuple(self._since_mark()))

    def _do_TUPLE1(self, _):
        self.stack.append(tuple(self._pop(1)))

    def _do_TUPLE2(self, _):
        self.stack.append(tuple(self._pop(2)))

    def _do_TUPLE3(self, _):
        self.stack.append(tuple(self._pop(3)))

    def _do_EMPTY_LIST(self, _):
        self.stack.append([])

    def _do_LIST(self, _):
        self.stack.append(self._since_mark())

    def _do_APPEND(self, _):
        self._extend(self._pop(1))

    def _do_APPENDS(self, _):
        self._extend(self._since_mark())

    def _extend(self, values):
        expect(type(self.stack[-1]) is list, 'an append to no list')
        self.stack[-1].extend(values)

    def _do_EMPTY_DICT(self, _):
        self.stack.append({})

    def _do_DICT(self, _):
        pairs = self._pairs()
        self.stack.append({})
        self._update(pairs)

    def _do_SETITEM(self, _):
        self._update([self._pop(2)])

    def _do_SETITEMS(self, _):
        self._update(self._pairs())

    def _update(self, pairs):
        for key, value in pairs:
            put(self.stack[-1], key, value)

    # tensors

    def _do_GLOBAL(self, name):
        if name not in KNOWN:
            raise self._refusal(name.replace(' ', '.'))
        self.stack.append(KNOWN[name])

    def _do_STACK_GLOBAL(self, _):
        module, name = self._pop(2)
        expect(type(module) is type(name) is str, 'a name that is no text')
        self._do_GLOBAL('%s %s' % (module, name))

    def _do_REDUCE(self, _):
        function, arguments = self._pop(2)
        expect(type(function) is Function and type(arguments) is tuple, 'a call of no function')
        self.stack.append(function.call(*arguments))

    def _do_BUILD(self, _):
        self._pop(1)  # the attributes of an OrderedDict, such as a module's _metadata
        expect(type(self.stack[-1]) is dict, 'attributes of no dict')

    def _do_BINPERSID(self, _):
        storage = storage_of(*self._pop(1))
        expect(self.storages.setdefault(storage.key, storage) == storage, 'a storage of two types or sizes')
        self.stack.append(storage)
