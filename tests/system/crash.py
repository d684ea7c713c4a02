# SPDX-License-Identifier: Apache-2.0
"""crash.py: operations that are killed in the middle, and what must be true afterwards: what was reported done is there, what is seen is
what was before or what was to be, a check finds nothing, and no space is lost: when all is removed, the data root is what it was."""
import collections
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tarfile
import time

from daemon import BIN, Daemon
from registry import Registry

BASE = 'bb:1'
HEX = re.compile(r'[0-9a-f]{64}|(?<=/)[0-9a-f]{16}(?=/|$)')


class Operation:
    """WORDS are what is killed; BEFORE brings about what they need. Not ATOMIC: several things go one after the other. TREE: the files,
    too, are then those of before or after (not so where a cache keeps what was done)."""

    def __init__(self, words, before=(), atomic=True, tree=True, gets=()):
        self.words, self.before, self.atomic, self.tree, self.gets = words, before, atomic, tree, gets


CREATE = ['create', '--name', 'cc', '-v', '/anon', '-v', 'named:/n', 'app:1', 'sleep', '1000']
CREATE_RM = ['create', '--rm', '--name', 'cc', '-v', '/anon', 'app:1', 'sleep', '1000']
LOAD = ['load', '-i', '{dir}/app.tar']
BUILD = ['build', '-t', 'built:1', '{dir}/context']
OPERATIONS = {
    'pull': Operation(['pull', '{registry}/app:1']),
    'load': Operation(LOAD),
    'import': Operation(['import', '{dir}/other.tar', 'other:1']),
    'build': Operation(BUILD, tree=False),
    'commit': Operation(['commit', 'cc', 'made:1'], [['run', '-d', '--name', 'cc', BASE, 'sh', '-c', 'echo x > /file; sleep 1000']]),
    'rmi': Operation(['rmi', 'app:1'], [LOAD]),
    'rmi-two': Operation(['rmi', 'app:1', 'app:2'], [LOAD, ['tag', 'app:1', 'app:2']], atomic=False),
    'image-prune': Operation(['image', 'prune', '-af'], [LOAD, ['import', '{dir}/other.tar', 'other:1'], ['create', '--name', 'keep', BASE]],
                             atomic=False),
    'builder-prune': Operation(['builder', 'prune', '-af'], [BUILD], atomic=False, tree=False),
    'create': Operation(CREATE, [LOAD]),
    'create-rm': Operation(CREATE_RM, [LOAD]),
    'start': Operation(['start', 'cc'], [LOAD, CREATE]),
    'run': Operation(['run', '-d', '--name', 'cc', '-p', '127.0.0.1:0:80', '-v', '/data', 'app:1', 'sleep', '1000'], [LOAD], atomic=False,
                     tree=False),
    'rm': Operation(['rm', '-v', 'cc'], [LOAD, CREATE]),
    'rm-keep': Operation(['rm', 'cc'], [LOAD, CREATE]),
    'rm-force': Operation(['rm', '-fv', 'cc'], [LOAD, CREATE, ['start', 'cc']], atomic=False, tree=False),
    'container-prune': Operation(['container', 'prune', '-f'], [['create', '--name', f'cc{i}', BASE] for i in range(3)], atomic=False),
    'volume-create': Operation(['volume', 'create', 'vol']),
    'volume-rm': Operation(['volume', 'rm', 'vol'], [['volume', 'create', 'vol'], ['run', '--rm', '-v', 'vol:/v', BASE, 'touch', '/v/file']]),
}

# Each point and what passes it, and at which passage it is killed (several rows: other passages).
POINTS = [
    ('open-emptied', 'load', 1), ('open-swept', 'load', 1),
    ('blob-kept', 'load', 1), ('blob-kept', 'pull', 2), ('blob-kept', 'commit', 1),
    ('layer-unpacked', 'pull', 1), ('layer-unpacked', 'load', 2), ('layer-unpacked', 'commit', 1), ('layer-unpacked', 'import', 1),
    ('layer-synced', 'load', 1), ('layer-synced', 'pull', 2), ('layer-synced', 'build', 1), ('layer-renamed', 'load', 1),
    ('layer-renamed', 'pull', 2), ('layer-renamed', 'build', 1), ('layer-recorded', 'load', 2), ('layer-recorded', 'pull', 1),
    ('layer-recorded', 'commit', 1), ('layer-recorded', 'import', 1), ('upper-packed', 'commit', 1), ('upper-packed', 'build', 1),
    ('snapshot-recorded', 'create', 1), ('snapshot-recorded', 'create-rm', 1), ('snapshot-recorded', 'build', 2),
    ('snapshot-made', 'create', 1), ('snapshot-made', 'build', 1), ('snapshot-discarded', 'rm', 1), ('snapshot-discarded', 'builder-prune', 1),
    ('step-frozen', 'build', 1), ('step-frozen', 'build', 2),
    ('record-written', 'load', 1), ('record-written', 'load', 3), ('record-written', 'rmi', 1), ('record-written', 'rmi', 2),
    ('record-written', 'create', 1), ('record-written', 'create', 2), ('record-written', 'create', 3), ('record-written', 'rm', 1),
    ('record-written', 'rm', 2), ('record-written', 'start', 1), ('record-written', 'commit', 1), ('record-written', 'volume-rm', 1),
    ('record-committed', 'load', 1), ('record-committed', 'load', 3), ('record-committed', 'rmi', 1), ('record-committed', 'create', 1),
    ('record-committed', 'create', 2), ('record-committed', 'create', 3), ('record-committed', 'rm', 1), ('record-committed', 'rm-keep', 1),
    ('record-committed', 'volume-rm', 1), ('record-committed', 'volume-create', 1),
    ('discarded', 'load', 1), ('discarded', 'rmi', 1), ('discarded', 'rm', 1), ('trash-emptied', 'rmi', 1),
    ('gc-marked', 'rmi', 1), ('gc-marked', 'image-prune', 1), ('gc-record', 'rmi', 1), ('gc-record', 'rmi', 2), ('gc-layer', 'rmi', 1),
    ('gc-layer', 'image-prune', 2), ('gc-blob', 'rmi', 1),
    ('pull-manifest', 'pull', 1), ('pull-config', 'pull', 1), ('pull-layer', 'pull', 1), ('pull-layer', 'pull', 2), ('pull-image', 'pull', 1),
    ('load-unpacked', 'load', 1), ('load-layer', 'load', 1), ('load-layer', 'load', 2), ('load-image', 'load', 1), ('load-discarded', 'load', 1),
    ('image-config', 'load', 1), ('image-config', 'commit', 1), ('image-config', 'build', 1), ('image-added', 'import', 1),
    ('image-added', 'commit', 1), ('rmi-untagged', 'rmi', 1), ('rmi-untagged', 'rmi-two', 2), ('rmi-forgotten', 'rmi', 1),
    ('rmi-collected', 'rmi', 1), ('image-pruned', 'image-prune', 1),
    ('build-context', 'build', 1), ('build-step-open', 'build', 1), ('build-step-open', 'build', 2), ('build-step-ran', 'build', 1),
    ('build-step-ran', 'build', 2), ('build-step-kept', 'build', 1), ('build-step-cached', 'build', 1), ('build-step-cached', 'build', 3),
    ('build-packed', 'build', 1), ('build-packed', 'build', 2), ('build-image', 'build', 1), ('build-forgotten', 'builder-prune', 1),
    ('volume-made', 'create', 1), ('volume-made', 'create', 2), ('volume-made', 'create-rm', 1), ('volume-made', 'volume-create', 1),
    ('volume-recorded', 'create', 1), ('volume-recorded', 'create', 2), ('volume-recorded', 'create-rm', 1), ('volume-recorded', 'run', 1),
    ('volume-forgotten', 'rm', 1), ('volume-forgotten', 'volume-rm', 1), ('volume-mounted', 'start', 1), ('volume-copying', 'run', 1),
    ('volume-copied', 'run', 1),
    ('create-volumes', 'create', 1), ('create-volumes', 'create-rm', 1), ('create-dirs', 'create', 1), ('create-dirs', 'create-rm', 1),
    ('create-saved', 'create', 1), ('create-saved', 'create-rm', 1),
    ('start-rootfs', 'start', 1), ('start-volumes', 'start', 1), ('start-network', 'start', 1), ('start-seccomp', 'start', 1),
    ('start-bundle', 'start', 1), ('start-monitor', 'start', 1), ('start-saved', 'start', 1), ('start-monitor', 'run', 1),
    ('remove-cleaned', 'rm', 1), ('remove-cleaned', 'rm-force', 1), ('remove-forgotten', 'rm', 1), ('remove-forgotten', 'rm-keep', 1),
    ('remove-volumes', 'rm', 1), ('remove-discarded', 'rm', 1), ('remove-discarded', 'rm-force', 1), ('container-pruned', 'container-prune', 1),
    ('container-pruned', 'container-prune', 2), ('commit-paused', 'commit', 1),
]


class House:
    """One daemon on one data root for all rounds; REGISTRY has app:1, of which the parts are in the test's directory as well."""

    def __init__(self, build=lambda d: None):
        self.d = Daemon(own_cgroup=True)
        build(self.d)
        self.registry = None
        self.reference = {}
        self.empty, self.held = None, set()
        self.is_clear = True
        try:
            self.furnish()
        except BaseException:
            self.close()
            raise

    def furnish(self):
        d = self.d
        d.start()
        d.import_busybox(BASE)
        for name, lines in (('app', 'FROM bb:1\nCOPY one /data/one\nRUN echo two > /data/two\nEXPOSE 80\n'),
                            ('context', 'FROM bb:1\nCOPY one /one\nRUN echo two > /two && rm /home/user -r\nENV A=b\n')):
            (d.dir / name).mkdir()
            (d.dir / name / 'one').write_bytes(os.urandom(100000))
            (d.dir / name / 'Dockerfile').write_text(lines)
        d.estiba('build', '-t', 'app:1', d.dir / 'app')
        d.estiba('save', '-o', d.dir / 'app.tar', 'app:1')
        with tarfile.open(d.dir / 'other.tar', 'w') as tar:
            tar.add(d.dir / 'app/one', 'other')
        if shutil.which('docker-registry'):
            self.registry = Registry(d.dir / 'registry', netns=d.netns)
            d.estiba('tag', 'app:1', f'{self.registry.host}/app:1')
            d.estiba('push', f'{self.registry.host}/app:1')
        self.clear()
        d.stop()  # a builder holds the layer with mount points as long as it lives
        held = set(os.listdir(d.dir / 'data/layers'))
        d.start()
        self.quiet()
        self.held = held - set(os.listdir(d.dir / 'data/layers'))
        assert len(self.held) == 1
        self.empty = self.tree()
        self.nothing = self.view()

    def close(self):
        if self.registry:
            self.registry.close()
        self.d.close()

    def estiba(self, words, **kw):
        host = self.registry.host if self.registry else ''
        return self.d.estiba(*[w.format(dir=self.d.dir, registry=host) for w in words], **kw)

    # --- what is to be seen ---

    def view(self):
        """What a user sees, as a counter of words; random names are stars."""
        d, seen = self.d, collections.Counter()
        for image in json.loads(d.api('GET', '/images/json')[1]):
            for name in image['RepoTags'] or ['<none>:<none>']:
                seen[f'image {name}'] += 1
            assert d.api('GET', f'/images/{image["Id"]}/json')[0] == 200
            r = d.estiba('save', image['Id'], '-o', '/dev/null', check=False)
            assert r.returncode == 0, r.stderr
        for c in json.loads(d.api('GET', '/containers/json?all=1')[1]):
            seen[f'container {c["Names"][0]} {c["State"]}'] += 1
            d.inspect(c['Id'])
        for v in json.loads(d.api('GET', '/volumes')[1])['Volumes'] or []:
            seen[f'volume {HEX.sub("*", v["Name"])}'] += 1
            assert os.path.isdir(v['Mountpoint']), v
        return seen

    def tree(self):
        """Files of the data root; sizes of layers only: a config's bytes depend on the time that stands in it."""
        root, seen = str(self.d.dir / 'data'), collections.Counter()
        for at, dirs, files in os.walk(root):
            for name in dirs + files:
                path = os.path.join(at, name)
                short = path[len(root):]
                try:
                    st = os.lstat(path)
                except FileNotFoundError:
                    continue
                if re.search(r'/estiba\.db|^/tmp$|^/partial$|-json\.log', short) or any(h in short for h in self.held):
                    continue
                size = st.st_size if stat.S_ISREG(st.st_mode) and re.match('/layers/', short) else ''
                seen[f'{HEX.sub("*", short)} {size}'] += 1
        return seen

    def settle(self, wanted, ignore=None, seconds=8):
        """The tree becomes one of WANTED: what is thrown away goes in the background. IGNORE: names that do not count."""
        strip = lambda tree: collections.Counter({k: n for k, n in tree.items() if not ignore or not re.match(ignore, k)})
        wanted = [strip(w) for w in wanted]
        end = time.time() + seconds
        while True:
            tree = strip(self.tree())
            if tree in wanted:
                return
            if time.time() > end:
                near = min(wanted, key=lambda w: sum(((tree - w) + (w - tree)).values()))
                raise AssertionError(f'too much: {dict(tree - near)}, missing: {dict(near - tree)}')
            time.sleep(0.05)

    def check(self):
        r = self.d.estiba('system', 'check', check=False)
        assert r.returncode == 0 or 'unknown command' in r.stderr or 'Usage' in r.stdout + r.stderr, r.stdout + r.stderr

    def clear(self):
        """Remove all but the base; then the data root is what it was in the beginning."""
        d = self.d
        if d.proc.poll() is not None:
            d.start()
        ids = d.out('ps', '-aq').split()
        if ids:
            d.estiba('rm', '-fv', *ids)
        names = d.out('volume', 'ls', '-q').split()
        if names:
            d.estiba('volume', 'rm', *names)
        d.estiba('builder', 'prune', '-af')
        images = {i for i in d.out('images', '--no-trunc', '--format', '{{.ID}} {{.Repository}}:{{.Tag}}').split('\n') if not i.endswith(' ' + BASE)}
        keep = d.inspect(BASE)['Id'] if images else ''
        for name in {i.split()[1] for i in images if i.startswith(keep)}:
            d.estiba('rmi', name)
        ids = {i.split()[0] for i in images if i and not i.startswith(keep)}
        if ids:
            d.estiba('rmi', '-f', *ids)
        d.clean()
        if self.empty is not None:
            self.settle([self.empty])
            assert self.view() == self.nothing
        self.is_clear = True

    # --- a round ---

    def prepare(self, name):
        op = OPERATIONS[name]
        if not self.is_clear:  # a round before failed
            self.clear()
        self.is_clear = False
        if name == 'pull' and not self.registry:
            raise NotImplementedError('no docker-registry')
        for words in op.before:
            self.estiba(words)
        return op

    def refer(self, name):
        """What is before and after NAME when nothing goes wrong, and how long it takes."""
        if name not in self.reference:
            op = self.prepare(name)
            self.quiet()
            before = self.view(), self.tree()
            began = time.monotonic()
            self.estiba(op.words)
            took = time.monotonic() - began
            self.quiet()
            self.reference[name] = before, (self.view(), self.tree()), took
            self.clear()
        return self.reference[name]

    def quiet(self, seconds=10):
        """Until nothing changes in the background any more."""
        end, last, same = time.time() + seconds, None, 0
        while same < 3 and time.time() < end:
            tree = self.tree()
            same = same + 1 if tree == last else 0
            last = tree
            time.sleep(0.03)

    def judge(self, name, done):
        """After the kill and a new start."""
        op = OPERATIONS[name]
        before, after, _ = self.refer_known(name)
        seen, end = self.view(), time.time() + 5
        while seen not in (before[0], after[0]) and time.time() < end:  # an open may finish something in the background
            time.sleep(0.1)
            seen = self.view()
        if done:
            assert seen == after[0], f'reported done: {seen - after[0]} {after[0] - seen}'
        elif op.atomic:
            assert seen in (before[0], after[0]), f'half-made: {seen - before[0]} {before[0] - seen}'
        else:
            for word in seen | before[0] | after[0]:
                assert min(before[0][word], after[0][word]) <= seen[word] <= max(before[0][word], after[0][word]) or word.startswith('container'), word
        if op.tree and op.atomic:
            self.settle([before[1] if seen == before[0] else after[1]], r'/skel/|/containers/\*/work/work')  # made when an image is first used, or a root first mounted
        self.check()
        for c in json.loads(self.d.api('GET', '/containers/json?all=1')[1]):
            if c['State'] == 'running':
                assert self.d.out('exec', c['Id'], 'echo', 'works') == 'works'
            elif c['State'] == 'created' and c['Names'] == ['/cc']:
                self.d.estiba('start', 'cc')
        if name == 'run':  # what the image has there is in the volume as a whole, or comes at the next start
            for c in json.loads(self.d.api('GET', '/containers/json')[1]):
                assert self.d.out('exec', c['Id'], 'ls', '/data') == 'one\ntwo'

    def refer_known(self, name):
        return self.reference[name]

    def client(self, words):
        host = self.registry.host if self.registry else ''
        return subprocess.Popen([str(BIN / 'estiba'), *[w.format(dir=self.d.dir, registry=host) for w in words]], env=self.d.env(),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def at_point(self, point, name, nth):
        """NAME is killed at the NTH passage of POINT."""
        d = self.d
        self.refer(name)
        op = self.prepare(name)
        self.quiet()
        d.stop()
        args = d.args
        d.args = [*args, f'--crash-at={point}:{nth}']
        done = False
        try:
            try:
                d.start()
            except AssertionError:
                assert point.startswith('open-') and d.proc.returncode == -signal.SIGKILL
            else:
                p = self.client(op.words)
                p.communicate(timeout=60)
                done = p.returncode == 0
                d.proc.wait(20)  # what comes after the answer
                assert d.proc.returncode == -signal.SIGKILL
        finally:
            d.args = args
            if d.proc.poll() is None:
                d.kill9()
        d.start()
        self.judge(name, done)
        self.clear()

    def at_random(self, name, rand):
        d = self.d
        took = self.refer(name)[2]
        op = self.prepare(name)
        p = self.client(op.words)
        time.sleep(rand.uniform(0, 1.2 * took))
        d.kill9()
        p.communicate(timeout=60)
        d.start()
        self.judge(name, p.returncode == 0)
        self.clear()
