# SPDX-License-Identifier: Apache-2.0
"""Every kind of system call that a container's birth makes fails once, at the start of its uses and later: the cause is told,
and no cgroup, mount, process or directory stays."""

import json
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import test_runtime
from test_runtime import b  # noqa: F401 (a fixture)

pytestmark = [*test_runtime.pytestmark, pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")]

# Call, and which of its uses fails (each process counts for itself). Not in the table: close, whose result nobody uses;
# unlinkat and fstat, which the clean-up needs too, so that two faults would come together; brk and mmap: without memory we
# abort.
USES = [
    ("capget", 1), ("capset", 1), ("chdir", 1, 2), ("clone3", 1), ("close_range", 1), ("execveat", 1), ("faccessat2", 1),
    ("fchdir", 1), ("fsconfig", 1, 5, 30), ("fsmount", 1, 2, 9), ("fsopen", 1, 2, 9), ("fstatfs", 1, 3, 9),
    ("getcwd", 1), ("keyctl", 1), ("mkdir", 1), ("mkdirat", 1, 2, 9), ("mknodat", 1, 3), ("mount", 1, 2), ("mount_setattr", 1, 2, 3),
    ("move_mount", 1, 2, 9), ("open_tree", 1, 2, 3), ("openat", 1, 2, 5, 9, 16, 25, 40, 50), ("openat2", 1, 2, 3, 9, 15), ("pipe2", 1, 2),
    ("pivot_root", 1), ("prctl", 1, 2, 9), ("read", 1, 3, 5), ("renameat", 1), ("sethostname", 1), ("setgroups", 1),
    ("setresgid", 1), ("setresuid", 1), ("setsid", 1), ("stat", 1), ("statfs", 1), ("symlinkat", 1), ("umount2", 1), ("unshare", 1),
    ("write", 1, 3, 9, 17),
]


def poll(what):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def mounts(b):
    return [l for l in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if str(b.path) in l]


@pytest.mark.parametrize("call, uses", [(row[0], row[1:]) for row in USES])
def test_one_call_fails(b, call, uses):
    b.c["process"] |= {"oomScoreAdj": 5, "args": ["/bin/true"]}
    b.save()
    prefix = b.prefix
    for n in uses:
        log = b.path / "strace"
        b.prefix = [*prefix, "strace", "-f", "-y", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={n}"]
        with open(b.path / "err", "w+") as err:
            code = subprocess.run(b.argv("run", "c"), cwd=b.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                                  timeout=30).returncode
            err.seek(0)
            text = err.read()
        b.prefix = prefix
        # a controller that cannot be delegated on v2 is told by the limit that needs it
        if any("INJECTED" in l and "subtree_control" not in l for l in log.read_text().splitlines()):
            assert code == 1 and ("I/O error" in text or "i/O error" in text), (n, code, text)
            assert b.left() == [] and mounts(b) == [], (n, text)
        else:
            assert code == 0, (n, text)  # it has not that many uses here, or can do without


# The same for exec, which leaves nothing but the container as it was.
EXEC_USES = [
    ("clone3", 1), ("close_range", 1), ("getcwd", 1), ("openat", 1, 5, 9, 12), ("pipe2", 1, 2), ("prctl", 1, 2), ("read", 1, 5, 7, 9),
    ("renameat", 1), ("setns", 1), ("setresuid", 1), ("setsid", 1), ("write", 1, 2, 3, 9, 12),
]


@pytest.mark.parametrize("call, uses", [(row[0], row[1:]) for row in EXEC_USES])
def test_one_call_of_exec_fails(b, call, uses):
    pid = b.start()
    prefix = b.prefix
    for n in uses:
        log = b.path / "strace"
        b.prefix = [*prefix, "strace", "-f", "-y", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={n}"]
        with open(b.path / "err", "w+") as err:
            code = subprocess.run(b.argv("exec", "--detach", "--pid-file", "exec.pid", "c", "/bin/sleep", "0.5"), cwd=b.path,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, timeout=30).returncode
            err.seek(0)
            text = err.read()
        b.prefix = prefix
        inside = [p for p in json.loads(b.call("ps", "-f", "json", "c").stdout) if p != pid]
        if any("INJECTED" in l for l in log.read_text().splitlines()):
            assert code == 255 and ("I/O error" in text or "i/O error" in text), (n, code, text)
            assert inside == [], (n, text)
        else:
            assert code == 0 and inside == [], (n, text)  # strace has waited for it


def test_init_ends_with_a_runtime_that_is_killed(b):
    """It waits for a word of the runtime; when that is gone there is nobody to wait for, nor to look after it."""
    b.c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {b.path}/hook; kill -9 $PPID"]}]}
    assert b.run().returncode == -signal.SIGKILL
    pid = json.loads((b.path / "hook").read_text())["pid"]
    poll(lambda: not pathlib.Path(f"/proc/{pid}/root/bin").exists())
