# SPDX-License-Identifier: Apache-2.0
"""The same commands for estiba-run and Debian's runc, side by side: exit codes, JSON and texts of errors, as whoever calls them reads them."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

import test_runtime
from test_runtime import Bundle

RUNC = shutil.which("runc")
pytestmark = [*test_runtime.pytestmark, pytest.mark.skipif(not RUNC, reason="needs runc")]


class Peer(Bundle):
    """The same bundle under another runtime, in a cgroup of its own."""

    def __init__(self, path, program):
        super().__init__(path)
        self.program = program

    def argv(self, *args):
        return [self.program, "--root", str(self.root), "--log", str(self.path / "log"), "--log-format", "json", *map(str, args)]

    def config(self, *args):
        super().config(*args)
        self.c["linux"]["cgroupsPath"] = f"/{test_runtime.CGROUP}/{pathlib.Path(self.program).name}"
        return self.c

    def message(self):
        """The last error of the log, which is what engines show."""
        lines = (self.path / "log").read_text().splitlines()
        return json.loads(lines[-1])["msg"] if lines else ""

    def status(self, want):
        end = time.monotonic() + 20
        while json.loads(self.call("state", "c").stdout)["status"] != want:
            assert time.monotonic() < end
            time.sleep(0.02)


@pytest.fixture
def two(tmp_path):
    peers = []
    for program in (str(test_runtime.RUN), RUNC):
        path = tmp_path / pathlib.Path(program).name
        path.mkdir()
        peers.append(Peer(path, program))
        peers[-1].config("sleep", "1000")
    yield peers
    for p in peers:
        p.call("delete", "-f", "c")
    for d in test_runtime.cgroup_dirs():
        for sub in d.iterdir():
            if sub.is_dir():
                sub.rmdir()
        d.rmdir()


def both(two, *args, **kw):
    return [p.call(*args, **kw) for p in two]


def same_code(two, *args):
    ours, theirs = both(two, *args)
    assert (ours.returncode == 0) == (theirs.returncode == 0), (args, ours.stderr, theirs.stderr)
    assert ours.returncode == theirs.returncode, (args, ours.stderr, theirs.stderr)
    return ours, theirs


def start(two):
    for p in two:
        p.start()


def same_message(two, *args):
    same_code(two, *args)
    ours, theirs = two[0].message(), two[1].message()
    assert ours == theirs, args


def test_state_list_and_ps(two):
    start(two)
    ours, theirs = (json.loads(r.stdout) for r in same_code(two, "state", "c"))
    assert list(ours) == [k for k in theirs if k in ours] and set(ours) == set(theirs)
    for key in ("id", "status", "owner"):
        assert ours[key] == theirs[key]
    assert [type(v) for v in ours.values()] == [type(theirs[k]) for k in ours]
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
    assert form.match(ours["created"]) and form.match(theirs["created"])
    ours, theirs = (json.loads(r.stdout) for r in same_code(two, "list", "-f", "json"))
    assert set(ours[0]) == set(theirs[0])
    ours, theirs = (r.stdout for r in same_code(two, "list", "-q"))
    assert ours == theirs == "c\n"
    for r, p in zip(same_code(two, "ps", "-f", "json", "c"), two):
        assert json.loads(r.stdout) == [json.loads(p.call("state", "c").stdout)["pid"]]
    ours, theirs = (r.stdout.splitlines() for r in same_code(two, "ps", "c"))
    assert ours[0].split() == theirs[0].split() and len(ours) == len(theirs) == 2
    ours, theirs = (json.loads(r.stdout) for r in same_code(two, "events", "--stats", "c"))
    assert set(ours) == set(theirs) and set(ours["data"]) == set(theirs["data"])


def test_life_and_errors(two):
    same_message(two, "state", "nosuch")
    same_message(two, "start", "nosuch")
    same_message(two, "exec", "nosuch", "true")
    same_message(two, "kill", "nosuch", "TERM")
    same_code(two, "delete", "nosuch")
    same_code(two, "delete", "-f", "nosuch")
    start(two)
    same_code(two, "run", "c")
    same_code(two, "start", "c")
    same_code(two, "delete", "c")
    same_code(two, "kill", "c", "NOSUCH")
    same_code(two, "pause", "c")
    same_message(two, "exec", "c", "true")
    same_code(two, "pause", "c")
    same_code(two, "resume", "c")
    same_code(two, "resume", "c")
    same_code(two, "kill", "c", "KILL")
    for p in two:
        p.status("stopped")
    same_code(two, "exec", "c", "true")
    same_code(two, "kill", "c", "TERM")
    same_code(two, "pause", "c")
    same_code(two, "update", "--pids-limit", "10", "c")
    same_code(two, "delete", "c")


@pytest.mark.parametrize("words", [["true"], ["false"], ["sh", "-c", "exit 7"], ["sh", "-c", "kill -9 $$"], ["nosuch"], ["/nosuch"], ["/etc"]])
def test_exit_codes_of_run_and_exec(two, words):
    for p in two:
        p.c["process"]["args"] = words
        p.save()
    same_code(two, "run", "c")
    for p in two:
        p.c["process"]["args"] = ["sleep", "1000"]
    start(two)
    same_code(two, "exec", "c", *words)


@pytest.mark.parametrize("args", [["run"], ["run", "a", "b"], ["state"], ["delete"], ["start"], ["kill"], ["exec", "c"], ["list", "-f", "xml"],
                                  ["nosuch"], ["run", "--nosuch", "c"], ["run", "--console-socket", "/x", "c"], ["run", "a/b"], ["events", "c"]])
def test_wrong_words(two, args):
    for p in two:
        p.save()
    ours, theirs = both(two, *args)
    assert ours.returncode != 0 and theirs.returncode != 0


def test_features_cover_runcs(two):
    ours, theirs = (json.loads(r.stdout) for r in same_code(two, "features"))
    assert set(theirs["hooks"]) <= set(ours["hooks"]) and set(theirs["mountOptions"]) <= set(ours["mountOptions"])
    for key in ("namespaces", "capabilities"):
        assert set(theirs["linux"][key]) <= set(ours["linux"][key])
    for key in ("actions", "operators", "archs"):
        assert set(theirs["linux"]["seccomp"][key]) <= set(ours["linux"]["seccomp"][key])


def test_update_writes_the_same(two):
    """Every flag of update, seen in the files of the two groups."""
    if not os.path.isdir("/sys/fs/cgroup/memory"):
        pytest.skip("no v1 controllers here")
    start(two)
    same_code(two, "update", "--memory", 64 << 20, "--memory-swap", 80 << 20, "--memory-reservation", 32 << 20, "--cpu-period", 50000,
              "--cpu-quota", 25000, "--cpu-share", 300, "--cpuset-cpus", "0", "--cpuset-mems", "0", "--pids-limit", 33, "c")
    files = ("memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "memory/memory.soft_limit_in_bytes", "cpu/cpu.cfs_period_us",
             "cpu/cpu.cfs_quota_us", "cpu/cpu.shares", "cpuset/cpuset.cpus", "cpuset/cpuset.mems", "pids/pids.max")
    for f in files:
        controller, name = f.split("/")
        seen = [(pathlib.Path("/sys/fs/cgroup", controller, test_runtime.CGROUP, pathlib.Path(p.program).name) / name) for p in two]
        if seen[1].exists():
            assert seen[0].read_text() == seen[1].read_text(), f
