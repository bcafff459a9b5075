"""Guard: who may ask a server, how much at once, and what a browser may do with the answer."""
import asyncio
import hmac
import ipaddress
import json
import time

from pet_keras.errors import UserError
from pet_keras.serving.batcher import Full

OPEN = 512  # requests at once, each of which holds a connection and its body: a process can hold a thousand or so
_KEY_LENGTH = 16  # characters, at least
_HEADERS = [
    # a page loads nothing from elsewhere, runs no script that stands in it, and stands in no other page
    ('content-security-policy', "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                                "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ('x-content-type-options', 'nosniff'), ('referrer-policy', 'no-referrer'), ('cache-control', 'no-store'),
    ('cross-origin-resource-policy', 'same-origin'), ('cross-origin-opener-policy', 'same-origin'),
]
_ENCODED = [(name.encode(), value.encode()) for name, value in _HEADERS]


def is_loopback(host):
    """Whether only programs on this machine reach a server on `host`: 127.0.0.1, ::1, localhost."""
    try:
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_keys(path):
    """The keys in a file, one a line; UserError where there is none, or a short one."""
    with open(path, encoding='ascii', errors='replace') as reader:
        keys = [line.strip() for line in reader if line.strip()]
    if not keys or min(map(len, keys)) < _KEY_LENGTH or not all(map(str.isascii, keys)):
        raise UserError('%s: write a key a line, %d ASCII characters or more each; this makes one:  python -c '
                        '"import secrets; print(secrets.token_urlsafe())"' % (path, _KEY_LENGTH))
    return [key.encode() for key in keys]


class Refusal(Exception):
    """An answer other than the wanted one: HTTP `status`, and one line that says why."""
    def __init__(self, status, message, **headers):
        super(Refusal, self).__init__(message)
        self.status, self.headers = status, {name.replace('_', '-'): value for name, value in headers.items()}


def error(message):
    """The JSON of every answer that is an error, as a dict."""
    return {'error': {'message': message}}


def busy(full):
    """The Refusal for a Full."""
    return Refusal(503, str(full), retry_after=str(full.retry_after))


class Guard(object):
    """ASGI middleware that refuses before anything is parsed, counts each answer, and sets its security headers.

    Arguments:
        app: an ASGI application.
        metrics: a Metrics.
        paths: the paths to count by their names; the others are 'other'.
        max_body: bytes.
        timeout: seconds in which a body must have come.
        keys: list of bytes. Without keys a request must name this machine (`Host: localhost`), so that no web page
            gets at the server by giving its own name the address 127.0.0.1 (DNS rebinding).
        open_paths: paths that need no key.
        check_room: called before a POST is parsed; it raises Full where there is no room for any.
    """
    def __init__(self, app, metrics, paths, max_body, timeout, keys=(), open_paths=(), check_room=lambda: None):
        self.app, self.metrics, self.paths, self.max_body, self.timeout = app, metrics, paths, max_body, timeout
        self.keys, self.open_paths, self.check_room, self._open = list(keys), set(open_paths), check_room, 0

    async def __call__(self, scope, receive, send):
        if scope['type'] != 'http':
            return await self.app(scope, receive, send)
        self._open += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._open -= 1

    async def _answer(self, scope, receive, send):
        start, path = time.perf_counter(), scope['path'] if scope['path'] in self.paths else 'other'

        async def counted(message):
            if message['type'] == 'http.response.start':
                message = dict(message, headers=list(message.get('headers', [])) + _ENCODED)
                self.metrics.requests.labels(path, message['status']).inc()
                self.metrics.seconds.labels(path).observe(time.perf_counter() - start)
            await send(message)
        try:
            self._check(scope['path'], dict(scope['headers']))
            body = await asyncio.wait_for(self._body(receive), self.timeout)
            if scope['method'] == 'POST':  # under overload most requests end here, so it should cost little
                self.check_room()
        except asyncio.TimeoutError:
            return await _send(counted, Refusal(408, 'The body did not come within %g s.' % self.timeout))
        except Full as e:
            return await _send(counted, busy(e))
        except Refusal as e:
            return await _send(counted, e)
        if body is None:  # the client has gone
            return
        messages = iter([{'type': 'http.request', 'body': body, 'more_body': False}])

        async def replayed():
            return next(messages, None) or await receive()
        await self.app(scope, replayed, counted)

    def _check(self, path, headers):
        """Raises Refusal for a request too many, or from where none may come."""
        if self._open > OPEN:
            raise Refusal(503, 'Too many requests are open.', retry_after='1')
        if not self.keys:
            host = headers.get(b'host', b'').decode('latin-1')
            name = host[1:host.find(']')] if host.startswith('[') else host.rpartition(':')[0] or host
            if not is_loopback(name):
                raise Refusal(403, 'This server has no keys, so it is asked as localhost or 127.0.0.1 alone.')
        elif path not in self.open_paths:
            scheme, _, key = headers.get(b'authorization', b'').partition(b' ')
            # every key is compared, and each in constant time: nothing is learned from how long it takes
            if scheme.lower() != b'bearer' or not sum([hmac.compare_digest(key.strip(), own) for own in self.keys]):
                raise Refusal(401, 'Send a key of this server:  Authorization: Bearer KEY', www_authenticate='Bearer')

    async def _body(self, receive):
        """The body, or None where the client has gone; Refusal where it is too long.

        Somewhat more than is kept is read, because a client that is cut off while it sends does not see the answer.
        """
        parts, size, more = [], 0, True
        while more and size <= 16 * self.max_body:
            message = await receive()
            if message['type'] == 'http.disconnect':
                return None
            size, more = size + len(message.get('body', b'')), message.get('more_body', False)
            if size <= self.max_body:
                parts.append(message.get('body', b''))
        if size > self.max_body:
            raise Refusal(413, 'The body is longer than %d bytes, the most that is read.' % self.max_body)
        return b''.join(parts)


async def _send(send, refusal):
    """Sends a Refusal as JSON."""
    body = json.dumps(error(str(refusal))).encode()
    headers = dict(refusal.headers, **{'content-type': 'application/json', 'content-length': str(len(body))})
    await send({'type': 'http.response.start', 'status': refusal.status,
                'headers': [(name.encode(), value.encode()) for name, value in headers.items()]})
    await send({'type': 'http.response.body', 'body': body})
