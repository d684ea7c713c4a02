# SPDX-License-Identifier: Apache-2.0
"""What a user does wrong, a full disk, and clients that leave in the middle: docker's words and code, and nothing left behind."""
import os
import socket
import subprocess
import time

import pytest

from daemon import BIN, BUSYBOX, Daemon, Unix, running

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]
IMAGE = 'bb:1'


@pytest.fixture(scope='module')
def d():
    with running(IMAGE, own_cgroup=True) as d:
        yield d


@pytest.fixture(autouse=True)
def nothing_stays(request):
    yield
    if 'd' in request.fixturenames:
        d = request.getfixturevalue('d')
        ids = d.out('ps', '-aq').split()
        if ids:
            d.estiba('rm', '-f', *ids)
        d.clean()


@pytest.mark.parametrize('args,code,text', [
    (['run', '--name', 'taken', IMAGE, 'true'], 125, 'Conflict. The container name "/taken" is already in use by container "'),
    (['run', '-p', '127.0.0.1:8077:80', IMAGE, 'true'], 125, 'Bind for 127.0.0.1:8077 failed: port is already allocated'),
    (['run', '-v', '/proc/1/nosuch/x:/m', IMAGE, 'true'], 125, 'nosuch'),
    (['run', IMAGE, 'nosuch'], 127, 'exec: "nosuch": executable file not found in $PATH'),
    (['run', '--network', 'nosuch', IMAGE, 'true'], 125, 'network nosuch not found'),
    (['run', '-m', '1m', IMAGE, 'true'], 125, 'Minimum memory limit allowed is 6MB'),
    (['run', '--user', 'nosuch', IMAGE, 'true'], 125, 'unable to find user nosuch'),
    (['run', '--storage-opt', 'nosuch=1', IMAGE, 'true'], 125, 'Unknown option nosuch'),
    (['run', '--storage-opt', 'size=many', IMAGE, 'true'], 125, 'storage option size: '),
    (['start', 'nosuch'], 1, 'No such container: nosuch'),
    (['rm', 'taken'], 1, 'cannot remove container "/taken": container is running: stop the container before removing or force remove'),
])
def test_refused(d, args, code, text):
    d.estiba('run', '-d', '--name', 'taken', '-p', '127.0.0.1:8077:80', IMAGE, 'sleep', '100')
    before = d.traces()
    r = d.estiba(*args, check=False)
    assert r.returncode == code and text in r.stderr, (r.returncode, r.stderr)
    after = d.traces()
    for k in ('monitors', 'run directories', 'runtime', 'network namespaces', 'veths', 'elements', 'cgroups', 'mounts'):
        assert before[k] == after[k], k


def descriptors(d):
    return len(os.listdir(f'/proc/{d.proc.pid}/fd'))


@pytest.mark.parametrize('what', ['logs', 'attach', 'events', 'wait', 'stats', 'exec'])
def test_client_leaves(d, what):
    d.estiba('run', '-d', '--name', 'left', IMAGE, 'sh', '-c', 'while true; do echo x; sleep 0.02; done')
    ask = {
        'logs': ('GET', '/containers/left/logs?follow=1&stdout=1'), 'attach': ('POST', '/containers/left/attach?stream=1&stdout=1'),
        'events': ('GET', '/events'), 'wait': ('POST', '/containers/left/wait'), 'stats': ('GET', '/containers/left/stats'), 'exec': None,
    }[what]
    time.sleep(0.3)
    before = descriptors(d)
    for _ in range(5):
        if what == 'exec':
            p = subprocess.Popen([str(BIN / 'estiba'), 'exec', '-i', 'left', 'cat'], env=d.env(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            time.sleep(0.2)
            p.kill()
            p.wait()
            p.stdin.close()
            continue
        c = Unix(str(d.sock))
        c.connect()
        c.sock.sendall(f'{ask[0]} /v1.45{ask[1]} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'.encode())
        time.sleep(0.1)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        c.sock.close()
    end = time.time() + 10
    while descriptors(d) > before + (5 if what == 'exec' else 0):  # an ended session's directory stays open for inspect
        assert time.time() < end, 'descriptors of clients that left'
        time.sleep(0.1)
    assert d.inspect('left')['State']['Running'] and d.api('GET', '/_ping')[0] == 200


def test_full_disk():
    """The data root is a small tmpfs: an import and a create that do not fit leave nothing, a container that writes goes on."""
    d = Daemon(own_cgroup=True)
    data = d.dir / 'data'
    data.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=14m', 'tmpfs', data], check=True)
    try:
        d.start()
        d.import_busybox(IMAGE)
        big = d.dir / 'big.tar'
        (d.dir / 'big').write_bytes(os.urandom(20 << 20))
        subprocess.run(['tar', 'cf', big, '-C', d.dir, 'big'], check=True)
        r = d.estiba('import', big, 'big:1', check=False)
        assert r.returncode == 1 and 'no space left on device' in r.stderr.lower(), r.stderr
        assert d.out('images', '-q', 'big') == ''
        d.estiba('run', '-d', '--name', 'full', IMAGE, 'sh', '-c', 'dd if=/dev/zero of=/f bs=1M count=30; while true; do echo line; sleep 0.05; done')
        time.sleep(1.5)
        assert d.inspect('full')['State']['Running']
        r = d.estiba('run', '--name', 'more', IMAGE, 'true', check=False)
        assert r.returncode in (0, 125)
        d.estiba('rm', '-f', *d.out('ps', '-aq').split())
        d.clean()
        assert d.out('run', '--rm', IMAGE, 'echo', 'room again') == 'room again'
        d.clean()
    finally:
        try:
            ids = d.out('ps', '-aq', check=False).split()
            if ids:
                d.estiba('rm', '-f', *ids, check=False)
            d.stop()
            subprocess.run(['umount', data], check=True)
        finally:
            d.close()
