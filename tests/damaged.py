"""Inputs that are nearly right, for fuzzing: JSON with a value, a key or a place changed, and files with bytes changed.

And what is asked of whatever reads them: a result or one error that a user can mend, in little time and memory.
"""
import contextlib
import copy
import json
import os
import resource
import signal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pet_keras.errors import UserError

INPUTS = int(os.environ.get('PET_KERAS_FUZZ', 30))  # inputs a test; those that build a network try a tenth
SECONDS, MEMORY = 60, 2 ** 30  # an input of a few kilobytes may take; seconds of a machine that has other work as well
_NASTY = [None, True, False, 0, -1, 1, 2 ** 31, 2 ** 63, 10 ** 30, -10 ** 30, .5, 1e308, float('nan'), float('inf'),
          '', ' ', '\x00', '\ud800', '\u2028', 'a' * 2000, '[MASK]', '{text}', '{text_a}{text_b}[MASK]', '[unused1]',
          '../../etc/passwd', '/etc/passwd', 'hf:a/b', '%s', '\\', [], {}, [[]], [None], {'': None}, [{}],
          {'a': {'b': []}}]
_NASTY_BYTES = [b'\xff' * 8, b'\0' * 8, b'\x7f' + b'\xff' * 7, b'"', b'\n', b'\t', b'{"text":', b'[' * 5000,
                b'\xef\xbb\xbf', b'\r']
VALUES = st.sampled_from(_NASTY).map(copy.deepcopy) | st.integers() | st.floats() | st.text(max_size=6) | st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5)


def _places(value, path=()):
    """The paths of all values inside a value of JSON, itself first."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, path + (key,))


@st.composite
def json_like(draw, valid, most=3):
    """A value of JSON with up to `most` changes: a value replaced, removed, or put under another key."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, most))):
        *parents, key = (draw(st.sampled_from(list(_places(value)))) or (None,))
        if key is None:
            return draw(VALUES)
        owner = value
        for parent in parents:
            owner = owner[parent]
        what = draw(st.sampled_from(['replace', 'remove', 'rename', 'copy']))
        if what == 'replace':
            owner[key] = draw(VALUES)
        elif what == 'remove':
            del owner[key]
        elif isinstance(owner, dict):
            owner[draw(st.text(max_size=4))] = owner.pop(key) if what == 'rename' else copy.deepcopy(owner[key])
        else:
            owner.append(copy.deepcopy(owner[key]))
    return value


@st.composite
def bytes_like(draw, valid, most=4):
    """Bytes with up to `most` changes: cut, a part removed, repeated, moved or overwritten."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(data) - 1)) | st.integers(0, min(200, max(0, len(data) - 1))))
        length = draw(st.integers(0, 16) | st.integers(0, max(0, len(data) - at)))
        what = draw(st.sampled_from(['cut', 'remove', 'repeat', 'move', 'overwrite', 'insert']))
        part = data[at:at + length]
        if what == 'cut':
            del data[at:]
        elif what == 'remove':
            del data[at:at + length]
        elif what == 'repeat':
            data[at:at] = part
        elif what == 'move':
            del data[at:at + length]
            to = draw(st.integers(0, len(data)))
            data[to:to] = part
        else:
            new = draw(st.binary(max_size=12) | st.sampled_from(_NASTY_BYTES))
            data[at:at + (len(new) if what == 'overwrite' else 0)] = new
    return bytes(data)


class Overrun(AssertionError):
    """An input took too long."""


@contextlib.contextmanager
def contained():
    """Within it more than SECONDS are an Overrun, and MEMORY bytes more than now a MemoryError."""
    def overrun(*_):
        raise Overrun('more than %d seconds' % SECONDS)
    with open('/proc/self/statm') as reader:
        size = int(reader.read().split()[0]) * resource.getpagesize()
    limits, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, overrun)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, limits[1]))
        signal.alarm(SECONDS)
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def result_or_error(function, *arguments, **settings):
    """What the function gives, or the UserError that it raises, which has something to say in one piece."""
    with contained():
        try:
            return function(*arguments, **settings)
        except UserError as e:
            assert 10 < len(str(e)) < 5000, str(e)[:200]
            return e


def fuzzed(*strategies, slow=False, **named):
    """The test is called with INPUTS inputs, or with a tenth of them."""
    def decorate(test):
        return settings(max_examples=max(3, INPUTS // 10) if slow else INPUTS, deadline=None, database=None,
                        derandomize=INPUTS <= 100, suppress_health_check=list(HealthCheck))(
            given(*strategies, **named)(test))
    return decorate


async def asked(app, path, content):
    """(status, body) of an ASGI application's answer to a POST of bytes, or of a value as JSON."""
    body, answer = content if isinstance(content, bytes) else json.dumps(content).encode(), []
    parts = [{'type': 'http.request', 'body': body}]

    async def receive():
        return parts.pop() if parts else {'type': 'http.disconnect'}

    async def send(message):
        answer.append(message)
    headers = [(b'content-type', b'application/json'), (b'content-length', str(len(body)).encode())]
    await app({'type': 'http', 'method': 'POST', 'path': path, 'raw_path': path.encode(), 'query_string': b'',
               'headers': headers, 'http_version': '1.1', 'scheme': 'http', 'server': ('127.0.0.1', 80),
               'client': ('127.0.0.1', 1), 'root_path': '', 'asgi': {'version': '3.0'}}, receive, send)
    return answer[0]['status'], b''.join(m.get('body', b'') for m in answer[1:])
