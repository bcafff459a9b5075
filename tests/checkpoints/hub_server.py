"""A Hugging Face Hub on this machine: what huggingface_hub asks of one, for repositories made of bytes."""
import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_API = re.compile(r'/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?')
_FILE = re.compile(r'/([^/]+/[^/]+)/resolve/([^/]+)/(.+)')


class Repo(object):
    """Files by name, at each of several commits.

    Arguments: `commits`, dict commit hash → dict name → bytes; `revisions`, dict branch or tag → commit hash.
    """
    def __init__(self, commits, revisions, gated=False):
        self.commits, self.revisions, self.gated = commits, revisions, gated
        self.breaks = {}  # name → list: after how many bytes the connection breaks, the first time, the second, …
        self.spoiled = {}  # name → bytes that are sent for it
        self.sizes = {}  # name → the size that is promised for it


class HubServer(ThreadingHTTPServer):
    """Serves `repos`, a dict owner/name → Repo; `requests` lists what was asked, `sent` counts a file's bytes."""
    daemon_threads = True

    def __init__(self):
        super(HubServer, self).__init__(('127.0.0.1', 0), _Handler)
        self.repos, self.requests, self.sent = {}, [], {}
        self.status = None  # an HTTP status that everything is answered with

    @property
    def url(self):
        return 'http://127.0.0.1:%d' % self.server_port

    def handle_error(self, request, client_address):
        """A client that has gone is no error."""


@contextlib.contextmanager
def hub_server():
    """A HubServer that runs while the block does."""
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def git_sha1(content):
    return hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()


def is_large(name):
    """Whether a file is kept as the Hub keeps large ones: named by its SHA-256."""
    return name.endswith(('.safetensors', '.bin', '.h5'))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._answer(False)

    def do_GET(self):
        self._answer(True)

    def _answer(self, with_body):
        path = urlsplit(self.path).path
        self.server.requests.append('%s %s' % (self.command, unquote(path)))
        api, file = _API.fullmatch(path), _FILE.fullmatch(path)
        repo = self.server.repos.get((api or file).group(1)) if api or file else None
        if self.server.status:
            return self._error(self.server.status, 'Unavailable')
        if repo is None:
            return self._error(404, 'RepoNotFound')
        revision = unquote((api.group(3) if api else file.group(2)) or 'main')
        commit = repo.revisions.get(revision, revision)
        if commit not in repo.commits:
            return self._error(404, 'RevisionNotFound')
        if api:
            return self._json(self._tree(repo.commits[commit]) if api.group(2) == 'tree' else
                              self._info(api.group(1), commit, repo.commits[commit]))
        if repo.gated:
            return self._error(403, 'GatedRepo')
        name = unquote(file.group(3))
        if name not in repo.commits[commit]:
            return self._error(404, 'EntryNotFound')
        self._file(repo, name, commit, with_body)

    def _info(self, repo, commit, files):
        return {'id': repo, 'modelId': repo, 'sha': commit, 'private': False, 'tags': [], 'downloads': 0, 'siblings': [
            dict({'rfilename': name, 'size': len(content), 'blobId': git_sha1(content)}, **(
                {'lfs': {'size': len(content), 'sha256': sha256(content), 'pointerSize': 100}}
                if is_large(name) else {})) for name, content in files.items()]}

    def _tree(self, files):
        return [dict({'type': 'file', 'path': name, 'size': len(content), 'oid': git_sha1(content)}, **(
            {'lfs': {'size': len(content), 'oid': sha256(content), 'pointerSize': 100}} if is_large(name) else {}))
            for name, content in files.items()]

    def _json(self, answer):
        self._send(200, json.dumps(answer).encode('utf-8'), {'Content-Type': 'application/json'})

    def _error(self, status, code):
        self._send(status, b'', {'X-Error-Code': code, 'X-Error-Message': code})

    def _send(self, status, body, headers):
        self.send_response(status)
        for key, value in dict(headers, **{'Content-Length': str(len(body))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def _file(self, repo, name, commit, with_body):
        content = repo.commits[commit][name]
        headers = {'ETag': '"%s"' % (sha256 if is_large(name) else git_sha1)(content), 'X-Repo-Commit': commit,
                   'X-Linked-Size': str(repo.sizes.get(name, len(content))), 'Accept-Ranges': 'bytes',
                   'Content-Type': 'application/octet-stream'}
        content = repo.spoiled.get(name, content)
        start, asked = 0, re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range') or '')
        if asked:
            start = int(asked.group(1))
            headers['Content-Range'] = 'bytes %d-%d/%d' % (start, len(content) - 1, len(content))
        self.send_response(206 if asked else 200)
        for key, value in dict(headers, **{'Content-Length': str(len(content) - start)}).items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            end = repo.breaks[name].pop(0) if repo.breaks.get(name) else len(content)
            self.wfile.write(content[start:end])
            self.server.sent[name] = self.server.sent.get(name, 0) + max(0, end - start)
            if end < len(content):
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
