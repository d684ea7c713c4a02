# SPDX-License-Identifier: Apache-2.0
"""test_layers.py: the mount namespace of layers: made once, found again after kill -9, gone with a daemon that nothing needs any more."""
import os
import pathlib

import pytest

from daemon import BIN, BUSYBOX, Daemon

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]


@pytest.fixture
def d():
    d = Daemon()
    try:
        yield d.start()
    finally:
        d.close()


def pin(d):
    """Inode of the pinned namespace; None: there is none."""
    path = d.dir / 'exec/mounts/ns'
    return path.stat().st_ino if path.exists() else None


def threads_inside(d):
    return [t for t in pathlib.Path(f'/proc/{d.proc.pid}/task').iterdir() if os.readlink(t / 'ns/mnt') == f'mnt:[{pin(d)}]']


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
    assert pin(d) == before and len(threads_inside(d)) == 2
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
