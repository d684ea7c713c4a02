# SPDX-License-Identifier: Apache-2.0
"""registry.py: registries for tests: Debian's docker-registry with or without TLS and passwords, and a small one that misbehaves on request."""
import hashlib
import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Registry:
    """docker-registry on loopback, in a directory of its own."""

    def __init__(self, directory, tls=False, users=None, address='127.0.0.1', host='localhost', netns=None):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir()
        self.port = free_port()
        self.address, self.host = address, f'{host}:{self.port}'
        self.pre = ['nsenter', f'--net=/run/netns/{netns}'] if netns else []
        self.tls = tls
        self.certs = None
        conf = [f'version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {self.dir}/data}}\n  delete: {{enabled: true}}',
                f'http:\n  addr: {self.address}:{self.port}\n  secret: test']
        if tls:
            self.make_certificates()
            conf.append(f'  tls: {{certificate: {self.dir}/server.crt, key: {self.dir}/server.key}}')
        if users:
            table = ''.join(subprocess.run(['htpasswd', '-Bbn', u, p], check=True, capture_output=True, text=True).stdout.strip() + '\n'
                            for u, p in users.items())
            (self.dir / 'htpasswd').write_text(table)
            conf.append(f'auth:\n  htpasswd: {{realm: test, path: {self.dir}/htpasswd}}')
        (self.dir / 'config.yml').write_text('\n'.join(conf) + '\n')
        self.proc = None
        self.start()

    def start(self):
        with open(self.dir / 'log', 'ab') as log:
            self.proc = subprocess.Popen([*self.pre, 'docker-registry', 'serve', str(self.dir / 'config.yml')], stdout=log, stderr=log)
        for _ in range(200):
            if subprocess.run([*self.pre, 'bash', '-c', f'</dev/tcp/{self.address}/{self.port}'], capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError((self.dir / 'log').read_text())

    def make_certificates(self):
        d = self.dir
        run = lambda *a: subprocess.run(['openssl', *map(str, a)], check=True, capture_output=True)
        run('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test CA',
            '-keyout', d / 'ca.key', '-out', d / 'ca.crt')
        run('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=registry', '-keyout', d / 'server.key',
            '-out', d / 'server.csr')
        (d / 'ext').write_text(f'subjectAltName=DNS:localhost,IP:{self.address}\n')
        run('x509', '-req', '-in', d / 'server.csr', '-CA', d / 'ca.crt', '-CAkey', d / 'ca.key', '-CAcreateserial', '-days', '2',
            '-extfile', d / 'ext', '-out', d / 'server.crt')

    def log(self):
        return (self.dir / 'log').read_text()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def digest(data):
    return 'sha256:' + hashlib.sha256(data).hexdigest()


class BadRegistry:
    """Serves what it is told to; requests are counted, and answers can be broken off, slow or wrong."""

    def __init__(self):
        self.blobs, self.manifests, self.types = {}, {}, {}
        self.requests = []           # (method, path, Range or None, Authorization or None)
        self.break_at = {}           # digest: bytes after which the connection ends, once each in the list
        self.delay = 0               # seconds before each 64 KiB of a blob
        self.ignore_range = False
        self.redirect = None         # base URL that blobs are redirected to
        self.challenge = None        # WWW-Authenticate; then an Authorization is wanted
        self.token = None            # what /token answers
        self.hang = threading.Event() # uploads wait for it
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.get(self)
            do_HEAD = do_GET

            def do_POST(self):
                outer.requests.append((self.command, self.path, None, None))
                outer.hang.wait(60)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass
        self.server = Server(('127.0.0.1', 0), Handler)
        self.port = self.server.server_address[1]
        self.host = f'127.0.0.1:{self.port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()

    def add_image(self, name, tag, layers, config=None, layer_type='application/vnd.docker.image.rootfs.diff.tar.gzip', wrong=()):
        """LAYERS: (compressed, tar) pairs. WRONG: numbers of layers whose bytes are not those of their digest."""
        config = config or {}
        text = json.dumps({'architecture': 'amd64', 'os': 'linux', 'config': config, 'rootfs': {'type': 'layers',
                           'diff_ids': [digest(t) for _, t in layers]}}).encode()
        entries = []
        for i, (data, _) in enumerate(layers):
            d = digest(data)
            self.blobs[d] = bytes(len(data)) if i in wrong else data
            entries.append({'mediaType': layer_type, 'digest': d, 'size': len(data)})
        self.blobs[digest(text)] = text
        manifest = {'schemaVersion': 2, 'mediaType': 'application/vnd.docker.distribution.manifest.v2+json',
                    'config': {'mediaType': 'application/vnd.docker.container.image.v1+json', 'digest': digest(text), 'size': len(text)},
                    'layers': entries}
        return self.add_manifest(name, tag, manifest)

    def add_manifest(self, name, tag, manifest):
        text = json.dumps(manifest).encode()
        d = digest(text)
        for ref in (tag, d):
            self.manifests[name, ref] = text
            self.types[name, ref] = manifest['mediaType']
        return d

    def reply(self, h, status, body=b'', **fields):
        h.send_response(status)
        for k, v in fields.items():
            h.send_header(k.replace('_', '-'), v)
        h.send_header('Content-Length', str(len(body)))
        h.end_headers()
        if h.command != 'HEAD':
            h.wfile.write(body)

    def get(self, h):
        path = h.path.split('?')[0]
        self.requests.append((h.command, h.path, h.headers.get('Range'), h.headers.get('Authorization')))
        if path == '/token':
            return self.reply(h, 200 if self.token else 401, json.dumps(self.token or {'errors': [
                {'code': 'UNAUTHORIZED', 'message': 'incorrect username or password'}]}).encode())
        if self.challenge and not h.headers.get('Authorization'):
            return self.reply(h, 401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}', WWW_Authenticate=self.challenge)
        if path == '/v2/':
            return self.reply(h, 200, b'{}')
        parts = path.split('/')
        name, kind, ref = '/'.join(parts[2:-2]), parts[-2], parts[-1]
        if kind == 'tags':
            tags = [t for n, t in self.manifests if n == name and not t.startswith('sha256:')]
            return self.reply(h, 200, json.dumps({'name': name, 'tags': tags}).encode())
        if kind == 'manifests' and (name, ref) in self.manifests:
            return self.reply(h, 200, self.manifests[name, ref], Content_Type=self.types[name, ref])
        if kind == 'blobs' and ref in self.blobs:
            return self.blob(h, ref)
        return self.reply(h, 404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')

    def blob(self, h, ref):
        if self.redirect:
            return self.reply(h, 307, Location=f'{self.redirect}{h.path}')
        data, start = self.blobs[ref], 0
        if h.headers.get('Range') and not self.ignore_range:
            start = int(h.headers['Range'].split('=')[1].split('-')[0])
            h.send_response(206)
            h.send_header('Content-Range', f'bytes {start}-{len(data) - 1}/{len(data)}')
        else:
            h.send_response(200)
        h.send_header('Content-Length', str(len(data) - start))
        h.end_headers()
        stops = self.break_at.get(ref)
        end = stops.pop(0) if stops else len(data)
        for at in range(start, end, 65536):
            if self.delay:
                time.sleep(self.delay)
            h.wfile.write(data[at:min(at + 65536, end)])
            h.wfile.flush()
        if end < len(data):
            h.close_connection = True
            h.connection.shutdown(socket.SHUT_RDWR)
