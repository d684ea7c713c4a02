# SPDX-License-Identifier: Apache-2.0
"""system check: damage of every kind is planted, named and (with --repair) removed or made good; what is whole and what is under way
is left alone."""
import json
import os
import pathlib
import shutil
import sqlite3
import tarfile
import threading
import time

import pytest

from daemon import BIN, BUSYBOX, Daemon
from test_cli import fake  # noqa: F401

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]
ID = 'ab' * 32


@pytest.fixture(scope='module')
def d():
    d = Daemon('--layer-form=directory')
    try:
        yield d.start()
    finally:
        d.close()


@pytest.fixture
def image(d):
    """An image that is whole, and a store without anything else."""
    name = d.import_busybox('bb:1')
    yield name
    for c in d.out('ps', '-aq').split():
        d.estiba('rm', '-f', c)
    for i in d.out('images', '-q').split():
        d.estiba('rmi', '-f', i, check=False)
    assert check(d, '--repair')[0] == 0
    assert check(d)[1]['Problems'] == []


def check(d, *args):
    r = d.estiba('system', 'check', '--format', 'json', *args, check=False)
    assert r.stdout, r.stderr
    return r.returncode, json.loads(r.stdout)


def data(d, *parts):
    return pathlib.Path(d.dir, 'data', *parts)


def layer_of(d, name='bb:1'):
    return json.loads(d.out('image', 'inspect', name))[0]['RootFS']['Layers'][-1].split(':')[1]


def flip(path, at):
    with open(path, 'r+b') as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 0x40]))


def sql(d, text, *args):
    """Change records behind the daemon's back, while it is away."""
    d.stop()
    db = sqlite3.connect(data(d, 'estiba.db'))
    db.execute(text, args)
    db.commit()
    db.close()
    d.start()


def one(report, kind):
    found = [p for p in report['Problems'] if p['Kind'] == kind]
    assert len(found) == 1, report
    return found[0]


def test_whole(d, image):
    d.estiba('create', '--name', 'cc', image, 'true')
    d.estiba('volume', 'create', 'vv')
    code, report = check(d)
    assert (code, report['Problems'], report['Left']) == (0, [], 0)
    assert report['Images'] == 1 and report['Layers'] >= 1 and report['Blobs'] >= 1 and report['Snapshots'] == 1
    assert report['Bytes'] > os.path.getsize(BUSYBOX)
    out = d.out('system', 'check')
    assert out.startswith('1 images, ') and out.endswith(': 0 problems, 0 left')
    d.estiba('volume', 'rm', 'vv')


def test_tar_with_another_byte(d, image):
    layer = layer_of(d)
    flip(data(d, 'layers', layer, 'tar'), 70000)
    code, report = check(d)
    p = one(report, 'layer')
    assert code == 1 and report['Left'] == 1
    assert p['Object'] == f'sha256:{layer}' and p['Images'] == ['bb:1'] and p['File'] == f'layers/{layer}/tar' and 'its tar has digest' in p['Text']
    text = d.estiba('system', 'check', check=False)
    assert text.returncode == 1 and '; needed by bb:1\n' in text.stdout
    assert d.estiba('system', 'check', '--format', '{{.Kind}} {{.Images}}', check=False).stdout == 'layer bb:1\n'
    code, report = check(d, '--repair')
    assert code == 0 and one(report, 'layer')['Repair'] == 'the image is removed' and report['Garbage']['Layers'] == 1
    assert d.out('images', '-q') == '' and not data(d, 'layers', layer).exists()
    assert check(d)[1]['Problems'] == []
    d.import_busybox('bb:1')  # it can come again
    assert d.out('run', '--rm', 'bb:1', 'echo', 'well') == 'well'


def test_tar_of_a_layer_that_a_container_needs(d, image):
    d.estiba('create', '--name', 'user', image, 'true')
    container = d.inspect('user')['Id']
    layer = layer_of(d)
    flip(data(d, 'layers', layer, 'tar'), 70000)
    code, report = check(d, '--repair')
    assert code == 1 and one(report, 'layer')['Repair'] == 'the image is removed'
    left = one(report, 'snapshot')
    assert left['Object'] == f'container/{container}' and left['Repair'] == '' and layer in left['Text']
    d.estiba('rm', 'user')
    end = time.time() + 10
    while data(d, 'layers', layer).exists():  # the container's directory goes behind the answer
        assert time.time() < end
        check(d, '--repair')


def damaged(d, image, change, text, path):
    """The directory that containers see is compared with the tar, and made again from it; a container that runs goes on."""
    layer = layer_of(d)
    d.estiba('run', '-d', '--name', 'runs', image, 'sleep', '1000')
    fs = data(d, 'layers', layer, 'fs')
    change(fs)
    code, report = check(d)
    p = one(report, 'layer')
    assert code == 1 and p['Text'].endswith(text) and p['File'] == f'layers/{layer}/fs{path}'
    code, report = check(d, '--repair')
    assert code == 0 and one(report, 'layer')['Repair'] == 'made again from its tar'
    assert check(d)[1]['Problems'] == []
    assert d.out('exec', 'runs', 'echo', 'on') == 'on'
    d.estiba('rm', '-f', 'runs')
    assert d.out('run', '--rm', image, 'cat', '/etc/group').startswith('root:x:0:')


@pytest.mark.parametrize('what, text, path', [
    ('byte', 'has other bytes than the tar', '/etc/passwd'),
    ('gone', 'is missing', '/etc/passwd'),
    ('more', 'is not in the tar', '/etc/shadow'),
    ('mode', 'has another mode than in the tar', '/etc/passwd'),
    ('owner', 'has another owner than in the tar', '/etc/passwd'),
    ('link', 'points elsewhere than in the tar', '/bin/cat'),
    ('attribute', 'has other attributes than in the tar', '/etc/passwd'),
    ('all', 'is missing', ''),
])
def test_directory_of_a_layer(d, image, what, text, path):
    layer = layer_of(d)
    if not data(d, 'layers', layer, 'fs').is_dir():
        pytest.skip('layers are files here')

    def relink(at):
        before = os.lstat(at).st_mtime_ns
        os.unlink(at)
        os.symlink('busybux', at)
        os.utime(at, ns=(before, before), follow_symlinks=False)
    change = {
        'byte': lambda fs: flip(fs / 'etc/passwd', 3),
        'gone': lambda fs: os.unlink(fs / 'etc/passwd'),
        'more': lambda fs: (fs / 'etc/shadow').write_text('root::'),
        'mode': lambda fs: os.chmod(fs / 'etc/passwd', 0o666),
        'owner': lambda fs: os.chown(fs / 'etc/passwd', 1000, 0),
        'link': lambda fs: relink(fs / 'bin/cat'),
        'attribute': lambda fs: os.setxattr(fs / 'etc/passwd', 'user.x', b'1'),
        'all': lambda fs: os.rename(fs, fs.parent.parent.parent.parent / 'gone'),
    }[what]

    def keep_mtime(fs):
        before = os.stat(fs / 'etc/passwd').st_mtime_ns
        change(fs)
        if (fs / 'etc/passwd').exists():
            os.utime(fs / 'etc/passwd', ns=(before, before))
    damaged(d, image, keep_mtime, text, path)
    shutil.rmtree(d.dir / 'gone', ignore_errors=True)


def test_config_with_another_byte(d, image):
    config = d.out('images', '-q', '--no-trunc').split(':')[1]
    flip(data(d, 'blobs/sha256', config), 5)
    code, report = check(d)
    p = one(report, 'image')
    assert code == 1 and p['Images'] == ['bb:1'] and p['File'] == f'blobs/sha256/{config}' and 'is damaged' in p['Text']
    code, report = check(d, '--repair')
    assert code == 0 and one(report, 'image')['Repair'] == 'the image is removed'
    assert d.out('images', '-q') == '' and not data(d, 'blobs/sha256', config).exists()


def test_config_is_missing(d, image):
    config = d.out('images', '-q', '--no-trunc').split(':')[1]
    os.unlink(data(d, 'blobs/sha256', config))
    code, report = check(d)
    assert code == 1 and 'is missing' in one(report, 'image')['Text']
    assert check(d, '--repair')[0] == 0 and d.out('images', '-q') == ''


def test_manifest_is_damaged(d, image):
    """An image is no worse without its manifest: that goes alone."""
    layout = d.dir / 'layout.tar'
    d.estiba('save', '-o', layout, image)
    d.estiba('rmi', image)
    with tarfile.open(layout) as old, tarfile.open(d.dir / 'oci.tar', 'w') as new:
        for m in old:
            if m.name != 'manifest.json':
                new.addfile(m, old.extractfile(m) if m.isreg() else None)
    d.estiba('load', '-i', d.dir / 'oci.tar')
    config = d.out('images', '-q', '--no-trunc').split(':')[1]
    manifest, = [b.name for b in data(d, 'blobs/sha256').iterdir() if b.name != config]
    flip(data(d, 'blobs/sha256', manifest), 5)
    code, report = check(d)
    p = one(report, 'blob')
    assert code == 1 and p['Object'] == f'sha256:{manifest}' and p['Images'] == ['bb:1']
    code, report = check(d, '--repair')
    assert code == 0 and one(report, 'blob')['Repair'].startswith('removed')
    assert check(d)[1]['Problems'] == [] and d.out('run', '--rm', image, 'echo', 'well') == 'well'


def test_layer_is_missing(d, image):
    layer = layer_of(d)
    shutil.rmtree(data(d, 'layers', layer))
    code, report = check(d)
    p = one(report, 'layer')
    assert code == 1 and p['Images'] == ['bb:1']
    assert check(d, '--repair')[0] == 0 and d.out('images', '-q') == ''
    assert check(d)[1]['Problems'] == []


def test_dangling_tag(d, image):
    sql(d, "INSERT INTO record(seq, kind, id, ref, json) VALUES(1000000, 'tag', 'docker.io/library/lost:1', ?, '{}')", 'sha256:' + ID)
    code, report = check(d)
    assert code == 1 and one(report, 'tag')['Object'] == 'docker.io/library/lost:1'
    code, report = check(d, '--repair')
    assert code == 0 and one(report, 'tag')['Repair'] == 'removed'
    assert check(d)[1]['Problems'] == []


@pytest.mark.parametrize('place', ['layers/' + ID, 'layers/x', 'containers/' + ID, 'steps/' + ID, 'volumes/lost', 'blobs/sha256/x', 'partial/x'])
def test_orphan_directory(d, image, place):
    path = data(d, place)
    (path / 'deep').mkdir(parents=True)
    (path / 'deep/file').write_text('x' * 5000)
    os.utime(path, (1e9, 1e9))
    code, report = check(d)
    p = one(report, 'orphan')
    assert code == 1 and p['Object'] == p['File'] == place
    code, report = check(d, '--repair')
    assert code == 0 and one(report, 'orphan')['Repair'] == 'removed' and not path.exists()
    assert check(d)[1]['Problems'] == []


def test_trash_is_left(d, image):
    end = time.time() + 10
    while os.listdir(data(d, 'tmp')):  # thrown away by a test before: whoever comes for it would take ours along
        assert time.time() < end
        time.sleep(0.05)
    path = data(d, 'tmp/lost')
    path.mkdir()
    (path / 'file').write_text('x')
    time.sleep(1.1)  # what came within the last second is the janitor's
    code, report = check(d)
    assert code == 1 and one(report, 'trash')['File'] == 'tmp/lost'
    assert check(d, '--repair')[0] == 0
    end = time.time() + 10
    while path.exists():
        assert time.time() < end
        time.sleep(0.05)


def test_snapshots_without_owner(d, image):
    for place in ('containers', 'steps'):
        data(d, place, ID, 'upper').mkdir(parents=True)
        data(d, place, ID, 'work').mkdir()
    db = sqlite3.connect(data(d, 'estiba.db'))
    for n, kind in enumerate(('container', 'step')):
        db.execute("INSERT INTO record(seq, kind, id, json) VALUES(?, 'snapshot', ?, '{\"stack\":[]}')", (1000000 + n, f'{kind}/{ID}'))
    db.commit()
    db.close()
    code, report = check(d)
    found = {p['Object']: p['Text'] for p in report['Problems'] if p['Kind'] == 'snapshot'}
    assert code == 1 and 'no step of the build cache has it' in found[f'step/{ID}'] and 'no container has it' in found[f'container/{ID}']
    assert check(d, '--repair')[0] == 0
    assert not data(d, 'steps', ID).exists() and not data(d, 'containers', ID).exists()


def test_container_and_volume_without_directory(d, image):
    d.estiba('create', '--name', 'cc', image, 'true')
    d.estiba('volume', 'create', 'vv')
    shutil.rmtree(data(d, 'containers', d.inspect('cc')['Id'], 'upper'))
    shutil.rmtree(data(d, 'volumes/vv'))
    code, report = check(d, '--repair')
    assert code == 1
    assert one(report, 'volume')['Object'] == 'vv' and 'its directory is missing' in one(report, 'container')['Text']
    d.estiba('rm', 'cc')
    d.estiba('volume', 'rm', 'vv')
    assert check(d)[0] == 0


def test_beside_everything_else(d, image):
    """What others do at the same time is never taken for damage, nor removed."""
    failed, done = [], threading.Event()

    def work(n):
        try:
            k = 0
            while not done.is_set():
                k += 1
                d.estiba('run', '--rm', '-v', f'w{n}:/v', image, 'sh', '-c', f'echo {k} >/v/x')
                d.estiba('build', '-q', '-t', f'w{n}', '-', input=f'FROM {image}\nRUN echo {n} {k} >/x\n')
                d.estiba('rmi', '-f', f'w{n}')
                d.estiba('volume', 'rm', f'w{n}')
        except AssertionError as e:
            failed.append(str(e))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for t in threads:
        t.start()
    try:
        for n in range(12):
            code, report = check(d, *(['--repair'] if n % 2 else []))
            assert code == 0 and not report['Problems'], json.dumps(report['Problems'])
    finally:
        done.set()
        for t in threads:
            t.join()
    assert failed == []
    d.estiba('builder', 'prune', '-af')


def test_volume_takes_what_its_blocks_take(d, image):
    """du is right: sparse files by their blocks, files of several names once, a hundred of them too."""
    d.estiba('run', '--rm', '-v', 'blocks:/v', image, 'sh', '-ec', 'dd if=/dev/zero of=/v/a bs=1k count=100; ln /v/a /v/b; mkdir /v/d; ln /v/a /v/d/c; '
             'dd if=/dev/zero of=/v/sparse bs=1k seek=5000 count=1; for i in $(seq 100); do echo $i >/v/d/$i; ln /v/d/$i /v/d/$i.too; done; sync')
    volume, = [v for v in json.loads(d.api('GET', '/system/df')[1])['Volumes'] if v['Name'] == 'blocks']
    root = data(d, 'volumes/blocks/_data')
    files = {(s.st_dev, s.st_ino): s.st_blocks for p in root.rglob('*') for s in [os.lstat(p)]}
    assert volume['UsageData']['Size'] == 512 * sum(files.values()) > 100 * 1024
    d.estiba('volume', 'rm', 'blocks')


@pytest.mark.parametrize('interval, goes', [('200ms', True), ('0s', False)])
def test_garbage_goes_in_the_background(interval, goes):
    """The image of a container is removed, then the container: nobody removes its layer any more but the collector."""
    d = Daemon(f'--gc-interval={interval}')
    try:
        d.start()
        d.import_busybox('bb:1')
        layer = data(d, 'layers', layer_of(d))
        d.estiba('create', '--name', 'cc', 'bb:1', 'true')
        d.estiba('rmi', '-f', 'bb:1')
        assert layer.exists()
        d.estiba('rm', 'cc')
        end = time.time() + (10 if goes else 1)
        while layer.exists() and time.time() < end:
            time.sleep(0.05)
        assert layer.exists() != goes
        assert check(d)[1]['Problems'] == []
        if goes:
            assert 'collected 1 layers' in d.log.read_text()
    finally:
        d.close()


def test_other_daemons_have_no_check(fake):  # noqa: F811
    fake.on('POST', '/estiba/check', 404, {'message': 'page not found'})
    assert fake.run('system', 'check') == (1, '', 'this daemon has no check of its store: it is not estibad, or an older one\n')
