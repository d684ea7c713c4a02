# SPDX-License-Identifier: Apache-2.0
"""An engine inside a privileged container of ours: what it makes stays below its container's control group, and a data root on the
container's overlay is told in a sentence and stood in for."""
import io
import os
import pathlib
import re
import subprocess
import tarfile
import time

import pytest

from daemon import BIN, BUSYBOX, Daemon, busybox_tar

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
]

STORY = r'''
fail() { echo "not ok $*"; tail -n 5 /tmp/log; exit 1; }
up() {
	/e/estibad "$@" --exec-root /run/estiba -H unix:///run/e.sock >/tmp/log 2>&1 &
	pid=$!
	n=0
	until /e/estiba version >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 200 ] || fail "estibad does not answer"
		kill -0 $pid 2>/dev/null || fail "estibad ended"
		sleep 0.1
	done
}
export DOCKER_HOST=unix:///run/e.sock
mkdir -p /run /var/lib
/e/estibad --data-root /data --exec-root /run/other -H unix:///run/other.sock 2>&1 | grep -o 'data root /data is on overlay, which cannot hold.*'
up
/e/estiba info --format '{{json .Warnings}}' | grep -o 'data root /var/lib/estiba is on overlay.*it is a tmpfs'
/e/estiba import -c 'ENV PATH=/bin' /bb.tar bb:1 >/dev/null || fail import
/e/estiba run --rm --network none bb:1 echo nested
/e/estiba run --rm bb:1 sh -c 'ip -o -4 addr show eth0 | wc -l'
/e/estiba run -d --name cc -m 64m --pids-limit 20 --network none bb:1 sleep 1000 >/dev/null || fail run -d
/e/estiba exec cc echo exec
/e/estiba stats --no-stream --format '{{.MemUsage}}' cc | sed 's/.* //'
/e/estiba pause cc >/dev/null && /e/estiba inspect -f '{{.State.Status}}' cc
/e/estiba unpause cc >/dev/null
echo ready >/tmp/ready
while [ ! -e /tmp/go ]; do sleep 0.1; done
/e/estiba rm -f cc >/dev/null
kill $pid
wait $pid
up
/e/estiba images -q | wc -l
'''
SAID = ['data root /data is on overlay, which cannot hold what containers write: a volume or another file system is needed there',
        'data root /var/lib/estiba is on overlay, which cannot hold what containers write: a volume or another file system is needed there; '
        'until then it is a tmpfs', 'nested', '1', 'exec', '64MiB', 'paused']


def engine_image():
    """busybox, our programs in /e with their libraries, and an image for the engine inside."""
    out = io.BytesIO(busybox_tar())
    programs = [p for p in BIN.glob('estiba*') if p.is_file() and os.access(p, os.X_OK)]
    ldd = subprocess.run(['ldd', *programs], capture_output=True, text=True, check=False).stdout
    libs = set(re.findall(r'(/\S+\.so[.\d]*)', ldd))
    with tarfile.open(fileobj=out, mode='a') as tar:
        for p in programs:
            tar.add(p.resolve(), f'e/{p.name}')
        for lib in libs:
            tar.add(os.path.realpath(lib), lib.lstrip('/'))
        inner = busybox_tar()
        info = tarfile.TarInfo('bb.tar')
        info.size = len(inner)
        tar.addfile(info, io.BytesIO(inner))
    return out.getvalue()


@pytest.fixture
def d():
    daemon = Daemon(own_cgroup=True)
    daemon.start()
    (daemon.dir / 'e.tar').write_bytes(engine_image())
    daemon.estiba('import', '-c', 'ENV PATH=/bin:/e', daemon.dir / 'e.tar', 'engine:1')
    yield daemon
    daemon.close()


def test_engine_in_a_privileged_container(d):
    d.estiba('run', '-d', '--name', 'outer', '--privileged', 'engine:1', 'sh', '-c', STORY)
    for _ in range(600):
        if d.estiba('exec', 'outer', 'test', '-e', '/tmp/ready', check=False).returncode == 0 or not d.inspect('outer')['State']['Running']:
            break
        time.sleep(0.1)
    assert d.out('logs', 'outer').splitlines() == SAID, d.estiba('logs', 'outer').stderr
    outer = d.inspect('outer')['Id']
    pid = d.inspect('outer')['State']['Pid']
    inner = [p for p in pathlib.Path('/sys/fs/cgroup').rglob('estiba/*') if outer in str(p) and len(p.name) == 64]
    assert inner, 'the group of the container inside is below that of the container outside'
    assert not [p for p in pathlib.Path('/sys/fs/cgroup').glob('*/estiba/*') if p.name == inner[0].name]
    if os.path.exists('/sys/fs/cgroup/cgroup.controllers'):
        assert pathlib.Path(f'/proc/{pid}/cgroup').read_text().strip().endswith(f'{outer}/init')
    d.estiba('exec', 'outer', 'touch', '/tmp/go')
    assert d.out('wait', 'outer') == '0'
    assert d.out('logs', 'outer').splitlines() == SAID + ['1'], 'a daemon that starts again finds the tmpfs'
    d.estiba('rm', 'outer')
    d.clean()
