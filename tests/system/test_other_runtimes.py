# SPDX-License-Identifier: Apache-2.0
"""The same container under our runtime and under another one (add-runtime): what it sees is the same, and its life is, too."""
import json
import os
import shutil
import subprocess
import time

import pytest

from daemon import BIN, BUSYBOX, Daemon

IMAGE = 'bb:1'
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
]


def runs_here(name):
    """Why runtime NAME cannot be tried, or None. crun wants one kind of cgroup, and a hybrid machine has two."""
    path = shutil.which(name)
    if not path:
        return f'no {name} on this machine'
    if name == 'crun' and os.path.exists('/sys/fs/cgroup/unified'):
        return 'crun refuses hybrid cgroups'
    return None


@pytest.fixture(scope='module', params=['runc', 'crun'])
def d(request):
    why = runs_here(request.param)
    if why:
        pytest.skip(why)
    daemon = Daemon(f'--add-runtime=other={shutil.which(request.param)}', own_cgroup=True)
    daemon.start()
    daemon.import_busybox(IMAGE)
    yield daemon
    daemon.close()


LOOK = '''id; pwd; env | sort; hostname | wc -c; umask
grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status
cut -d" " -f5 /proc/self/mountinfo | sort | uniq
for f in /proc/sys/kernel/hostname /proc/kcore /proc/timer_list; do test -w $f && echo writable $f; done
ls /dev; ulimit -n; cat /etc/hosts | wc -l; ip -o -4 addr show eth0 | wc -l; cat /v/f; cat /proc/1/oom_score_adj; stat -c "%u %g %a" / /tmp /v'''


@pytest.mark.parametrize('options', [[], ['--user', 'user', '--read-only', '--cap-add', 'SYS_TIME', '--ulimit', 'nofile=100:200', '--tmpfs', '/t'],
                                     ['--privileged'], ['--security-opt', 'no-new-privileges', '--ipc', 'none', '--init']],
                         ids=['default', 'narrow', 'privileged', 'init'])
def test_sees_the_same(d, options):
    (d.dir / 'v').mkdir(exist_ok=True)
    (d.dir / 'v/f').write_text('from outside\n')
    ours, theirs = (d.out('run', '--rm', '--hostname', 'h', '-v', f'{d.dir}/v:/v', '-m', '64m', *options, *runtime, IMAGE, 'sh', '-c', LOOK).splitlines()
                    for runtime in ([], ['--runtime', 'other']))
    assert ours == theirs
    d.clean()


def test_life(d):
    d.estiba('run', '-d', '--name', 'cc', '--runtime', 'other', '-m', '64m', '--pids-limit', '30', '-v', 'vol:/data', '--health-cmd', 'true',
             '--health-interval', '1s', IMAGE, 'sh', '-c', 'echo out; echo err >&2; trap "exit 3" TERM; touch /data/f; while true; do sleep 0.1; done')
    assert d.out('exec', 'cc', 'sh', '-c', 'echo through; id -u; test -f /data/f && echo there').split() == ['through', '0', 'there']
    assert d.estiba('exec', 'cc', 'sh', '-c', 'exit 7', check=False).returncode == 7
    assert d.estiba('exec', 'cc', 'nosuch', check=False).returncode in (126, 127)
    assert d.out('exec', '-i', 'cc', 'cat', input='typed') == 'typed'
    r = subprocess.run(['script', '-qec', f'{BIN}/estiba exec -t cc tty', '/dev/null'], env=d.env(), capture_output=True, text=True, timeout=60,
                       stdin=subprocess.DEVNULL)
    assert '/dev/pts/' in r.stdout, r.stdout
    assert sorted(d.out('logs', 'cc').split() + d.estiba('logs', 'cc').stderr.split()) == ['err', 'out']
    assert d.out('stats', '--no-stream', '--format', '{{.MemUsage}}', 'cc').endswith('64MiB')
    assert d.out('top', 'cc').count('\n') >= 1
    d.estiba('pause', 'cc')
    assert d.inspect('cc')['State']['Status'] == 'paused'
    d.estiba('unpause', 'cc')
    d.estiba('update', '-m', '96m', '--memory-swap', '96m', 'cc')
    assert d.inspect('cc')['HostConfig']['Memory'] == 96 << 20
    (d.dir / 'file').write_text('copied')
    d.estiba('cp', d.dir / 'file', 'cc:/copied')
    assert d.out('exec', 'cc', 'cat', '/copied') == 'copied'
    d.kill9()
    d.start()
    assert d.out('exec', 'cc', 'echo', 'still') == 'still'
    for _ in range(100):
        if d.inspect('cc')['State']['Health']['Status'] == 'healthy':
            break
        time.sleep(0.1)
    else:
        raise AssertionError(d.inspect('cc')['State'])
    d.estiba('stop', '-t', '30', 'cc')
    assert d.inspect('cc')['State']['ExitCode'] == 3
    d.estiba('start', 'cc')
    assert d.out('exec', 'cc', 'cat', '/copied') == 'copied'
    d.estiba('rm', '-f', 'cc')
    d.estiba('volume', 'rm', 'vol')
    d.clean()


def test_restart_policy_and_errors(d):
    d.estiba('run', '-d', '--name', 're', '--runtime', 'other', '--network', 'none', '--restart', 'on-failure:2', IMAGE, 'sh', '-c', 'echo again; false')
    for _ in range(200):
        state = d.inspect('re')
        if state['State']['Status'] == 'exited' and state['RestartCount'] == 2:
            break
        time.sleep(0.1)
    else:
        raise AssertionError(state)
    assert d.out('logs', 're').split() == ['again'] * 3
    d.estiba('rm', 're')
    r = d.estiba('run', '--rm', '--runtime', 'other', IMAGE, 'nosuch', check=False)
    assert r.returncode == 127 and 'nosuch' in r.stderr, r.stderr
    r = d.estiba('run', '--rm', '--runtime', 'other', IMAGE, '/etc/passwd', check=False)
    assert r.returncode == 126, r.stderr
    r = d.estiba('run', '--rm', '--runtime', 'unheard-of', IMAGE, 'true', check=False)
    assert r.returncode == 125 and 'unknown or invalid runtime name: unheard-of' in r.stderr, r.stderr
    d.clean()


def test_joins_namespaces(d):
    """Namespaces of a neighbour, by path instead of by descriptor."""
    d.estiba('run', '-d', '--name', 'aa', '--ipc', 'shareable', IMAGE, 'sleep', '1000')
    try:
        show = 'for n in net pid; do readlink /proc/self/ns/$n; done'
        joined = d.out('run', '--rm', '--runtime', 'other', '--network', 'container:aa', '--pid', 'container:aa', IMAGE,
                       'sh', '-c', show)
        assert joined == d.out('exec', 'aa', 'sh', '-c', show)
        r = d.estiba('run', '--rm', '--runtime', 'other', '--ipc', 'container:aa', IMAGE, 'true', check=False)
        assert r.returncode == 125 and "--ipc container:aa needs this engine's own runtime" in r.stderr, r.stderr
    finally:
        d.estiba('rm', '-f', 'aa')
    d.clean()


def test_no_descriptor_of_ours_comes_in(d):
    fds = d.out('run', '--rm', '--runtime', 'other', IMAGE, 'sh', '-c', 'ls -l /proc/1/fd').split()
    assert not [f for f in fds if 'netns' in f or 'seccomp' in f or str(d.dir) in f], fds
    listed = d.out('run', '--rm', '--runtime', 'other', IMAGE, 'sh', '-c', 'ls /proc/1/fd').split()
    assert set(listed) <= {'0', '1', '2', '3'}, listed
    d.clean()


def test_config_file_runtime(tmp_path):
    conf = tmp_path / 'daemon.json'
    conf.write_text(json.dumps({'runtimes': {'x': {'path': '/usr/bin/true', 'runtimeArgs': ['--debug']}}}))
    r = subprocess.run([BIN / 'estibad', '--config-file', conf, '--validate'], capture_output=True, text=True, timeout=60)
    assert r.returncode == 1 and 'runtimeArgs is not supported' in r.stderr, r.stderr
