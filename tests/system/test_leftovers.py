# SPDX-License-Identifier: Apache-2.0
"""test_leftovers.py: the proof at the end of tests/run sees what a test could leave: one of each kind is made, told and removed."""
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys
import time

import pytest

RUN = pathlib.Path(__file__).resolve().parents[1] / 'run'
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader('tests_run', str(RUN))
run = importlib.util.module_from_spec(importlib.util.spec_from_loader('tests_run', loader))
loader.exec_module(run)


def sh(text):
    subprocess.run(['sh', '-euc', text], check=True)


KINDS = {
    'mount': ('mkdir {d}/m; mount -t tmpfs tmpfs {d}/m', 'umount {d}/m', 'mount {d}/m'),
    'link': ('ip link add estleft type bridge', 'ip link del estleft', 'link estleft'),
    'table': ('nft add table inet estiba-left', 'nft delete table inet estiba-left', 'table inet estiba-left'),
    'network namespace': ('ip netns add estleft', 'ip netns del estleft', 'network namespace /run/netns/estleft'),
    'file': ('touch /tmp/estiba-left', 'rm /tmp/estiba-left', 'file /tmp/estiba-left'),
    'cgroup': ('mkdir {c}/estiba-test-{t}left', 'rmdir {c}/estiba-test-{t}left', 'cgroup {c}/estiba-test-{t}left'),
}


@pytest.mark.skipif(run.INSIDE not in os.environ, reason='only in the namespaces of tests/run')
@pytest.mark.parametrize('kind', KINDS)
def test_is_seen(kind, tmp_path):
    top = pathlib.Path('/sys/fs/cgroup')
    words = {'d': tmp_path, 't': run.TAG, 'c': top / 'pids' if (top / 'pids').is_dir() else top}
    make, remove, line = (text.format(**words) for text in KINDS[kind])
    assert line not in run.on_the_machine()
    sh(make)
    try:
        assert line in run.on_the_machine()
    finally:
        sh(remove)
    assert line not in run.on_the_machine()


def test_process_without_parent_is_seen_and_ended():
    """In a process of its own, which adopts what a child leaves behind."""
    text = f'''
import importlib.machinery, importlib.util, subprocess, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader('tests_run', {str(RUN)!r})
run = importlib.util.module_from_spec(importlib.util.spec_from_loader('tests_run', loader))
loader.exec_module(run)
run.ctypes.CDLL(None).prctl(run.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
before = run.on_the_machine()
run.sh(['sh', '-c', 'setsid sleep 1000 >/dev/null 2>&1 & sleep 0.2'])
result = run.Result()
run.leftovers(result, before, patience=0.5)
print(result.failed)
'''
    out = subprocess.run([sys.executable, '-c', text], capture_output=True, text=True, check=True).stdout
    pid = int(out.split('process ')[1].split(':')[0])
    assert 'sleep 1000' in out
    for _ in range(50):
        if not os.path.exists(f'/proc/{pid}'):
            return
        time.sleep(0.1)
    raise AssertionError(f'process {pid} is still there')


def test_a_file_that_hangs_is_ended():
    ended = run.run_jobs([(['sleep', '1000'], {}), (['sh', '-c', 'exit 3'], {})], at_once=2, limit=0.5)
    assert ended == {0: 'timeout', 1: 3}
