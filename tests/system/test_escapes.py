# SPDX-License-Identifier: Apache-2.0
"""One attack per publicly known class of runtime escapes, each tried for real. CVE-2019-5736 and CVE-2024-21626 are in
test_runtime.py. Every test here was seen to fail with its defence taken out; the defence is named where it is not obvious."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

import test_runtime
from test_runtime import b, on_terminal  # noqa: F401 (b is a fixture)

pytestmark = test_runtime.pytestmark


def eventually(check):
    for _ in range(100):
        if check():
            return
        time.sleep(0.02)
    assert check()


def refused(b, text):
    r = b.run()
    assert r.returncode == 1 and text in r.stderr, r.stderr
    assert b.left() == []


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_joining_process_cannot_be_looked_into(b):
    """CVE-2016-9962: until its exec a process of `exec` holds descriptors of the host; it must not be dumpable. strace makes
    the moment before exec, when it has the container's ids and capabilities already, last."""
    b.start(script="""
        for i in $(seq 300); do
            for p in /proc/[0-9]*; do
                set -- $(cat $p/stat 2>/dev/null)
                [ "$4" = 0 ] && [ "$1" != 1 ] && { echo seen; ls -l $p/fd $p/exe 2>/dev/null; sleep 1000; }
            done
            sleep 0.05
        done""")
    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=execve", "-e", "inject=execve:delay_enter=700000"]
    subprocess.run(slow + b.argv("exec", "c", "true"), cwd=b.path, stdin=subprocess.DEVNULL, check=True)
    out = (b.path / "out").read_text()
    assert "seen" in out and "->" not in out


@pytest.mark.parametrize("mount, text", [
    ({"destination": "/proc", "type": "bind", "source": "fake", "options": ["rbind"]}, "not of type proc"),
    ({"destination": "/proc", "type": "tmpfs", "source": "tmpfs"}, "not of type proc"),
    ({"destination": "/proc/", "type": "tmpfs", "source": "tmpfs"}, "not of type proc"),
    ({"destination": "/dir/link", "type": "tmpfs", "source": "tmpfs"}, "not of type proc"),
    ({"destination": "/proc/self/attr", "type": "tmpfs", "source": "tmpfs"}, "inside /proc"),
    ({"destination": "/proc/sys/kernel", "type": "bind", "source": "fake", "options": ["bind"]}, "inside /proc"),
    ({"destination": "/dir/link/sys/kernel", "type": "tmpfs", "source": "tmpfs"}, "inside /proc"),
    ({"destination": "/dir/../proc/sys/kernel", "type": "tmpfs", "source": "tmpfs"}, "inside /proc"),
])
def test_proc_is_procfs_and_is_not_covered(b, mount, text):
    """CVE-2019-16884, CVE-2025-52881: security labels are written through it."""
    (b.path / "fake/self/attr").mkdir(parents=True)
    (b.rootfs / "dir").mkdir()
    (b.rootfs / "dir/link").symlink_to("../proc")
    b.c["mounts"].append(mount)
    refused(b, text)


def test_proc_takes_what_lxcfs_shows(b):
    (b.path / "meminfo").write_text("MemTotal: 1 kB\n")
    b.c["mounts"] += [{"destination": "/proc/meminfo", "type": "bind", "source": "meminfo", "options": ["bind"]},
                      {"destination": "/proc", "type": "proc", "source": "proc"}]
    assert b.sh("cat /proc/1/comm; true").strip() == "sh"
    b.c["mounts"].pop()
    assert b.sh("cat /proc/meminfo") == "MemTotal: 1 kB\n"


@pytest.mark.parametrize("name", ["proc", "sys"])
@pytest.mark.parametrize("target", ["tmp", "vol/there"])
def test_proc_and_sys_are_no_links(b, name, target):
    """CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: the image, or a volume shared with another container, sends the mount
    elsewhere, and masks and labels then miss it."""
    (b.path / "vol/there").mkdir(parents=True)
    b.c["mounts"].insert(0, {"destination": "/vol", "type": "bind", "source": "vol", "options": ["rbind"]})
    (b.rootfs / name).rmdir()
    (b.rootfs / name).symlink_to(target)
    refused(b, f"/{name} is not a directory in the image")


SWAP = """
import ctypes, sys
libc = ctypes.CDLL(None)
print(flush=True)
while True:
    libc.renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)  # RENAME_EXCHANGE
"""


def test_places_that_are_exchanged_meanwhile(b):
    """CVE-2021-30465, CVE-2024-45310: somebody with the same volume exchanges a directory and a link to the host's while mounts
    are made; nothing may be made or mounted out there."""
    outside = b.path / "outside"
    outside.mkdir()
    (b.path / "vol/x").mkdir(parents=True)
    (b.path / "vol/y").symlink_to(outside)
    (b.path / "file").write_text("")
    b.c["mounts"] += [
        {"destination": "/vol", "type": "bind", "source": "vol", "options": ["rbind"]},
        {"destination": "/vol/x/dir/a/b", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/vol/x/file", "type": "bind", "source": "file", "options": ["bind"]},
    ]
    b.c["process"]["args"] = ["true"]
    swapper = subprocess.Popen([sys.executable, "-c", SWAP, b.path / "vol/x", b.path / "vol/y"], stdout=subprocess.PIPE)
    swapper.stdout.readline()
    try:
        codes = [b.run().returncode for _ in range(15)]
    finally:
        swapper.kill()
        swapper.wait()
    assert list(outside.iterdir()) == [] and 0 in codes


def test_no_inheritable_capabilities(b):
    """CVE-2022-29162: a file with inheritable capabilities would give them to every user of the container."""
    b.start(script="grep CapInh /proc/self/status; sleep 1000")
    r = b.call("exec", "--cap", "CAP_NET_ADMIN", "c", "grep", "-E", "CapInh|CapAmb|CapEff", "/proc/self/status")
    caps = dict(l.split() for l in r.stdout.splitlines())
    assert caps["CapInh:"] == caps["CapAmb:"] == "0" * 16 and int(caps["CapEff:"], 16) & 1 << 12
    assert (b.path / "out").read_text().split() == ["CapInh:", "0" * 16]


def test_cgroups_are_read_only_without_a_namespace_too(b):
    """CVE-2023-25809: without a cgroup namespace the tree is bound, and each mount in it is to be read-only."""
    b.c["linux"]["namespaces"] = [n for n in b.c["linux"]["namespaces"] if n["type"] != "cgroup"]
    out = b.sh("""for d in /sys/fs/cgroup /sys/fs/cgroup/*; do
        if test -d $d && mkdir $d/evil 2>/dev/null; then echo made $d; rmdir $d/evil; fi
        if test -f $d/cgroup.procs && echo 1 2>/dev/null >$d/cgroup.procs; then echo wrote $d; fi
        done; ls /sys/fs/cgroup | wc -l""")
    assert int(out) >= 1


def test_masks_are_made_of_the_null_device(b):
    """CVE-2025-31133: the container's /dev/null is a link to a file that the mask would make writable."""
    dev = b.path / "dev"
    dev.mkdir()
    (dev / "null").symlink_to("/proc/sys/kernel/core_pattern")
    b.c["mounts"] = [m for m in b.c["mounts"] if not m["destination"].startswith("/dev")]
    b.c["mounts"].append({"destination": "/dev", "type": "bind", "source": "dev", "options": ["rbind"]})
    out = b.sh("stat -c '%F %t:%T' /proc/keys; stat -c '%F %t:%T' /proc/timer_list; cat /proc/keys")
    assert out == "character special file 1:3\n" * 2


@pytest.mark.parametrize("link", ["console", "pts/ptmx"])
def test_terminal_through_a_link_is_refused(b, link):
    """CVE-2025-52565: the terminal is bound to /dev/console, and opened by /dev/pts/ptmx; a link would lead either elsewhere."""
    skip = {"console": ("/dev", "/dev/shm", "/dev/mqueue"), "pts/ptmx": ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")}[link]
    b.c["mounts"] = [m for m in b.c["mounts"] if m["destination"] not in skip]
    (b.rootfs / "dev/pts").mkdir()
    (b.rootfs / "dev" / link).symlink_to("/etc/passwd")
    b.c["process"] |= {"terminal": True, "args": ["cat", "/etc/passwd"]}
    b.save()
    code, out = on_terminal(b, "run", "c")
    assert code == 1 and "/dev/" + link in out and "root:" not in out
    assert b.left() == []


def test_exec_writes_through_a_procfs_of_its_own(b):
    """CVE-2025-52881: the container has put files of its own where `exec` would look for its process's settings."""
    caps = b.c["process"]["capabilities"]
    for kind in caps:
        caps[kind] = caps[kind] + ["CAP_SYS_ADMIN"]
    b.start(script="""umount /proc/* 2>/dev/null; mount -t tmpfs none /proc && mkdir -p /proc/self/attr /proc/thread-self/attr &&
        for f in self/oom_score_adj self/attr/exec thread-self/attr/exec; do echo mine >/proc/$f; done; echo ready; sleep 1000""")
    eventually(lambda: "ready" in (b.path / "out").read_text())
    process = b.c["process"] | {"args": ["sh", "-c", "cat /proc/self/oom_score_adj /proc/self/attr/exec; sleep 1000"], "oomScoreAdj": 77}
    (b.path / "process.json").write_text(json.dumps(process))
    with open(b.path / "exec-out", "w") as out:
        subprocess.run(b.argv("exec", "-d", "-p", "process.json", "--pid-file", "exec-pid", "c"), cwd=b.path, stdin=subprocess.DEVNULL,
                       stdout=out, stderr=out, check=True)
    pid = (b.path / "exec-pid").read_text()
    assert pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text() == "77\n"
    eventually(lambda: (b.path / "exec-out").read_text() == "mine\nmine\n")


def test_passwd_of_the_image_holds_nobody_up(b):
    (b.rootfs / "etc/passwd").unlink()
    os.mkfifo(b.rootfs / "etc/passwd")
    assert b.sh("echo $HOME") == "/\n"
