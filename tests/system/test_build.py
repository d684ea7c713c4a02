# SPDX-License-Identifier: Apache-2.0
"""POST /build with real containers: steps, cache, mounts, failures, clients that leave, a daemon that dies."""
import io
import json
import os
import re
import socket
import tarfile
import time

import pytest

from daemon import BIN, BUSYBOX, Daemon, busybox_tar

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]


@pytest.fixture(scope='module')
def d():
    d = Daemon()
    try:
        d.start()
        status, body = d.api('POST', '/images/create?fromSrc=-&repo=bb&tag=1&changes=ENV+PATH%3D/bin&changes=CMD+%5B%22sh%22%5D', busybox_tar(),
                             {'Content-Type': 'application/x-tar'})
        assert status == 200, body
        yield d
    finally:
        d.close()


def context(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        for name, data in files.items():
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def build(d, dockerfile, files=None, query=''):
    """Status, what was said, and the last object."""
    status, body = d.api('POST', '/v1.45/build?rm=1' + query, context({'Dockerfile': dockerfile, **(files or {})}),
                         {'Content-Type': 'application/x-tar'})
    lines = [json.loads(line) for line in body.split(b'\r\n') if line.strip()]
    return status, ''.join(o.get('stream', '') for o in lines), lines[-1] if lines else {}


def left_overs(d):
    return [os.listdir(d.dir / 'exec/b'), os.listdir(d.dir / 'exec/run'), os.listdir(d.dir / 'data/partial')]


def until(check, seconds=10):
    end = time.time() + seconds
    while not check():
        assert time.time() < end
        time.sleep(0.05)


def test_steps_output_and_image(d):
    status, said, last = build(d, 'FROM bb:1\nARG V=1\nENV E=$V\nWORKDIR /w\nCOPY a d/\nRUN id -u; cat d/a; echo $V$E; touch new\n'
                                  'USER user\nRUN id -u; echo through > /dev/stdout\nCMD ["x"]\n', {'a': 'copied\n'}, '&t=st:1')
    assert status == 200 and last == {'stream': 'Successfully tagged st:1\n'}, (said, last)
    assert '\n0\ncopied\n11\n ---> Removed' in said
    assert '\n1000\nthrough\n ---> Removed' in said
    config = json.loads(d.api('GET', '/images/st:1/json')[1])
    assert config['Config']['User'] == 'user' and config['Config']['WorkingDir'] == '/w'
    history = json.loads(d.api('GET', '/images/st:1/history')[1])
    assert history[1]['CreatedBy'] == '|1 V=1 /bin/sh -c id -u; echo through > /dev/stdout'


def test_second_build_is_the_same_image(d):
    text = 'FROM bb:1\nCOPY a /a\nRUN cat /a > /b\nLABEL x=y\n'
    first = build(d, text, {'a': '1'}, '&t=same:1')[1]
    again = build(d, text, {'a': '1'}, '&t=same:2')[1]
    assert again.count('Using cache') == 3 and 'Running in' not in again
    assert re.findall('Successfully built (.*)', first) == re.findall('Successfully built (.*)', again)
    assert 'Using cache' not in build(d, text, {'a': '2'})[1]
    assert 'Using cache' not in build(d, text, {'a': '1'}, '&nocache=1')[1]


def test_run_that_changes_nothing_makes_no_layer(d):
    assert build(d, 'FROM bb:1\nRUN true\n', query='&t=nothing:1')[0] == 200
    base, made = (json.loads(d.api('GET', f'/images/{n}/json')[1])['RootFS']['Layers'] for n in ('bb:1', 'nothing:1'))
    assert base == made


def test_archive_is_unpacked_and_stages_are_copied(d):
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode='w:gz') as tar:
        info = tarfile.TarInfo('x/y')
        info.size, info.uid = 2, 7
        tar.addfile(info, io.BytesIO(b'ok'))
    status, said, last = build(d, 'FROM bb:1 AS one\nADD t.tgz /t/\nADD plain /t/\nRUN stat -c %u,%s /t/x/y; cat /t/plain\nFROM scratch\n'
                                  'COPY --from=one /t/x /\nCOPY --from=bb:1 /bin/busybox /bin/\n', {'t.tgz': inner.getvalue(), 'plain': 'p\n'})
    assert '\n7,2\np\n' in said and 'Successfully built' in said, (said, last)


def test_mounts_of_run(d):
    said = build(d, 'FROM bb:1\nRUN --mount=type=cache,target=/c echo x >> /c/n\n'
                    'RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=bind,source=d,target=/b,from=0 '
                    'cat /c/n\n'.replace(',from=0', '') +
                    'RUN ls /c\n', {'d/f': 'f'})[1]
    assert '\nx\n ---> Removed' in said
    assert 'touch' in build(d, 'FROM bb:1\nRUN --mount=source=.,target=/b touch /b/x\n')[1]


def test_networks(d):
    status, said, last = build(d, 'FROM bb:1\nRUN --network=none ip -o link | wc -l\n')
    assert re.search(r'\n[12]\n ---> Removed', said), (said, last)


@pytest.mark.parametrize('text,code,message', [
    ('FROM bb:1\nRUN echo out; exit 7\n', 7, "The command '/bin/sh -c echo out; exit 7' returned a non-zero code: 7"),
    ('FROM bb:1\nRUN ["nosuch"]\n', None, 'exec: "nosuch": executable file not found in $PATH'),
    ('FROM bb:1\nUSER nosuch\nRUN id\n', None, 'unable to find user nosuch: no matching entries in passwd file'),
    ('FROM bb:1\nCOPY nosuch /\n', None, 'COPY failed: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist'),
    ('FROM 127.0.0.1:1/nosuch\n', None, 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'),
])
def test_failures_leave_nothing(d, text, code, message):
    status, said, last = build(d, text, query='&t=failed:1')
    assert status == 200 and message in last['error'] and last['errorDetail'].get('code') == code, (said, last)
    assert d.api('GET', '/images/failed:1/json')[0] == 404
    until(lambda: left_overs(d) == [[], [], []])


@pytest.mark.parametrize('text,status,message', [
    ('FROM bb:1\nFOO bar\n', 400, 'dockerfile parse error on line 2: unknown instruction: FOO'),
    ('', 400, 'the Dockerfile (Dockerfile) cannot be empty'),
    ('FROM bb:1\n', 400, 'target stage "nosuch" could not be found'),
])
def test_errors_before_the_first_word(d, text, status, message):
    got = build(d, text, query='&target=nosuch')
    assert (got[0], got[2]['message']) == (status, message)


def test_body_that_is_no_tar(d):
    status, body = d.api('POST', '/build', b'not a tar', {'Content-Type': 'application/x-tar'})
    assert (status, json.loads(body)['message']) == (500, 'unexpected EOF')


def test_client_that_leaves_stops_the_step(d):
    body = context({'Dockerfile': 'FROM bb:1\nRUN echo started; sleep 1000\n'})
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(d.sock))
    s.sendall(b'POST /v1.45/build?t=gone:1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
    seen = b''
    while b'"started' not in seen:
        seen += s.recv(65536)
    assert os.listdir(d.dir / 'exec/b')
    s.close()
    until(lambda: left_overs(d) == [[], [], []])
    assert d.api('GET', '/images/gone:1/json')[0] == 404


def test_daemon_that_dies_leaves_nothing_after_its_next_start(d):
    body = context({'Dockerfile': 'FROM bb:1\nRUN touch /kept\nRUN echo started; sleep 1000\n'})
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(d.sock))
    s.sendall(b'POST /v1.45/build HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
    seen = b''
    while b'"started' not in seen:
        seen += s.recv(65536)
    d.kill9()
    s.close()
    d.start()
    until(lambda: left_overs(d) == [[], [], []])
    assert 'RUN touch /kept\n ---> Using cache' in build(d, 'FROM bb:1\nRUN touch /kept\n')[1]


def test_prune(d):
    status, body = d.api('POST', '/build/prune?all=1')
    assert status == 200 and json.loads(body)['CachesDeleted']
    assert os.listdir(d.dir / 'data/steps') == []
