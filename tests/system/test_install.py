# SPDX-License-Identifier: Apache-2.0
"""test_install.py: what `meson install` puts below a DESTDIR is complete and runs from there."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import daemon

BUILD = daemon.BIN.parents[1]  # bin/ of a build directory is a link to src/bin

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason='needs root'),
    pytest.mark.skipif(not (BUILD / 'build.ninja').exists(), reason='the programs under test are not in a build directory'),
]


@pytest.fixture(scope='module')
def prefix(tmp_path_factory):
    dest = tmp_path_factory.mktemp('dest')
    subprocess.run(['meson', 'install', '-C', str(BUILD), '--no-rebuild', '--destdir', str(dest)], check=True, capture_output=True)
    found, = dest.glob('**/bin/estiba')
    for p in (found, *found.parents):  # helpers run as nobody
        if p.is_dir() and not os.stat(p).st_mode & 1:
            os.chmod(p, 0o711)
    return found.parent.parent


def test_places(prefix):
    assert sorted(p.name for p in (prefix / 'bin').iterdir()) == ['estiba', 'estibad']
    assert {'estiba-mon', 'estiba-run', 'estiba-layer', 'estiba-fetch', 'estiba-seccomp'} <= {p.name for p in (prefix / 'libexec/estiba').iterdir()}
    for unit in ('estiba.socket', 'estiba.service', 'estiba-boot.service'):
        text = (prefix / 'lib/systemd/system' / unit).read_text()
        assert '@' not in re.sub(r'#.*', '', text)
        for program in re.findall(r'^ExecStart=(\S+)', text, re.M):
            assert (prefix / 'bin' / pathlib.Path(program).name).exists() and program.endswith(f'/bin/{pathlib.Path(program).name}')
    service = (prefix / 'lib/systemd/system/estiba.service').read_text()
    assert {'Delegate=yes', 'KillMode=process', 'TasksMax=infinity'} <= set(service.splitlines())
    assert (prefix / 'lib/sysusers.d/estiba.conf').read_text().endswith('g estiba - -\n')
    assert (prefix / 'share/doc/estiba/examples/hello/Dockerfile').exists()
    if shutil.which('scdoc'):
        assert {p.name for p in (prefix / 'share/man').glob('*/*')} == {'estiba.1', 'estibad.8', 'estiba-run.8', 'estiba-mon.8'}


@pytest.mark.skipif(not shutil.which('systemd-analyze'), reason='no systemd')
def test_units_are_well_formed(prefix):
    r = subprocess.run(['systemd-analyze', 'verify', '--man=no', *map(str, (prefix / 'lib/systemd/system').iterdir())], capture_output=True, text=True)
    ours = [line for line in r.stderr.splitlines() if 'estiba' in line and 'is not executable' not in line]  # it is below DESTDIR
    assert ours == []


def test_completion(prefix):
    script = prefix / 'share/bash-completion/completions/estiba'
    ask = f'. {script}; COMP_WORDS=(estiba vol); COMP_CWORD=1; _estiba; echo "${{COMPREPLY[@]}}"'
    assert subprocess.run(['bash', '-c', ask], capture_output=True, text=True, check=True,
                          env={**os.environ, 'PATH': f'{prefix}/bin:{os.environ["PATH"]}'}).stdout == 'volume\n'
    assert (prefix / 'share/zsh/site-functions/_estiba').read_text().startswith('#compdef estiba\n')


def test_runs_from_there(prefix, monkeypatch):
    monkeypatch.setattr(daemon, 'BIN', prefix / 'bin')
    d = daemon.Daemon().start()
    try:
        d.import_busybox()
        assert d.out('run', '--rm', 'bb:1', 'sh', '-c', 'echo it runs') == 'it runs'
        pids = [p for p in os.listdir('/proc') if p.isdigit()]
        d.out('run', '-d', '--name', 'up', 'bb:1', 'sleep', '60')
        new = {os.path.realpath(f'/proc/{p}/exe') for p in os.listdir('/proc') if p.isdigit() and p not in pids}
        assert str(prefix / 'libexec/estiba/estiba-mon') in new
    finally:
        d.close()
