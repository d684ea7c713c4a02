# SPDX-License-Identifier: Apache-2.0
"""test_layers.py: the mount namespace of layers: made once, found again after kill -9, gone with a daemon that nothing needs any more."""
import fcntl
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import time

import pytest

from daemon import BIN, BUSYBOX, Daemon, busybox_tar
from test_layer import archive, entry

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]


@pytest.fixture
def d():
    d = Daemon('--layer-form=auto')
    try:
        yield d.start()
    finally:
        d.close()


def pin(d):
    """Inode of the pinned namespace; None: there is none."""
    path = d.dir / 'exec/mounts/ns'
    assert 'no mount namespace' not in d.log.read_text(), d.log.read_text()
    return path.stat().st_ino if path.exists() else None


def threads_inside(d):
    until(lambda: len(tasks_inside(d)) == 2)
    return tasks_inside(d)


def tasks_inside(d):
    inside = []
    for t in pathlib.Path(f'/proc/{d.proc.pid}/task').iterdir():
        try:
            if os.readlink(t / 'ns/mnt') == f'mnt:[{pin(d)}]':
                inside.append(t)
        except FileNotFoundError:  # a thread that has ended meanwhile
            pass
    return inside


def mounts(d):
    """(what, where) of everything in the namespace."""
    lines = (threads_inside(d)[0] / 'mountinfo').read_text().splitlines()
    return [(line.split(' - ')[1].split()[0], line.split()[4]) for line in lines]


def host_mounts(d):
    return [line.split()[4] for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines() if f'{d.dir}/' in line]


def test_the_namespace_holds_what_it_needs(d):
    assert len(threads_inside(d)) == 2
    assert sorted(where for _, where in mounts(d) if not where.startswith('/proc/')) == ['/', '/data', '/proc']
    assert host_mounts(d) == [f'{d.dir}/exec/mounts', f'{d.dir}/exec/mounts/ns']


def test_found_again_after_kill_9(d):
    d.import_busybox()
    before = pin(d)
    d.estiba('run', '-d', '--name', 'on', 'bb:1', 'sleep', '1000')
    d.kill9()
    assert pin(d) == before
    d.start()
    assert pin(d) == before
    assert len(threads_inside(d)) == 2
    assert d.out('exec', 'on', 'echo', 'alive') == 'alive'
    assert d.out('run', '--rm', 'bb:1', 'echo', 'new') == 'new'


def test_it_goes_with_the_daemon_unless_a_container_runs(d):
    d.import_busybox()
    d.estiba('run', '-d', '--name', 'on', 'bb:1', 'sleep', '1000')
    before = pin(d)
    d.stop()
    assert pin(d) == before
    d.start()
    assert pin(d) == before
    d.estiba('rm', '-f', 'on')
    d.stop()
    assert host_mounts(d) == [] and not (d.dir / 'exec/mounts').exists()
    d.start()
    assert d.out('run', '--rm', 'bb:1', 'echo', 'hi') == 'hi'


def test_another_boot_or_another_data_root_gets_its_own(d):
    """A reboot leaves a file where the pin was; a data root that was replaced is not the one that is mounted."""
    d.stop()
    (d.dir / 'exec/mounts').mkdir()
    (d.dir / 'exec/mounts/ns').touch()
    d.start()
    d.kill9()
    (d.dir / 'data').rename(d.dir / 'data.old')
    d.start()
    assert (threads_inside(d)[0] / 'root/data').stat().st_ino == (d.dir / 'data').stat().st_ino
    assert host_mounts(d) == [f'{d.dir}/exec/mounts', f'{d.dir}/exec/mounts/ns']
    d.import_busybox()
    assert d.out('run', '--rm', 'bb:1', 'echo', 'hi') == 'hi'


# --- both forms ---

def image_archive(path, name, layers):
    """A docker-archive of LAYERS (tars, bottom first) at PATH."""
    digests = [hashlib.sha256(tar).hexdigest() for tar in layers]
    config = json.dumps({'architecture': MACHINE, 'os': 'linux', 'config': {'Cmd': ['sh'], 'Env': ['PATH=/bin']},
                         'rootfs': {'type': 'layers', 'diff_ids': [f'sha256:{d}' for d in digests]}}).encode()
    with tarfile.open(path, 'w') as t:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
        for d, tar in zip(digests, layers):
            add(f'{d}/layer.tar', tar)
        add('config.json', config)
        add('manifest.json', json.dumps([{'Config': 'config.json', 'RepoTags': [name], 'Layers': [f'{d}/layer.tar' for d in digests]}]).encode())
    return path


MACHINE = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(os.uname().machine, os.uname().machine)
CAPS = bytes.fromhex('0100000200040000000000000000000000000000').decode('latin-1')


def sparse(size, at, data):
    info, _ = entry('sparse', data=data)
    info.pax_headers = {'GNU.sparse.map': f'{at},{len(data)}', 'GNU.sparse.size': str(size), 'GNU.sparse.numblocks': '1'}
    return info, data


LAYERS = {
    'base': [archive(
        entry('./', tarfile.DIRTYPE, mode=0o1755, mtime=12345), entry('dir', tarfile.DIRTYPE, mode=0o2750, mtime=999999999, uid=7, gid=8),
        entry('dir/file', data=b'x' * 100001, mode=0o6755, mtime=1700000000, uid=3000000, gid=4000000000),
        entry('dir/caps', data=b'c', pax_headers={'SCHILY.xattr.security.capability': CAPS, 'SCHILY.xattr.user.note': 'hello'}),
        entry('empty'), entry('hard', tarfile.LNKTYPE, linkname='dir/file'), entry('link', tarfile.SYMTYPE, linkname='/nowhere/' + 'l' * 200),
        entry('null', tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666), entry('pipe', tarfile.FIFOTYPE, mode=0o600, uid=1),
        entry('n' * 255, data=b'n'), entry('old/a', data=b'a'), entry('old/b', data=b'b'), entry('gone', data=b'g'), entry('keep/me', data=b'k'),
        entry('tmp', tarfile.DIRTYPE, mode=0o1777, uid=5, pax_headers={'SCHILY.xattr.user.tmp': 'mine'}))],
}
LAYERS['whiteouts, opaque directories, links into a lower layer'] = LAYERS['base'] + [archive(
    entry('.wh.gone'), entry('old/.wh..wh..opq'), entry('old/new', data=b'n'), entry('dir/more', data=b'm'), entry('dir/.wh.caps'),
    entry('hard', data=b'no longer linked'))]
LAYERS['parents missing'] = LAYERS['base'] + [archive(entry('tmp/x', data=b'x'), entry('dir/deep/er/y', data=b'y')), archive(entry('keep/z/z', data=b'z'))]
LAYERS['sparse'] = [busybox_tar(), archive(sparse(10 << 30, 5 << 30, b'middle' * 1000))]
LAYERS['one byte'] = [archive(entry('one', data=b'1'))]
LAYERS['nothing'] = [bytes(1024)]
LAYERS['many'] = [archive(*[entry(f'big/{i:x}-{i * 7919 % 10007}', mode=0o600) for i in range(20000)])]
LAYERS['sixty'] = [archive(entry(f'd{i}', data=b'%d' % i), entry('same', data=b'%d' % i), entry(f'.wh.d{i - 7}')) for i in range(60)]


@pytest.fixture(scope='module')
def both():
    """A daemon for each form."""
    daemons = {}
    try:
        for form in ('file', 'directory'):
            daemons[form] = Daemon(f'--layer-form={form}', netns=False).start()
        yield daemons
    finally:
        for d in daemons.values():
            d.close()


def forms(d):
    """The form of each layer by diffID, as it lies on the disk."""
    return {p.name: 'directory' if (p / 'fs').exists() else 'file' for p in (d.dir / 'data/layers').iterdir()}


def export(d, image):
    """What a container of IMAGE is, as one tar."""
    out = d.dir / 'export.tar'
    name = d.out('create', image, 'x')
    d.estiba('export', '-o', out, name)
    d.estiba('rm', name)
    return out


def described(tar):
    """Everything that an exported tar says. Directories that no entry describes, and the places of mounts, have no time of their own."""
    seen = {}
    with tarfile.open(tar) as t:
        for m in t:
            data = hashlib.sha256(t.extractfile(m).read()).hexdigest() if m.isreg() else None
            time_of = None if m.mtime == 0 or m.mtime > time.time() - 3600 else m.mtime
            xattrs = {k: v for k, v in m.pax_headers.items() if k.startswith('SCHILY.xattr.')}
            seen[m.name] = (m.type, oct(m.mode), m.uid, m.gid, m.size, time_of, m.linkname, m.devmajor, m.devminor, xattrs, data)
    return seen


@pytest.mark.parametrize('case', LAYERS)
def test_both_forms_show_the_same_tree(both, tmp_path, case):
    tar = image_archive(tmp_path / 'image.tar', 'case:1', LAYERS[case])
    for form, d in both.items():
        d.estiba('load', '-i', tar)
        assert set(forms(d).values()) == {form}
    if case == 'sparse':  # ten gigabytes of zeros would be written out
        look = 'stat -c %s /sparse; dd if=/sparse bs=4096 skip=1310719 count=4 2>&1 | md5sum'
        said = {d.out('run', '--rm', '--network', 'none', 'case:1', 'sh', '-c', look) for d in both.values()}
        assert len(said) == 1 and said.pop().startswith(f'{10 << 30}\n')
    else:
        as_file, as_directory = [described(export(d, 'case:1')) for d in both.values()]
        assert as_file == as_directory and len(as_file) > 5
    saved = [d.dir / 'saved.tar' for d in both.values()]
    for out, d in zip(saved, both.values()):
        d.estiba('save', '-o', out, 'case:1')
    assert saved[0].read_bytes() == saved[1].read_bytes()
    for d in both.values():
        d.estiba('rmi', 'case:1')
        assert forms(d) == {}


@pytest.mark.parametrize('tar', [
    archive(entry('../x')), archive(entry('l', tarfile.SYMTYPE, linkname='/etc'), entry('l/x')), archive(entry('h', tarfile.LNKTYPE, linkname='../../etc/passwd')),
    archive(entry('a', data=b'a' * 5000))[:3000], archive(entry('f'), entry('f/x')), b'x' * 1024,
], ids=['..', 'link out', 'hard link out', 'truncated', 'below a file', 'not a tar'])
def test_both_forms_refuse(both, tmp_path, tar):
    path = image_archive(tmp_path / 'image.tar', 'bad:1', [tar])
    for d in both.values():
        p = d.estiba('load', '-i', path, check=False)
        assert p.returncode and 'layer sha256:' in p.stderr, p.stderr
        assert forms(d) == {} and os.listdir(d.dir / 'data/partial') == []


def erofs(d):
    return [where for kind, where in mounts(d) if kind == 'erofs']


def test_mounted_once_and_found_again(d):
    """kill -9 while a container runs: the next daemon uses the mount that there is, and so do new containers."""
    d.import_busybox()
    d.estiba('run', '-d', '--name', 'one', 'bb:1', 'sleep', '1000')
    d.estiba('run', '-d', '--name', 'two', 'bb:1', 'sleep', '1000')
    before = mountinfo(d, 'erofs')
    assert len(before) == 1 and set(forms(d).values()) == {'file'}
    d.kill9()
    d.start()
    d.estiba('run', '-d', '--name', 'three', 'bb:1', 'sleep', '1000')
    assert mountinfo(d, 'erofs') == before  # the same mount, of the same superblock
    d.stop()
    d.start()
    d.estiba('run', '-d', '--name', 'four', 'bb:1', 'sleep', '1000')
    assert mountinfo(d, 'erofs') == before
    assert superblocks(d) == 1


def mountinfo(d, kind):
    """(mount id, device, where) of the mounts of a kind in the namespace."""
    lines = [line.split() for line in (threads_inside(d)[0] / 'mountinfo').read_text().splitlines()]
    return [(w[0], w[2], w[4]) for w in lines if w[w.index('-') + 1] == kind]


def superblocks(d):
    """How often the kernel has the layer files open: each superblock of one holds it once. A write lease is refused while anybody does."""
    held = 0
    for layer in (d.dir / 'data/layers').glob('*/layer'):
        with open(layer, 'rb+') as f:
            try:
                fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)
                fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            except BlockingIOError:
                held += 1
    return held


def test_a_removed_layer_is_unmounted_and_its_space_returned(d):
    d.import_busybox()
    d.estiba('run', '--rm', 'bb:1', 'true')
    file = os.open(next((d.dir / 'data/layers').glob('*/layer')), os.O_RDWR)
    d.clean()
    assert len(erofs(d)) == 1
    d.estiba('rmi', 'bb:1')
    assert erofs(d) == [] and forms(d) == {} and (threads_inside(d)[0] / 'root/l').exists() and os.listdir(threads_inside(d)[0] / 'root/l') == []

    def is_free():  # nobody but us has the file: no superblock holds its blocks
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            return True
        except BlockingIOError:
            return False
    until(is_free)
    os.close(file)
    d.import_busybox()  # the same layer again
    assert d.out('run', '--rm', 'bb:1', 'echo', 'hi') == 'hi' and len(erofs(d)) == 1


def until(check, seconds=15):
    end = time.time() + seconds
    while not check():
        assert time.time() < end, 'it does not happen'
        time.sleep(0.02)


def test_killed_while_a_layer_comes_in(d):
    """Nothing of it stays: no file, no mount, no image; and then it comes in."""
    tar = archive(entry('big', data=os.urandom(1 << 20) * 64))
    partial = d.dir / 'data/partial'
    for part in (1000, 1 << 20, len(tar) // 2, len(tar) - 1):
        p = subprocess.Popen([str(BIN / 'estiba'), 'import', '-', 'big:1'], stdin=subprocess.PIPE, env=d.env(), stderr=subprocess.DEVNULL)
        p.stdin.write(tar[:part])
        p.stdin.flush()
        until(lambda: any(f.stat().st_size >= min(part, 4096) for f in partial.glob('*/layer')))
        d.kill9()
        p.stdin.close()
        p.wait()
        d.start()
        assert erofs(d) == [] and forms(d) == {} and os.listdir(partial) == [] and d.out('images', '-q') == ''
    subprocess.run([str(BIN / 'estiba'), 'import', '-', 'big:1'], input=tar, env=d.env(), check=True, stdout=subprocess.DEVNULL)
    assert len(erofs(d)) == 1


def test_a_packed_upper_is_the_same_layer_in_both_forms(both, tmp_path):
    """commit: whiteouts, an opaque directory, links, attributes; and what comes in by way of a tar is the same file, bit for bit."""
    script = ('rm /etc/group; rm -r /usr; mkdir -p /usr/new/er; echo n > /usr/new/er/n; ln /usr/new/er/n /hard; ln -s nowhere /soft; chmod 1700 /home/user; '
              'mknod /null c 1 3; mknod /pipe p; head -c 3000000 /dev/zero > /zeros; touch -d @1 /usr /usr/new /usr/new/er /home/user /hard /null /pipe /zeros; '
              'chown 70000:3000000 /zeros; touch -h -d @1 /soft; touch -d @1 / /etc /home')
    saved = []
    for d in both.values():
        (tmp_path / 'bb.tar').write_bytes(busybox_tar())
        d.estiba('import', '-c', 'ENV PATH=/bin', tmp_path / 'bb.tar', 'bb:1')
        d.estiba('run', '--name', 'cc', '--network', 'none', 'bb:1', 'sh', '-c', script)
        d.estiba('commit', 'cc', 'top:1')
        d.estiba('rm', 'cc')
        saved.append(json.loads(d.out('inspect', 'top:1'))[0]['RootFS']['Layers'])
    assert saved[0] == saved[1] and len(saved[0]) == 2
    top = saved[0][1].removeprefix('sha256:')
    d = both['file']
    packed = (d.dir / 'data/layers' / top / 'layer').read_bytes()
    d.estiba('save', '-o', tmp_path / 'top.tar', 'top:1')
    d.estiba('rmi', 'top:1')
    assert top not in forms(d)
    d.estiba('load', '-i', tmp_path / 'top.tar')
    assert (d.dir / 'data/layers' / top / 'layer').read_bytes() == packed
    as_file, as_directory = [described(export(d, 'top:1')) for d in both.values()]
    assert as_file == as_directory
    for d in both.values():
        d.estiba('rmi', 'top:1', 'bb:1')


def restart_as(d, form):
    d.stop()
    d.args = [a for a in d.args if not a.startswith('--layer-form')] + [f'--layer-form={form}']
    d.start()


def test_both_forms_in_one_stack(d):
    """What is there stays as it is when the form of new layers changes, in both orders."""
    for first, second in (('directory', 'file'), ('file', 'directory')):
        restart_as(d, first)
        d.import_busybox('base:1')
        restart_as(d, second)
        d.estiba('run', '--name', 'cc', 'base:1', 'sh', '-c', 'echo new > /new; rm /etc/group; mkdir -p /tmp/x/y')
        d.estiba('commit', 'cc', 'top:1')
        d.estiba('rm', 'cc')
        assert sorted(forms(d).values()) == ['directory', 'file']
        assert d.out('run', '--rm', 'top:1', 'sh', '-c', 'cat /new; ls /etc; stat -c %a /tmp') == 'new\nhostname\nhosts\nmtab\npasswd\nresolv.conf\n1777'
        d.estiba('rmi', 'top:1', 'base:1')


def test_a_layer_too_large_for_an_index_becomes_a_directory(d, tmp_path):
    """Pieces of sparse files that lie on no block are copied, up to 64 MiB."""
    def odd(name):
        info, data = entry(name, data=b'ab' * 25000)
        info.pax_headers = {'GNU.sparse.map': ','.join(f'{i * 4096 + 511},2' for i in range(25000)), 'GNU.sparse.size': str(25000 * 4096)}
        return info, data
    layer = archive(*[odd(f's{i}') for i in range(3)])
    d.estiba('load', '-i', image_archive(tmp_path / 'odd.tar', 'odd:1', [busybox_tar(), layer]))
    assert sorted(forms(d).values()) == ['directory', 'file']
    assert 'do not lie on blocks' in d.log.read_text()
    assert d.out('run', '--rm', 'odd:1', 'sh', '-c', 'tail -c 3586 /s2 | head -c 3; stat -c %s /s0') == f'\0ab{25000 * 4096}'
    d.estiba('save', '-o', tmp_path / 'saved.tar', 'odd:1')
    with tarfile.open(tmp_path / 'saved.tar') as t:
        assert layer in [t.extractfile(m).read() for m in t if m.isfile()]


@pytest.mark.skipif(not os.path.exists('/dev/loop-control'), reason='no loop devices')
def test_where_files_cannot_be_mounted(d):
    """A tmpfs takes no file as a device: a loop device does it. With that forbidden, layers are directories, and those that were files become some."""
    d.stop()
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', d.dir / 'data'], check=True)
    try:
        restart_as(d, 'auto')
        d.import_busybox()
        assert set(forms(d).values()) == {'file'}, d.log.read_text()
        assert [dev.split(':')[0] for _, dev, _ in mountinfo(d, 'erofs')] == ['7']
        assert d.out('run', '--rm', 'bb:1', 'echo', 'loop') == 'loop'
        restart_as(d, 'file')
        assert d.out('run', '--rm', 'bb:1', 'echo', 'tree') == 'tree'
        assert set(forms(d).values()) == {'directory'} and erofs(d) == []
        d.estiba('save', '-o', d.dir / 'saved.tar', 'bb:1')
        d.estiba('rmi', 'bb:1')
        d.estiba('load', '-i', d.dir / 'saved.tar')
        assert set(forms(d).values()) == {'directory'}
        assert d.out('run', '--rm', 'bb:1', 'echo', 'again') == 'again'
    finally:
        d.stop()
        subprocess.run(['umount', d.dir / 'data'], check=True)


@pytest.mark.parametrize('where', ['tar', 'index'])
def test_a_damaged_layer_file_is_told(d, where):
    d.import_busybox()
    path = next((d.dir / 'data/layers').glob('*/layer'))
    assert d.estiba('system', 'check', check=False).returncode == 0
    at = 70000 if where == 'tar' else os.path.getsize(path) - 512
    with open(path, 'r+b') as f:
        f.seek(at)
        f.write(b'\xff' * 100)
    p = d.estiba('system', 'check', check=False)
    assert p.returncode == 1 and f'layer sha256:{path.parent.name} is damaged' in p.stdout
