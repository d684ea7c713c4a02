# SPDX-License-Identifier: Apache-2.0
"""daemon.py: an estibad of a test's own: two roots in a temporary directory, a socket there, and a network namespace, so that
nothing of the machine changes and an installed estiba is not disturbed."""
import contextlib
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get('ESTIBA_BIN', ROOT / 'build/bin')).resolve()
TAG = os.environ.get('ESTIBA_TEST_TAG', '')  # of the run that will look for what is left
BUSYBOX = '/bin/busybox'
APPLETS = ('sh cat echo ls sleep true false id env mount ps grep sed head tail wc mkdir rm touch chmod chown stat test tty stty kill nc '
           'wget httpd ip hostname date dd seq yes find sync readlink tar awk cut sort uniq printf mknod ln cp mv expr md5sum sha256sum').split()


class Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout=60):
        super().__init__('localhost', timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def busybox_tar():
    """A small image: busybox-static, its applets, root and a user."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as tar:
        def add(name, data=None, mode=0o755, kind=tarfile.REGTYPE, link=''):
            info = tarfile.TarInfo(name)
            info.mode, info.type, info.linkname = mode, kind, link
            info.size = len(data) if data else 0
            tar.addfile(info, io.BytesIO(data) if data else None)
        for d in ('bin', 'etc', 'root', 'home', 'home/user', 'var', 'usr', 'usr/bin', 'proc', 'sys', 'dev'):
            add(d, kind=tarfile.DIRTYPE)
        add('tmp', mode=0o1777, kind=tarfile.DIRTYPE)
        add('bin/busybox', pathlib.Path(BUSYBOX).read_bytes())
        for a in APPLETS:
            add(f'bin/{a}', kind=tarfile.SYMTYPE, link='busybox', mode=0o777)
        add('etc/passwd', b'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n', 0o644)
        add('etc/group', b'root:x:0:\nusers:x:100:user\nuser:x:1000:\n', 0o644)
    return out.getvalue()


class Daemon:
    def __init__(self, *args, netns=True, own_cgroup=False, wrap=()):
        """OWN_CGROUP: containers' control groups below one of this daemon's own, so that a test can count them. WRAP: words before
        the daemon's command line (they must exec it)."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f'estiba-test-{TAG}'))
        form = os.environ.get('ESTIBA_TEST_LAYER_FORM')
        self.args = [*([f'--layer-form={form}'] if form else []), *args]
        self.wrap = [*wrap]
        self.cgroup = None
        if own_cgroup:
            self.cgroup = self.dir.name
            self.args.append(f'--cgroup-parent=/{self.cgroup}')
        self.sock = self.dir / 'api.sock'
        self.log = self.dir / 'log'
        self.proc = None
        self.netns = None
        if netns:
            self.netns = 'estest-' + self.dir.name[-8:].replace('_', 'x')
            subprocess.run(['ip', 'netns', 'add', self.netns], check=True)
            self.inside(['ip', 'link', 'set', 'lo', 'up'], check=True)

    def inside(self, argv, **kw):
        """Run a program in the daemon's network namespace (only that one: `ip netns exec` would hide the cgroups)."""
        pre = ['nsenter', f'--net=/run/netns/{self.netns}'] if self.netns else []
        return subprocess.run([*pre, *map(str, argv)], **kw)

    def start(self):
        pre = ['nsenter', f'--net=/run/netns/{self.netns}'] if self.netns else []
        with open(self.log, 'ab') as log:
            self.proc = subprocess.Popen([*pre, *self.wrap, str(BIN / 'estibad'), '--debug', '--data-root', str(self.dir / 'data'), '--exec-root',
                                          str(self.dir / 'exec'), '-H', f'unix://{self.sock}', '--pidfile', str(self.dir / 'pid'),
                                          *self.args], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        for _ in range(200):
            try:
                if self.api('GET', '/_ping')[0] == 200:
                    return self
            except OSError:
                pass
            if self.proc.poll() is not None:
                raise AssertionError('estibad ended: ' + self.log.read_text()[-2000:])
            time.sleep(0.05)
        raise AssertionError('estibad does not answer: ' + self.log.read_text()[-2000:])

    def kill9(self):
        self.proc.send_signal(signal.SIGKILL)
        self.proc.wait()

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(30)

    def close(self):
        """Everything away: containers, daemon, namespace, directory."""
        try:
            if self.proc and self.proc.poll() is not None:
                self.start()
            ids = self.estiba('ps', '-aq', check=False).stdout.split()
            if ids:
                self.estiba('rm', '-f', *ids, check=False)
            nets = self.estiba('network', 'ls', '-q', '--filter', 'type=custom', check=False).stdout.split()
            if nets:
                self.estiba('network', 'rm', *nets, check=False)
        finally:
            self.stop()
            if self.netns:
                subprocess.run(['ip', 'netns', 'del', self.netns], check=False)
            self.remove_cgroups()
            shutil.rmtree(self.dir, ignore_errors=True)

    def remove_cgroups(self):
        """/estiba itself stays with a real engine; the tests' copy goes when it is empty."""
        for name in ('estiba', self.cgroup):
            for d in [*pathlib.Path('/sys/fs/cgroup').glob(f'*/{name}'), pathlib.Path(f'/sys/fs/cgroup/{name}')] if name else []:
                try:
                    d.rmdir()
                except OSError:
                    pass

    def cgroups(self):
        """Control groups of this daemon's containers (OWN_CGROUP)."""
        return sorted(str(p) for d in [*pathlib.Path('/sys/fs/cgroup').glob(f'*/{self.cgroup}'), pathlib.Path(f'/sys/fs/cgroup/{self.cgroup}')]
                      for p in d.glob('*') if p.is_dir())

    def monitors(self):
        """Process ids of this daemon's monitors by the name of their run directory (c/ID, x/ID, b/ID)."""
        found = {}
        for fd in pathlib.Path('/proc').glob('[0-9]*/fd/3'):
            try:
                target = os.readlink(fd)
                name = (fd.parent.parent / 'comm').read_text().strip()
            except OSError:
                continue
            if name == 'estiba-mon' and target.startswith(f'{self.dir}/exec/'):
                found[target[len(f'{self.dir}/exec/'):].removesuffix(' (deleted)')] = int(fd.parts[2])
        return found

    def traces(self):
        """What exists of containers: each list is empty when none is there. Names are relative to the two roots."""
        def ls(path):
            try:
                return sorted(n for n in os.listdir(self.dir / path) if not n.startswith('.'))
            except FileNotFoundError:
                return []
        veths = [line.split()[1] for line in self.inside(['ip', '-o', 'link'], capture_output=True, text=True).stdout.splitlines()
                 if 'link-netns' in line or '@if' in line]
        rules = self.inside(['nft', '-j', 'list', 'ruleset'], capture_output=True, text=True).stdout
        elements = [e for o in json.loads(rules or '{"nftables":[]}')['nftables'] for k in ('map', 'set') if k in o
                    for e in o[k].get('elem', []) if 'concat' in json.dumps(e)]
        return {
            'monitors': sorted(self.monitors()),
            'run directories': [f'{k}/{n}' for k in 'cxb' for n in ls(f'exec/{k}')],
            'runtime': ls('exec/run'),
            'network namespaces': [n for n in ls('exec/netns') if len(n) == 64],
            'containers': ls('data/containers'),
            'steps': ls('data/steps'),
            'cgroups': self.cgroups() if self.cgroup else [],
            'mounts': [m for m in pathlib.Path('/proc/self/mountinfo').read_text().splitlines() if f' {self.dir}/' in m and f' {self.dir}/data ' not in m
                       and f' {self.dir}/exec/mounts' not in m],
            'veths': veths,
            'elements': elements,
        }

    def clean(self, seconds=15):
        """Wait until nothing of any container is left; an assertion says what is."""
        end = time.time() + seconds
        while True:
            left = {k: v for k, v in self.traces().items() if v}
            if not left:
                return
            if time.time() > end:
                raise AssertionError(f"{left}\n{self.log.read_text()[-1500:]}")
            time.sleep(0.1)

    def env(self):
        return {**os.environ, 'DOCKER_HOST': f'unix://{self.sock}', 'DOCKER_CONFIG': str(self.dir / 'config'), 'DOCKER_BUILDKIT': '0'}

    def client(self, program, *args, check=True, timeout=60, **kw):
        kw.setdefault('stdin', subprocess.DEVNULL if 'input' not in kw else None)
        if kw['stdin'] is None:
            del kw['stdin']
        r = subprocess.run([str(program), *map(str, args)], env=self.env(), capture_output=True, text=True, timeout=timeout, **kw)
        if check and r.returncode:
            raise AssertionError(f'{args}: exit {r.returncode}\n{r.stdout}{r.stderr}\n{self.log.read_text()[-1500:]}')
        return r

    def estiba(self, *args, **kw):
        return self.client(BIN / 'estiba', *args, **kw)

    def docker(self, *args, **kw):
        return self.client(shutil.which('docker'), *args, **kw)

    def out(self, *args, **kw):
        return self.estiba(*args, **kw).stdout.rstrip('\n')

    def inspect(self, name):
        return json.loads(self.estiba('inspect', name).stdout)[0]

    def api(self, method, path, body=None, headers=None):
        c = Unix(str(self.sock))
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), {'Content-Type': 'application/json', **(headers or {})}
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        c.close()
        return r.status, data

    def import_busybox(self, name='bb:1'):
        tar = self.dir / 'bb.tar'
        tar.write_bytes(busybox_tar())
        self.estiba('import', '-c', 'ENV PATH=/bin', '-c', 'CMD ["sh"]', tar, name)
        return name


@contextlib.contextmanager
def running(image, *args, **kw):
    """A daemon that has a small IMAGE, for as long as a fixture lasts."""
    d = Daemon(*args, **kw)
    try:
        d.start()
        d.import_busybox(image)
        yield d
    finally:
        d.close()
