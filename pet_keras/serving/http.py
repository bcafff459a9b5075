"""Serves an application over HTTP until it is told to stop, and then answers what it has accepted."""
import contextlib
import signal
import socket

from pet_keras.errors import UserError
from pet_keras.serving.guard import OPEN, is_loopback


def listen(host, port):
    """A listening socket; UserError where the address cannot be had."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    try:
        found = socket.create_server((host, port), family=family, backlog=OPEN)
        # connections inherit it, where asyncio does not set it: head and body would else stand 40 ms apart
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found
    except (OSError, OverflowError) as e:
        raise UserError('Cannot listen on %s, port %d: %s. Choose another --port (0 takes any that is free).' % (
            host, port, getattr(e, 'strerror', None) or e)) from None


def url_of(server_socket):
    """Where a browser finds a listening socket."""
    host, port = server_socket.getsockname()[:2]
    return 'http://%s:%d' % ('[%s]' % host if ':' in host else host, port)


def check_host(host, keys):
    """Raises UserError for a server without keys that others could reach."""
    if not keys and not is_loopback(host):
        raise UserError('--host %s is open to other machines: give --api-key-file FILE, so that not everybody may ask; '
                        'without it --host is 127.0.0.1.' % host)


def make_server(app, timeout):
    """A uvicorn server, to be run; its `should_exit` stops it. Arguments: `timeout`, seconds a request may take."""
    import uvicorn
    return uvicorn.Server(uvicorn.Config(
        app, log_config=None, log_level='warning', access_log=False, server_header=False, lifespan='off', ws='none',
        proxy_headers=False, timeout_graceful_shutdown=int(timeout) + 5))


def serve(server, server_socket, batcher):
    """Serves until SIGTERM or Ctrl-C; requests that were accepted are then answered, and nothing new is accepted."""
    with contextlib.ExitStack() as stack:
        stack.callback(batcher.close)
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again when it is done: it was no failure
            stack.callback(signal.signal, number, signal.signal(number, lambda *_: None))
        server.run(sockets=[server_socket])
