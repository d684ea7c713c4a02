# SPDX-License-Identifier: Apache-2.0
"""What a container may and may not see and do, its limits, streams and life: with docker's client and with ours."""
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from daemon import BIN, BUSYBOX, Unix, running

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]
IMAGE = 'bb:1'
CAPS = ['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap', 'net_bind_service', 'net_raw', 'sys_chroot',
        'mknod', 'audit_write', 'setfcap']
CAP_NUMBERS = {'chown': 0, 'dac_override': 1, 'fowner': 3, 'fsetid': 4, 'kill': 5, 'setgid': 6, 'setuid': 7, 'setpcap': 8,
               'net_bind_service': 10, 'net_admin': 12, 'net_raw': 13, 'sys_chroot': 18, 'sys_admin': 21, 'mknod': 27, 'audit_write': 29,
               'setfcap': 31}


@pytest.fixture(scope='module')
def d():
    os.environ['ESTIBA_TEST_SECRET'] = 'of-the-host'
    try:
        with running(IMAGE, own_cgroup=True) as d:
            yield d
    finally:
        del os.environ['ESTIBA_TEST_SECRET']


@pytest.fixture(params=['docker', 'estiba'])
def cli(request, d):
    """Calls one of the two clients: cli('run', …) → CompletedProcess; afterwards nothing of a container is left."""
    program = BIN / 'estiba' if request.param == 'estiba' else shutil.which('docker')
    if not program:
        pytest.skip('no docker client')

    def call(*args, check=True, **kw):
        return d.client(program, *args, check=check, **kw)
    call.program = str(program)
    yield call
    ids = d.out('ps', '-aq').split()
    if ids:
        d.estiba('rm', '-f', '-v', *ids)
    d.clean()


def until(check, seconds=15):
    end = time.time() + seconds
    while True:
        got = check()
        if got:
            return got
        assert time.time() < end, 'it does not happen'
        time.sleep(0.05)


def sh(cli, script, *opts, **kw):
    return cli('run', '--rm', *opts, IMAGE, 'sh', '-c', script, **kw)


def line(p, seconds=15):
    """One line of a client's output; a client that says nothing is killed."""
    if not select.select([p.stdout], [], [], seconds)[0]:
        p.kill()
        raise AssertionError('the client says nothing')
    return p.stdout.readline()


class Terminal:
    """A client under a pseudo terminal."""

    def __init__(self, d, program, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(program, [program, *args], d.env())
        self.seen = b''

    def send(self, data):
        os.write(self.fd, data)

    def expect(self, text, seconds=15):
        end = time.time() + seconds
        while text not in self.seen:
            assert time.time() < end, self.seen
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    assert text in self.seen, self.seen
                    return
        self.seen = self.seen.split(text, 1)[1]

    def drain(self):
        """What the client wrote between our last look and its end."""
        try:
            while select.select([self.fd], [], [], 0)[0] and (more := os.read(self.fd, 4096)):
                self.seen += more
        except OSError:
            pass

    def wait(self, seconds=15):
        end = time.time() + seconds
        while time.time() < end:
            if select.select([self.fd], [], [], 0)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.drain()
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f'the client does not end: {self.seen}')


# --- namespaces, descriptors, environment, mounts ---

def test_nothing_of_the_host(d, cli):
    script = ('for n in mnt pid net uts ipc; do readlink /proc/self/ns/$n; done; echo ==; ls /proc/1/fd; echo ==; env; echo ==; cat /proc/self/mountinfo;'
              'echo ==; ps -o pid,args')
    spaces, fds, env, mounts, ps = sh(cli, script, '--hostname', 'inside', '-e', 'X=1').stdout.split('==\n')
    for n, inside in zip(('mnt', 'pid', 'net', 'uts', 'ipc'), spaces.split()):
        assert inside != os.readlink(f'/proc/self/ns/{n}') and inside.startswith(n)
    assert [int(f) for f in fds.split()] in ([0, 1, 2], [0, 1, 2, 3]), 'the fourth is that of ls reading the directory, when it is process 1'
    assert {line.split('=')[0] for line in env.split('\n') if line} - {'SHLVL', 'PWD', 'OLDPWD', '_'} == {'PATH', 'HOSTNAME', 'HOME', 'X'}
    assert 'HOSTNAME=inside' in env and 'of-the-host' not in env
    for line in mounts.strip().split('\n'):
        f = line.split()
        assert 'shared:' not in line and 'master:' not in line, line
        assert f[4] in ('/etc/resolv.conf', '/etc/hostname', '/etc/hosts') or str(d.dir) not in line.split(' - ')[0], line
    assert ps.split('\n')[1].split()[0] == '1'


def test_docker_mounts(d, cli):
    out = sh(cli, 'cat /proc/self/mountinfo; for p in /proc/kcore /proc/keys /proc/timer_list /sys/firmware; do '
             'if [ -d $p ]; then ls $p | wc -l; else head -c 1 $p | wc -c; fi; done').stdout
    points = {line.split()[4]: line for line in out.split('\n') if ' - ' in line}
    for p in ('/', '/proc', '/dev', '/dev/pts', '/sys', '/dev/mqueue', '/dev/shm', '/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys',
              '/proc/sysrq-trigger', '/proc/kcore', '/proc/keys', '/sys/firmware'):
        assert p in points or not os.path.exists(p), p
    for p in ('/proc/bus', '/proc/sys', '/sys', '/sys/firmware'):
        assert points[p].split()[5].split(',')[0] == 'ro', points[p]
    assert out.strip().split('\n')[-4:] == ['0'] * 4
    r = sh(cli, 'echo 1 > /proc/sys/kernel/hostname', check=False)
    assert r.returncode == 1 and 'Read-only file system' in r.stderr
    assert sh(cli, 'ls /dev').stdout.split() == sorted((['core'] if os.path.exists('/proc/kcore') else []) + ['fd', 'full', 'mqueue', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin',
                                                        'stdout', 'tty', 'urandom', 'zero'])
    assert sh(cli, 'echo x > /proc/sys/kernel/hostname', '--privileged').returncode == 0


# --- capabilities, seccomp ---

def caps_of(cli, *opts):
    out = sh(cli, 'grep -E "Cap(Eff|Bnd|Inh|Amb)|NoNewPrivs|Seccomp:" /proc/self/status', *opts).stdout
    return dict(re.findall(r'(\w+):\s+(\w+)', out))


def mask(names):
    return f'{sum(1 << CAP_NUMBERS[n] for n in names):016x}'


def test_capabilities(cli):
    got = caps_of(cli)
    assert got['CapEff'] == got['CapBnd'] == mask(CAPS) and got['CapInh'] == got['CapAmb'] == mask([])
    assert (got['Seccomp'], got['NoNewPrivs']) == ('2', '0')
    assert caps_of(cli, '--cap-add', 'NET_ADMIN', '--cap-drop', 'mknod')['CapEff'] == mask(set(CAPS) - {'mknod'} | {'net_admin'})
    assert caps_of(cli, '--cap-drop', 'ALL', '--cap-add', 'chown')['CapEff'] == mask(['chown'])
    assert caps_of(cli, '--cap-drop', 'ALL')['CapBnd'] == mask([])
    assert caps_of(cli, '--cap-add', 'chown', '--cap-drop', 'chown')['CapEff'] == mask(CAPS), 'add wins'
    host = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('CapBnd'))
    got = caps_of(cli, '--privileged')
    assert (got['CapEff'], got['Seccomp']) == (host, '0'), 'all that the machine itself has'
    got = caps_of(cli, '--user', '1000')
    assert (got['CapEff'], got['CapBnd']) == (mask([]), mask(CAPS))
    assert caps_of(cli, '--security-opt', 'no-new-privileges')['NoNewPrivs'] == '1'
    r = cli('run', '--rm', '--cap-add', 'NOSUCH', IMAGE, 'true', check=False)
    assert r.returncode == 125 and 'invalid CapAdd: unknown capability: "CAP_NOSUCH"' in r.stderr


def test_denied_calls(cli):
    r = sh(cli, 'mount -t tmpfs x /tmp', check=False)
    assert r.returncode and ('Operation not permitted' in r.stderr or 'permission denied' in r.stderr)
    assert sh(cli, 'mount -t tmpfs x /tmp', '--privileged').returncode == 0
    assert sh(cli, 'mount -t tmpfs x /tmp', '--cap-add', 'SYS_ADMIN').returncode == 0, 'the profile opens with the capability'
    r = sh(cli, 'date -s 2001-01-01', check=False)
    assert 'not permitted' in r.stderr
    r = sh(cli, 'mknod /tmp/d b 8 0 && dd if=/tmp/d of=/dev/null count=1', check=False)
    assert r.returncode and 'ermi' in r.stderr, 'the node can be made, not opened'
    r = sh(cli, 'mkdir /c; mknod /dev/x c 1 5 && head -c 1 /dev/x | wc -c')
    assert r.stdout.strip() == '1', 'a device of the list'


def test_read_only(cli):
    r = sh(cli, 'echo x > /x', '--read-only', check=False)
    assert r.returncode == 1 and 'Read-only file system' in r.stderr
    assert sh(cli, 'echo x > /run/x && echo y > /dev/shm/y && cat /run/x', '--read-only', '--tmpfs', '/run:size=1m,mode=700').stdout == 'x\n'
    r = sh(cli, 'echo x > /etc/hosts', '--read-only', check=False)
    assert r.returncode == 1
    out = sh(cli, 'grep " /t " /proc/self/mountinfo; stat -c %a /t', '--tmpfs', '/t:size=1m,mode=710,exec').stdout
    assert 'size=1024k' in out and 'noexec' not in out and out.endswith('710\n')


# --- limits ---

def test_memory_and_oom(d, cli):
    r = cli('run', '--name', 'oom', '-m', '20m', '--memory-swap', '20m', IMAGE, 'sh', '-c', 'dd if=/dev/zero of=/dev/null bs=100M count=1; exec tail /dev/zero', check=False)
    assert r.returncode == 137
    s = d.inspect('oom')['State']
    assert s['OOMKilled'] and s['ExitCode'] == 137
    assert 'oom' in d.out('events', '--since', '0', '--until', f'{time.time():.9f}', '--filter', 'container=oom', '--format', '{{.Action}}').split('\n')


def test_cpu_pids_ulimit(d, cli):
    cid = cli('run', '-d', '--cpus', '0.25', '--pids-limit', '8', '--ulimit', 'nofile=100:200', IMAGE, 'sleep', '100').stdout.strip()
    h = d.inspect(cid)['HostConfig']
    assert (h['NanoCpus'], h['PidsLimit']) == (250000000, 8)
    cpu = next(p for p in d.cgroups() if cid in p and os.path.exists(f'{p}/cpu.cfs_quota_us') or os.path.exists(f'{p}/cpu.max'))
    assert open(f'{cpu}/cpu.cfs_quota_us').read() == '25000\n' if os.path.exists(f'{cpu}/cpu.cfs_quota_us') else \
        open(f'{cpu}/cpu.max').read() == '25000 100000\n'
    r = cli('exec', cid, 'sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done', check=False)
    assert 'fork' in r.stderr and 'Resource temporarily unavailable' in r.stderr
    out = cli('run', '--rm', '--ulimit', 'nofile=100:200', IMAGE, 'sh', '-c', 'ulimit -n; ulimit -Hn').stdout
    assert out == '100\n200\n'


# --- mounts of the user ---

def test_binds(d, cli, tmp_path):
    (tmp_path / 'f').write_text('host\n')
    (tmp_path / 'sub').mkdir()
    assert sh(cli, 'cat /m/f; echo new > /m/g', '-v', f'{tmp_path}:/m').stdout == 'host\n'
    assert (tmp_path / 'g').read_text() == 'new\n'
    r = sh(cli, 'echo x > /m/f', '-v', f'{tmp_path}:/m:ro', check=False)
    assert r.returncode == 1 and 'Read-only' in r.stderr
    assert sh(cli, 'cat /one', '-v', f'{tmp_path}/f:/one').stdout == 'host\n'
    r = cli('run', '--rm', '--mount', f'type=bind,src={tmp_path}/nosuch,dst=/m', IMAGE, 'true', check=False)
    assert r.returncode == 125 and f'invalid mount config for type "bind": bind source path does not exist: {tmp_path}/nosuch' in r.stderr
    sh(cli, 'true', '-v', f'{tmp_path}/made:/m')
    assert (tmp_path / 'made').is_dir(), '-v makes a missing directory'
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', tmp_path / 'sub'], check=True)
    try:
        (tmp_path / 'sub/inner').write_text('i')
        assert sh(cli, 'ls /m/sub', '-v', f'{tmp_path}:/m').stdout == 'inner\n', 'binds are recursive'
        r = sh(cli, 'echo x > /m/sub/inner', '-v', f'{tmp_path}:/m:ro', check=False)
        assert r.returncode == 1, 'read-only is recursive'
    finally:
        subprocess.run(['umount', tmp_path / 'sub'], check=True)


def test_slave_propagation(d, cli, tmp_path):
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', tmp_path], check=True)
    try:
        subprocess.run(['mount', '--make-shared', tmp_path], check=True)
        (tmp_path / 'late').mkdir()
        cli('run', '-d', '--name', 'slave', '-v', f'{tmp_path}:/m:rslave', IMAGE, 'sleep', '100')
        cli('run', '-d', '--name', 'private', '-v', f'{tmp_path}:/m', IMAGE, 'sleep', '100')
        subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', tmp_path / 'late'], check=True)
        (tmp_path / 'late/x').write_text('x')
        assert cli('exec', 'slave', 'ls', '/m/late').stdout == 'x\n'
        assert cli('exec', 'private', 'ls', '/m/late').stdout == ''
    finally:
        cli('rm', '-f', 'slave', 'private', check=False)
        subprocess.run(['umount', '-R', tmp_path], check=True)


def test_shared_propagation(d, cli, tmp_path):
    """rshared: mounts go both ways, also after a restart; nothing else of the container shows on the host."""
    def points():
        return {line.split()[4] for line in open('/proc/self/mountinfo') if '/estiba-test-' not in line}  # without what daemons of tests keep
    before = points()
    r = cli('run', '--name', 'no', '-v', f'{tmp_path}:/m:rshared', IMAGE, 'true', check=False)
    assert r.returncode == 125 and f'path {tmp_path} is mounted on ' in r.stderr and 'but it is not a shared mount' in r.stderr
    assert 'but it is not a shared or slave mount' in cli('run', '-v', f'{tmp_path}:/m:rslave', IMAGE, 'true', check=False).stderr
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', tmp_path], check=True)
    try:
        subprocess.run(['mount', '--make-shared', tmp_path], check=True)
        (tmp_path / 'out').mkdir()
        cli('run', '-d', '--name', 'both', '--restart', 'always', '--cap-add', 'SYS_ADMIN', '-v', f'{tmp_path}:/m:rshared', IMAGE, 'sh', '-c',
            'd=/m/in$(ls /m | wc -l); mkdir $d && mount -t tmpfs in $d && touch $d/x; until [ -e /m/out/end ]; do sleep 0.1; done; rm /m/out/end')
        until(lambda: (tmp_path / 'in1/x').exists())
        subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', tmp_path / 'out'], check=True)
        (tmp_path / 'out/end').write_text('')
        until(lambda: (tmp_path / 'in2/x').exists())
        assert points() - before == {str(tmp_path / p) for p in ('', 'in1', 'in2', 'out')}
    finally:
        cli('rm', '-f', 'both', check=False)
        subprocess.run(['umount', '-R', tmp_path], check=True)


def test_volumes(d, cli):
    assert sh(cli, 'cat /etc/passwd | head -1; echo kept > /etc/v', '-v', 'vol:/etc').stdout.startswith('root:'), 'copy-up of what the image has there'
    assert sh(cli, 'cat /v/v; stat -c %a /v', '-v', 'vol:/v').stdout == 'kept\n755\n', 'a second time nothing is copied'
    assert sh(cli, 'ls /v', '-v', 'fresh:/v').stdout == ''
    assert sh(cli, 'ls /root/v; stat -c %a /tmp', '-v', 'modes:/tmp').stdout.endswith('1777\n')
    r = sh(cli, 'echo > /v/x', '-v', 'vol:/v:ro', check=False)
    assert r.returncode == 1
    sh(cli, 'mkdir /v/part; echo in > /v/part/f', '-v', 'vol:/v')
    assert sh(cli, 'ls /p', '--mount', 'type=volume,src=vol,dst=/p,volume-subpath=part').stdout == 'f\n'
    r = cli('run', '--rm', '--mount', 'type=volume,src=vol,dst=/p,volume-subpath=nosuch', IMAGE, 'true', check=False)
    assert r.returncode == 125
    r = cli('volume', 'rm', 'vol', 'fresh', 'modes')
    assert r.stdout.split() == ['vol', 'fresh', 'modes']


# --- user, directory, names ---

@pytest.mark.parametrize('user,ids', [
    ('user', 'uid=1000(user) gid=1000(user) groups=100(users),1000(user)'), ('1000', 'uid=1000(user) gid=1000(user) groups=100(users),1000(user)'),
    ('4242', 'uid=4242 gid=0(root)'), ('4242:77', 'uid=4242 gid=77'), ('user:users', 'uid=1000(user) gid=100(users)'), ('0:100', 'uid=0(root) gid=100(users)'),
])
def test_users(cli, user, ids):
    got = cli('run', '--rm', '--user', user, IMAGE, 'id').stdout.strip()
    want = re.sub(r' groups=.*', '', ids)
    assert re.sub(r' groups=.*', '', got) == want
    if 'groups=' in ids:
        assert set(re.findall(r'\d+', got.split('groups=')[1])) == set(re.findall(r'\d+', ids.split('groups=')[1]))


def test_unknown_user(cli):
    r = cli('run', '--rm', '--user', 'nosuch', IMAGE, 'id', check=False)
    assert r.returncode == 125 and 'unable to find user nosuch: no matching entries in passwd file' in r.stderr


def test_directory_hostname_groups(cli):
    assert sh(cli, 'pwd; stat -c %u .', '-w', '/made/for/it').stdout == '/made/for/it\n0\n'
    assert sh(cli, 'hostname; cat /etc/hostname; grep -c inside /etc/hosts', '--hostname', 'inside').stdout == 'inside\ninside\n1\n'
    assert '1234' in cli('run', '--rm', '--group-add', '1234', IMAGE, 'id').stdout
    assert sh(cli, 'echo $HOME', '--user', 'user').stdout == '/home/user\n'
    assert sh(cli, 'cat /proc/sys/net/ipv4/ip_default_ttl', '--sysctl', 'net.ipv4.ip_default_ttl=77').stdout == '77\n'
    r = sh(cli, 'true', '--sysctl', 'kernel.nosuch=1', check=False)
    assert r.returncode == 125


def test_device(cli):
    out = sh(cli, 'ls -l /dev/mine; head -c 1 /dev/mine | wc -c', '--device', '/dev/zero:/dev/mine:r').stdout
    assert out.startswith('crw') and out.endswith('1\n')
    r = cli('run', '--rm', '--device', '/dev/nosuch', IMAGE, 'true', check=False)
    assert r.returncode == 127 or r.returncode == 125
    assert 'no such file or directory' in r.stderr


# --- shared namespaces ---

def test_joined_namespaces(d, cli):
    cli('run', '-d', '--name', 'base', '--ipc', 'shareable', IMAGE, 'sh', '-c', 'echo x > /dev/shm/file; exec sleep 4321')
    until(lambda: cli('exec', 'base', 'ls', '/dev/shm').stdout)
    assert 'sleep 4321' in sh(cli, 'ps -o args', '--pid', 'container:base').stdout
    assert sh(cli, 'cat /dev/shm/file; readlink /proc/self/ns/ipc', '--ipc', 'container:base').stdout.split() == \
        ['x', cli('exec', 'base', 'readlink', '/proc/self/ns/ipc').stdout.strip()]
    assert sh(cli, 'readlink /proc/self/ns/net; hostname', '--network', 'container:base').stdout.split()[0] == \
        cli('exec', 'base', 'readlink', '/proc/self/ns/net').stdout.strip()
    assert 'estibad' in sh(cli, 'ps -o args', '--pid', 'host').stdout
    assert sh(cli, 'readlink /proc/self/ns/ipc', '--ipc', 'host').stdout.strip() == os.readlink('/proc/self/ns/ipc')
    assert sh(cli, 'ip -o link | wc -l', '--network', 'none').stdout.strip() == '1'
    r = sh(cli, 'true', '--network', 'container:nosuch', check=False)
    assert r.returncode == 125


def test_restart_of_joined_namespaces(d, cli):
    """What a container joined it joins again at every start of its restart policy, also when that policy came later."""
    cli('run', '-d', '--name', 'base', '--ipc', 'shareable', IMAGE, 'sh', '-c', 'echo x > /dev/shm/file; exec sleep 4321')
    until(lambda: cli('exec', 'base', 'ls', '/dev/shm').stdout)
    ipc = cli('exec', 'base', 'readlink', '/proc/self/ns/ipc').stdout.strip()
    joined = ['--ipc', 'container:base', '--pid', 'container:base']
    look = 'cat /dev/shm/file; readlink /proc/self/ns/ipc; ps -o args | grep "^sleep 4321"; '
    cli('run', '-d', '--name', 'first', '--restart', 'on-failure:2', *joined, IMAGE, 'sh', '-c', look + 'exit 1')
    cli('run', '-d', '--name', 'later', *joined, IMAGE, 'sh', '-c', look + 'until rm /dev/shm/end; do sleep 0.1; done 2> /dev/null; exit 1')
    cli('update', '--restart', 'on-failure:2', 'later')
    for n in range(3):
        until(lambda: cli('logs', 'later').stdout.count(ipc) == n + 1)
        cli('exec', 'base', 'touch', '/dev/shm/end')
    for name in ('first', 'later'):
        until(lambda: d.inspect(name)['State']['Status'] == 'exited')
        assert d.inspect(name)['RestartCount'] == 2 and d.inspect(name)['State']['Error'] == ''
        assert cli('logs', name).stdout.split('\n') == 3 * ['x', ipc, 'sleep 4321'] + ['']


def test_init(d, cli):
    cid = cli('run', '-d', '--init', IMAGE, 'sh', '-c', '(sleep 0.1 & sleep 0.1 &) ; exec sleep 1000').stdout.strip()
    time.sleep(0.5)
    out = cli('exec', cid, 'ps', '-o', 'pid,stat,args').stdout
    assert re.search(r'^ +1 .*docker-init -- sh', out, re.M), out
    assert ' Z' not in out and '[sleep]' not in out, 'orphans are reaped'
    began = time.time()
    cli('stop', '-t', '9', cid)
    assert time.time() - began < 5 and d.inspect(cid)['State']['ExitCode'] == 143, 'TERM reaches the command'
    r = cli('run', '--rm', '--init', IMAGE, 'sh', '-c', 'exit 5', check=False)
    assert r.returncode == 5
    r = cli('run', '--rm', '--init', IMAGE, 'nosuch', check=False)
    assert r.returncode == 127 and 'No such file or directory' in r.stderr
    t = Terminal(d, cli.program, 'run', '--rm', '-it', '--init', IMAGE, 'sh')
    t.expect(b'# ')
    t.send(b'tty; exit 3\n')
    t.expect(b'/dev/')
    assert t.wait() == 3


# --- exit codes ---

@pytest.mark.parametrize('args,code,text', [
    (['sh', '-c', 'exit 42'], 42, ''), (['nosuch'], 127, 'exec: "nosuch": executable file not found in $PATH'),
    (['/etc/passwd'], 126, 'exec: "/etc/passwd": permission denied'), (['/etc'], 126, 'exec: "/etc": is a directory'),
    (['/no/such'], 127, 'exec: "/no/such": stat /no/such: no such file or directory'),
    (['sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?'], 137, ''),
])
def test_exit_codes(cli, args, code, text):
    r = cli('run', '--rm', IMAGE, *args, check=False)
    assert r.returncode == code and text in r.stderr, (r.returncode, r.stderr)


def test_more_exit_codes(d, cli):
    assert cli('run', '--rm', '--nosuch', IMAGE, check=False).returncode == 125
    cid = cli('run', '-d', '--init', IMAGE, 'sleep', '1000').stdout.strip()
    assert cli('exec', cid, 'nosuch', check=False).returncode in (126, 127)
    assert cli('exec', cid, 'sh', '-c', 'exit 9', check=False).returncode == 9
    assert cli('exec', '-u', 'user', cid, 'id', '-un').stdout == 'user\n'
    assert cli('exec', '-w', '/tmp', '-e', 'A=b', cid, 'sh', '-c', 'pwd; echo $A').stdout == '/tmp\nb\n'
    cli('kill', '-s', 'TERM', cid)
    assert cli('wait', cid).stdout == '143\n'


# --- terminals, streams, signals ---

def test_terminal(d, cli):
    t = Terminal(d, cli.program, 'run', '--rm', '-it', '--name', 'term', IMAGE, 'sh')
    t.expect(b'# ')
    t.send(b'tty; echo 1$((1+1))3\n')
    t.expect(b'/dev/pts/0')
    t.expect(b'123')
    import fcntl
    import struct
    import termios
    fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 101, 0, 0))
    os.kill(t.pid, signal.SIGWINCH)
    time.sleep(0.3)
    t.send(b'stty size\n')
    t.expect(b'33 101')
    t.send(b'\x10\x11')
    assert t.wait() == 0, 'detached'
    assert d.inspect('term')['State']['Running']
    t = Terminal(d, cli.program, 'attach', 'term')
    time.sleep(0.3)
    t.send(b'echo aga""in\n')
    t.expect(b'again')
    t.send(b'exit 7\n')
    assert t.wait() == 7


def test_exec_terminal(d, cli):
    cli('run', '-d', '--name', 'ex', IMAGE, 'sleep', '100')
    t = Terminal(d, cli.program, 'exec', '-it', 'ex', 'sh')
    t.expect(b'# ')
    t.send(b'tty\n')
    t.expect(b'/dev/pts/')
    t.send(b'\x03')
    t.send(b'echo st""ill\n')
    t.expect(b'still')
    t.send(b'exit 4\n')
    assert t.wait() == 4
    t = Terminal(d, cli.program, 'exec', '-it', '--detach-keys', 'ctrl-a,x', 'ex', 'sh')
    t.expect(b'# ')
    t.send(b'\x01x')
    assert t.wait() in (0, 1) and b'read escape sequence' in t.seen


def test_stdin(d, cli):
    r = cli('run', '--rm', '-i', IMAGE, 'sh', '-c', 'cat; echo end', input='one\ntwo\n')
    assert r.stdout == 'one\ntwo\nend\n', 'end of file reaches the container, and its output still reaches us'
    big = 'x' * 1000000
    assert cli('run', '--rm', '-i', IMAGE, 'md5sum', input=big).stdout.split()[0] == __import__('hashlib').md5(big.encode()).hexdigest()
    r = cli('run', '--rm', IMAGE, 'sh', '-c', 'echo out; echo err >&2')
    assert (r.stdout, r.stderr) == ('out\n', 'err\n')
    cli('run', '-d', '--name', 'in', IMAGE, 'sleep', '100')
    assert cli('exec', '-i', 'in', 'cat', input='through').stdout == 'through'


def test_attach_twice(d, cli):
    cli('run', '-d', '-i', '--name', 'two', IMAGE, 'sh', '-c', 'while read l; do echo got $l; done; exit 6')
    ps = [subprocess.Popen([cli.program, 'attach', 'two'], env=d.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    time.sleep(0.5)
    ps[0].stdin.write(b'a\n')
    ps[0].stdin.flush()
    for p in ps:
        assert line(p) == b'got a\n'
    ps[1].stdin.write(b'b\n')
    ps[1].stdin.flush()
    for p in ps:
        assert line(p) == b'got b\n'
    cli('kill', '-s', 'KILL', 'two')
    for p in ps:
        assert p.wait(15) == 137
        p.stdin.close()


def test_signals_are_proxied(d, cli):
    for _ in range(5):  # at once: the start may not be noted yet
        p = subprocess.Popen([cli.program, 'run', '--rm', IMAGE, 'sh', '-c', 'trap "echo caught; exit 12" TERM; echo ready; while true; do sleep 0.1; done'],
                             env=d.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert line(p) == b'ready\n'
        p.send_signal(signal.SIGTERM)
        assert line(p) == b'caught\n'
        assert p.wait(15) == 12


# --- stop, pause, restart, health, logs ---

def test_stop_and_pause(d, cli):
    cli('run', '-d', '--name', 'deaf', IMAGE, 'sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done')
    began = time.time()
    cli('stop', '-t', '1', 'deaf')
    assert 0.9 < time.time() - began < 5
    assert d.inspect('deaf')['State']['ExitCode'] == 137
    cli('run', '-d', '--name', 'pz', '-v', 'pz:/v', IMAGE, 'sh', '-c', 'while true; do echo x >> /v/f; sleep 0.05; done')
    cli('pause', 'pz')
    path = d.dir / 'data/volumes/pz/_data/f'
    size = path.stat().st_size
    time.sleep(0.4)
    assert path.stat().st_size == size
    assert d.inspect('pz')['State']['Status'] == 'paused'
    r = cli('exec', 'pz', 'true', check=False)
    assert r.returncode == 1 and 'is paused, unpause the container before exec' in r.stderr
    cli('unpause', 'pz')
    until(lambda: path.stat().st_size > size)
    cli('pause', 'pz')
    cli('stop', '-t', '0', 'pz')
    cli('rm', 'pz')
    cli('volume', 'rm', 'pz')


def test_restart_policy(d, cli):
    cli('run', '-d', '--name', 'rs', '--restart', 'on-failure:2', IMAGE, 'false')
    until(lambda: d.inspect('rs')['State']['Status'] == 'exited')
    assert d.inspect('rs')['RestartCount'] == 2
    cli('run', '-d', '--name', 'al', '--restart', 'always', IMAGE, 'true')
    until(lambda: d.inspect('al')['RestartCount'] >= 3)
    times = [int(t) for t in d.out('events', '--since', '0', '--until', f'{time.time():.9f}', '--filter', 'container=al', '--filter', 'event=start',
                                   '--format', '{{.TimeNano}}').split()]
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[0] > 90e6 and sum(gaps[:3]) > 600e6, 'waits longer each time: 100, 200, 400 ms'
    cli('stop', '-t', '0', 'al')
    n = d.inspect('al')['RestartCount']
    time.sleep(1)
    assert d.inspect('al')['State']['Status'] == 'exited' and d.inspect('al')['RestartCount'] == n


def test_health(d, cli):
    cli('run', '-d', '--name', 'he', '--health-cmd', 'echo checked; test -e /ok', '--health-interval', '200ms', '--health-retries', '2', IMAGE, 'sleep', '100')
    until(lambda: d.inspect('he')['State']['Health']['Status'] == 'unhealthy')
    h = d.inspect('he')['State']['Health']
    assert h['FailingStreak'] >= 2 and h['Log'][-1]['Output'] == 'checked\n' and h['Log'][-1]['ExitCode'] == 1
    cli('exec', 'he', 'touch', '/ok')
    until(lambda: d.inspect('he')['State']['Health']['Status'] == 'healthy')


def test_log_rotation(d, cli):
    cid = cli('run', '-d', '--name', 'lg', '--log-opt', 'max-size=20k', '--log-opt', 'max-file=3', IMAGE, 'sh', '-c',
              'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line-$i; done').stdout.strip()
    assert cli('wait', 'lg').stdout == '0\n'
    logs = sorted(n for n in os.listdir(d.dir / f'data/containers/{cid}') if 'json.log' in n)
    assert logs == [f'{cid}-json.log', f'{cid}-json.log.1', f'{cid}-json.log.2']
    assert all((d.dir / f'data/containers/{cid}/{n}').stat().st_size < 25000 for n in logs)
    lines = cli('logs', 'lg').stdout.split()
    assert lines[-1] == 'line-2000' and len(lines) < 2000
    first = int(lines[0].split('-')[1])
    assert lines == [f'line-{i}' for i in range(first, 2001)], 'no line is missing in between'
    assert cli('logs', '--tail', '2', 'lg').stdout == 'line-1999\nline-2000\n'


@pytest.mark.parametrize('opt', ['compress=true', 'labels=a', 'labels-regex=^a', 'env=A', 'env-regex=^A', 'tag={{.ID}}',
                                 'mode=non-blocking', 'max-buffer-size=1m'])
def test_log_option_refused(d, opt):
    """What json-file would not do is refused by name, at create."""
    key, value = opt.split('=', 1)
    st, got = d.api('POST', '/v1.45/containers/create', {'Image': IMAGE, 'HostConfig': {'LogConfig': {'Type': 'json-file', 'Config': {key: value}}}})[:2]
    assert st == 400 and f"log opt '{opt}' is not supported" in json.loads(got)['message']


def test_log_option_harmless(d, cli):
    cli('run', '--rm', '--log-opt', 'compress=false', '--log-opt', 'mode=blocking', IMAGE, 'true')


def test_back_pressure(d, cli):
    """An attached client that does not read stops the container, not the engine; when it goes, the container goes on."""
    cli('create', '--name', 'bp', '-v', 'bp:/v', IMAGE, 'sh', '-c', 'i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo 0123456789012345678901234567890123456789; done; echo > /v/done')
    c = Unix(str(d.sock))
    c.connect()
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.sock.sendall(b'POST /v1.45/containers/bp/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n')
    assert c.sock.recv(12).startswith(b'HTTP/1.1 101')
    cli('start', 'bp')
    time.sleep(1.5)
    done = d.dir / 'data/volumes/bp/_data/done'
    assert not done.exists() and d.inspect('bp')['State']['Running']
    assert d.api('GET', '/_ping')[0] == 200
    c.sock.close()
    assert cli('wait', 'bp').stdout == '0\n'
    assert done.exists()
    assert len(d.out('logs', 'bp').split('\n')) == 40000
    cli('rm', 'bp')
    cli('volume', 'rm', 'bp')
