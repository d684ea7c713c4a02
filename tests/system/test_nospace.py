# SPDX-License-Identifier: Apache-2.0
"""A data root that gets full in the middle of pull, load, import, build, commit, create, start, run, rmi and rm: one error that says so, nothing
half-made, and when there is space again the same goes well."""
import os
import shutil
import subprocess

import pytest

import crash
import test_crash

pytestmark = [*test_crash.pytestmark, pytest.mark.skipif(not shutil.which('mkfs.ext4'), reason='needs mkfs.ext4')]
FULL = 'no space left on device'
LEFT = [0, 60, 250, 1200]  # KiB that are free when it begins; what the operations take lies between


class Small(crash.House):
    """Its data root is a file system of its own; FILLER takes what is free there."""

    def __init__(self):
        super().__init__(self.mount)
        self.filler = self.d.dir / 'data/filler'

    @staticmethod
    def mount(d):
        data, image = d.dir / 'data', d.dir / 'disk'
        data.mkdir()
        with open(image, 'wb') as f:
            f.truncate(64 << 20)
        subprocess.run(['mkfs.ext4', '-q', '-m', '0', image], check=True)
        subprocess.run(['mount', '-o', 'loop', image, data], check=True)
        (data / 'lost+found').rmdir()

    def close(self):
        data = self.d.dir / 'data'
        if hasattr(self, 'filler'):
            self.filler.unlink(missing_ok=True)
        self.clear()
        if self.registry:
            self.registry.close()
        self.d.stop()
        subprocess.run(['umount', data], check=True)
        self.d.close()

    def fill(self, left):
        os.sync()  # what is not on the disk yet takes space only then
        st = os.statvfs(self.filler.parent)
        with open(self.filler, 'wb') as f:
            size = st.f_bavail * st.f_frsize - (left << 10)
            while size > 0:
                try:
                    os.posix_fallocate(f.fileno(), 0, size)
                    break
                except OSError:  # what the file system itself needs for so large a file
                    size -= 4096
        os.sync()

    def empty_again(self):
        self.filler.unlink(missing_ok=True)


@pytest.fixture(scope='module')
def house():
    h = Small()
    yield h
    h.close()


def run(house, words):
    r = house.estiba(words, check=False)
    said = (r.stdout + r.stderr).lower()
    assert house.d.proc.poll() is None, house.d.log.read_text()[-2000:]
    if r.returncode:
        assert FULL in said, said
        assert r.stderr.lower().count(FULL) <= 1, said
    return r.returncode == 0


@pytest.mark.parametrize('left', LEFT)
@pytest.mark.parametrize('name', ['pull', 'load', 'import', 'build', 'commit', 'create', 'start', 'run', 'volume-create', 'rmi', 'rm'])
def test_full(house, name, left):
    if name == 'pull' and not house.registry:
        pytest.skip('no docker-registry')
    house.refer(name)
    op = house.prepare(name)
    house.quiet()
    house.fill(left)
    try:
        done = run(house, op.words)
        house.d.estiba('images')
        house.d.estiba('ps', '-a')
    finally:
        house.empty_again()
    house.judge(name, done)
    if not done:
        if name == 'run':  # it was made and did not start
            house.estiba(['rm', '-fv', 'cc'], check=False)
        if name not in ('create', 'start'):  # the judge has started it
            house.estiba(op.words)
    house.clear()
