# SPDX-License-Identifier: Apache-2.0
"""The daemon's compiled filters: found again by profile, compiler and kernel, after a crash too, and never more than so many."""

import json
import os
import stat

import pytest

import daemon

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='needs root')

# The daemon in a mount namespace of its own, where the kernel says that it has other actions, or the compiler that it is another.
BIND = ['unshare', '-m', '--propagation', 'slave', 'sh', '-c', 'test ! -e {flag} || mount --bind {flag} {target}; exec "$@"', 'sh']


def filters(d):
    return {p.name: p.stat().st_ino for p in (d.dir / 'exec/seccomp').iterdir()}


def run(d, profile=None):
    opt = []
    if profile is not None:
        (d.dir / 'profile.json').write_text(json.dumps(profile))
        opt = ['--security-opt', f'seccomp={d.dir}/profile.json']
    return d.estiba('run', '--rm', '--network', 'none', *opt, 'bb:1', 'true')


def started(wrap=()):
    d = daemon.Daemon(wrap=wrap)
    d.start()
    d.import_busybox()
    return d


def test_found_again_and_bounded():
    d = started()
    try:
        run(d)
        first = filters(d)
        assert len(first) == 1
        run(d)
        d.kill9()
        d.start()
        run(d)
        assert filters(d) == first  # nothing was compiled again
        for i in range(40):
            run(d, {'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': ['mkdir'], 'action': 'SCMP_ACT_ERRNO', 'errnoRet': i + 1}]})
            if i == 20:
                d.kill9()  # the daemon forgets which it used last
                d.start()
                run(d)
        now = filters(d)
        assert len(now) == 32 and first.items() <= now.items()  # the one in use stayed
    finally:
        d.close()


@pytest.mark.parametrize('target', ['/proc/sys/kernel/seccomp/actions_avail', str(daemon.BIN / 'estiba-seccomp')])
def test_other_kernel_or_library_compiles_anew(tmp_path, target):
    flag = tmp_path / 'other'
    d = started([w.format(flag=flag, target=target) for w in BIND])
    try:
        run(d)
        first = filters(d)
        d.stop()
        if target.startswith('/proc'):
            flag.write_text('kill_process errno allow\n')
        else:
            copy = tmp_path / 'real'
            copy.write_bytes((daemon.BIN / 'estiba-seccomp').read_bytes())
            flag.write_text(f'#!/bin/sh\n[ "$1" != --version ] || exec echo libseccomp 99\nexec {copy}\n')
            for p in (copy, flag):
                p.chmod(stat.S_IRWXU | 0o055)
        d.start()
        run(d)
        assert len(filters(d)) == 2 and first.items() <= filters(d).items()
    finally:
        d.close()
