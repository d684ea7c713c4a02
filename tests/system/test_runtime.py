# SPDX-License-Identifier: Apache-2.0
"""estiba-run alone, on bundles with a busybox root file system: what a container is, and what is left when it is gone."""

import ctypes
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import time

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("ESTIBA_BIN", REPO / "build" / "bin"))
RUN = BIN / "estiba-run"
BUSYBOX = shutil.which("busybox")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not BUSYBOX, reason="needs busybox-static"),
]

CAPS = ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
        "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"]
DOCKER_CAPS = 0xA80425FB
HOST_CAPS = int([l for l in open("/proc/self/status") if l.startswith("CapBnd")][0].split()[1], 16)


def docker_config(*args):
    """What docker asks its runtime for, by default."""
    caps = ["CAP_" + c for c in CAPS]
    tmp = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0}, "args": list(args), "cwd": "/",
            "env": ["PATH=/bin", "A=b"], "oomScoreAdj": 0, "noNewPrivileges": False,
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
        },
        "root": {"path": "rootfs"}, "hostname": "inside",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": tmp},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": tmp + ["ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"] + tmp},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": tmp},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": tmp + ["mode=1777", "size=65536k"]},
        ],
        "linux": {
            "cgroupsPath": f"/{CGROUP}/c",
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": t} for t in ("mount", "network", "uts", "pid", "ipc", "cgroup")],
            "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }


# On a hybrid machine the v2 tree can be seen alone from a mount namespace of the test's own.
V2_ALONE = ["unshare", "-m", "--propagation", "private", "sh", "-c",
            'mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup && exec "$@"', "sh"]
CGROUP = f"estiba-test-{os.environ.get('ESTIBA_TEST_TAG', '')}{os.getpid()}"
PURE_V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
HYBRID = os.path.exists("/sys/fs/cgroup/unified/cgroup.controllers")


def mounts():
    """The mount table, without what tests beside us have in directories of theirs."""
    return [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
            if not re.search(" (/tmp/estiba-|/run/netns/)", line)]


def cgroup_dirs():
    """The tests' group in every hierarchy that has it."""
    top = pathlib.Path("/sys/fs/cgroup")
    return [p / CGROUP for p in (top, *top.iterdir()) if (p / CGROUP).is_dir()]


class Bundle:
    def __init__(self, path, prefix=()):
        self.path = path
        self.prefix = list(prefix)
        self.root = path / "state"
        self.rootfs = path / "rootfs"
        for d in ("bin", "etc", "proc", "dev", "sys", "tmp"):
            (self.rootfs / d).mkdir(parents=True)
        shutil.copy(BUSYBOX, self.rootfs / "bin/busybox")
        applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True).stdout.split()
        for a in applets:
            if not (self.rootfs / "bin" / a).exists():
                (self.rootfs / "bin" / a).symlink_to("busybox")
        (self.rootfs / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv/web:/bin/sh\n")

    def config(self, *args):
        self.c = docker_config(*args)
        return self.c

    def argv(self, *args):
        return [*self.prefix, str(RUN), "--root", str(self.root), *map(str, args)]

    def call(self, *args, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.argv(*args), cwd=self.path, text=True, capture_output=True, timeout=60, **kw)

    def save(self):
        (self.path / "config.json").write_text(json.dumps(self.c))

    def run(self, *options, **kw):
        self.save()
        return self.call("run", *options, "c", **kw)

    def sh(self, script, **kw):
        """Output of SCRIPT in a container that must succeed."""
        self.c["process"]["args"] = ["sh", "-c", script]
        r = self.run(**kw)
        assert (r.returncode, r.stderr) == (0, ""), r.stderr
        return r.stdout

    def start(self, *options, script="sleep 1000"):
        self.c["process"]["args"] = ["sh", "-c", script]
        self.save()
        with open(self.path / "out", "w") as out:  # not captured: the container keeps the stream
            subprocess.run(self.argv("run", "-d", "--pid-file", "pid", *options, "c"), cwd=self.path, stdin=subprocess.DEVNULL,
                           stdout=out, stderr=out, check=True, timeout=60)
        return int((self.path / "pid").read_text())

    def state(self):
        return json.loads(self.call("state", "c").stdout)

    def cgroups(self):
        return [str(p / "c") for p in cgroup_dirs() if (p / "c").exists()]

    def left(self):
        return (os.listdir(self.root) if self.root.exists() else []) + self.cgroups()


@pytest.fixture(params=["machine", "v2"] if HYBRID else ["machine"])
def b(tmp_path, request):
    bundle = Bundle(tmp_path, V2_ALONE if request.param == "v2" else ())
    bundle.config("true")
    yield bundle
    bundle.call("delete", "-f", "c")
    assert bundle.left() == []
    for p in cgroup_dirs():
        p.rmdir()


def test_namespaces_are_new_and_host_table_is_untouched(b):
    before = mounts()
    out = b.sh("for n in mnt pid net uts ipc cgroup user; do readlink /proc/self/ns/$n; done; hostname; cat /proc/sys/kernel/hostname")
    inside = out.split()
    for i, n in enumerate(("mnt", "pid", "net", "uts", "ipc", "cgroup")):
        assert inside[i] != os.readlink(f"/proc/self/ns/{n}")
    assert inside[6] == os.readlink("/proc/self/ns/user")
    assert inside[7:] == ["inside", "inside"]
    assert mounts() == before


def test_no_descriptor_and_no_environment_leaks(b):
    r, w = os.pipe()
    os.set_inheritable(r, True)
    b.c["process"]["args"] = ["sh", "-c", "ls /proc/1/fd; cat /proc/1/environ | tr '\\0' '\\n'"]
    out = b.run(pass_fds=(r,), env={**os.environ, "SECRET": "1"}).stdout.split()
    assert out == ["0", "1", "2", "PATH=/bin", "A=b", "HOME=/root"]
    os.close(r)
    os.close(w)


def test_preserve_fds(b):
    b.c["process"]["args"] = ["sh", "-c", "ls /proc/1/fd; cat <&3"]
    (b.path / "in").write_text("handed on")
    b.save()
    out = subprocess.run(["sh", "-c", 'exec 3<in; exec "$@"', "sh", *b.argv("run", "--preserve-fds", "1", "c")], cwd=b.path,
                         capture_output=True, text=True)
    assert out.stdout.split("\n") == ["0", "1", "2", "3", "handed on"]


def test_capabilities_seccomp_and_user(b):
    out = b.sh("grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status")
    want = f"{DOCKER_CAPS & HOST_CAPS:016x}"
    v = dict(l.split() for l in out.replace(":", "").splitlines())
    assert v == {"CapInh": "0" * 16, "CapPrm": want, "CapEff": want, "CapBnd": want, "CapAmb": "0" * 16, "NoNewPrivs": "0",
                 "Seccomp": "0"}
    b.c["process"]["user"] = {"uid": 33, "gid": 33, "additionalGids": [5, 7], "umask": 0o77}
    b.c["process"]["noNewPrivileges"] = True
    out = b.sh("id -u; id -g; id -G; echo $HOME; umask; grep -E '^(CapEff|NoNew)' /proc/self/status")
    assert out.split() == ["33", "33", "33", "5", "7", "/srv/web", "0077", "CapEff:", "0" * 16, "NoNewPrivs:", "1"]


def test_seccomp_profile(b):
    b.c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
                               "syscalls": [{"names": ["mkdirat", "mkdir", "nosuchcall"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    b.c["process"]["args"] = ["mkdir", "/tmp/x"]
    assert "No space left" in b.run().stderr
    b.start()
    assert "No space left" in b.call("exec", "c", "mkdir", "/tmp/x").stderr  # exec gets the filter too


def test_unknown_seccomp_action_is_told(b):
    b.c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_MAYBE"}
    r = b.run()
    assert r.returncode == 1 and "string SCMP_ACT_MAYBE is not a valid action for seccomp" in r.stderr


def test_mounts_masks_and_devices(b):
    out = b.sh("cat /proc/mounts")
    rows = {l.split()[1]: l.split() for l in out.splitlines()}
    assert rows["/proc"][3].startswith("rw,nosuid,nodev,noexec")
    for p in ("/proc/bus", "/proc/sys", "/sys"):
        assert rows[p][3].split(",")[0] == "ro"
    assert not any("/old" in p or p.startswith("/work") for p in rows)
    assert b.sh("cat /proc/keys; ls /sys/firmware; echo x 2>/dev/null >/proc/sys/kernel/domainname || echo ro") == "ro\n"
    out = b.sh("cd /dev; stat -c '%n %F %t:%T %a' null zero full random urandom tty; for l in fd stdin stdout stderr ptmx; do readlink $l; done")
    assert out.split("\n")[0] == "null character special file 1:3 666"
    assert out.split()[-5:] == ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"]
    b.c["process"]["args"] = ["dd", "if=/dev/mem", "count=1"]
    b.c["linux"]["devices"] = [{"type": "c", "path": "/dev/mem", "major": 1, "minor": 1, "fileMode": 0o600}]
    assert "Operation not permitted" in b.run().stderr  # the device cgroup says so


def test_read_only_root(b):
    b.c["root"]["readonly"] = True
    b.c["process"]["args"] = ["touch", "/x"]
    assert "Read-only file system" in b.run().stderr


def test_bind_mounts(b):
    (b.path / "data").mkdir()
    (b.path / "data/f").write_text("hello")
    b.c["mounts"] += [
        {"destination": "/a/b/data", "type": "bind", "source": str(b.path / "data"), "options": ["rbind", "ro", "rprivate"]},
        {"destination": "/file", "type": "bind", "source": "data/f", "options": ["bind"]},
        {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=700", "noexec"]},
    ]
    out = b.sh("cat /a/b/data/f /file; touch /a/b/data/g 2>&1; echo more >> /file; stat -c %a /run")
    assert out == "hellohellotouch: /a/b/data/g: Read-only file system\n700\n"
    assert (b.path / "data/f").read_text() == "hellomore\n"


def test_mount_target_link_stays_inside(b):
    """A link in the image that points to the host's /etc leads to the container's."""
    (b.rootfs / "link").symlink_to("/etc")
    (b.rootfs / "up").symlink_to("../../../../../../etc")
    for name in ("link", "up"):
        b.c["mounts"].append({"destination": f"/{name}/made-here", "type": "tmpfs", "source": "tmpfs"})
    b.sh("true")
    assert (b.rootfs / "etc/made-here").is_dir() and not os.path.exists("/etc/made-here")


def test_proc_over_a_link_is_refused(b):
    (b.rootfs / "proc").rmdir()
    (b.rootfs / "proc").symlink_to("tmp")
    r = b.run()
    assert r.returncode == 1 and "/proc is not a directory in the image" in r.stderr


@pytest.mark.parametrize("command, text", [
    ("nosuch", 'exec: "nosuch": executable file not found in $PATH'),
    ("/nosuch", 'exec: "/nosuch": stat /nosuch: no such file or directory'),
    ("/etc", 'exec: "/etc": is a directory'),
    ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
])
def test_bad_commands(b, command, text):
    b.c["process"]["args"] = [command]
    log = b.path / "log"
    b.save()
    r = b.call("--log", log, "--log-format", "json", "run", "c")
    assert r.returncode == 1
    assert r.stderr == f"estiba-run: unable to start container process: {text}\n"
    line = json.loads(log.read_text())
    assert line["level"] == "error" and line["msg"] == f"unable to start container process: {text}"
    assert b.left() == []
    r = b.call("create", "c")
    assert r.returncode == 1 and text in r.stderr and b.left() == []


@pytest.mark.parametrize("change, text", [
    (lambda c: c["mounts"].append({"destination": "/x", "type": "bind", "source": "/no/such"}), "No such file or directory"),
    (lambda c: c["mounts"].append({"destination": "/x", "type": "nosuchfs"}), "nosuchfs"),
    (lambda c: c["mounts"].append({"destination": "/x", "type": "tmpfs", "options": ["size=many"]}), "size=many"),
    (lambda c: c["process"].update(cwd="relative"), "process.cwd"),
    (lambda c: c["process"].update(args=[]), "process.args"),
    (lambda c: c["linux"].update(sysctl={"kernel.panic": "1"}), "not in a separate kernel namespace"),
    (lambda c: c["linux"]["resources"].update(memory={"limit": "x"}), "linux.resources.memory.limit"),
    (lambda c: c["linux"].update(intelRdt={"closID": "x"}), "linux.intelRdt: no resctrl file system is mounted"),
    (lambda c: c["linux"].update(cgroupsPath="a:b:c"), "systemd driver"),
    (lambda c: c["linux"]["namespaces"].append({"type": "network", "path": "/dev/null"}), "second \"network\""),
    (lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_FOO", "hard": 1, "soft": 1}]), "RLIMIT_FOO"),
    (lambda c: c.update(hooks={"createRuntime": [{"path": "/bin/false"}]}), "createRuntime hook #0"),
    (lambda c: c.update(hooks={"createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo sorry; exit 3"]}]}),
     "exit status 3, output: sorry"),
    (lambda c: c.update(hooks={"prestart": [{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}]}), "1000 ms"),
])
def test_failure_says_why_and_leaves_nothing(b, change, text):
    change(b.c)
    r = b.run()
    assert r.returncode == 1 and text in r.stderr
    assert b.left() == []


def test_exit_codes(b):
    for script, code in (("exit 7", 7), ("sh -c 'kill -9 $$'; exit $?", 137), ("true", 0)):
        b.c["process"]["args"] = ["sh", "-c", script]
        assert b.run().returncode == code


def test_limits_and_update(b):
    if b.prefix or not os.path.isdir("/sys/fs/cgroup/memory"):
        pytest.skip("the v2 tree of this machine has no memory controller")
    b.c["linux"]["resources"] |= {"memory": {"limit": 64 << 20, "swap": 64 << 20, "reservation": 32 << 20},
                                  "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}, "pids": {"limit": 40}}
    b.start()

    def value(controller, file):
        return [pathlib.Path(p, file).read_text().strip() for p in b.cgroups() if f"/{controller}/" in p][0]

    assert value("memory", "memory.limit_in_bytes") == str(64 << 20)
    assert value("cpu", "cpu.shares") == "512" and value("cpu", "cpu.cfs_quota_us") == "50000"
    assert value("cpuset", "cpuset.cpus") == "0" and value("pids", "pids.max") == "40"
    assert b.call("update", "--memory", 96 << 20, "--memory-swap", 128 << 20, "--pids-limit", 50, "c").returncode == 0
    assert value("memory", "memory.limit_in_bytes") == str(96 << 20) and value("pids", "pids.max") == "50"
    r = b.call("update", "-r", "-", "c", input=json.dumps({"cpu": {"shares": 100}}), stdin=None)
    assert r.returncode == 0 and value("cpu", "cpu.shares") == "100"
    assert b.call("exec", "c", "cat", "/proc/self/cgroup").stdout.count(":/\n") >= 5  # its namespace's root


def test_life(b):
    pid = b.start()
    st = b.state()
    assert (st["status"], st["pid"], st["bundle"]) == ("running", pid, str(b.path))
    r = b.run()
    assert r.returncode == 1 and "container with given ID already exists" in r.stderr
    assert b.call("pause", "c").returncode == 0 and b.state()["status"] == "paused"
    assert "paused" in b.call("exec", "c", "true").stderr
    assert b.call("resume", "c").returncode == 0 and b.state()["status"] == "running"
    assert b.call("delete", "c").returncode == 1
    assert [c["id"] for c in json.loads(b.call("list", "-f", "json").stdout)] == ["c"]
    assert pid in json.loads(b.call("ps", "-f", "json", "c").stdout)
    assert b.call("kill", "c", "KILL").returncode == 0
    for _ in range(100):
        if b.state()["status"] == "stopped":
            break
        time.sleep(0.02)
    r = b.call("kill", "c", "TERM")
    assert r.returncode == 1 and "container not running" in r.stderr
    assert b.call("delete", "c").returncode == 0
    r = b.call("state", "c")
    assert r.returncode == 1 and r.stderr == "estiba-run: container does not exist\n"
    assert b.call("delete", "-f", "c").returncode == 0


def test_create_then_start(b):
    b.c["process"]["args"] = ["sh", "-c", "echo started > /started; sleep 1000"]
    b.save()
    with open("/dev/null", "w") as null:
        subprocess.run(b.argv("create", "c"), cwd=b.path, stdin=subprocess.DEVNULL, stdout=null,
                       stderr=null, check=True)
    assert b.state()["status"] == "created" and not (b.rootfs / "started").exists()
    assert b.call("start", "c").returncode == 0 and b.state()["status"] == "running"
    for _ in range(100):
        if (b.rootfs / "started").exists():
            break
        time.sleep(0.02)
    assert "running state" in b.call("start", "c").stderr


def test_recorded_pid_of_another_process_is_never_signalled(b):
    pid = b.start()
    state = b.root / "c/state.json"
    doc = json.loads(state.read_text())
    time.sleep(0.05)  # start times count in ticks of 10 ms
    other = subprocess.Popen(["sleep", "60"])
    state.write_text(json.dumps(doc | {"pid": other.pid}))
    assert b.state()["status"] == "stopped"
    assert b.call("kill", "c", "KILL").returncode == 1 and b.call("delete", "-f", "c").returncode == 0
    assert other.poll() is None and not os.path.exists(f"/proc/{pid}/root/proc")
    other.kill()
    other.wait()


def test_exec(b):
    b.start()
    r = b.call("exec", "-u", "33:34", "-g", "9", "-e", "X=y", "--cwd", "/tmp", "c", "sh", "-c", "id -u; id -g; id -G; pwd; echo $X $A $HOME; ls /proc/self/fd | wc -l; exit 3")
    assert (r.returncode, r.stdout.split()) == (3, ["33", "34", "34", "9", "/tmp", "y", "b", "/srv/web", "4"])
    r = b.call("exec", "c", "sh", "-c", "readlink /proc/self/ns/mnt; readlink /proc/1/ns/mnt; grep -h CapEff /proc/self/status /proc/1/status")
    assert len(set(r.stdout.split()[:2])) == 1 and r.stdout.split()[3] == r.stdout.split()[5] == f'{DOCKER_CAPS & HOST_CAPS:016x}'
    process = b.c["process"] | {"args": ["sh", "-c", "echo $A; exit 4"]}
    (b.path / "process.json").write_text(json.dumps(process))
    r = b.call("exec", "-p", "process.json", "c")
    assert (r.returncode, r.stdout) == (4, "b\n")
    r = b.call("exec", "c", "nosuch")
    assert r.returncode == 255
    assert r.stderr == 'estiba-run: exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH\n'


def on_terminal(b, *args):
    """Run with our end of a pty as its terminal; all that came out, and the status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(b.path)
        os.execvp(b.argv()[0], b.argv(*args))
    out = b""
    while True:
        try:
            chunk = os.read(fd, 4096)
        except OSError:
            break
        if not chunk:
            break
        out += chunk
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode().replace("\r", "")


def test_terminals(b):
    b.c["process"] |= {"terminal": True, "consoleSize": {"height": 30, "width": 90},
                       "args": ["sh", "-c", "tty; test -t 0 && test -c /dev/console && exit 5"]}
    b.save()
    code, out = on_terminal(b, "run", "c")
    assert (code, out) == (5, "/dev/pts/0\n")
    b.c["process"]["terminal"] = False
    b.start()
    code, out = on_terminal(b, "exec", "-t", "c", "sh", "-c", "tty; exit 6")
    assert (code, out) == (6, "/dev/pts/0\n")


def test_hooks_see_the_state(b):
    def hook(name):
        return [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {b.path}/{name}"]}]

    b.c["hooks"] = {n: hook(n) for n in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")}
    b.c["hooks"]["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "cat > /startContainer"]}]
    b.sh("true")
    want = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "poststart": "running",
            "poststop": "stopped"}
    for name, status in want.items():
        st = json.loads((b.path / name).read_text())
        assert (st["id"], st["status"]) == ("c", status)
    assert json.loads((b.rootfs / "startContainer").read_text())["status"] == "created"


def test_user_namespace(b):
    b.c["linux"]["namespaces"].append({"type": "user"})
    b.c["linux"] |= {k: [{"containerID": 0, "hostID": 100000, "size": 65536}] for k in ("uidMappings", "gidMappings")}
    os.chmod(b.path, 0o755)
    for p in (b.path, *b.path.parents):
        if not os.stat(p).st_mode & 1:
            os.chmod(p, 0o711)
    for base, dirs, files in os.walk(b.rootfs):
        for f in (base, *(os.path.join(base, x) for x in files)):
            os.lchown(f, 100000, 100000)
    out = b.sh("id -u; cat /proc/self/uid_map; ls -l /dev/null; grep CapEff /proc/self/status")
    assert out.split()[:4] == ["0", "0", "100000", "65536"]
    assert out.split()[-1] != "0" * 16


@pytest.mark.parametrize("shared", [False, True])
def test_rootfs_by_descriptor(b, shared):
    libc = ctypes.CDLL(None, use_errno=True)
    if shared:
        subprocess.run(["mount", "--bind", b.rootfs, b.rootfs], check=True)
        subprocess.run(["mount", "--make-shared", b.rootfs], check=True)
    fd = libc.syscall(428, -100, str(b.rootfs).encode(), 1 | os.O_CLOEXEC)  # open_tree(OPEN_TREE_CLONE)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    b.c["annotations"] = {"org.estiba.rootfs.fd": str(fd)}
    del b.c["root"]
    if shared:
        subprocess.run(["umount", b.rootfs], check=True)
    assert "busybox" in b.sh("ls /bin", pass_fds=(fd,))
    os.close(fd)


def test_runtime_program_cannot_be_overwritten(b):
    """CVE-2019-5736: the container runs the runtime's own program and writes to it once it has ended."""
    copy = b.path / "estiba-run"
    shutil.copy(RUN, copy)
    b.start()
    itself = ["/proc/self/exe", "update", "-r", "-", "waits-for-input"]
    victim = subprocess.Popen([*b.prefix, str(copy), "--root", str(b.root), "exec", "c", *itself], stdin=subprocess.PIPE,
                              cwd=b.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    attack = """
        for i in $(seq 100); do
            for p in /proc/[0-9]*; do
                cmp -s $p/exe /bin/busybox || exec 3<$p/exe
            done
            test -e /proc/self/fd/3 && break
            sleep 0.05
        done 2>/dev/null
        test -e /proc/self/fd/3 || exit 9
        echo held; sleep 1; echo evil > /proc/self/fd/3"""
    attacker = subprocess.Popen(b.argv("exec", "c", "sh", "-c", attack), cwd=b.path, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert attacker.stdout.readline() == "held\n"
    victim.communicate(b"{}")  # it ends, so that its file is no longer busy
    assert "Read-only file system" in attacker.communicate()[1] and attacker.returncode == 1
    assert copy.read_bytes() == RUN.read_bytes()


def test_working_directory_cannot_be_a_leaked_descriptor(b):
    """CVE-2024-21626: a directory of the host, open in the runtime, must not become the container's."""
    (b.path / "secret").write_text("of the host")
    for n in range(3, 40):
        b.c["process"] |= {"cwd": f"/proc/self/fd/{n}", "args": ["/bin/busybox", "cat", "../../../../.." + str(b.path / "secret")]}
        r = b.run()
        assert (r.returncode, r.stdout) == (1, ""), n


def test_sysctl_rlimits_and_time(b):
    b.c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"}
    b.c["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1}]
    out = b.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; ulimit -Sn; ulimit -Hn; ulimit -Sc")
    assert out.split() == ["1", "4096", "100", "200", "0"]
    b.c["linux"]["namespaces"].append({"type": "time"})
    b.c["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000000}}
    assert float(b.sh("cat /proc/uptime").split()[0]) > 1e9


def test_refused_by_name(b):
    for args, text in ((["--cgroup-manager", "x", "list"], "unknown cgroup manager specified: x"), (["run", "--no-pivot", "c"], "--no-pivot"),
                       (["run", "--nosuch", "c"], "flag provided but not defined: --nosuch"), (["nosuch"], "no such command: nosuch"),
                       (["state", "../x"], "invalid container ID format"), (["checkpoint", "c"], "no such command")):
        r = b.call(*args)
        assert r.returncode == 1 and text in r.stderr


def test_signals_are_reset(b):
    """What the caller ignores or blocks is not passed on, by run nor by exec."""
    prefix = ["/usr/bin/python3", "-c", "import os, signal, sys\n"
              "for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:\n    signal.signal(s, signal.SIG_IGN)\n"
              "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})\nos.execvp(sys.argv[1], sys.argv[1:])"]
    b.prefix = prefix + b.prefix
    b.c["process"]["args"] = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]
    want = [f"Sig{w}:\t" + "0" * 16 for w in ("Blk", "Ign")]
    assert b.run().stdout.splitlines() == want
    b.start()
    assert b.call("exec", "c", *b.config("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")["process"]["args"]).stdout.splitlines() == want


def test_memory_fields_are_applied_or_refused(b):
    if b.prefix or not os.path.isdir("/sys/fs/cgroup/memory"):
        pytest.skip("the v2 tree of this machine has no memory controller")
    for memory, text in (({"kernel": 64 << 20}, "linux.resources.memory: kernel"),
                         ({"useHierarchy": False}, "linux.resources.memory: useHierarchy")):
        b.c["linux"]["resources"]["memory"] = memory
        r = b.run()
        assert r.returncode == 1 and text in r.stderr and b.left() == []
    b.c["linux"]["resources"]["memory"] = {"kernel": -1, "useHierarchy": True, "swappiness": 10}
    assert b.run().returncode == 0


def test_exec_cpu_affinity(b):
    b.c["process"]["execCPUAffinity"] = {"initial": "0", "final": "1"}
    if os.cpu_count() < 2:
        pytest.skip("one processor")
    b.start(script="grep Cpus_allowed_list /proc/self/status; sleep 1000")
    assert b.call("exec", "c", "grep", "Cpus_allowed_list", "/proc/self/status").stdout.split() == ["Cpus_allowed_list:", "1"]
    assert (b.path / "out").read_text().split()[1] == f"0-{os.cpu_count() - 1}"  # the first process has nothing to do with it
    process = b.c["process"] | {"args": ["true"], "execCPUAffinity": {"final": "7-x"}}
    (b.path / "process.json").write_text(json.dumps(process))
    assert "process.json: execCPUAffinity.final" in b.call("exec", "-p", "process.json", "c").stderr


def test_root_descriptor_that_was_used_is_told(b):
    """Before Linux 6.15 a start uses the detached mount up; what the runtime meets then is a mount that it cannot attach."""
    holder = subprocess.Popen(["unshare", "-m", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    holder.stdout.readline()
    fd = os.open(f"/proc/{holder.pid}/root{b.rootfs}", os.O_PATH)
    b.c["annotations"] = {"org.estiba.rootfs.fd": str(fd)}
    del b.c["root"]
    r = b.run(pass_fds=(fd,))
    holder.kill()
    holder.wait()
    os.close(fd)
    assert r.returncode == 1 and f"annotation org.estiba.rootfs.fd: {fd} is no detached mount, or has been used" in r.stderr


def test_events(b):
    memory = not b.prefix and os.path.isdir("/sys/fs/cgroup/memory")
    if memory:
        b.c["linux"]["resources"] |= {"memory": {"limit": 16 << 20, "swap": 16 << 20}, "pids": {"limit": 40}}
    b.start(script="while ! test -e /go; do sleep 0.1; done; dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 0.5")
    r = b.call("events", "--stats", "c")
    doc = json.loads(r.stdout)
    assert (doc["type"], doc["id"]) == ("stats", "c")
    assert set(doc["data"]) == {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces"}
    if memory:
        assert doc["data"]["memory"]["usage"]["limit"] == 16 << 20 and doc["data"]["pids"]["limit"] == 40
        assert doc["data"]["cpu"]["usage"]["total"] > 0 and doc["data"]["cpuset"]["cpus"]
    follow = subprocess.Popen(b.argv("events", "--interval", "100ms", "c"), stdout=subprocess.PIPE, text=True)
    lines = [json.loads(follow.stdout.readline())]
    (b.rootfs / "go").write_text("")
    lines += [json.loads(l) for l in follow.communicate(timeout=30)[0].splitlines()]
    assert follow.returncode == 0 and lines[0]["type"] == "stats"
    assert ({"type": "oom", "id": "c"} in lines) == memory
    assert "duration interval must be greater than 0" in b.call("events", "--interval", "0s", "c").stderr


def test_list_and_log_look_like_runc(b):
    pid = b.start()
    head, row = b.call("list").stdout.splitlines()
    bundle = str(b.path)
    assert head.startswith(f"ID          PID         STATUS      {'BUNDLE':<{len(bundle) + 3}}CREATED")
    assert row.startswith(f"c           {pid:<12}running     {bundle}   2") and row.split()[-1] == "root"
    assert b.call("list", "-q").stdout == "c\n"
    for form in ("text", "json"):
        assert b.call("--log", "log", "--log-format", form, "state", "nosuch").returncode == 1
    text, doc = (b.path / "log").read_text().splitlines()
    assert text.startswith('time="2') and text.endswith('Z" level=error msg="container does not exist"')
    assert doc.startswith('{"level":"error","msg":"container does not exist","time":"2')


def test_exec_in_a_group_below(b):
    b.start()
    r = b.call("exec", "--cgroup", "sub", "c", "true")
    assert r.returncode == 255 and "No such file" in r.stderr and "/c/sub" in r.stderr
    for p in map(pathlib.Path, b.cgroups()):
        (p / "sub").mkdir()
        for f in ("cpuset.cpus", "cpuset.mems"):
            if (p / f).exists() and HYBRID and not b.prefix:
                (p / "sub" / f).write_text((p / f).read_text())
    r = b.call("exec", "--cgroup", "sub", "c", "cat", "/proc/self/cgroup")
    assert r.stderr == "" and {l.split(":")[2] for l in r.stdout.splitlines() if b.prefix or PURE_V2 or ":pids:" in l} in ({"/sub"}, {"/sub", "/"})
    assert "bad sub cgroup path" in b.call("exec", "--cgroup", "../..", "c", "true").stderr


@pytest.mark.skipif(os.path.exists("/run/systemd/system"), reason="systemd runs here: tests/vm/systemd-story")
@pytest.mark.parametrize("option", [["--systemd-cgroup"], ["--cgroup-manager", "systemd"]])
def test_no_systemd_is_a_clear_error(b, option):
    b.config("true")["linux"]["cgroupsPath"] = "system.slice:p:n"
    b.save()
    r = subprocess.run([*b.prefix, str(RUN), "--root", str(b.root), *option, "run", "c"], cwd=b.path, text=True, capture_output=True, timeout=60)
    assert r.returncode == 1
    assert "systemd does not run here" in r.stderr or "estiba-systemd is not installed" in r.stderr
    assert b.left() == []


def test_cgroups_disabled(b):
    """crun's --cgroup-manager=disabled: the container stays in its maker's groups, and a limit is refused, not forgotten."""
    run = [*b.prefix, str(RUN), "--root", str(b.root), "--cgroup-manager=disabled"]
    c = b.config("sh", "-c", "cat /proc/self/cgroup; sleep 1000")
    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "cgroup"]
    b.save()
    with open(b.path / "out", "w") as out:
        subprocess.run([*run, "run", "-d", "c"], cwd=b.path, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, timeout=60)
    try:
        r = subprocess.run([*run, "exec", "c", "cat", "/proc/self/cgroup"], cwd=b.path, text=True, capture_output=True, timeout=60)
        assert (r.returncode, r.stdout) == (0, pathlib.Path("/proc/self/cgroup").read_text()), r.stderr
        assert b.state()["status"] == "running"
        assert "no cgroup" in b.call("pause", "c").stderr
    finally:
        b.call("delete", "-f", "c")
    c["linux"]["resources"]["pids"] = {"limit": 5}
    b.save()
    r = subprocess.run([*run, "run", "c"], cwd=b.path, text=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    assert r.returncode == 1 and "linux.resources.pids: control groups are disabled" in r.stderr
    assert b.left() == []
