# SPDX-License-Identifier: Apache-2.0
"""Pull, push and login against Debian's docker-registry and against one that breaks off, lies, redirects and asks for tokens; with
estiba and with the unmodified docker client."""
import base64
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tarfile
import threading
import time

import pytest

from daemon import Daemon, Unix
from registry import BadRegistry, Registry, digest

for tool in ('docker-registry', 'skopeo', 'htpasswd', 'openssl'):
    if not shutil.which(tool):
        pytest.skip(f'{tool} is not installed', allow_module_level=True)

CLIENTS = ['estiba'] + (['docker'] if shutil.which('docker') else [])
ARCH = {'x86_64': 'amd64', 'aarch64': 'arm64'}[os.uname().machine]


@pytest.fixture(scope='module')
def daemon():
    d = Daemon('--bridge', 'none', netns=False)
    d.start()
    d.import_busybox('bb:1')
    yield d
    d.close()


@pytest.fixture(scope='module')
def registry(daemon):
    r = Registry(daemon.dir / 'registry')
    yield r
    r.close()


@pytest.fixture
def bad():
    r = BadRegistry()
    yield r
    r.close()


def layer(size=300_000, seed=1, name='data'):
    """(gzip, tar) of one file of SIZE bytes that does not compress."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        info = tarfile.TarInfo(name)
        info.size = size
        tar.addfile(info, io.BytesIO(random.Random(seed).randbytes(size)))
    return gzip.compress(out.getvalue(), 1, mtime=0), out.getvalue()


def contents(d):
    """Names of layers, blobs and unfinished things in the store, once what was thrown away is gone."""
    data = d.dir / 'data'
    assert wait_for(lambda: not any((data / 'tmp').iterdir())), list((data / 'tmp').iterdir())
    return {p: sorted(x.name for x in (data / p).iterdir()) for p in ('layers', 'blobs/sha256', 'partial')}


def helpers(d):
    """estiba-fetch processes whose parent is D."""
    out = subprocess.run(['ps', '--ppid', str(d.proc.pid), '-o', 'comm='], capture_output=True, text=True).stdout.split()
    return [c for c in out if c.startswith('estiba-fetch') or c.startswith('estiba-layer')]


def wait_for(what, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def lines(data):
    return [json.loads(x) for x in data.decode().split('\r\n') if x]


def auth(user, password):
    return base64.urlsafe_b64encode(json.dumps({'username': user, 'password': password}).encode()).decode()


@pytest.mark.parametrize('client', CLIENTS)
def test_push_remove_pull(daemon, registry, client):
    d, name = daemon, f'{registry.host}/{client}/app:1'
    run = getattr(d, client)
    run('tag', 'bb:1', name)
    pushed = run('push', name).stdout
    assert pushed.startswith(f'The push refers to repository [{registry.host}/{client}/app]\n'), pushed
    assert ': Preparing\n' in pushed and (': Pushed\n' in pushed or 'already exists\n' in pushed or 'Mounted from' in pushed), pushed
    said = pushed.strip().split('\n')[-1].split()
    assert said[0:2] == ['1:', 'digest:'] and said[3] == 'size:', pushed
    again = run('push', name).stdout
    assert ': Layer already exists\n' in again and again.strip().split('\n')[-1].split() == said
    raw = subprocess.run(['skopeo', 'inspect', '--raw', '--tls-verify=false', f'docker://{name}'], check=True, capture_output=True).stdout
    assert digest(raw) == said[2] and len(raw) == int(said[4])
    manifest = json.loads(raw)
    assert manifest['mediaType'] == 'application/vnd.docker.distribution.manifest.v2+json'
    id_ = d.inspect(name)['Id']
    assert manifest['config']['digest'] == id_
    assert d.inspect(name)['RepoDigests'] == [f'{registry.host}/{client}/app@{said[2]}'] or client == 'docker'
    run('rmi', name)
    got = run('pull', name).stdout
    assert f'1: Pulling from {client}/app\n' in got and f'Digest: {said[2]}\n' in got and f'Status: Downloaded newer image for {name}\n' in got
    assert got.endswith(f'{name}\n')
    assert d.inspect(name)['Id'] == id_
    again = run('pull', name).stdout
    assert f'Status: Image is up to date for {name}\n' in again and 'Pull complete' not in again
    run('rmi', name)
    by_digest = f'{registry.host}/{client}/app@{said[2]}'
    got = run('pull', by_digest).stdout
    assert f'{by_digest}: Pulling from {client}/app\n' in got
    assert by_digest in d.inspect(by_digest)['RepoDigests']
    run('rmi', by_digest)


def test_layers_come_over_the_network_and_run(daemon, registry, tmp_path):
    """What came through skopeo is what `run` runs, and nothing is fetched that is there."""
    d, name = daemon, f'{registry.host}/net/app:1'
    other = Daemon('--bridge', 'none', netns=False)
    try:
        d.estiba('tag', 'bb:1', name)
        d.estiba('push', name)
        other.start()
        r = other.estiba('run', '--rm', '--network', 'none', name, 'sh', '-c', 'echo hi; id -u')
        assert r.stdout.endswith('hi\n0\n')
        assert f"Unable to find image '{name}' locally\n" in r.stderr
        subprocess.run(['skopeo', 'copy', '--src-tls-verify=false', f'docker://{name}', f'oci:{tmp_path}/oci:x'], check=True, capture_output=True)
        subprocess.run(['skopeo', 'copy', '--dest-tls-verify=false', f'oci:{tmp_path}/oci:x', f'docker://{registry.host}/net/oci:2'], check=True,
                       capture_output=True)
        got = other.estiba('pull', f'{registry.host}/net/oci:2').stdout
        assert 'Already exists' in got and 'Pull complete' not in got
        # the second name is pushed without compressing or sending anything
        d.estiba('tag', name, f'{registry.host}/net/second:1')
        out = d.estiba('push', f'{registry.host}/net/second:1').stdout
        assert 'Mounted from net/app' in out or 'Layer already exists' in out, out
        assert other.estiba('pull', '-a', f'{registry.host}/net/second').returncode == 0
    finally:
        other.close()


def test_many_layers_both_ways(daemon, registry, bad):
    """More layers than are sent at once; the order stays, and so does every byte."""
    d, name = daemon, f'{registry.host}/many/app:1'
    blobs = [layer(50_000 + i, 100 + i, f'f{i}') for i in range(12)] + [layer(50_000, 100, 'f0')]
    bad.add_image('many', '1', blobs)
    assert pull(d, f'{bad.host}/many')[1][-1]['status'].startswith('Status: Downloaded')
    d.estiba('tag', f'{bad.host}/many:1', name)
    out = d.estiba('push', name).stdout
    assert out.count(': Preparing\n') == 13 and out.count(': Pushed\n') + out.count('already exists\n') == 13, out
    want = [digest(t) for _, t in blobs]
    config = json.loads(subprocess.run(['skopeo', 'inspect', '--config', '--tls-verify=false', f'docker://{name}'], check=True, capture_output=True).stdout)
    assert config['rootfs']['diff_ids'] == want
    manifest = json.loads(subprocess.run(['skopeo', 'inspect', '--raw', '--tls-verify=false', f'docker://{name}'], check=True, capture_output=True).stdout)
    for entry, (_, tar) in zip(manifest['layers'], blobs):
        path = registry.dir / 'data/docker/registry/v2/blobs/sha256' / entry['digest'][7:9] / entry['digest'][7:] / 'data'
        assert path.stat().st_size == entry['size'] and gzip.decompress(path.read_bytes()) == tar
    d.estiba('rmi', f'{bad.host}/many:1', name)
    assert pull(d, f'{registry.host}/many/app')[1][-1]['status'].startswith('Status: Downloaded')
    assert d.inspect(name)['RootFS']['Layers'] == want
    d.estiba('rmi', name)


def test_build_pulls_what_from_names(daemon, registry, tmp_path):
    d, name = daemon, f'{registry.host}/from/base:1'
    d.estiba('tag', 'bb:1', name)
    d.estiba('push', name)
    d.estiba('rmi', name)
    (tmp_path / 'Dockerfile').write_text(f'FROM {name}\nENV A=b\n')
    out = d.estiba('build', '-t', 'built:1', tmp_path).stdout
    assert f'Status: Downloaded newer image for {name}' in out and 'Successfully built' in out, out
    d.estiba('rmi', 'built:1', name)


@pytest.mark.parametrize('client', CLIENTS)
def test_refusals_have_dockers_words(daemon, registry, client):
    d, run = daemon, getattr(daemon, client)
    d.estiba('tag', 'bb:1', '127.0.0.1:1/x:1')
    rows = [
        (['pull', f'{registry.host}/nosuch/x:1'],
         f'Error response from daemon: manifest for {registry.host}/nosuch/x:1 not found: manifest unknown: manifest unknown\n'),
        (['pull', '127.0.0.1:1/x:1'], 'Error response from daemon: Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused\n'),
        (['pull', '--platform', 'nosuch', '127.0.0.1:1/x'],
         'Error response from daemon: "nosuch": unknown operating system or architecture: invalid argument\n'),
        (['push', '127.0.0.1:1/x:1'], 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused\n'),
        (['push', '127.0.0.1:1/x:2'], 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused\n'),
        (['push', f'{registry.host}/never/was:1'], f'An image does not exist locally with the tag: {registry.host}/never/was\n'),
        (['login', '-u', 'x', '-p', 'y', '127.0.0.1:1'], 'dial tcp 127.0.0.1:1: connect: connection refused\n'),
    ]
    for args, text in rows:
        r = run(*args, check=False)
        assert r.returncode == 1 and r.stderr.endswith(text), (args, r)
    d.estiba('rmi', '127.0.0.1:1/x:1')


def test_status_codes(daemon, registry):
    d = daemon
    rows = [
        ('POST', f'/images/create?fromImage={registry.host}/nosuch&tag=1', {}, 404, 'manifest unknown'),
        ('POST', '/images/create?fromImage=127.0.0.1:1/x&tag=1', {}, 500, 'connection refused'),
        ('POST', '/images/create?fromImage=UPPER', {}, 400, 'must be lowercase'),
        ('POST', '/images/nosuch/push', {}, 400, 'bad parameters and missing X-Registry-Auth: invalid X-Registry-Auth header: EOF'),
        ('GET', '/distribution/127.0.0.1:1/x/json', {}, 500, 'Get \\"http://127.0.0.1:1/v2/\\": dial tcp 127.0.0.1:1'),
        ('GET', '/images/search?term=x&filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D', {}, 400, "invalid filter 'nosuch'"),
        ('GET', '/images/search?term=127.0.0.1:1/x', {}, 500, 'invalid registry endpoint'),
    ]
    for method, path, headers, status, text in rows:
        got = d.api(method, path, headers=headers)
        assert got[0] == status and text in got[1].decode(), (path, got)


def test_basic_auth(daemon):
    d = daemon
    r = Registry(d.dir / 'private', users={'ann': 'secret'})
    name = f'{r.host}/ann/app:1'
    try:
        d.estiba('tag', 'bb:1', name)
        for client in CLIENTS:
            run = getattr(d, client)
            refused = run('push', name, check=False)
            assert refused.returncode == 1 and 'no basic auth credentials' in refused.stderr, refused
            refused = run('pull', name, check=False)
            assert f'Head "http://{r.host}/v2/ann/app/manifests/1": no basic auth credentials' in refused.stderr, refused
            wrong = run('login', '-u', 'ann', '--password-stdin', r.host, input='wrong\n', check=False)
            assert wrong.returncode == 1 and f'login attempt to http://{r.host}/v2/ failed with status: 401 Unauthorized' in wrong.stderr
            assert 'Login Succeeded' in run('login', '-u', 'ann', '--password-stdin', r.host, input='secret\n').stdout
            assert 'digest: sha256:' in run('push', name).stdout
            d.estiba('rmi', name)
            run('pull', name)
            for how in ([], ['--pull']):
                d.estiba('rmi', name, check=False)
                built = run('build', '-q', *how, '-', input=f'FROM {name}\nENV A={client}\n').stdout
                assert built.startswith('sha256:'), built
            run('logout', r.host)
        status, body = d.api('POST', f'/images/create?fromImage={r.host}/ann/app&tag=1', headers={'X-Registry-Auth': auth('ann', 'wrong')})
        assert (status, json.loads(body)['message']) == (500, 'unauthorized: authentication required')
        got = d.api('GET', f'/distribution/{name}/json', headers={'X-Registry-Auth': auth('ann', 'secret')})
        assert got[0] == 200 and json.loads(got[1])['Platforms'] == [{'architecture': ARCH, 'os': 'linux'}], got
        d.estiba('rmi', name)
    finally:
        r.close()


@pytest.fixture(scope='module')
def private():
    """A daemon and a TLS registry in a network namespace of their own, at an address that no rule calls insecure."""
    d = Daemon('--bridge', 'none')
    d.inside(['ip', 'addr', 'add', '198.51.100.7/32', 'dev', 'lo'], check=True)
    d.start()
    d.import_busybox('bb:1')
    r = Registry(d.dir / 'tls', tls=True, address='198.51.100.7', host='198.51.100.7', netns=d.netns)
    yield d, r
    r.close()
    d.close()


@pytest.fixture
def certs(private):
    """/etc/docker/certs.d/HOST:PORT of that registry, for one test."""
    path = pathlib.Path('/etc/docker/certs.d') / private[1].host
    made = [p for p in [path, *path.parents] if not p.exists()]
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(path)
    for p in made[1:]:
        if not any(p.iterdir()):
            p.rmdir()


def test_tls_with_a_given_authority(private, certs):
    d, r = private
    name = f'{r.host}/t/app:1'
    d.estiba('tag', 'bb:1', name)
    for client in CLIENTS:
        refused = getattr(d, client)('pull', name, check=False)
        assert refused.returncode == 1 and refused.stderr == (f'Error response from daemon: Get "https://{r.host}/v2/": tls: failed to verify '
                                                              'certificate: x509: certificate signed by unknown authority\n'), refused
    shutil.copy(r.dir / 'ca.crt', certs / 'ca.crt')
    for client in CLIENTS:
        assert 'digest: ' in getattr(d, client)('push', name).stdout
        d.estiba('rmi', name)
        assert 'Downloaded newer' in getattr(d, client)('pull', name).stdout
    (certs / 'client.key').write_text('x')
    refused = d.estiba('pull', name, check=False)
    assert 'client certificates for registries are not supported' in refused.stderr, refused


def test_insecure_registry_needs_no_authority(private):
    d, r = private
    name = f'{r.host}/t/open:1'
    for option in (r.host, '198.51.100.0/24'):
        other = Daemon('--bridge', 'none', '--insecure-registry', option, netns=False)
        other.netns = d.netns
        try:
            other.start()
            other.import_busybox('bb:1')
            other.estiba('tag', 'bb:1', name)
            assert 'digest: ' in other.estiba('push', name).stdout
        finally:
            other.estiba('rmi', '-f', name, 'bb:1', check=False)
            other.netns = None
            other.close()


# --- a registry that misbehaves ---


def pull(d, name, tag='1', **headers):
    status, body = d.api('POST', f'/images/create?fromImage={name}&tag={tag}', headers=headers)
    return status, lines(body) if status == 200 else json.loads(body)['message']


def test_a_broken_connection_is_resumed_by_range(daemon, bad):
    d = daemon
    blobs = [layer(2_000_000, seed) for seed in (11, 12)]
    bad.add_image('x', '1', blobs)
    big = digest(blobs[0][0])
    bad.break_at[big] = [300_000, 700_000]
    status, said = pull(d, f'{bad.host}/x')
    assert status == 200 and said[-1]['status'].startswith('Status: Downloaded newer'), said
    ranges = [r for _, path, r, _ in bad.requests if path.endswith(big)]
    assert len(ranges) == 3 and ranges[0] is None and ranges[1:] == ['bytes=300000-', 'bytes=700000-'], ranges
    kinds = {x['status'] for x in said}
    assert {'Pulling fs layer', 'Downloading', 'Verifying Checksum', 'Download complete', 'Extracting', 'Pull complete'} <= kinds, kinds
    d.estiba('rmi', f'{bad.host}/x:1')


def test_a_registry_without_ranges_begins_anew(daemon, bad):
    d = daemon
    blob = layer(1_000_000, 13)
    bad.add_image('x', '1', [blob])
    bad.ignore_range = True
    bad.break_at[digest(blob[0])] = [400_000]
    assert pull(d, f'{bad.host}/x')[1][-1]['status'].startswith('Status: Downloaded')
    d.estiba('rmi', f'{bad.host}/x:1')


def test_a_registry_that_dies_in_the_middle(daemon, bad):
    d = daemon
    before = contents(d)
    blob = layer(3_000_000, 14)
    bad.add_image('x', '1', [blob])
    bad.break_at[digest(blob[0])] = [200_000] * 20
    stop = threading.Timer(0.3, bad.close)
    bad.ignore_range = True
    stop.start()
    status, said = pull(d, f'{bad.host}/x')
    assert status == 200 and 'error' in said[-1], said
    assert d.estiba('images', '-q', f'{bad.host}/x').stdout == ''
    assert contents(d) == before and not helpers(d)
    bad.close = lambda: None


@pytest.mark.parametrize('what', ['wrong bytes', 'garbage', 'short tar', 'wrong diffID'])
def test_a_wrong_layer_is_refused_and_nothing_remains(daemon, bad, what):
    d = daemon
    before = contents(d)
    good, blob = layer(100_000, 15), layer(500_000, 16)
    if what == 'garbage':
        blob = (b'not a tar at all' * 1000, blob[1])
    elif what == 'short tar':
        blob = (gzip.compress(blob[1][:200_000]), blob[1][:200_000])
    elif what == 'wrong diffID':
        blob = (blob[0], blob[1] + bytes(512))
    bad.add_image('x', '1', [good, blob], wrong=(1,) if what == 'wrong bytes' else ())
    status, said = pull(d, f'{bad.host}/x')
    assert status == 200 and 'error' in said[-1] and said[-1]['errorDetail']['message'] == said[-1]['error'], said
    assert not any('Digest:' in x.get('status', '') for x in said)
    assert d.estiba('images', '-q', f'{bad.host}/x').stdout == ''
    assert contents(d) == before
    assert not helpers(d)


def test_wrong_manifest_bytes_are_refused(daemon, bad):
    d = daemon
    bad.add_image('x', '1', [layer(1000, 17)])
    want = 'sha256:' + '0' * 64
    bad.manifests['x', want] = bad.manifests['x', '1']
    bad.types['x', want] = bad.types['x', '1']
    status, said = pull(d, f'{bad.host}/x', want)
    assert (status, said) == (500, f'manifest verification failed for digest {want}')


def test_platforms_of_an_index(daemon, bad):
    d = daemon
    index = 'application/vnd.oci.image.index.v1+json'
    entry = lambda dig, arch, **more: {'mediaType': 'application/vnd.docker.distribution.manifest.v2+json', 'digest': dig,
                                       'size': 1, 'platform': {'os': 'linux', 'architecture': arch, **more}}
    ours = bad.add_image('x', 'ours', [layer(1000, 18)])
    other = bad.add_image('x', 'other', [layer(1000, 19)], config={'Cmd': ['other']})
    top = bad.add_manifest('x', '1', {'schemaVersion': 2, 'mediaType': index, 'manifests': [
        entry(other, 's390x'), entry(ours, ARCH), entry(other, 'unknown')]})
    bad.add_manifest('x', '2', {'schemaVersion': 2, 'mediaType': index, 'manifests': [entry(other, 's390x')]})
    status, said = pull(d, f'{bad.host}/x')
    assert said[-2]['status'] == f'Digest: {top}', said
    assert d.inspect(f'{bad.host}/x:1')['RepoDigests'] == [f'{bad.host}/x@{top}']
    assert d.inspect(f'{bad.host}/x:1')['Config']['Cmd'] is None
    status, said = pull(d, f'{bad.host}/x', '2')
    assert said[0] == {'status': 'Pulling from x', 'id': '2'}
    assert said[-1]['error'] == f'no matching manifest for linux/{ARCH} in the manifest list entries', said
    status, said = pull(d, f'{bad.host}/x', '2&platform=linux/s390x')
    assert any(x['status'].startswith('Status: Downloaded') for x in said), said
    status, said = pull(d, f'{bad.host}/x', 'other&platform=linux/s390x')
    warning = (f'WARNING: image with reference {bad.host}/x:other was found but does not match the specified platform: '
               f'wanted linux/s390x, actual: linux/amd64')
    assert said[-1]['status'] == warning and said[-2]['status'].startswith('Status:'), said
    got = d.api('GET', f'/distribution/{bad.host}/x:1/json')
    assert [p['architecture'] for p in json.loads(got[1])['Platforms']] == ['s390x', ARCH, 'unknown']
    assert json.loads(got[1])['Descriptor']['digest'] == top
    d.estiba('rmi', f'{bad.host}/x:1', f'{bad.host}/x:2', f'{bad.host}/x:other')


def test_tokens(daemon, bad):
    d = daemon
    bad.add_image('x', '1', [layer(1000, 20)])
    bad.challenge = f'Bearer realm="http://{bad.host}/token",service="a service",scope="repository:x:pull"'
    bad.token = {'token': 'abc.def', 'expires_in': 300}
    status, said = pull(d, f'{bad.host}/x', **{'X-Registry-Auth': auth('ann', 'p w')})
    assert status == 200 and said[-1]['status'].startswith('Status:'), said
    asked = [(p, a) for _, p, _, a in bad.requests if p.startswith('/token')]
    assert asked[0][1] == 'Basic ' + base64.b64encode(b'ann:p w').decode()
    assert 'service=a%20service' in asked[0][0] and 'scope=repository%3Ax%3Apull' in asked[0][0] and 'account=ann' in asked[0][0]
    assert all(a in (None, 'Bearer abc.def') for _, p, _, a in bad.requests if p.startswith('/v2/'))
    bad.token = None
    status, said = pull(d, f'{bad.host}/x')
    assert status == 500 and said.endswith('unauthorized: incorrect username or password'), said
    status, body = d.api('POST', '/auth', {'username': 'x', 'password': 'y', 'serveraddress': bad.host})
    assert status == 401 and json.loads(body)['message'] == f'Get "http://{bad.host}/v2/": unauthorized: incorrect username or password'
    for token in ({'token': 'a\r\nX: y'}, {}, {'token': 5}):
        bad.token = token
        assert pull(d, f'{bad.host}/x')[0] == 500
    d.estiba('rmi', f'{bad.host}/x:1')


def test_a_redirect_does_not_get_the_credentials(daemon, bad):
    d, other = daemon, BadRegistry()
    try:
        blob = layer(1000, 21)
        bad.add_image('x', '1', [blob])
        other.add_image('x', '1', [blob])
        bad.challenge = 'Basic realm="r"'
        bad.redirect = f'http://{other.host}'
        status, said = pull(d, f'{bad.host}/x', **{'X-Registry-Auth': auth('ann', 'secret')})
        assert said[-1]['status'].startswith('Status:'), said
        assert len(other.requests) == 2 and all(a is None for *_, a in other.requests), other.requests
        bad.redirect = f'file:///etc/passwd?'
        d.estiba('rmi', f'{bad.host}/x:1')
        status, said = pull(d, f'{bad.host}/x', **{'X-Registry-Auth': auth('ann', 'secret')})
        assert 'error' in (said[-1] if status == 200 else {'error': said}), said
    finally:
        other.close()


def test_mirrors_come_first_and_may_fail(bad):
    dead = 'http://127.0.0.1:1'
    d = Daemon('--bridge', 'none', '--registry-mirror', dead, '--registry-mirror', f'http://{bad.host}', netns=False)
    try:
        d.start()
        bad.add_image('library/x', 'latest', [layer(1000, 22)])
        out = d.estiba('pull', 'x').stdout
        assert 'latest: Pulling from library/x\n' in out and out.endswith('docker.io/library/x:latest\n'), out
    finally:
        d.close()


def test_two_pulls_fetch_a_layer_once(daemon, bad):
    d = daemon
    blob = layer(2_000_000, 23)
    bad.add_image('x', '1', [blob, layer(1000, 24)])
    bad.add_image('y', '1', [blob, layer(1000, 25)])
    bad.delay = 0.02
    got = {}

    def go(name):
        got[name] = pull(d, f'{bad.host}/{name}')
    threads = [threading.Thread(target=go, args=(n,)) for n in ('x', 'y')]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(said[-1]['status'].startswith('Status:') for _, said in got.values()), got
    assert len([1 for _, p, _, _ in bad.requests if p.endswith(digest(blob[0]))]) == 1
    d.estiba('rmi', f'{bad.host}/x:1', f'{bad.host}/y:1')


def test_a_client_that_leaves_ends_its_pull(daemon, bad):
    d = daemon
    before = contents(d)
    bad.add_image('x', '1', [layer(4_000_000, seed) for seed in (26, 27, 28, 29)])
    bad.delay = 0.1
    c = Unix(str(d.sock))
    c.request('POST', f'/images/create?fromImage={bad.host}/x&tag=1')
    r = c.getresponse()
    r.readline()
    assert wait_for(lambda: len([h for h in helpers(d) if 'fetch' in h]) == 3), helpers(d)
    r.close()
    c.sock.shutdown(socket.SHUT_RDWR)
    c.close()
    assert wait_for(lambda: not helpers(d)), helpers(d)
    assert contents(d) == before
    bad.delay = 0
    assert pull(d, f'{bad.host}/x')[1][-1]['status'].startswith('Status: Downloaded')
    d.estiba('rmi', f'{bad.host}/x:1')


def test_a_client_that_leaves_ends_its_push(daemon, bad):
    d = daemon
    blob = layer(10_000, 40)
    bad.add_image('x', '1', [blob])
    pull(d, f'{bad.host}/x')
    d.estiba('tag', f'{bad.host}/x:1', f'{bad.host}/y:1')
    bad.blobs.clear()
    c = Unix(str(d.sock))
    c.request('POST', f'/images/{bad.host}/y/push?tag=1', headers={'X-Registry-Auth': auth('', '')})
    r = c.getresponse()
    assert 'The push refers to repository' in r.readline().decode()
    assert wait_for(lambda: any(m == 'POST' for m, *_ in bad.requests))
    c.sock.shutdown(socket.SHUT_RDWR)
    r.close()
    c.close()
    assert wait_for(lambda: not helpers(d)), helpers(d)
    d.estiba('rmi', f'{bad.host}/x:1', f'{bad.host}/y:1')


def test_killed_daemon_in_the_middle_of_a_pull(bad):
    d = Daemon('--bridge', 'none', netns=False)
    try:
        d.start()
        bad.add_image('x', '1', [layer(4_000_000, 30)])
        bad.delay = 0.1
        c = Unix(str(d.sock))
        c.request('POST', f'/images/create?fromImage={bad.host}/x&tag=1')
        c.getresponse().readline()
        assert wait_for(lambda: helpers(d))
        pids = subprocess.run(['pgrep', '-P', str(d.proc.pid), 'estiba-'], capture_output=True, text=True).stdout.split()
        d.kill9()
        assert wait_for(lambda: not any(os.path.exists(f'/proc/{p}') for p in pids)), pids
        d.start()
        assert all(not v for v in contents(d).values()), contents(d)
        bad.delay = 0
        assert pull(d, f'{bad.host}/x')[1][-1]['status'].startswith('Status: Downloaded')
    finally:
        d.close()


def test_the_helper_has_no_privilege(daemon, bad):
    d = daemon
    bad.add_image('x', '1', [layer(2_000_000, 31)])
    bad.delay = 0.1
    t = threading.Thread(target=pull, args=(d, f'{bad.host}/x'))
    t.start()
    try:
        assert wait_for(lambda: any('fetch' in h for h in helpers(d)))
        pid = subprocess.run(['pgrep', '-P', str(d.proc.pid), 'estiba-fetch'], capture_output=True, text=True).stdout.split()[0]
        time.sleep(0.3)
        status = dict(x.split(':\t', 1) for x in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines() if ':\t' in x)
        assert status['Uid'].split() == ['65534'] * 4 and status['Groups'].strip() in ('', '65534')
        assert int(status['CapEff'], 16) == int(status['CapPrm'], 16) == int(status['CapBnd'], 16) == 0
        assert status['NoNewPrivs'] == '1' and status['Seccomp'] == '2'
        fds = {int(f): os.readlink(f'/proc/{pid}/fd/{f}') for f in os.listdir(f'/proc/{pid}/fd')}
        named = [t for t in fds.values() if t.startswith('/') and t != '/dev/null' and not t.startswith(('/memfd:', str(d.log)))]
        assert not named, fds
    finally:
        t.join()
        d.estiba('rmi', f'{bad.host}/x:1')
