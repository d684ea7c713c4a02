# SPDX-License-Identifier: Apache-2.0
"""test_docker_client.py: the working day of a user, told once and done with every client there is: our own, the docker client in
$PATH, and those that ESTIBA_TEST_CLIENTS names (colon-separated). Old clients speak older versions of the API."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import tarfile
import termios
import time

import pytest

from daemon import BIN, Daemon, busybox_tar

CLIENTS = [str(BIN / 'estiba'), *filter(None, [shutil.which('docker')]), *filter(None, os.environ.get('ESTIBA_TEST_CLIENTS', '').split(':'))]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root')


@pytest.fixture(scope='module')
def daemon():
    d = Daemon().start()
    try:
        d.client(CLIENTS[0], 'load', '-i', saved_busybox(d))
        yield d
    finally:
        d.close()


def saved_busybox(d):
    """busybox as an archive of `save`, made by import, so that load is in the story, too."""
    tar = d.dir / 'busybox.tar'
    tar.write_bytes(busybox_tar())
    d.estiba('import', '-c', 'CMD ["sh"]', tar, 'bb:1')
    d.estiba('save', '-o', d.dir / 'saved.tar', 'bb:1')
    d.estiba('rmi', 'bb:1')
    return d.dir / 'saved.tar'


class Client:
    def __init__(self, d, program):
        self.d, self.program = d, program

    def __call__(self, *args, **kw):
        return self.d.client(self.program, *args, **kw)

    def out(self, *args, **kw):
        return self(*args, **kw).stdout.strip()

    def fails(self, status, *args, **kw):
        r = self(*args, check=False, **kw)
        assert r.returncode == status, (args, r.returncode, r.stdout, r.stderr)
        return r.stderr

    def start(self, *args, **kw):
        return subprocess.Popen([self.program, *map(str, args)], env=self.d.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)

    def get(self, name, template):
        return self.out('inspect', '-f', template, name)

    def wait_for(self, name, template, value):
        for _ in range(200):
            got = self.get(name, template)
            if got == value:
                return
            time.sleep(0.05)
        raise AssertionError(f'{template} of {name} stays {got}')


@pytest.fixture(params=CLIENTS, ids=lambda p: pathlib.Path(p).name if p in CLIENTS[:2] else p.replace('/', '_'))
def cli(request, daemon):
    c = Client(daemon, request.param)
    yield c
    ids = c.out('ps', '-aq').split()
    if ids:
        c('rm', '-f', '-v', *ids)


class Terminal:
    """A client on a terminal of 24 lines by 80."""

    def __init__(self, cli, *args):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
        self.proc = subprocess.Popen([cli.program, *args], env=cli.d.env(), stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.seen = ''

    def expect(self, pattern, timeout=30):
        end = time.monotonic() + timeout
        while not (m := re.search(pattern, self.seen)):
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f'no {pattern!r} in {self.seen!r}'
            try:
                piece = os.read(self.master, 65536)
            except OSError:
                piece = b''
            assert piece, f'no {pattern!r} before the end: {self.seen!r}'
            self.seen += piece.decode(errors='replace')
        self.seen = self.seen[m.end():]
        return m

    def send(self, text):
        os.write(self.master, text.encode())

    def end(self):
        while True: # a terminal that nobody reads would hold the program up
            try:
                if not os.read(self.master, 65536):
                    break
            except OSError:
                break
        os.close(self.master)
        return self.proc.wait(30)


def test_version_and_info(cli):
    assert cli.out('version', '-f', '{{.Server.Os}}') == 'linux'
    assert re.fullmatch(r'1\.\d+', cli.out('version', '-f', '{{.Server.APIVersion}}'))
    assert 'Server:' in cli.out('version')
    assert cli.out('info', '-f', '{{.OSType}} {{.Driver}}').startswith('linux ')
    assert 'Storage Driver' in cli.out('info')


def test_build_images_history_tag_rmi(cli, tmp_path):
    (tmp_path / 'Dockerfile').write_text('FROM bb:1\nARG WHO=nobody\nENV GREETING=hello\nWORKDIR /srv\nCOPY word .\n'
                                         'RUN echo "$GREETING $WHO $(cat word)" > line\nUSER user\nEXPOSE 80\nCMD ["cat", "line"]\n')
    (tmp_path / 'word').write_text('world')
    text = cli.out('build', '-t', 'story:1', '--build-arg', 'WHO=big', tmp_path)
    assert 'Successfully tagged story:1' in text
    assert 'Using cache' in cli.out('build', '-t', 'story:1', '--build-arg', 'WHO=big', tmp_path)
    assert cli.out('run', '--rm', 'story:1') == 'hello big world'
    assert cli.out('images', '--format', '{{.Repository}}:{{.Tag}}', 'story') == 'story:1'
    assert 'story' in cli.out('images') and 'WORKDIR /srv' in cli.out('history', '--no-trunc', 'story:1')
    cli('tag', 'story:1', 'story:2')
    assert cli.out('inspect', '-f', '{{.Config.User}} {{.Config.WorkingDir}}', 'story:2') == 'user /srv'
    assert 'Untagged: story:2' in cli.out('rmi', 'story:2')
    cli('rmi', 'story:1')
    assert 'No such image: story:1' in cli.fails(1, 'rmi', 'story:1')
    (tmp_path / 'Dockerfile').write_text('FROM bb:1\nRUN exit 7\n')
    assert 'returned a non-zero code: 7' in cli.fails(7, 'build', '-t', 'bad', tmp_path)


def test_run_options(cli, tmp_path):
    (tmp_path / 'f').write_text('bound')
    assert cli.out('run', '--rm', '-e', 'A=b', '-w', '/tmp', '-u', 'user', '-l', 'k=v', '--name', 'opts', 'bb:1', 'sh', '-c',
                   'echo $A $PWD $(id -un)') == 'b /tmp user'
    assert cli.out('run', '--rm', '-v', f'{tmp_path}:/b:ro', '-v', 'vol:/v', '--tmpfs', '/t', 'bb:1', 'sh', '-c',
                   'cat /b/f; touch /b/x 2>/dev/null || echo ro; touch /v/kept /t/gone; mount | grep -c " /t "') == 'boundro\n1'
    assert cli.out('run', '--rm', '-v', 'vol:/v', 'bb:1', 'ls', '/v') == 'kept'
    assert cli.out('volume', 'rm', 'vol') == 'vol'
    assert cli.out('run', '--rm', '--entrypoint', 'echo', 'bb:1', 'entry') == 'entry'
    assert 'read-only' in cli('run', '--rm', '--read-only', 'bb:1', 'touch', '/x', check=False).stderr.lower()
    assert cli.fails(125, 'run', '--rm', '--nosuch', 'bb:1')
    assert cli.fails(127, 'run', '--rm', 'bb:1', 'nosuch')
    assert cli.fails(126, 'run', '--rm', 'bb:1', '/etc/passwd')
    assert cli.fails(3, 'run', '--rm', 'bb:1', 'sh', '-c', 'exit 3') == ''
    caps = {'--cap-drop=ALL': '0000000000000000', '--cap-add=SYS_ADMIN --cap-drop=ALL': '0000000000200000'}
    for options, mask in caps.items():
        assert mask in cli.out('run', '--rm', *options.split(), 'bb:1', 'grep', 'CapEff', '/proc/self/status')
    assert cli('run', '-i', '--rm', 'bb:1', 'cat', input='typed').stdout == 'typed'


def test_limits(cli):
    cli('run', '-d', '--name', 'lim', '-m', '64m', '--cpus', '0.5', '--pids-limit', '50', 'bb:1', 'sleep', '60')
    assert cli.get('lim', '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}') == '67108864 500000000 50'
    assert '64MiB' in cli.out('stats', '--no-stream', 'lim')
    cli('update', '--pids-limit', '60', 'lim')
    assert cli.get('lim', '{{.HostConfig.PidsLimit}}') == '60'


def test_networks_and_ports(cli):
    assert cli.out('run', '--rm', '--network', 'none', 'bb:1', 'sh', '-c', 'ip -o link | wc -l') == '1'
    assert cli.out('run', '--rm', '--network', 'host', 'bb:1', 'readlink', '/proc/self/ns/net') == os.readlink(
        f'/proc/{cli.d.proc.pid}/ns/net')
    cli('run', '-d', '--name', 'web', '-p', '127.0.0.1:18080:80', 'bb:1', 'sh', '-c', 'echo page > /tmp/i; httpd -f -h /tmp -p 80')
    assert cli.out('port', 'web') == '80/tcp -> 127.0.0.1:18080'
    assert '127.0.0.1:18080->80/tcp' in cli.out('ps')
    for _ in range(100):
        got = cli.d.inside(['busybox', 'wget', '-qO-', 'http://127.0.0.1:18080/i'], capture_output=True, text=True)
        if got.returncode == 0:
            break
        time.sleep(0.05)
    assert got.stdout == 'page\n'
    assert re.fullmatch(r'\d+(\.\d+){3}', cli.get('web', '{{.NetworkSettings.IPAddress}}'))
    cli('network', 'create', '--label', 'a=b', 'lan')
    assert 'lan' in cli.out('network', 'ls', '--format', '{{.Name}}').split()
    cli('network', 'connect', 'lan', 'web')
    assert cli.get('web', '{{len .NetworkSettings.Networks}}') == '2'
    assert cli.out('network', 'inspect', '-f', '{{.Driver}} {{len .Containers}}', 'lan') == 'bridge 1'
    cli('network', 'disconnect', 'lan', 'web')
    assert cli.out('network', 'rm', 'lan') == 'lan'


def test_life_of_a_container(cli):
    name = 'life'
    first = cli.out('run', '-d', '--name', name, '-l', 'story=1', 'bb:1', 'sh', '-c', 'trap "exit 5" TERM; echo up; while :; do sleep 0.1; done')
    assert cli.out('ps', '-q', '--no-trunc', '--filter', 'label=story') == first
    assert f'The container name "/{name}" is already in use' in cli.fails(125, 'run', '--name', name, 'bb:1')
    assert 'sleep' in cli.out('top', name) or 'trap' in cli.out('top', name)
    cli('pause', name)
    assert '(Paused)' in cli.out('ps', '--format', '{{.Status}}')
    cli('unpause', name)
    assert 'up' in cli.out('logs', name)
    assert cli.out('exec', '-e', 'X=y', '-w', '/etc', name, 'sh', '-c', 'echo $X $PWD') == 'y /etc'
    assert cli.fails(9, 'exec', name, 'sh', '-c', 'exit 9') == ''
    cli('stop', name)
    assert cli.get(name, '{{.State.Status}} {{.State.ExitCode}}') == 'exited 5'
    cli('start', name)
    cli('restart', '-t', '1', name)
    assert cli.get(name, '{{.State.Running}}') == 'true'
    waiter = cli.start('wait', name)
    time.sleep(0.3)
    cli('kill', name)
    assert waiter.communicate(timeout=30)[0] == b'137\n'
    cli('rename', name, 'other')
    assert cli.out('rm', 'other') == 'other'
    assert 'No such container: other' in cli.fails(1, 'rm', 'other')


def test_create_start_attach(cli):
    cli('create', '-i', '--name', 'att', 'bb:1', 'cat')
    assert cli('start', '-ai', 'att', input='through').stdout == 'through'
    cli('start', 'att')
    p = cli.start('attach', 'att', stdin=subprocess.PIPE)
    assert p.communicate(b'again', timeout=30)[0] == b'again' and p.returncode == 0


def test_logs(cli):
    cli('run', '-d', '--name', 'talk', 'bb:1', 'sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.3; done; echo end >&2')
    r = cli('logs', '-f', 'talk')
    assert (r.stdout, r.stderr) == ('1\n2\n3\n', 'end\n')
    assert cli.out('logs', '--tail', '2', 'talk') == '3'
    assert re.match(r'\d{4}-\d\d-\d\dT[\d:.]+Z 1\n', cli('logs', '-t', 'talk').stdout)


def test_terminal(cli):
    t = Terminal(cli, 'run', '-it', '--name', 'tty', 'bb:1', 'sh')
    t.send('stty size; tty\n')
    t.expect(r'24 80\r\n/dev/')
    t.send('\x10\x11')
    assert t.end() == 0 and cli.get('tty', '{{.State.Running}}') == 'true'
    t = Terminal(cli, 'exec', '-it', 'tty', 'sh')
    t.send('echo $((6 * 7)); exit 4\n')
    t.expect('42\r\n')
    assert t.end() == 4
    t = Terminal(cli, 'attach', 'tty')
    t.send('exit 6\n')
    t.expect('exit 6')
    assert t.end() == 6


def test_cp(cli, tmp_path):
    cli('run', '-d', '--name', 'box', 'bb:1', 'sleep', '60')
    (tmp_path / 'in' / 'sub').mkdir(parents=True)
    (tmp_path / 'in' / 'sub' / 'f').write_text('deep')
    cli('cp', tmp_path / 'in', 'box:/tmp/dir')
    assert cli.out('exec', 'box', 'cat', '/tmp/dir/sub/f') == 'deep'
    cli('cp', 'box:/tmp/dir/sub', tmp_path / 'back')
    assert (tmp_path / 'back' / 'f').read_text() == 'deep'
    with open(tmp_path / 'out.tar', 'wb') as f:
        subprocess.run([cli.program, 'cp', 'box:/etc/passwd', '-'], env=cli.d.env(), stdout=f, check=True)
    assert tarfile.open(tmp_path / 'out.tar').getnames() == ['passwd']
    assert cli.out('diff', 'box').splitlines()[0] == 'C /tmp'
    assert cli.fails(1, 'cp', 'box:/nosuch', tmp_path)


def test_commit_export_import_save_load(cli, tmp_path):
    cli('run', '--name', 'src', 'bb:1', 'sh', '-c', 'echo made > /made')
    assert cli.out('commit', '-m', 'why', '-c', 'CMD ["cat", "/made"]', 'src', 'made:1').startswith('sha256:')
    assert cli.out('run', '--rm', 'made:1') == 'made'
    cli('export', '-o', tmp_path / 'fs.tar', 'src')
    assert cli.out('import', tmp_path / 'fs.tar', 'flat:1').startswith('sha256:')
    assert cli.out('run', '--rm', 'flat:1', 'cat', '/made') == 'made'
    cli('save', '-o', tmp_path / 'img.tar', 'made:1', 'flat:1')
    cli('rmi', 'made:1', 'flat:1')
    assert 'Loaded image: made:1' in cli.out('load', '-i', tmp_path / 'img.tar')
    assert cli.out('run', '--rm', 'made:1') == 'made'
    cli('rmi', 'made:1', 'flat:1')


def test_volumes(cli):
    assert cli.out('volume', 'create', '--label', 'a=b', 'data') == 'data'
    assert cli.out('volume', 'ls', '-q', '--filter', 'label=a') == 'data'
    assert json.loads(cli.out('volume', 'inspect', 'data'))[0]['Driver'] == 'local'
    cli('run', '--name', 'user', '-v', 'data:/d', 'bb:1', 'true')
    assert 'volume is in use' in cli.fails(1, 'volume', 'rm', 'data')
    cli('rm', 'user')
    cli('volume', 'rm', 'data')
    assert 'data' in cli.fails(1, 'volume', 'inspect', 'data')


def test_events(cli):
    since = time.time()
    cli('run', '--rm', '--name', 'ev', 'bb:1', 'true')
    cli('ps')
    text = cli.out('events', '--since', f'{since:.3f}', '--until', f'{time.time() + 1:.3f}', '--filter', 'container=ev', '--format', '{{.Action}}')
    assert text.split() == ['create', 'attach', 'start', 'die', 'destroy']


def test_stats_end_with_their_reader(daemon):
    """Our own client goes when nobody reads any more, or when it is told to. (docker 28 stays until the third signal.)"""
    cli = Client(daemon, CLIENTS[0])
    cli('run', '-d', '--name', 'busy', 'bb:1', 'sleep', '60')
    for end in (lambda p: p.stdout.close(), lambda p: p.terminate()):
        p = cli.start('stats', 'busy')
        assert p.stdout.read(1)
        end(p)
        p.wait(10)
    cli('rm', '-f', 'busy')


def test_start_right_after_an_end(daemon):
    """The clean-up of the last run is not waited for, and must neither stop the next one nor take its things away."""
    cli = Client(daemon, CLIENTS[0])
    cli('create', '--name', 'again', 'bb:1', 'sh', '-c', 'ip -o -4 addr show eth0 | grep -c inet')
    for _ in range(8):
        assert cli.out('start', '-a', 'again') == '1'
    cli('rm', 'again')
    cli('run', '-d', '--name', 'again', 'bb:1', 'sleep', '60')
    try:
        for _ in range(12):
            cli('restart', '-t', '0', 'again')
            assert cli.out('exec', 'again', 'sh', '-c', 'ip -o -4 addr show eth0 | grep -c inet') == '1'
    finally:
        cli('rm', '-f', 'again')


def test_exec_in_a_container_that_is_killed(daemon):
    cli = Client(daemon, CLIENTS[0])
    cli('run', '-d', '--name', 'doomed', 'bb:1', 'sleep', '60')
    session = cli.start('exec', 'doomed', 'sh', '-c', 'echo here; sleep 60')
    assert session.stdout.readline() == b'here\n'
    cli('kill', 'doomed')
    assert (session.wait(20), session.stdout.read()) == (137, b'')
    cli('rm', '-f', 'doomed')


COMPOSE = os.environ.get('ESTIBA_TEST_COMPOSE') or shutil.which('docker-compose')
COMPOSE_FILE = '''
services:
  web:
    image: bb:1
    command: sh -c 'echo web is up; echo page > /data/index.html; exec httpd -f -p 80 -h /data'
    volumes: [data:/data]
    ports: ["127.0.0.1:18081:80"]
    networks: [front]
    healthcheck: {test: [CMD, "true"], interval: 1s}
    stop_grace_period: 0s
  side:
    image: bb:1
    command: sh -c 'echo side is up; while :; do sleep 1; done'
    volumes: [data:/shared:ro]
    networks: [front]
    depends_on: {web: {condition: service_healthy}}
    stop_grace_period: 0s
volumes: {data: {}}
networks: {front: {}}
'''


@pytest.mark.skipif(not COMPOSE, reason='no docker-compose installed')
def test_compose(daemon, tmp_path):
    compose = Client(daemon, COMPOSE)
    (tmp_path / 'compose.yaml').write_text(COMPOSE_FILE)
    project = ('-f', tmp_path / 'compose.yaml', '-p', 'story')
    compose(*project, 'up', '-d')
    compose(*project, 'up', '-d')
    assert sorted(compose.out(*project, 'ps', '--format', '{{.Name}} {{.State}}').splitlines()) == ['story-side-1 running', 'story-web-1 running']
    assert 'web is up' in compose.out(*project, 'logs')
    assert compose.out(*project, 'exec', '-T', 'side', 'cat', '/shared/index.html') == 'page'
    compose(*project, 'down', '-v')
    assert daemon.out('ps', '-aq') == daemon.out('volume', 'ls', '-q') == daemon.out('network', 'ls', '-q', '--filter', 'type=custom') == ''
