# SPDX-License-Identifier: Apache-2.0
"""test_cli_connect.py: how estiba reaches a daemon: over ssh, as the far end of ssh, its own that is just leaving, and one that is
not for everybody."""
import os
import subprocess
import sys

import pytest

from daemon import BIN, Daemon, busybox_tar
from test_recovery import Alone

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root')


@pytest.fixture(scope='module')
def daemon():
    d = Daemon().start()
    try:
        (d.dir / 'bb.tar').write_bytes(busybox_tar())
        d.estiba('import', '-c', 'CMD ["sh"]', d.dir / 'bb.tar', 'bb:1')
        yield d
    finally:
        d.close()


@pytest.fixture
def over_ssh(daemon, tmp_path):
    """A `ssh` that runs what it is told here, where `docker` is us; it notes what it was told."""
    (tmp_path / 'docker').symlink_to(BIN / 'estiba')
    ssh = tmp_path / 'ssh'
    ssh.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nunset DOCKER_HOST\nexec "$@"\n')
    ssh.chmod(0o755)
    env = {**daemon.env(), 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'DOCKER_HOST': f'ssh://me@box:2222{daemon.sock}'}

    def run(*args, **kw):
        return subprocess.run([str(BIN / 'estiba'), *args], env=env, capture_output=True, text=True, timeout=60, **kw)
    run.told = tmp_path / 'told'
    return run


def test_ssh(over_ssh, daemon):
    r = over_ssh('run', '-i', '--rm', 'bb:1', 'cat', input='through')
    assert (r.returncode, r.stdout, r.stderr) == (0, 'through', '')
    assert over_ssh.told.read_text().splitlines()[0] == f'-o ConnectTimeout=30 -T -l me -p 2222 -- box docker --host unix://{daemon.sock} system dial-stdio'
    assert over_ssh('run', '--rm', 'bb:1', 'sh', '-c', 'exit 3').returncode == 3
    assert 'bb' in over_ssh('images').stdout
    ids = [over_ssh('create', 'bb:1').stdout.strip() for _ in range(3)]
    r = over_ssh('rm', *ids)
    assert (r.returncode, r.stdout.split()) == (0, ids)


@pytest.mark.parametrize('url, text', [('ssh://', 'no host specified'), ('ssh://-oProxyCommand=x', 'no host specified'),
                                       ('ssh://a:b@c', 'plain-text password is not supported')])
def test_ssh_bad_urls(url, text):
    r = subprocess.run([str(BIN / 'estiba'), '-H', url, 'ps'], capture_output=True, text=True, timeout=30)
    assert r.returncode == 1 and text in r.stderr, r.stderr


def test_ssh_that_fails(daemon, tmp_path):
    (tmp_path / 'ssh').write_text('#!/bin/sh\necho "ssh: no route" >&2\nexit 255\n')
    (tmp_path / 'ssh').chmod(0o755)
    r = subprocess.run([str(BIN / 'estiba'), '-H', 'ssh://far', 'ps'], env={**daemon.env(), 'PATH': f'{tmp_path}:{os.environ["PATH"]}'},
                       capture_output=True, text=True, timeout=30)
    assert r.returncode == 1 and 'ssh: no route' in r.stderr and 'Cannot connect to the Docker daemon at ssh://far' in r.stderr


def test_dial_stdio(daemon):
    r = daemon.estiba('system', 'dial-stdio', input='GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    assert r.stdout.startswith('HTTP/1.1 200 OK') and r.stdout.endswith('OK')


# A daemon that leaves in the moment in which we call: it accepted nothing, or accepted and read nothing.
LEAVING = '''
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind('/run/estiba.sock')
s.listen(8)
print('ready', flush=True)
sys.stdin.readline()
if sys.argv[1] == 'accepted':
    c = s.accept()[0]
    c.recv(1, socket.MSG_PEEK)
    os.unlink('/run/estiba.sock')
    s.close()
    c.close()
else:
    import select
    select.select([s], [], [])
    os.unlink('/run/estiba.sock')
'''


@pytest.mark.parametrize('how', ['accepted', 'queued'])
def test_a_daemon_that_is_leaving(tmp_path, how):
    a = Alone(tmp_path)
    try:
        old = subprocess.Popen([*a.pre, sys.executable, '-c', LEAVING, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert old.stdout.readline() == b'ready\n'
        old.stdin.write(b'go\n')
        old.stdin.flush()
        assert a.estiba('volume', 'create', 'kept') == 'kept\n'
        assert old.wait(10) == 0 and len(a.daemons()) == 1
        assert a.estiba('volume', 'ls', '-q') == 'kept\n'
    finally:
        a.close()


def test_no_right_to_the_socket(tmp_path):
    a = Alone(tmp_path)
    try:
        a.estiba('ps')
        r = subprocess.run([*a.pre, 'setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', str(BIN / 'estiba'), 'ps'], env=a.env,
                           capture_output=True, text=True, timeout=30)
        assert r.returncode == 1 and 'permission denied' in r.stderr and '/var/lib/estiba' in r.stderr, r.stderr
    finally:
        a.close()
