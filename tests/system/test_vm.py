# SPDX-License-Identifier: Apache-2.0
"""The same engine on other kernels and on cgroup v2 alone, and where systemd runs: the stories of tests/vm in a machine. Machines are
not made here (that takes minutes): where qemu, a kernel or an image is missing, the test is skipped; tests/vm/README.md says how to
get them."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from daemon import BIN, BUSYBOX, ROOT, busybox_tar

CACHE = pathlib.Path(os.environ.get('ESTIBA_VM_CACHE', pathlib.Path.home() / '.cache/estiba-vm'))
pytestmark = [
    pytest.mark.skipif(not shutil.which('qemu-system-x86_64'), reason='no qemu-system-x86_64'),
    pytest.mark.skipif(os.uname().machine != 'x86_64', reason='the machines are amd64'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]


def tell(tmp_path, story, kernel, *options, limit=240):
    """Run tests/vm/STORY BIN TAR in a machine."""
    suite = {'6.12': 'trixie', '6.1': 'bookworm'}[kernel] + ('-peers' if '--peers' in options else '')
    if not (CACHE / f'kernel-{kernel}').exists() or not (CACHE / f'image-{suite}').exists():
        pytest.skip(f'no machine: tests/vm/vm build --kernel {kernel} {" ".join(options)}')
    (tmp_path / 'lib').mkdir()
    for p in BIN.glob('estiba*'):
        if p.is_file() and os.access(p, os.X_OK):
            shutil.copy(p, tmp_path)
    ldd = subprocess.run(['ldd', tmp_path / 'estiba-layer', tmp_path / 'estibad'], capture_output=True, text=True, check=True).stdout
    for path in set(re.findall(r'=> (\S+)', ldd)):
        if re.search('isal|sqlite|zstd|lzma|bz2', path):
            shutil.copy(path, tmp_path / 'lib')
    (tmp_path / 'bb.tar').write_bytes(busybox_tar())
    shutil.copy(ROOT / 'tests/vm' / story, tmp_path)
    r = subprocess.run([ROOT / 'tests/vm/vm', 'run', '--kernel', kernel, *options, '--timeout', str(limit), '--ro', tmp_path, '--', 'sh',
                        tmp_path / story, tmp_path, tmp_path / 'bb.tar'], capture_output=True, text=True, timeout=limit + 160, stdin=subprocess.DEVNULL)
    assert r.returncode == 0 and r.stdout.endswith('story told\n'), r.stdout[-4000:] + r.stderr[-2000:]


@pytest.mark.parametrize('kernel', ['6.12', '6.1'])
def test_story(tmp_path, kernel):
    tell(tmp_path, 'engine-story', kernel)


def test_quota_story(tmp_path):
    tell(tmp_path, 'quota-story', '6.12')


@pytest.mark.skipif(not (BIN / 'estiba-systemd').exists(), reason='built without libsystemd')
@pytest.mark.parametrize('kernel,options', [('6.12', []), ('6.1', ['--cgroup', 'hybrid'])], ids=['v2', 'hybrid'])
def test_systemd_story(tmp_path, kernel, options):
    tell(tmp_path, 'systemd-story', kernel, '--systemd', *options)
