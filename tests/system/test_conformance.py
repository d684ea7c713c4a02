# SPDX-License-Identifier: Apache-2.0
"""What the suites of others (doc/conformance.md) found us wrong in, each as a test of our own."""

import os
import pathlib
import shutil
import subprocess
import time

import pytest

import test_runtime
from test_runtime import CGROUP, b, cgroup_dirs  # noqa: F401 (b is a fixture)

pytestmark = test_runtime.pytestmark
DENY = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]}


def forbid(*names):
    return dict(DENY, syscalls=[{"names": list(names), "action": "SCMP_ACT_ERRNO"}])


def test_filter_need_not_allow_what_finds_the_command(b):
    """The working directory, the user's ids and the command come before the filter, also without no_new_privs."""
    b.c["linux"]["seccomp"] = forbid("getcwd", "chdir", "stat", "newfstatat", "faccessat", "faccessat2", "access", "setgroups", "setresuid")
    b.c["process"]["user"] = {"uid": 33, "gid": 33}
    b.c["process"]["args"] = ["grep", "-E", "^(Uid|CapEff|CapPrm|CapAmb|Seccomp):", "/proc/self/status"]
    r = b.run()
    assert r.stderr == ""
    v = {line.split()[0]: line.split()[1] for line in r.stdout.splitlines()}
    assert v == {"Uid:": "33", "CapPrm:": "0" * 16, "CapEff:": "0" * 16, "CapAmb:": "0" * 16, "Seccomp:": "2"}
    b.start()
    assert b.call("exec", "c", "true").returncode == 0


def test_without_capabilities_in_the_config_a_user_has_none(b):
    del b.c["process"]["capabilities"]
    b.c["linux"]["seccomp"] = forbid("mkdirat")
    for uid, none in ((33, True), (0, False)):
        b.c["process"]["user"] = {"uid": uid, "gid": 0}
        caps = {int(x, 16) for x in b.sh("sed -n 's/^Cap\\(Prm\\|Eff\\):.//p' /proc/self/status").split()}
        assert (caps == {0}) == none and len(caps) == 1


def test_command_is_looked_for_with_the_containers_rights(b):
    """Root without CAP_DAC_OVERRIDE does not find what only its owner may execute, with and without a filter."""
    tool = b.rootfs / "bin/private"
    shutil.copy(test_runtime.BUSYBOX, tool)
    os.chown(tool, 33, 33)
    tool.chmod(0o700)
    caps = ["CAP_CHOWN"]
    b.c["process"]["capabilities"] = {k: caps for k in ("bounding", "effective", "permitted")}
    b.c["process"]["args"] = ["private"]
    for profile in (None, forbid("mkdirat")):
        b.c["linux"]["seccomp"] = profile or {"defaultAction": "SCMP_ACT_ALLOW"}
        assert 'exec: "private": executable file not found in $PATH' in b.run().stderr


def test_root_that_may_not_be_bound(b):
    b.c["linux"]["rootfsPropagation"] = "unbindable"
    assert "unbindable" in b.sh("awk '$5 == \"/\"' /proc/self/mountinfo")


def test_group_that_is_in_use_is_refused(b):
    """Somebody else's processes would end with the container; in a frozen group it would never begin."""
    b.start()
    for command in ("run", "create"):
        b.c["process"]["args"] = ["true"]
        b.save()
        r = b.call(command, "other")
        assert r.returncode == 1 and "container's cgroup is not empty: 1 process" in r.stderr
    assert b.state()["status"] == "running"
    assert b.call("delete", "-f", "c").returncode == 0
    freezer = [d for d in cgroup_dirs() if (d / "freezer.state").exists() or (d / "cgroup.freeze").exists()]
    if b.prefix or not pathlib.Path("/sys/fs/cgroup/freezer").is_dir():
        freezer = [d for d in freezer if (d / "cgroup.freeze").exists()]
    place = freezer[0] / "c"
    place.mkdir()
    v1 = (place / "freezer.state").exists()
    (place / ("freezer.state" if v1 else "cgroup.freeze")).write_text("FROZEN" if v1 else "1")
    r = b.run()
    assert r.returncode == 1 and "container's cgroup unexpectedly frozen" in r.stderr
    assert b.cgroups() == [str(place)]
    place.rmdir()
    assert b.run().returncode == 0


def pids_max():
    return [(d / "c/pids.max").read_text().strip() for d in cgroup_dirs() if (d / "c/pids.max").exists()]


def test_limit_of_no_processes_is_one(b):
    if b.prefix:
        pytest.skip("the v2 tree of this machine has no pids controller")
    for limit, want in ((0, "1"), (-1, "max"), (20, "20")):
        b.c["linux"]["resources"]["pids"] = {"limit": limit}
        b.c["process"]["args"] = ["sleep", "1000"]
        b.save()
        assert subprocess.run(b.argv("create", "c"), cwd=b.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode == 0
        assert pids_max() == [want]
        assert b.call("update", "--pids-limit", "0", "c").returncode == 0 and pids_max() == ["1"]
        assert b.call("update", "--memory", str(256 << 20), "c").returncode == 0 and pids_max() == ["1"]
        assert b.call("delete", "-f", "c").returncode == 0


def test_ambient_capabilities(b):
    """exec --cap gives them to containers that use them; what cannot be raised is told."""
    b.c["process"]["capabilities"] = {
        "inheritable": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_FOWNER", "CAP_CHOWN"], "effective": ["CAP_FOWNER"],
        "bounding": ["CAP_FOWNER", "CAP_CHOWN", "CAP_KILL"], "ambient": ["CAP_CHOWN"]}
    b.start()
    r = b.call("exec", "--cap", "CAP_KILL", "c", "grep", "CapAmb", "/proc/self/status")
    assert r.stdout.split()[1] == f"{1 << 0 | 1 << 5:016x}"
    assert b.call("delete", "-f", "c").returncode == 0
    b.c["process"]["capabilities"]["ambient"].append("CAP_FOWNER")
    b.c["process"]["args"] = ["grep", "CapAmb", "/proc/self/status"]
    b.save()
    r = b.call("--log", b.path / "log", "run", "c")
    assert r.stdout.split()[1] == f"{1:016x}" and "can't raise ambient capability CAP_FOWNER" in (b.path / "log").read_text()


def test_of_several_values_the_last_holds(b):
    b.c["process"]["env"] = ["PATH=/bin", "A=1", "B=2", "A=3"]
    assert b.sh("env | sort | grep -E '^[AB]='").split() == ["A=3", "B=2"]


def test_start_hook_gets_the_environment_of_the_process(b):
    """startContainer runs in the container; without an environment of its own it has the process's."""
    out = "/tmp/seen"
    (b.rootfs / "tmp").chmod(0o777)
    b.c["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", f"echo $A > {out}; echo $B >> {out}"]}]}
    b.c["process"]["env"] = ["PATH=/bin", "A=seen"]
    b.sh("true")
    assert (b.rootfs / "tmp/seen").read_text().split() == ["seen"]
    b.c["hooks"]["startContainer"][0]["env"] = ["B=own"]
    b.sh("true")
    assert (b.rootfs / "tmp/seen").read_text().split() == ["own"]


def test_created_container_holds_nothing_of_the_host(b):
    """While it waits for start, perhaps in a pid namespace with others, its descriptors lead nowhere outside."""
    b.c["process"]["args"] = ["true"]
    b.save()
    r = subprocess.run(b.argv("create", "--pid-file", "pid", "c"), cwd=b.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    assert r.returncode == 0
    pid = (b.path / "pid").read_text()
    left, end = set(), time.monotonic() + 20
    while len(left) != 1 and time.monotonic() < end:  # it closes the way to its parent after it was told that all is well
        left = {os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")} - {"/dev/null", "/proc", "/"}
    assert len(left) == 1, left
    name = left.pop()
    assert name.endswith("/c/exec.fifo") and str(b.root / "c/exec.fifo").endswith(name)  # from the root of the mount it is on
    assert b.call("start", "c").returncode == 0


@pytest.mark.skipif((os.cpu_count() or 1) < 2 or len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_processors_of_the_runtime_are_not_the_containers(b):
    one = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    b.prefix = one + b.prefix
    line = "sed -n 's/^Cpus_allowed_list:.//p' /proc/self/status"
    want = open("/proc/1/status").read().split("Cpus_allowed_list:\t")[1].split("\n")[0]
    assert b.sh(line).strip() == want
    b.start()
    assert b.call("exec", "c", "sh", "-c", line).stdout.strip() == want


def test_exec_in_groups_of_single_controllers(b):
    if b.prefix or not os.path.isdir("/sys/fs/cgroup/memory"):
        assert b.start() and "unknown controller memory" in b.call("exec", "--cgroup", "memory:x", "c", "true").stderr
        return
    b.start()
    place = [d for d in cgroup_dirs() if d.parent.name == "memory"][0] / "c/sub"
    place.mkdir()
    r = b.call("exec", "--cgroup", "memory:sub", "--cgroup", "pids:/", "c", "cat", "/proc/self/cgroup")
    groups = {line.split(":")[1]: line.split(":")[2] for line in r.stdout.splitlines()}
    assert groups["memory"] == "/sub" and groups["pids"] == "/"
    for word, text in (("memory:none", "No such file"), ("what:/", "unknown controller what"), ("..", "bad sub cgroup path")):
        r = b.call("exec", "--cgroup", word, "c", "true")
        assert r.returncode == 255 and text in r.stderr, r.stderr
    place.rmdir()


def members():
    return {int(p) for d in cgroup_dirs() if (d / "c").exists() for p in (d / "c/cgroup.procs").read_text().split()}


def test_kill_ends_all_where_no_pid_namespace_does(b):
    b.c["linux"]["namespaces"] = [n for n in b.c["linux"]["namespaces"] if n["type"] != "pid"]
    b.start(script="sleep 1000 & sleep 1001 & wait")
    while len(members()) != 3:
        time.sleep(0.01)
    assert b.call("kill", "c", "KILL").returncode == 0
    while members():
        time.sleep(0.01)
