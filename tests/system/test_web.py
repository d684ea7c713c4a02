# SPDX-License-Identifier: Apache-2.0
"""What comes from the web through estiba-fetch without being a registry's: import and ADD from a URL, and search."""
import hashlib
import http.server
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import urllib.parse

import pytest

from daemon import BIN, BUSYBOX, Daemon, busybox_tar

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]
DATE = 'Sun, 06 Nov 1994 08:49:37 GMT'
PLAIN = b'of the web\n' * 1000


def sha256(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


class Web:
    """Files by path, a search index, answers with a status, and one that never ends."""

    def __init__(self):
        outer = self
        self.files = {'/base.tar': busybox_tar(), '/plain.txt': PLAIN, '/a name.txt': b'blank', '/noname/': b''}
        self.queries, self.hang = [], threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.get(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass
        self.server = Server(('127.0.0.1', 0), Handler)
        self.host = f'127.0.0.1:{self.server.server_address[1]}'
        self.url = f'http://{self.host}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, h):
        path, _, query = h.path.partition('?')
        head, body, status = {}, self.files.get(urllib.parse.unquote(path)), 200
        if path == '/v1/search':
            self.queries.append((urllib.parse.parse_qs(query), h.headers.get('Authorization')))
            body = json.dumps({'query': 'x', 'num_results': 2, 'results': [
                {'name': 'tools/one', 'description': 'the first\nof two', 'star_count': 7, 'is_official': False, 'is_automated': False, 'more': {}},
                {'name': 'two', 'description': '', 'star_count': 0, 'is_official': True, 'is_automated': False}]}).encode()
        elif path == '/v1/_ping':
            body = b'{}'
        elif path in ('/dated', '/head/'):
            body, head = b'dated', {'Last-Modified': DATE, 'Content-Disposition': 'attachment; filename="../named by.head"'}
        elif path == '/moved':
            body, status, head = b'', 302, {'Location': '/plain.txt'}
        elif path == '/slow':
            h.send_response(200)
            h.send_header('Content-Length', '1000000')
            h.end_headers()
            h.wfile.write(b'x' * 1000)
            h.wfile.flush()
            self.hang.wait(60)
            return
        elif path.startswith('/status/'):
            status, body = int(path[8:]), b'  why not\n'
        elif body is None:
            status, body = 404, b'nothing here\n'
        h.send_response(status)
        for k, v in head.items():
            h.send_header(k, v)
        h.send_header('Content-Length', str(len(body)))
        h.end_headers()
        h.wfile.write(body)

    def close(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope='module')
def web():
    w = Web()
    yield w
    w.close()


@pytest.fixture(scope='module')
def d():
    d = Daemon('--bridge', 'none', netns=False)
    try:
        d.start()
        d.import_busybox('bb:1')
        yield d
    finally:
        d.close()


@pytest.fixture(params=['docker', 'estiba'])
def client(request, d):
    program = BIN / 'estiba' if request.param == 'estiba' else shutil.which('docker')
    if not program:
        pytest.skip('no docker client')
    return lambda *args, **kw: d.client(program, *args, **kw)


def build(d, dockerfile, query=''):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        info = tarfile.TarInfo('Dockerfile')
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile.encode()))
    status, body = d.api('POST', '/v1.45/build?rm=1' + query, out.getvalue(), {'Content-Type': 'application/x-tar'})
    lines = [json.loads(line) for line in body.split(b'\r\n') if line.strip()]
    return status, lines


def image(lines):
    return next(o['aux']['ID'] for o in lines if 'aux' in o)


def nothing_stays(d):
    assert os.listdir(d.dir / 'data/partial') == []


# --- import ---

def test_import(d, web, client):
    iid = client('import', '-c', 'ENV PATH=/bin', f'{web.url}/base.tar', 'web:1').stdout.strip().split('\n')[-1]
    assert iid == d.out('image', 'inspect', '-f', '{{.Id}}', 'web:1')
    assert client('run', '--rm', '--network', 'none', 'web:1', 'echo', 'runs').stdout == 'runs\n'
    assert d.out('image', 'inspect', '-f', '{{.Comment}}', 'web:1') == f'Imported from {web.url}/base.tar'
    status, body = d.api('POST', f'/v1.45/images/create?fromSrc={web.host}/base.tar')
    assert status == 200 and b'"status":"sha256:' in body, 'without a scheme it is http'
    client('rmi', '-f', 'web:1')
    nothing_stays(d)


@pytest.mark.parametrize('path,status,text', [
    ('/nosuch', 404, 'failed to GET {url}/nosuch with status 404 Not Found: nothing here'),
    ('/status/403', 403, 'failed to GET {url}/status/403 with status 403 Forbidden: why not'),
    ('/status/500', 500, 'failed to GET {url}/status/500 with status 500 Internal Server Error: why not'),
])
def test_import_refused(d, web, path, status, text):
    got, body = d.api('POST', f'/v1.45/images/create?fromSrc={web.url}{path}')
    assert (got, json.loads(body)['message']) == (status, text.format(url=web.url))
    nothing_stays(d)


def test_import_of_what_cannot_be(d, web):
    status, body = d.api('POST', '/v1.45/images/create?fromSrc=http://127.0.0.1:1/x.tar')
    assert (status, json.loads(body)['message']) == (500, 'Get "http://127.0.0.1:1/x.tar": dial tcp 127.0.0.1:1: connect: connection refused')
    status, body = d.api('POST', '/v1.45/images/create?fromSrc=ftp://127.0.0.1/x.tar')
    assert status == 400 and 'neither http nor https' in json.loads(body)['message']
    status, body = d.api('POST', f'/v1.45/images/create?fromSrc={web.url}/plain.txt')
    assert 'error' in json.loads(body.split(b'\r\n')[-2]) if status == 200 else json.loads(body)['message']
    nothing_stays(d)


# --- ADD ---

def test_add(d, web):
    status, lines = build(d, f'FROM bb:1\nADD {web.url}/plain.txt {web.url}/base.tar /in/\nADD {web.url}/dated /as\nADD {web.url}/moved /moved\n'
                             f'ADD --chown=user --chmod=640 --checksum={sha256(PLAIN)} {web.url}/plain.txt?x=/y /in/mine\n'
                             f'ADD {web.url}/a%20name.txt /in/\n')
    assert status == 200 and 'error' not in lines[-1], lines[-1]
    assert any(o.get('status') == 'Downloading' and o['progressDetail']['current'] == len(PLAIN) for o in lines)
    iid = image(lines)

    def run(*cmd):
        return d.out('run', '--rm', '--network', 'none', iid, *cmd)
    assert run('stat', '-c', '%n %a %u %Y %s', '/in/plain.txt', '/in/base.tar', '/as', '/moved', '/in/mine').split('\n') == [
        f'/in/plain.txt 600 0 0 {len(PLAIN)}', f'/in/base.tar 600 0 0 {len(busybox_tar())}', '/as 600 0 784111777 5',
        f'/moved 600 0 0 {len(PLAIN)}', f'/in/mine 640 1000 0 {len(PLAIN)}']
    assert run('cat', '/in/a name.txt') == 'blank'
    assert run('sha256sum', '/in/mine').split()[0] == sha256(PLAIN)[7:]
    status, again = build(d, f'FROM bb:1\nADD {web.url}/plain.txt {web.url}/base.tar /in/\n')
    assert any(' ---> Using cache' in o.get('stream', '') for o in again), 'the same bytes are the same step'
    web.files['/plain.txt'] = b'changed'
    try:
        status, again = build(d, f'FROM bb:1\nADD {web.url}/plain.txt {web.url}/base.tar /in/\n')
        assert not any(' ---> Using cache' in o.get('stream', '') for o in again)
    finally:
        web.files['/plain.txt'] = PLAIN
    status, lines = build(d, f'FROM bb:1\nADD {web.url}/head/ /in/\nADD --unpack=true {web.url}/base.tar /root/\n')
    iid = image(lines)
    assert run('ls', '/in') == 'named by.head' and 'bin' in run('ls', '/root').split()
    nothing_stays(d)


@pytest.mark.parametrize('line,text', [
    ('ADD {url}/nosuch /x', 'ADD failed: failed to GET {url}/nosuch with status 404 Not Found: nothing here'),
    ('ADD http://127.0.0.1:1/x /x', 'ADD failed: Get "http://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused'),
    ('ADD {url}/noname/ /in/', 'cannot determine filename from url: {url}/noname/'),
    ('ADD --checksum=sha256:' + '0' * 64 + ' {url}/plain.txt /x', 'digest mismatch ' + sha256(PLAIN) + ': sha256:' + '0' * 64),
    ('ADD --checksum=md5:1 {url}/plain.txt /x', 'invalid checksum md5:1'),
    ('ADD --checksum=' + sha256(b'') + ' Dockerfile /x', "checksum can't be specified for non-HTTP(S) & non-Git sources"),
    ('ADD {url}/plain.txt {url}/dated /x', 'the destination must be a directory and end with a /'),
    ('ADD git@example.invalid:a/b /x', 'adding a git repository is not supported by this builder'),
    ('COPY {url}/plain.txt /x', 'file not found in build context'),
])
def test_add_refused(d, web, line, text):
    before = d.out('images', '-aq')
    status, lines = build(d, 'FROM bb:1\n' + line.format(url=web.url) + '\n')
    said = lines[-1].get('error') or lines[-1].get('message')
    assert said and text.format(url=web.url) in said, lines[-1]
    assert d.out('images', '-aq') == before
    nothing_stays(d)


def test_client_that_leaves_in_the_middle(d, web):
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(d.sock))
    s.settimeout(20)
    s.sendall(f'POST /v1.45/images/create?fromSrc={web.url}/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'.encode())
    said = b''
    while b'"current":1000' not in said:
        said += s.recv(65536)
    s.close()
    end = time.time() + 15
    while 'estiba-fetch' in subprocess.run(['ps', '--ppid', str(d.proc.pid), '-o', 'comm='], capture_output=True, text=True).stdout:
        assert time.time() < end, 'the helper goes on'
        time.sleep(0.05)
    nothing_stays(d)


# --- search ---

def test_search(d, web, client):
    web.queries.clear()
    r = client('search', '--limit', '3', f'{web.host}/one thing')
    assert [line.split() for line in r.stdout.strip().split('\n')] == [
        ['NAME', 'DESCRIPTION', 'STARS', 'OFFICIAL'], ['tools/one', 'the', 'first', 'of', 'two', '7'], ['two', '0', '[OK]']]
    assert web.queries == [({'n': ['3'], 'q': ['one thing']}, None)]
    assert client('search', '--filter', 'stars=3', '--format', '{{.Name}}', f'{web.host}/x').stdout == 'tools/one\n'
    assert client('search', '--filter', 'is-official=true', '--format', '{{.Name}} {{.StarCount}}', f'{web.host}/x').stdout == 'two 0\n'
    r = client('search', '127.0.0.1:1/x', check=False)
    refused = 'dial tcp 127.0.0.1:1: connect: connection refused'
    assert r.returncode == 1 and r.stderr == (
        'Error response from daemon: invalid registry endpoint "http://127.0.0.1:1/v1/". HTTPS attempt: Get "https://127.0.0.1:1/v1/_ping": '
        f'{refused}. HTTP attempt: Get "http://127.0.0.1:1/v1/_ping": {refused}\n')
    assert 'limit 101 is outside the range of [1, 100]' in client('search', '--limit', '101', f'{web.host}/x', check=False).stderr
    assert "invalid filter 'stars=x': strconv.Atoi" in client('search', '--filter', 'stars=x', f'{web.host}/x', check=False).stderr
    assert d.api('GET', f'/images/search?term={web.host}/x&limit=-1')[0] == 400
