# SPDX-License-Identifier: Apache-2.0
"""linux.seccomp of estiba-run: flags, errno values, and questions to an agent outside of the container."""

import array
import fcntl
import json
import os
import socket
import struct
import threading

import pytest

import test_runtime
from test_runtime import b  # noqa: F401 (a fixture)

pytestmark = test_runtime.pytestmark

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101  # linux/seccomp.h
ENOMEDIUM = 123


class Agent:
    """Takes listeners at a socket, and answers every question with ENOMEDIUM."""

    def __init__(self, path):
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(str(path))
        self.server.listen()
        self.states, self.rests, self.threads = [], [], []
        self.thread = threading.Thread(target=self.take, daemon=True)
        self.thread.start()

    def take(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            text, fds, _, _ = socket.recv_fds(peer, 65536, 4)
            self.rests.append(peer.recv(10))  # nothing more comes over this connection
            self.states.append((json.loads(text), len(fds)))
            thread = threading.Thread(target=self.answer, args=(fds[0],), daemon=True)
            thread.start()
            self.threads.append(thread)

    def answer(self, fd):
        while True:
            question = array.array("B", bytes(80))
            try:
                fcntl.ioctl(fd, NOTIF_RECV, question, True)
                qid = struct.unpack_from("<Q", question)[0]
                fcntl.ioctl(fd, NOTIF_SEND, array.array("B", struct.pack("<QqiI", qid, 0, -ENOMEDIUM, 0)), True)
            except FileNotFoundError:
                if any_left(fd):
                    continue
                os.close(fd)
                return

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for t in (self.thread, *self.threads):
            t.join(10)
            assert not t.is_alive()


def any_left(fd):
    """Whether some process is still under the filter."""
    import select
    p = select.poll()
    p.register(fd, select.POLLIN)
    return not any(event & select.POLLHUP for _, event in p.poll(0))


@pytest.fixture
def agent(b):
    a = Agent(b.path / "agent")
    yield a
    b.call("delete", "-f", "c")
    a.close()


def asking(b, **more):
    b.c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(b.path / "agent"), "listenerMetadata": "meta=1",
                               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}], **more}


@pytest.mark.parametrize("nnp, flags", [(False, None), (True, []), (False, ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"]),
                                        (False, ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])])
def test_agent_answers(b, agent, nnp, flags):
    asking(b, **({} if flags is None else {"flags": flags}))
    b.c["annotations"] = {"a": "b"}
    b.c["process"] |= {"noNewPrivileges": nnp, "user": {"uid": 33, "gid": 33}}
    pid = b.start(script="mkdir /tmp/x; sleep 1000")
    for _ in range(200):
        if "No medium" in (b.path / "out").read_text():
            break
        threading.Event().wait(0.02)
    assert "No medium found" in (b.path / "out").read_text()
    assert "No medium found" in b.call("exec", "c", "mkdir", "/tmp/x").stderr
    b.call("kill", "c", "KILL")
    (first, n), (second, m) = agent.states
    assert (n, m) == (1, 1) and agent.rests == [b"", b""]
    assert first["fds"] == ["seccompFd"] and first["pid"] == pid and first["metadata"] == "meta=1" and first["ociVersion"]
    assert (first["state"]["id"], first["state"]["status"], first["state"]["pid"]) == ("c", "creating", pid)
    assert first["state"]["bundle"] == str(b.path) and first["state"]["annotations"] == {"a": "b"}
    assert second["pid"] != pid and (second["state"]["status"], second["state"]["pid"]) == ("running", pid)


def test_nobody_at_the_listener_path(b):
    asking(b)
    r = b.run()
    assert r.returncode == 1 and "linux.seccomp.listenerPath" in r.stderr and b.left() == []
    b.c["linux"]["seccomp"]["syscalls"] = []  # nobody asks: the path means nothing
    del b.c["linux"]["seccomp"]["listenerMetadata"]
    assert b.run().returncode == 0


def test_errno_defaults_and_kinds(b):
    """EPERM unless another number is given, for calls named and for those that are not."""
    for more, text in (({}, "Operation not permitted"), ({"errnoRet": 28}, "No space left")):
        b.c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", **more}]}
        b.c["process"]["args"] = ["mkdir", "/tmp/x"]
        assert text in b.run().stderr
    b.c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    assert b.run().returncode == 128 + 31
    b.c["linux"]["seccomp"]["syscalls"][0]["action"] = "SCMP_ACT_TRAP"
    assert b.run().returncode == 128 + 31
    b.c["linux"]["seccomp"]["syscalls"][0]["action"] = "SCMP_ACT_LOG"
    assert b.run().returncode == 0
    b.c["linux"]["seccomp"]["syscalls"][0] |= {"action": "SCMP_ACT_TRACE", "errnoRet": 7}
    os.rmdir(b.rootfs / "tmp/x")
    assert "Function not implemented" in b.run().stderr  # nobody traces


def test_foreign_architectures_are_known(b):
    """Each name of the specification is taken; what this machine cannot run has no part in the filter."""
    names = "AARCH64 ARM LOONGARCH64 M68K MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PARISC PARISC64 PPC PPC64 PPC64LE " \
            "RISCV64 S390 S390X SH SHEB X32 X86 X86_64"
    b.c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_" + n for n in names.split()],
                               "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}
    b.c["process"]["args"] = ["mkdir", "/tmp/x"]
    assert "Operation not permitted" in b.run().stderr
