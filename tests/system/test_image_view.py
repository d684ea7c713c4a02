# SPDX-License-Identifier: Apache-2.0
"""The files of an image without a container: image files, cat, diff, mount."""
import json
import os
import pathlib
import stat
import subprocess

import pytest

from daemon import BIN, BUSYBOX, running
from test_cli import fake  # noqa: F401

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not os.path.exists(BUSYBOX), reason='needs busybox-static'),
    pytest.mark.skipif(not (BIN / 'estibad').exists(), reason='estibad is not built'),
]
DOCKERFILE = '''FROM bb:1
RUN mkdir /new && echo one >/new/a && ln -s /etc/passwd /new/abs && ln -s ../../../../etc/group /new/up && ln -s /nowhere /new/gone
RUN rm /etc/group && echo changed >/etc/passwd && chmod 4711 /bin/busybox && mkfifo /new/pipe
'''


@pytest.fixture(scope='module')
def d():
    with running('bb:1') as d:
        d.estiba('build', '-t', 'made:1', '-', input=DOCKERFILE)
        yield d


def test_files(d):
    assert d.out('image', 'files', 'made:1', '/new').split('\n') == ['/new/a', '/new/abs', '/new/gone', '/new/pipe', '/new/up']
    assert '/bin/busybox' in d.out('image', 'files', '-R', 'made:1').split('\n')
    assert d.out('image', 'files', 'made:1', 'new//a') == '/new/a'
    line = d.out('image', 'files', '-l', 'made:1', '/bin/busybox').split()
    assert line[:4] == ['-rws--x--x', '0', '0', str(os.path.getsize(BUSYBOX))] and line[-1] == '/bin/busybox'
    assert d.out('image', 'files', '-l', 'made:1', '/new/gone').endswith('/new/gone -> /nowhere')
    r = d.estiba('image', 'files', 'made:1', '/none', check=False)
    assert r.returncode == 1 and 'image made:1 has no file /none' in r.stderr
    assert 'No such image: none:latest' in d.estiba('image', 'files', 'none', check=False).stderr


def test_cat_stays_in_the_image(d):
    assert d.out('image', 'cat', 'made:1', '/new/a') == 'one'
    assert d.out('image', 'cat', 'made:1', '/new/abs', '/new/a') == 'changed\none'
    assert d.out('image', 'cat', 'bb:1', '../../etc/group').startswith('root:x:0:')  # the image's, not the host's
    for path, why in (('/new/up', 'has no file'), ('/new', 'is a directory'), ('/new/pipe', 'is not a regular file')):
        r = d.estiba('image', 'cat', 'made:1', path, check=False)
        assert r.returncode == 1 and why in r.stderr
    assert subprocess.run([BIN / 'estiba', 'image', 'cat', 'made:1', '/bin/busybox'], env=d.env(), capture_output=True, check=True
                          ).stdout == pathlib.Path(BUSYBOX).read_bytes()


def test_diff(d):
    lines = d.out('image', 'diff', 'made:1', 'bb:1').split('\n')
    assert 'D /etc/group' in lines and 'C /etc/passwd' in lines and 'A /new/a' in lines and 'C /bin/busybox' in lines
    assert lines == sorted(lines, key=lambda x: x[2:])
    back = d.out('image', 'diff', 'bb:1', 'made:1').split('\n')
    assert 'A /etc/group' in back and 'D /new' in back and 'D /new/a' not in back
    assert d.out('image', 'diff', 'bb:1', 'bb:1') == ''
    d.estiba('tag', 'bb:1', 'same:1')
    assert d.out('image', 'diff', 'bb:1', 'same:1') == ''
    d.estiba('rmi', 'same:1')
    assert 'A /new/a' in d.out('image', 'diff', 'made:1').split('\n')  # the base is found by its layers
    r = d.estiba('image', 'diff', 'bb:1', check=False)
    assert r.returncode == 1 and 'name one to compare it with' in r.stderr


def test_diff_sees_bytes_behind_the_same_size_and_time(d):
    for word in ('aaa', 'bbb'):
        d.estiba('build', '-t', f'w:{word}', '-', input=f'FROM bb:1\nRUN echo {word} >/x && touch -d 2001-01-01 /x\n')
    assert 'C /x' in d.out('image', 'diff', 'w:aaa', 'w:bbb').split('\n')
    d.estiba('rmi', 'w:aaa', 'w:bbb')


def mounted(target):
    return any(line.split()[4] == str(target) for line in pathlib.Path('/proc/self/mountinfo').read_text().splitlines())


def test_mount(d, tmp_path):
    target = d.out('image', 'mount', 'made:1')
    assert target.startswith(f'{d.dir}/exec/images/') and mounted(target)
    assert pathlib.Path(target, 'new/a').read_text() == 'one\n' and os.path.lexists(f'{target}/new/gone')
    with pytest.raises(OSError):
        pathlib.Path(target, 'new/b').write_text('x')
    assert os.statvfs(target).f_flag & (os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV) == os.ST_RDONLY | os.ST_NOSUID | os.ST_NODEV
    mine = tmp_path / 'mine'
    r = d.estiba('image', 'mount', 'made:1', mine, check=False)
    assert r.returncode == 1 and 'no such directory' in r.stderr
    mine.mkdir()
    assert d.out('image', 'mount', 'made:1', mine) == str(mine)
    assert 'is mounted on' in d.estiba('image', 'mount', 'bb:1', mine, check=False).stderr
    d.kill9()
    d.start()
    assert sorted(d.out('image', 'mount', '--format', '{{.Names}} {{.Target}}').split('\n')) == sorted([f'made:1 {target}', f'made:1 {mine}'])
    assert stat.S_ISREG(os.stat(mine / 'bin/busybox').st_mode)
    # what is mounted does not go by itself
    r = d.estiba('rmi', 'made:1', check=False)
    assert r.returncode == 1 and '(must force) - it is mounted on ' in r.stderr
    d.estiba('tag', 'made:1', 'made:2')
    d.estiba('rmi', 'made:2')
    assert d.out('image', 'unmount', mine) == str(mine) and not mounted(mine) and mine.is_dir()
    assert 'no image is mounted on' in d.estiba('image', 'unmount', mine, check=False).stderr
    # by hand
    subprocess.run(['umount', target], check=True)
    assert d.out('image', 'mount', '--format', '{{.Target}}') == ''
    assert 'is not mounted' in d.estiba('image', 'umount', 'made:1', check=False).stderr
    target = d.out('image', 'mount', 'made:1')
    d.estiba('image', 'prune', '-af')
    assert mounted(target) and d.out('images', '-q', 'made:1')
    d.estiba('rmi', '-f', 'made:1')
    assert not mounted(target) and not os.path.exists(target)
    assert json.loads(d.api('GET', '/estiba/mounts')[1]) == []
    assert d.estiba('system', 'check').returncode == 0


def test_other_daemons_lack_it(fake):  # noqa: F811
    for method, path, words, text in (('GET', '/estiba/images/x/files', ['files', 'x'], 'cannot show the files of images'),
                                      ('GET', '/estiba/images/x/cat', ['cat', 'x', '/y'], 'cannot show the files of images'),
                                      ('GET', '/estiba/images/x/diff', ['diff', 'x'], 'cannot compare images'),
                                      ('POST', '/estiba/mounts', ['mount', 'x'], 'cannot mount images'),
                                      ('DELETE', '/estiba/mounts', ['unmount', 'x'], 'cannot mount images')):
        fake.on(method, path, 404, {'message': 'page not found'})
        code, out, err = fake.run('image', *words)
        assert (code, out, err) == (1, '', f'this daemon {text}: it is not estibad, or an older one\n')


def test_list_is_never_old(d):
    """The answer is kept between requests: every change of an image or a name shows in the next."""
    def names():
        one = sorted(d.out('images', '--format', '{{.Repository}}:{{.Tag}}').split('\n'))
        assert one == sorted(d.out('images', '--format', '{{.Repository}}:{{.Tag}}').split('\n'))
        return one
    before = names()
    d.estiba('tag', 'bb:1', 'also:1')
    assert names() == sorted([*before, 'also:1'])
    d.estiba('rmi', 'also:1')
    assert names() == before
    d.estiba('build', '-t', 'new:1', '-', input='FROM bb:1\nLABEL a=b\n')
    assert names() == sorted([*before, 'new:1']) and 'new' in d.out('images')
    assert d.out('images', '--filter', 'label=a=b', '--format', '{{.Repository}}') == 'new'
    d.kill9()
    d.start()
    assert names() == sorted([*before, 'new:1'])
    d.estiba('rmi', 'new:1')
    assert names() == before and json.loads(d.out('images', '--format', '{{json .}}', 'bb'))['Tag'] == '1'
