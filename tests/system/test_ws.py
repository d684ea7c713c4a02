# SPDX-License-Identifier: Apache-2.0
"""Attach over WebSocket: a container's streams as messages, both ways, for clients that behave and for those that do not."""
import os
import socket
import struct

import pytest

from daemon import BIN, BUSYBOX, running

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]
IMAGE = 'bb:1'
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@pytest.fixture(scope='module')
def d():
    with running(IMAGE) as d:
        yield d


class WebSocket:
    def __init__(self, d, path, key='dGhlIHNhbXBsZSBub25jZQ=='):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect(str(d.sock))
        self.s.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n'
                       'Sec-WebSocket-Version: 13\r\nOrigin: http://x\r\n\r\n'.encode())
        self.head, self.rest = b'', b''
        while b'\r\n\r\n' not in self.head:
            more = self.s.recv(65536)
            assert more, self.head
            self.head += more
        self.head, _, self.rest = self.head.partition(b'\r\n\r\n')

    def exactly(self, n):
        while len(self.rest) < n:
            more = self.s.recv(65536)
            if not more:
                return None
            self.rest += more
        got, self.rest = self.rest[:n], self.rest[n:]
        return got

    def frame(self):
        """(op, payload); None at the end of the connection."""
        head = self.exactly(2)
        if head is None:
            return None
        assert head[0] & 0xf0 == 0x80 and not head[1] & 0x80, 'whole frames without a mask'
        n = head[1]
        if n > 125:
            n = int.from_bytes(self.exactly(2 if n == 126 else 8), 'big')
        return head[0] & 0xf, self.exactly(n)

    def send(self, op, data, final=True):
        n = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack('>BH', 0xfe, len(data))
        mask = os.urandom(4)
        self.s.sendall(bytes([op | 0x80 * final]) + n + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def until(self, text, op=BINARY):
        got = b''
        while text not in got:
            frame = self.frame()
            assert frame and frame[0] == op, (frame, got)
            got += frame[1]
        return got

    def end(self):
        """What comes up to the end: data, and the code of the close frame."""
        data, code = b'', None
        while (frame := self.frame()) is not None:
            if frame[0] == CLOSE:
                code = int.from_bytes(frame[1][:2], 'big')
            else:
                data += frame[1]
        return data, code


def test_both_ways(d):
    d.estiba('run', '-di', '--rm', '--name', 'ww', IMAGE, 'sh', '-c', 'while read x; do echo out $x; echo err $x >&2; done')
    w = WebSocket(d, '/v1.45/containers/ww/attach/ws?stream=1&stdin=1&stdout=1&stderr=1')
    assert w.head.startswith(b'HTTP/1.1 101 ') and b'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=' in w.head
    w.send(BINARY, b'one\n')
    got = w.until(b'out one\n')
    assert b'err one\n' in got or w.until(b'err one\n')
    w.send(TEXT, b'tw', final=False)
    w.send(PING, b'there?')
    w.send(0, b'o\n')
    seen = set()
    while len(seen) < 3:
        op, data = w.frame()
        seen.update([data] if op == PONG else data.splitlines())
    assert seen == {b'there?', b'out two', b'err two'}
    long = b'x' * 3000
    w.send(BINARY, long + b'\n')
    w.until(b'out ' + long)
    d.estiba('kill', 'ww')
    assert w.end()[1] == 1000, 'the end of the container is the end of the connection'


def test_terminal_and_log(d):
    d.estiba('run', '-dit', '--name', 'tt', IMAGE, 'sh')
    w = WebSocket(d, '/v1.27/containers/tt/attach/ws?stream=1')
    w.send(TEXT, b'echo a""b\n')
    w.until(b'ab\r\n', op=TEXT)
    w.send(CLOSE, struct.pack('>H', 1000))
    assert w.end()[1] == 1000
    assert d.inspect('tt')['State']['Running'], 'a client that leaves changes nothing'
    d.estiba('rm', '-f', 'tt')
    d.estiba('run', '--name', 'll', IMAGE, 'seq', '20000')
    w = WebSocket(d, '/v1.45/containers/ll/attach/ws?logs=1&stdout=1')
    data, code = w.end()
    assert data.split() == [str(i).encode() for i in range(1, 20001)] and code == 1000
    d.estiba('rm', 'll')


def test_early_bytes(d):
    """A client that attaches before the start gets everything."""
    d.estiba('create', '--name', 'ee', IMAGE, 'seq', '50000')
    w = WebSocket(d, '/v1.45/containers/ee/attach/ws?stream=1&stdout=1')
    d.estiba('start', 'ee')
    assert w.end()[0].split()[-1] == b'50000'
    d.estiba('rm', 'ee')


@pytest.mark.parametrize('path,key,status,text', [
    ('/containers/nosuch/attach/ws?stream=1', 'dGhlIHNhbXBsZSBub25jZQ==', 404, b'No such container: nosuch'),
    ('/containers/x/attach/ws?stream=1', 'short', 400, b'mismatch challenge/response'),
])
def test_refused(d, path, key, status, text):
    w = WebSocket(d, path, key)
    assert w.head.startswith(b'HTTP/1.1 %d ' % status) and text in w.head + w.rest + (w.s.recv(4096) if text not in w.rest else b'')


def test_bad_frames_and_many(d):
    d.estiba('run', '-di', '--name', 'bb', IMAGE, 'cat')
    path = '/v1.45/containers/bb/attach/ws?stream=1&stdin=1&stdout=1'
    w = WebSocket(d, path)
    w.s.sendall(b'\x81\x05Hello')
    assert w.end()[1] == 1002
    many = []
    for i in range(20):  # the handshake is answered before the monitor has the client: its own echo shows that it has
        many.append(WebSocket(d, path))
        many[i].send(BINARY, b'hello %d\n' % i)
        many[i].until(b'hello %d\n' % i)
    many[0].send(BINARY, b'all\n')
    for w in many:
        w.until(b'all\n')
    before = d.proc.pid
    d.stop()
    assert all(w.frame() is None or w.frame() is None for w in many), 'a daemon that leaves cuts them off'
    d.start()
    assert d.proc.pid != before and d.inspect('bb')['State']['Running']
    d.estiba('rm', '-f', 'bb')
