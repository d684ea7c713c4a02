# SPDX-License-Identifier: Apache-2.0
"""kill -9 of estibad and of monitors: containers go on, and what is told afterwards is what happened."""
import json
import os
import pathlib
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from daemon import BIN, BUSYBOX, Daemon, Unix, busybox_tar, running

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
    """Every test ends without containers, and then nothing of one may be left."""
    yield
    if 'd' not in request.fixturenames:
        return
    d = request.getfixturevalue('d')
    if d.proc.poll() is not None:
        d.start()
    ids = d.out('ps', '-aq').split()
    if ids:
        d.estiba('rm', '-f', *ids)
    d.clean()


def until(check, seconds=15):
    end = time.time() + seconds
    while True:
        got = check()
        if got:
            return got
        assert time.time() < end, 'it does not happen'
        time.sleep(0.05)


def state(d, name):
    return d.inspect(name)['State']


def events(d, name, since=0):
    """Actions of a container's events, exec sessions' left out."""
    lines = d.out('events', '--since', str(since), '--until', f'{time.time():.9f}', '--filter', f'container={name}', '--filter',
                  'type=container', '--format', '{{.Action}}').split('\n')
    return [a for a in lines if a and not a.startswith('exec_') and a != 'top']


def line(p, seconds=15):
    """One line of a client's output; a client that says nothing is killed."""
    if not select.select([p.stdout], [], [], seconds)[0]:
        p.kill()
        raise AssertionError('the client says nothing')
    return p.stdout.readline()


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except FileNotFoundError:
        return False


def again(d, away=0.0):
    d.kill9()
    time.sleep(away)
    d.start()


def attach(d, name, query='stream=1&stdout=1&stderr=1'):
    """A raw attached client: its socket, after the reply's head."""
    c = Unix(str(d.sock))
    c.connect()
    c.sock.sendall(f'POST /v1.45/containers/{name}/attach?{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n'
                   'Content-Length: 0\r\n\r\n'.encode())
    head = b''
    while b'\r\n\r\n' not in head:
        head += c.sock.recv(1)
    assert b' 101 ' in head.split(b'\r\n')[0], head
    return c.sock


def read_until(sock, text, seconds=15):
    sock.settimeout(seconds)
    got = b''
    while text not in got:
        more = sock.recv(4096)
        assert more, got
        got += more
    return got


# --- containers go on ---

def test_running_container_is_found_again(d):
    d.estiba('run', '-d', '--name', 'on', '-p', '127.0.0.1:0:80', '-v', 'rv:/data', IMAGE, 'sh', '-c',
             'echo first; i=0; while true; do i=$((i+1)); echo n$i > /data/n; sleep 0.2; done')
    before = d.inspect('on')
    again(d)
    after = d.inspect('on')
    for key in ('Pid', 'StartedAt', 'Status', 'ExitCode', 'FinishedAt'):
        assert before['State'][key] == after['State'][key], key
    assert before['NetworkSettings']['Ports'] == after['NetworkSettings']['Ports']
    assert before['NetworkSettings']['IPAddress'] == after['NetworkSettings']['IPAddress'] != ''
    assert d.out('logs', 'on') == 'first'
    assert d.out('exec', 'on', 'cat', '/data/n').startswith('n')
    assert d.out('port', 'on').startswith('80/tcp -> 127.0.0.1:')
    assert 'Up ' in d.out('ps', '--format', '{{.Status}}')
    assert d.out('stats', '--no-stream', '--format', '{{.PIDs}}', 'on') != '0'
    assert 'sleep' in d.out('top', 'on') or 'sh -c' in d.out('top', 'on')
    d.estiba('stop', '-t', '0', 'on')
    assert state(d, 'on')['ExitCode'] == 137
    assert events(d, 'on') == ['create', 'start', 'kill', 'die', 'stop'] or events(d, 'on') == ['create', 'start', 'kill', 'kill', 'die', 'stop']
    d.estiba('rm', 'on')
    d.estiba('volume', 'rm', 'rv')


def test_published_port_answers_while_it_is_away(d):
    d.estiba('run', '-d', '--name', 'web', '-p', '127.0.0.1:8088:80', IMAGE, 'sh', '-c',
             'mkdir /w; echo page > /w/index.html; exec httpd -f -p 80 -h /w')

    def page():
        get = 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8088/", timeout=3).read().decode(), end="")'
        r = d.inside([sys.executable, '-c', get], capture_output=True, text=True)
        return r.stdout == 'page\n'
    until(page)
    d.kill9()
    assert page()
    d.start()
    assert page()
    r = d.estiba('run', '--rm', '-p', '127.0.0.1:8088:80', IMAGE, 'true', check=False)
    assert r.returncode == 125 and 'port is already allocated' in r.stderr


def test_end_while_it_is_away(d):
    d.estiba('run', '-d', '--name', 'ends', IMAGE, 'sh', '-c', 'sleep 1; echo last words; exit 7')
    started = time.time()
    d.kill9()
    time.sleep(2.5)
    d.start()
    s = until(lambda: (lambda s: s if s['Status'] == 'exited' else None)(state(d, 'ends')))
    assert s['ExitCode'] == 7 and s['Pid'] == 0 and not s['OOMKilled'] and s['Error'] == ''
    took = subprocess.run(['date', '-d', s['FinishedAt'], '+%s.%N'], capture_output=True, text=True).stdout
    assert 0.5 < float(took) - started < 2.4, 'the time is the death\'s, not that of the daemon\'s return'
    assert d.out('wait', 'ends') == '7'
    assert d.out('logs', 'ends') == 'last words'
    assert events(d, 'ends') == ['create', 'start', 'die']
    again(d)
    assert events(d, 'ends') == ['create', 'start', 'die'], 'replayed once only'
    assert state(d, 'ends')['ExitCode'] == 7


def test_rm_container_that_ends_while_it_is_away(d):
    cid = d.out('run', '-d', '--rm', '--name', 'gone', '-v', '/anon', IMAGE, 'sleep', '1')
    d.kill9()
    time.sleep(1.8)
    d.start()
    until(lambda: d.estiba('inspect', cid, check=False).returncode)
    until(lambda: events(d, cid) == ['create', 'start', 'die', 'destroy'])
    assert d.out('volume', 'ls', '-q') == ''


def test_rm_container_that_goes_on(d):
    d.estiba('run', '-d', '--rm', '--name', 'cr', IMAGE, 'sleep', '100')
    again(d)
    assert state(d, 'cr')['Running']
    d.estiba('stop', '-t', '0', 'cr')
    until(lambda: d.estiba('inspect', 'cr', check=False).returncode)


def test_restart_of_an_rm_container(d):
    """A restart does not remove it in between, and neither a look meanwhile nor a daemon that dies sees another AutoRemove."""
    d.estiba('run', '-d', '--rm', '--name', 'rr', IMAGE, 'sleep', '100')
    pid = state(d, 'rr')['Pid']
    d.estiba('restart', '-t', '0', 'rr')
    again(d)
    i = d.inspect('rr')
    assert i['State']['Running'] and i['State']['Pid'] != pid and i['HostConfig']['AutoRemove'] is True
    d.estiba('stop', '-t', '0', 'rr')
    until(lambda: d.estiba('inspect', 'rr', check=False).returncode)


def test_restart_policy_goes_on_while_it_is_away(d):
    d.estiba('run', '-d', '--name', 'again', '--restart', 'on-failure:3', IMAGE, 'sh', '-c', 'sleep 0.3; exit 3')
    d.kill9()
    time.sleep(4)
    d.start()
    s = until(lambda: (lambda s: s if s['Status'] == 'exited' else None)(state(d, 'again')))
    assert (s['ExitCode'], d.inspect('again')['RestartCount']) == (3, 3)
    assert events(d, 'again') == ['create', 'start', 'die'] + 3 * ['start', 'die']


def test_stop_by_user_is_remembered(d):
    d.estiba('run', '-d', '--name', 'always', '--restart', 'always', IMAGE, 'sleep', '100')
    again(d)
    d.estiba('stop', '-t', '0', 'always')
    assert state(d, 'always')['Status'] == 'exited'
    again(d, 0.5)
    assert state(d, 'always')['Status'] == 'exited', 'the same boot: a stopped container stays so'


def test_paused_container(d):
    d.estiba('run', '-d', '--name', 'cp', IMAGE, 'sleep', '100')
    d.estiba('pause', 'cp')
    again(d)
    assert state(d, 'cp')['Status'] == 'paused' and state(d, 'cp')['Paused']
    d.estiba('unpause', 'cp')
    assert state(d, 'cp')['Status'] == 'running'
    assert events(d, 'cp') == ['create', 'start', 'pause', 'unpause']
    d.estiba('pause', 'cp')
    again(d)
    d.estiba('rm', '-f', 'cp')


def test_health_goes_on_while_it_is_away(d):
    d.estiba('run', '-d', '--name', 'ch', '--health-cmd', 'test -e /ok', '--health-interval', '300ms', '--health-retries', '1', IMAGE,
             'sh', '-c', 'sleep 1.5; touch /ok; sleep 100')
    until(lambda: state(d, 'ch')['Health']['Status'] == 'unhealthy')
    d.kill9()
    time.sleep(2.5)
    d.start()
    h = state(d, 'ch')['Health']
    assert h['Status'] == 'healthy' and h['FailingStreak'] == 0 and h['Log'][-1]['ExitCode'] == 0
    assert '(healthy)' in d.out('ps', '--format', '{{.Status}}')
    assert [e for e in events(d, 'ch') if 'health' in e] == ['health_status: unhealthy', 'health_status: healthy']


def test_exec_sessions(d):
    d.estiba('run', '-d', '--name', 'cx', IMAGE, 'sleep', '100')

    def begin(cmd):
        status, body = d.api('POST', '/containers/cx/exec', {'Cmd': ['sh', '-c', cmd], 'AttachStdout': False})
        assert status == 201, body
        eid = json.loads(body)['Id']
        assert d.api('POST', f'/exec/{eid}/start', {'Detach': True})[0] == 200
        return eid
    ends, stays = begin('sleep 1; exit 9'), begin('sleep 60')
    created = json.loads(d.api('POST', '/containers/cx/exec', {'Cmd': ['true']})[1])['Id']
    d.kill9()
    time.sleep(1.8)
    d.start()

    def look(eid):
        return json.loads(d.api('GET', f'/exec/{eid}/json')[1])
    until(lambda: not look(ends)['Running'])
    assert look(ends)['ExitCode'] == 9
    assert look(stays)['Running'] and look(stays)['ExitCode'] is None and look(stays)['Pid'] > 0
    assert d.api('POST', f'/exec/{created}/start', {'Detach': True})[0] == 200
    assert stays in d.inspect('cx')['ExecIDs']
    died = d.out('events', '--since', '0', '--until', f'{time.time():.9f}', '--filter', 'event=exec_die', '--filter', 'container=cx', '--format',
                 '{{.Actor.Attributes.execID}}').split()
    assert died.count(ends) == 1
    d.estiba('rm', '-f', 'cx')


def test_attached_clients_survive(d):
    d.estiba('run', '-d', '-i', '--name', 'ca', IMAGE, 'sh', '-c', 'while read line; do echo got $line; done')
    s = attach(d, 'ca', 'stream=1&stdin=1&stdout=1&stderr=1')
    s.sendall(b'one\n')
    read_until(s, b'got one\n')
    d.kill9()
    s.sendall(b'two\n')
    read_until(s, b'got two\n')
    d.start()
    s.sendall(b'three\n')
    read_until(s, b'got three\n')
    second = attach(d, 'ca', 'stream=1&stdin=1&stdout=1&stderr=1')
    second.sendall(b'four\n')
    read_until(second, b'got four\n')
    read_until(s, b'got four\n')
    s.close()
    second.close()


def test_client_of_exec_survives(d):
    d.estiba('run', '-d', '--name', 'xe', IMAGE, 'sleep', '100')
    p = subprocess.Popen([str(BIN / 'estiba'), 'exec', '-i', 'xe', 'cat'], env=d.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(b'one\n')
    p.stdin.flush()
    assert line(p) == b'one\n'
    d.kill9()
    p.stdin.write(b'two\n')
    p.stdin.flush()
    assert line(p) == b'two\n'
    p.stdin.close()
    assert p.stdout.read() == b''
    assert p.wait(10) != 0, 'its exit code cannot be asked for: the daemon is away'
    d.start()


def test_terminal_survives(d):
    d.estiba('run', '-d', '-it', '--name', 'ct', IMAGE, 'sh')
    again(d)
    assert d.api('POST', '/containers/ct/resize?h=31&w=99')[0] == 200
    s = attach(d, 'ct', 'stream=1&stdin=1&stdout=1')
    s.sendall(b'stty size\n')
    read_until(s, b'31 99')
    s.sendall(b'exit 5\n')
    assert d.out('wait', 'ct') == '5'


@pytest.mark.parametrize('client', [pytest.param('docker', marks=pytest.mark.skipif(not shutil.which('docker'), reason='no docker')), 'estiba'])
def test_clients_in_flight_get_an_error(d, client):
    program = BIN / 'estiba' if client == 'estiba' else 'docker'
    d.estiba('run', '-d', '--name', 'cw', IMAGE, 'sleep', '100')
    clients = [subprocess.Popen([str(program), *args], env=d.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for args in (['wait', 'cw'], ['run', '--rm', '--name', 'fore', IMAGE, 'sleep', '3'], ['logs', '-f', 'cw'], ['events'])]
    until(lambda: d.estiba('inspect', 'fore', check=False).returncode == 0 and state(d, 'fore')['Running'])
    time.sleep(0.3)
    d.kill9()
    try:
        for p in clients:
            assert p.wait(15) is not None
        assert clients[0].returncode != 0 and clients[1].returncode != 0
    finally:
        for p in clients:
            p.kill()
    d.start()
    until(lambda: d.estiba('inspect', 'fore', check=False).returncode, 10)


# --- monitors ---

def test_kill_of_a_monitor(d):
    cid = d.out('run', '-d', '--name', 'cm', '-p', '127.0.0.1:0:80', '--restart', 'no', IMAGE, 'sleep', '100')
    pid = state(d, 'cm')['Pid']
    os.kill(d.monitors()[f'c/{cid}'], signal.SIGKILL)
    s = until(lambda: (lambda s: s if s['Status'] == 'exited' else None)(state(d, 'cm')))
    assert s['ExitCode'] == 137 and 'monitor' in s['Error']
    assert not is_alive(pid)
    assert events(d, 'cm') == ['create', 'start', 'die']
    d.estiba('start', 'cm')
    assert state(d, 'cm')['Running']
    d.kill9()
    os.kill(d.monitors()[f'c/{cid}'], signal.SIGKILL)
    d.start()
    s = until(lambda: (lambda s: s if s['Status'] == 'exited' else None)(state(d, 'cm')))
    assert s['ExitCode'] == 137
    d.estiba('start', 'cm')
    d.estiba('rm', '-f', 'cm')


def test_kill_of_an_exec_monitor(d):
    d.estiba('run', '-d', '--name', 'xm', IMAGE, 'sleep', '100')
    eid = json.loads(d.api('POST', '/containers/xm/exec', {'Cmd': ['sleep', '77']})[1])['Id']
    assert d.api('POST', f'/exec/{eid}/start', {'Detach': True})[0] == 200
    os.kill(d.monitors()[f'x/{eid}'], signal.SIGKILL)
    x = until(lambda: (lambda x: x if not x['Running'] else None)(json.loads(d.api('GET', f'/exec/{eid}/json')[1])))
    assert x['ExitCode'] == 137
    assert '77' not in d.out('top', 'xm', '-o', 'pid,args'), 'what it ran does not go on unseen'
    assert state(d, 'xm')['Running']


# --- the daemon dies in the middle ---

@pytest.mark.parametrize('what', ['create', 'start', 'run', 'stop', 'rm', 'exec'])
def test_kill_in_the_middle(d, what):
    """At random instants; afterwards each container is either there and whole, or not at all."""
    rand = random.Random(what)
    for i in range(8):
        name = f'mid{i}'
        volume = ['-v', f'{name}:/v']
        if what in ('start', 'rm'):
            d.estiba('create', '--name', name, *volume, IMAGE, 'sleep', '100')
        if what in ('stop', 'exec'):
            d.estiba('run', '-d', '--name', name, *volume, IMAGE, 'sleep', '100')
        words = {
            'create': ['create', '--name', name, *volume, IMAGE, 'sleep', '100'],
            'run': ['run', '-d', '--rm', '--name', name, '-p', '127.0.0.1:0:80', *volume, IMAGE, 'sleep', '100'],
            'start': ['start', name], 'stop': ['stop', '-t', '0', name], 'rm': ['rm', name], 'exec': ['exec', '-d', name, 'sleep', '50'],
        }[what]
        p = subprocess.Popen([str(BIN / 'estiba'), *words], env=d.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(rand.uniform(0, 0.045 if what in ('run', 'start') else 0.03))
        d.kill9()
        out, _ = p.communicate(timeout=20)
        d.start()
        known = {c['Names'][0][1:]: c for c in json.loads(d.api('GET', '/containers/json?all=1')[1])}
        if p.returncode == 0:
            assert (name in known) == (what != 'rm'), 'what was reported done is done'
        if name in known:
            d.inspect(name)
            if what in ('start', 'run') and p.returncode == 0:
                assert known[name]['State'] == 'running'
            if known[name]['State'] == 'running':
                assert d.out('exec', name, 'echo', 'works') == 'works'
            elif known[name]['State'] in ('created', 'exited'):
                d.estiba('start', name)
            d.estiba('rm', '-f', name)
        d.clean()
        d.estiba('volume', 'rm', '-f', name)
        assert d.out('volume', 'ls', '-q') == ''


def test_second_daemon_is_refused(d):
    for roots in (('data', 'exec2'), ('data2', 'exec')):
        r = subprocess.run([str(BIN / 'estibad'), '--data-root', str(d.dir / roots[0]), '--exec-root', str(d.dir / roots[1]), '-H',
                            f'unix://{d.dir}/other.sock', '--pidfile', str(d.dir / 'pid2')], capture_output=True, text=True, timeout=20)
        assert r.returncode == 1 and f'another estibad (pid {d.proc.pid}) uses' in r.stderr, r.stderr
    assert d.api('GET', '/_ping')[0] == 200


# --- another boot ---

class Reboot:
    """A daemon whose boot id is a file, and what a reboot does to its processes."""

    def __init__(self):
        self.d = Daemon(own_cgroup=True)
        self.file = self.d.dir / 'boot_id'
        self.d.wrap = ['unshare', '-m', 'sh', '-c', f'mount --bind {self.file} /proc/sys/kernel/random/boot_id && exec "$0" "$@"']
        self.n = 0
        self.new_id()

    def new_id(self):
        self.n += 1
        self.file.write_text(f'{self.n:08d}-0000-4000-8000-000000000000\n')

    def power_cut(self, keep_exec_root):
        d = self.d
        d.kill9()
        pids = [int(p) for c in d.cgroups() for p in open(f'{c}/cgroup.procs').read().split()]
        for pid in [*d.monitors().values(), *set(pids)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until(lambda: not any(is_alive(p) for p in pids) and not d.monitors())
        for c in d.cgroups():
            os.rmdir(c)
        if not keep_exec_root:
            subprocess.run(['sh', '-c', f'umount {d.dir}/exec/netns/* 2>/dev/null; rm -rf {d.dir}/exec'], check=True)
        self.new_id()


@pytest.mark.parametrize('keep_exec_root', [False, True], ids=['tmpfs', 'stale'])
def test_another_boot(keep_exec_root):
    r = Reboot()
    d = r.d
    try:
        d.start()
        d.import_busybox(IMAGE)
        for name, args in (('no', []), ('always', ['--restart', 'always']), ('unless', ['--restart', 'unless-stopped']),
                           ('failure', ['--restart', 'on-failure']), ('stopped', ['--restart', 'unless-stopped']), ('gone', ['--rm'])):
            d.estiba('run', '-d', '--name', name, *args, '-v', f'{name}:/v', IMAGE, 'sleep', '1000')
        d.estiba('run', '--name', 'done', '--restart', 'no', IMAGE, 'sh', '-c', 'exit 4', check=False)
        d.estiba('stop', '-t', '0', 'stopped')
        finished = state(d, 'stopped')['FinishedAt']
        os.makedirs(d.dir / 'data/containers' / ('f' * 64) / 'upper')
        r.power_cut(keep_exec_root)
        bystander = subprocess.Popen(['sleep', '1000'])
        d.start()
        until(lambda: all(state(d, n)['Running'] for n in ('always', 'unless', 'failure')))
        s = state(d, 'no')
        assert (s['Status'], s['ExitCode'], s['Pid']) == ('exited', 255, 0)
        s = state(d, 'stopped')
        assert (s['Status'], s['ExitCode'], s['FinishedAt']) == ('exited', 137, finished)
        assert state(d, 'done')['ExitCode'] == 4
        assert d.estiba('inspect', '--type', 'container', 'gone', check=False).returncode == 1
        t = d.traces()
        assert len(t['monitors']) == len(t['run directories']) == len(t['runtime']) == 3, t
        assert 'f' * 64 not in t['containers'] and len(t['containers']) == 6
        assert d.out('exec', 'always', 'echo', 'works') == 'works'
        assert bystander.poll() is None
        bystander.kill()
        bystander.wait()
        d.estiba('rm', '-f', *d.out('ps', '-aq').split())
        d.clean()
        again(d, 0)
        assert d.out('ps', '-aq') == ''
    finally:
        d.close()


def test_recorded_pid_is_another_process():
    """Recorded pids, dead by now, belong to others: neither a boot nor a lost monitor makes us signal them."""
    d = Daemon(own_cgroup=True)
    bystander = subprocess.Popen(['sleep', '1000'])
    try:
        d.start()
        d.import_busybox(IMAGE)
        cid = d.out('run', '-d', '--name', 'some', IMAGE, 'sleep', '1000')
        pid = state(d, 'some')['Pid']
        d.kill9()
        os.kill(d.monitors()[f'c/{cid}'], signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not is_alive(pid))
        changed = 0
        for root, db in (('data', 'estiba.db'), ('exec', 'run.db')):
            con = sqlite3.connect(d.dir / root / db)
            tables = [t for t, in con.execute("select name from sqlite_master where type='table'")]
            for t in tables:
                if 'json' in [c[1] for c in con.execute(f'pragma table_info({t})')]:
                    changed += con.execute(f'update {t} set json = replace(json, ?, ?) where json like ?',
                                           (f'"pid":{pid}', f'"pid":{bystander.pid}', f'%"pid":{pid}%')).rowcount
            con.commit()
            con.close()
        assert changed >= 1
        d.start()
        until(lambda: state(d, 'some')['Status'] == 'exited')
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        d.close()


# --- on demand ---

class Alone:
    """A mount and a network namespace in which the default places are empty: /run/estiba, /run/estiba.sock, /var/lib/estiba."""

    def __init__(self, tmp):
        self.mine = not os.path.exists('/var/lib/estiba')  # made as a place to mount on
        self.holder = subprocess.Popen(['unshare', '-m', '-n', 'sh', '-c', f'mount -t tmpfs tmpfs /run && mkdir -p {tmp}/lib /var/lib/estiba && '
                                        f'mount --bind {tmp}/lib /var/lib/estiba && ip link set lo up && echo ready && exec sleep 1000'],
                                       stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b'ready\n'
        self.pre = ['nsenter', '-t', str(self.holder.pid), '-m', '-n']
        self.env = {k: v for k, v in os.environ.items() if not k.startswith('DOCKER_')} | {'DOCKER_CONFIG': f'{tmp}/config'}

    def popen(self, *args, **kw):
        return subprocess.Popen([*self.pre, str(BIN / 'estiba'), *map(str, args)], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **kw)

    def estiba(self, *args):
        p = self.popen(*args)
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
        return out

    def stay(self):
        """A client that listens to events: as long as it does the daemon is not idle. None if the daemon has left already."""
        c = Unix(f'/proc/{self.holder.pid}/root/run/estiba.sock')
        try:
            c.request('GET', '/events')
            assert c.getresponse().status == 200
            return c
        except OSError:
            return None

    def daemons(self):
        ns = os.readlink(f'/proc/{self.holder.pid}/ns/mnt')
        found = []
        for d in os.listdir('/proc'):
            try:
                if d.isdigit() and os.readlink(f'/proc/{d}/ns/mnt') == ns and os.readlink(f'/proc/{d}/exe').endswith('/estibad') and is_alive(d):
                    found.append(int(d))
            except OSError:
                pass
        return found

    def close(self):
        if pathlib.Path(f'/proc/{self.holder.pid}/root/run/estiba/c').exists() and os.listdir(f'/proc/{self.holder.pid}/root/run/estiba/c'):
            out = self.popen('ps', '-aq').communicate(timeout=60)[0]  # a test that failed may have left one running
            if out.split():
                self.popen('rm', '-f', *out.split()).communicate(timeout=60)
        for pid in self.daemons():
            os.kill(pid, signal.SIGTERM)
        until(lambda: not self.daemons())
        self.holder.kill()
        self.holder.wait()
        if self.mine:
            os.rmdir('/var/lib/estiba')


def test_on_demand(tmp_path):
    a = Alone(tmp_path)
    try:
        racers = [a.popen('version', '--format', '{{.Server.Version}}') for _ in range(5)]
        for p in racers:
            out, err = p.communicate(timeout=60)
            assert p.returncode == 0 and out.strip(), err
        pid, = until(lambda: len(a.daemons()) == 1 and a.daemons(), 20)  # who lost the race leaves
        (tmp_path / 'bb.tar').write_bytes(busybox_tar())
        a.estiba('import', '-c', 'ENV PATH=/bin', tmp_path / 'bb.tar', IMAGE)
        with open(f'/proc/{pid}/stat') as f:
            stat = f.read().rsplit(')', 1)[1].split()
        assert int(stat[3]) not in (os.getsid(0), os.getsid(a.holder.pid)), 'a session of its own'
        assert os.readlink(f'/proc/{pid}/cwd') == '/'
        assert '/estiba/daemon' in open(f'/proc/{pid}/cgroup').read()
        assert b'DOCKER_CONFIG' not in open(f'/proc/{pid}/environ', 'rb').read()
        a.estiba('run', '-d', '--name', 'one', IMAGE, 'sleep', '1000')
        os.kill(pid, signal.SIGKILL)
        until(lambda: not a.daemons())
        assert 'one' in a.estiba('ps'), 'the next client starts it again, and it finds everything'
        until(lambda: len(a.daemons()) == 1)
        a.estiba('rm', '-f', 'one')
        a.estiba('rmi', IMAGE)
    finally:
        a.close()


def test_idle_exit(tmp_path):
    a = Alone(tmp_path)
    config = tmp_path / 'daemon.json'
    config.write_text('{"idle-timeout": "1s"}')
    try:
        start = [*a.pre, str(BIN / 'estibad'), '--on-demand', '--config-file', str(config)]
        subprocess.run(start, check=True, timeout=30, stderr=subprocess.DEVNULL)
        until(lambda: len(a.daemons()) == 1)
        until(lambda: not a.daemons(), 10)
        (tmp_path / 'bb.tar').write_bytes(busybox_tar())
        client = until(lambda: subprocess.run(start, check=True, timeout=30, stderr=subprocess.DEVNULL) and a.stay())
        pid, = until(a.daemons)
        a.estiba('import', '-c', 'ENV PATH=/bin', tmp_path / 'bb.tar', IMAGE)
        time.sleep(1.5)
        assert a.daemons() == [pid], 'not while a client listens'
        a.estiba('run', '-d', '--rm', '--name', 'busy', IMAGE, 'sleep', '1000')
        client.close()
        time.sleep(2.5)
        assert a.daemons() == [pid], 'not while a container runs'
        a.estiba('rm', '-f', 'busy')
        until(lambda: not a.daemons(), 15)
    finally:
        a.close()


def test_idle_memory(d):
    """Private memory of an idle daemon: the figure to keep an eye on, with room for a slower allocator."""
    again(d)
    d.out('ps', '-a')
    time.sleep(3)
    with open(f'/proc/{d.proc.pid}/smaps_rollup') as f:
        private = sum(int(line.split()[1]) for line in f if line.startswith('Private_'))
    print(f'estibad idle: {private} kB private')
    assert private < 5120
