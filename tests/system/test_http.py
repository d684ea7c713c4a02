#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_http.py: how estibad's socket behaves towards clients of every kind: pipelining, slow, half closed, huge, gone, many, and
what a daemon is as a process: lock, options, demand start."""
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time

import pytest

from daemon import BIN, Daemon

HOST = b'Host: x\r\n'


@pytest.fixture(scope='module')
def d():
    daemon = Daemon()
    daemon.start()
    yield daemon
    daemon.close()


def connect(d):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(str(d.sock))
    return s


def rest(s):
    data = b''
    while True:
        try:
            part = s.recv(65536)
        except ConnectionResetError:
            return data
        if not part:
            return data
        data += part


def say(d, data, half_close=True):
    s = connect(d)
    s.sendall(data)
    if half_close:
        s.shutdown(socket.SHUT_WR)
    return rest(s)


def until(s, mark):
    data = b''
    while mark not in data:
        part = s.recv(65536)
        assert part, data
        data += part
    return data


def fds(d):
    return len(os.listdir(f'/proc/{d.proc.pid}/fd'))


def test_headers_of_every_answer(d):
    got = say(d, b'GET /v1.41/version HTTP/1.1\r\n' + HOST + b'\r\n')
    for line in (b'HTTP/1.1 200 OK', b'Api-Version: 1.45', b'Docker-Experimental: false', b'Ostype: linux', b'Server: Docker/',
                 b'Content-Type: application/json', b'Content-Length: '):
        assert line in got
    got = say(d, b'GET /nosuch HTTP/1.1\r\n' + HOST + b'\r\n')
    assert got.startswith(b'HTTP/1.1 404 ') and b'Api-Version' not in got
    assert got.endswith(b'\r\n\r\n{"message":"page not found"}\n')


@pytest.mark.parametrize('path,status,text', [
    ('/v1.23/info', 400, 'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version'),
    ('/v1/info', 400, 'client version 1 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version'),
    ('/v9.99/info', 400, 'client version 9.99 is too new. Maximum supported API version is 1.45'),
    ('/v1.45.1/info', 400, 'client version 1.45.1 is too new. Maximum supported API version is 1.45'),
    ('/v1.x/info', 404, 'page not found'),
    ('/v1.23/nosuch', 404, 'page not found'),
    ('/containers/json?filters=x', 400, 'invalid filter'),
    ('/containers/json?filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D', 400, "invalid filter 'nosuch'"),
    ('/containers/json?limit=x', 500, 'strconv.Atoi: parsing "x": invalid syntax'),
    ('/containers/nosuch/json', 404, 'No such container: nosuch'),
    ('/containers/x%zz/json', 400, None),
    ('/exec/nosuch/json', 404, 'No such exec instance: nosuch'),
    ('/events?filters=nonsense', 400, 'invalid filter'),
    ('/system/df?type=nosuch', 400, 'unknown object type: nosuch'),
    ('/swarm', 503, None),
    ('/plugins/nosuch/json', 404, 'plugin "nosuch" not found'),
])
def test_errors(d, path, status, text):
    got, body = d.api('GET', path)
    assert got == status
    message = json.loads(body)['message']
    assert text is None or message == text


def test_body_must_be_json(d):
    def create(body, kind):
        return d.api('POST', '/containers/create', body, {'Content-Type': kind} if kind else {})
    assert create('{"Image":"x"}', 'text/plain') == (
        400, b'{"message":"unsupported Content-Type header (text/plain): must be \'application/json\'"}\n')
    assert create('{', 'application/json') == (400, b'{"message":"invalid JSON: unexpected EOF"}\n')
    assert create('{"Image":"nosuch:1"}', 'application/json; charset=utf-8') == (404, b'{"message":"No such image: nosuch:1"}\n')


def test_pipelining_keeps_the_order(d):
    got = say(d, b''.join(b'GET %s HTTP/1.1\r\n%s\r\n' % (p, HOST) for p in (b'/version', b'/_ping', b'/nosuch', b'/_ping')))
    assert [m for m in re.findall(rb'HTTP/1.1 (\d+)', got)] == [b'200', b'200', b'404', b'200']
    assert got.endswith(b'OK')


def test_unread_body_is_not_the_next_request(d):
    got = say(d, b'POST /nosuch HTTP/1.1\r\n' + HOST + b'Content-Length: 25\r\n\r\nGET /_ping HTTP/1.1\r\n\r\n\r\nGET /_ping HTTP/1.1\r\n' + HOST + b'\r\n')
    assert re.findall(rb'HTTP/1.1 (\d+)', got) == [b'404', b'200']


@pytest.mark.parametrize('data,status', [
    (b'GET /_ping HTTP/1.1\r\n\r\n', b'400'),                                        # no Host
    (b'GET /_ping HTTP/1.1\nHost: x\n\n', b'400'),                                   # bare line feeds
    (b'GET /_ping HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', b'400'),
    (b'GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', b'400'),
    (b'GET /_ping HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n', b'501'),
    (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', b'501'),
    (b'GET /_ping HTTP/1.1\r\nHost: x\r\nX: ' + b'a' * 300000 + b'\r\n\r\n', b'431'),
    (b'GET /_ping HTTP/1.1\r\nHost: x\r\n' + b'X: y\r\n' * 300 + b'\r\n', b'431'),
    (b'\x16\x03\x01\x02\x00\x01\x00', None),                                          # TLS: NUL byte
])
def test_what_is_not_http_is_refused(d, data, status):
    got = say(d, data)
    assert got.startswith(b'HTTP/1.1 ' + (status or b'400')) and b'Connection: close' in got


def test_expect_continue(d):
    s = connect(d)
    s.sendall(b'POST /volumes/create HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n')
    assert until(s, b'\r\n\r\n') == b'HTTP/1.1 100 Continue\r\n\r\n'
    s.sendall(b'{')
    assert b'400 Bad Request' in until(s, b'unexpected EOF')
    # Refused before the body was asked for: no 100, and the connection is not used further.
    s = connect(d)
    s.sendall(b'POST /nosuch HTTP/1.1\r\n' + HOST + b'Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n')
    assert rest(s).startswith(b'HTTP/1.1 404 ')


def test_old_http(d):
    got = say(d, b'GET /_ping HTTP/1.0\r\n\r\n', half_close=False)
    assert b'Connection: close' in got and got.endswith(b'OK')
    got = say(d, b'GET /events?since=0&until=1 HTTP/1.0\r\n\r\n', half_close=False)
    assert b'chunked' not in got


def test_half_close_is_not_leaving(d):
    assert say(d, b'GET /version HTTP/1.1\r\n' + HOST + b'\r\n').startswith(b'HTTP/1.1 200')


def test_byte_by_byte(d):
    s = connect(d)
    for c in b'GET /_ping HTTP/1.1\r\n' + HOST + b'\r\n':
        s.sendall(bytes([c]))
    assert until(s, b'\r\n\r\nOK')


def test_idle_streams_cost_no_thread(d):
    before = fds(d)
    streams = []
    for _ in range(200):
        s = connect(d)
        s.sendall(b'GET /events HTTP/1.1\r\n' + HOST + b'\r\n')
        streams.append(s)
    for s in streams:
        assert b'200 OK' in until(s, b'\r\n\r\n')
    start = time.monotonic()
    assert d.api('GET', '/_ping') == (200, b'OK')
    assert time.monotonic() - start < 1
    assert int(re.search(r'Threads:\s+(\d+)', pathlib.Path(f'/proc/{d.proc.pid}/status').read_text())[1]) < 80
    d.api('POST', '/volumes/create', {'Name': 'seen-by-all'})
    for s in streams:
        assert b'seen-by-all' in until(s, b'}\n')
    for s in streams:
        s.close()
    for _ in range(100):
        if fds(d) <= before + 2:
            break
        time.sleep(0.05)
    assert fds(d) <= before + 2, 'descriptors of clients that left are kept'
    d.api('DELETE', '/volumes/seen-by-all')


def test_clients_that_leave_in_the_middle(d):
    for data in (b'GET', b'POST /volumes/create HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
                 b'POST /images/load HTTP/1.1\r\n' + HOST + b'Transfer-Encoding: chunked\r\n\r\n5\r\nabc',
                 b'GET /info HTTP/1.1\r\n' + HOST + b'\r\n'):
        for _ in range(20):
            s = connect(d)
            s.sendall(data)
            s.close()
    assert d.api('GET', '/_ping') == (200, b'OK')


def test_events_until(d):
    assert d.api('GET', '/events?since=0&until=1') == (200, b'')
    start = time.time()
    status, _ = d.api('GET', f'/events?until={start + 0.5:.3f}')
    assert status == 200 and 0.4 < time.time() - start < 5


def test_idle_memory():
    d = Daemon()
    try:
        d.start()
        idle_memory(d)
    finally:
        d.close()


def idle_memory(d):
    d.api('GET', '/containers/json')
    time.sleep(3)  # memory is given back after two seconds without work
    text = pathlib.Path(f'/proc/{d.proc.pid}/smaps_rollup').read_text()
    private_kb = sum(int(n) for n in re.findall(r'Private_\w+:\s+(\d+) kB', text))
    print('private memory of an idle estibad:', private_kb, 'kB')
    assert private_kb < 5000


def test_socket_and_lock(d):
    mode = stat.S_IMODE(os.stat(d.sock).st_mode)
    has_group = subprocess.run(['getent', 'group', 'estiba'], capture_output=True).returncode == 0
    assert mode == (0o660 if has_group else 0o600)
    second = subprocess.run([BIN / 'estibad', '--data-root', d.dir / 'data', '--exec-root', d.dir / 'exec2', '-H', f'unix://{d.dir}/s2'],
                            capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert second.stderr == f'estibad: lock: another estibad (pid {d.proc.pid}) uses {d.dir}/data\n'


@pytest.mark.parametrize('args,text', [
    (['--nosuch'], 'unknown flag: --nosuch'),
    (['--userns-remap=default'], 'estibad does not have this option of dockerd: unknown flag: --userns-remap'),
    (['--iptables=false'], 'cannot be switched off'),
    (['--log-level', 'loud'], 'log-level'),
    (['word'], 'estibad takes no arguments: word'),
    (['--config-file', '/nonexistent'], '/nonexistent'),
    (['-H', 'ftp://x'], 'cannot listen on ftp://x'),
])
def test_options_are_refused_by_name(tmp_path, args, text):
    r = subprocess.run([BIN / 'estibad', '--data-root', tmp_path / 'd', '--exec-root', tmp_path / 'e', *args], capture_output=True, text=True,
                       timeout=20)
    assert r.returncode == 1 and text in r.stderr, r.stderr


@pytest.mark.parametrize('config,text', [
    ({'hosts': ['unix:///tmp/x'], 'debug': True, 'labels': ['a=b'], 'default-ulimits': {'nofile': {'Name': 'nofile', 'Soft': 1, 'Hard': 2}}}, None),
    ({'nosuch': 1}, "the following directives don't match any configuration option: nosuch"),
    ({'userns-remap': 'x'}, 'directives that estibad does not support: userns-remap'),
    ({'data-root': '/x'}, 'the following directives are specified both as a flag and in the configuration file: data-root'),
    ({'mtu': 'many'}, 'mtu'),
    ([], 'expected an object'),
])
def test_daemon_json(tmp_path, config, text):
    (tmp_path / 'daemon.json').write_text(json.dumps(config))
    r = subprocess.run([BIN / 'estibad', '--data-root', tmp_path / 'd', '--config-file', tmp_path / 'daemon.json', '--validate'],
                       capture_output=True, text=True, timeout=20)
    assert (r.returncode, r.stdout) == ((0, 'configuration OK\n') if text is None else (1, ''))
    assert text is None or text in r.stderr


def test_demand_start_leaves_the_caller(tmp_path):
    args = ['--data-root', tmp_path / 'd', '--exec-root', tmp_path / 'e', '-H', f'unix://{tmp_path}/s', '--bridge', 'none']
    started = [subprocess.Popen(['nice', '-n', '5', BIN / 'estibad', *args, '--on-demand', '--idle-timeout', '5s'], stderr=subprocess.PIPE,
                                cwd=tmp_path, env={**os.environ, 'SECRET': 'x'}, umask=0o077) for _ in range(3)]
    for p in started:  # the lock decides the race; all three callers are served
        assert p.wait(30) == 0, p.stderr.read()
    pid = int((tmp_path / 'e/estibad.pid').read_text())
    proc = pathlib.Path(f'/proc/{pid}')
    assert os.readlink(proc / 'cwd') == '/'
    assert b'SECRET' not in (proc / 'environ').read_bytes()
    assert re.search(r'Umask:\s+0022', (proc / 'status').read_text())
    fields = (proc / 'stat').read_text().rsplit(')', 1)[1].split()
    assert int(fields[1]) != os.getpid() and int(fields[3]) != os.getsid(0) and int(fields[16]) == 0  # parent, session, nice
    for _ in range(200):
        if not proc.exists():
            break
        time.sleep(0.1)
    assert not proc.exists(), 'it stays although it is idle'
    assert not (tmp_path / 's').exists() and not (tmp_path / 'e/estibad.pid').exists()


def test_reload_and_leave():
    d = Daemon()
    d.args = ['--config-file', str(d.dir / 'daemon.json'), '--shutdown-timeout', '3', '-H', 'tcp://127.0.0.1:23750']
    (d.dir / 'daemon.json').write_text('{"labels": ["a=1"], "mtu": 1400}')
    try:
        d.start()
        s = connect(d)
        s.sendall(b'GET /events HTTP/1.1\r\n' + HOST + b'\r\n')
        until(s, b'\r\n\r\n')
        before = json.loads(d.api('GET', '/info')[1])
        assert before['Labels'] == ['a=1'] and before['Debug'] is True
        assert [w.split('.\n')[0] for w in before['Warnings']] == ['WARNING: API is accessible on http://127.0.0.1:23750 without encryption']
        assert 'has root on this machine' in d.log.read_text()
        (d.dir / 'daemon.json').write_text(json.dumps({
            'labels': ['b=2', 'c=3'], 'insecure-registries': ['reg.test:5000', '10.1.0.0/16'], 'registry-mirrors': ['https://mirror.test'],
            'runtimes': {'other': {'path': '/bin/true'}}, 'default-runtime': 'other', 'mtu': 1300}))
        d.proc.send_signal(signal.SIGHUP)
        event = json.loads(until(s, b'"reload"').split(b'\r\n')[1])
        assert (event['Type'], event['Action'], event['Actor']['Attributes']['labels']) == ('daemon', 'reload', '["b=2","c=3"]')
        info = json.loads(d.api('GET', '/info')[1])
        registry = info['RegistryConfig']
        assert info['Labels'] == ['b=2', 'c=3'] and info['DefaultRuntime'] == 'other' and 'other' in info['Runtimes']
        assert registry['Mirrors'] == ['https://mirror.test'] and '10.1.0.0/16' in registry['InsecureRegistryCIDRs']
        assert registry['IndexConfigs']['reg.test:5000']['Secure'] is False
        (d.dir / 'daemon.json').write_text('{"nosuch": 1}')
        d.proc.send_signal(signal.SIGHUP)
        for _ in range(200):
            if 'nosuch' in d.log.read_text():
                break
            time.sleep(0.05)
        assert "don't match any configuration option: nosuch" in d.log.read_text()
        assert json.loads(d.api('GET', '/info')[1])['Labels'] == ['b=2', 'c=3'], 'a file that is wrong changes nothing'
        d.proc.send_signal(signal.SIGTERM)
        assert rest(s).endswith(b'0\r\n\r\n')  # a stream is ended, not cut
        assert d.proc.wait(20) == 0
        assert not d.sock.exists()
    finally:
        (d.dir / 'daemon.json').write_text('{}')
        d.close()
