# SPDX-License-Identifier: Apache-2.0
"""User namespaces of estiba-run: new ones, joined ones, mapped mounts, and containers of users who are not root."""

import json
import os
import shutil
import subprocess
import time

import pytest

from test_runtime import BUSYBOX, CGROUP, RUN, Bundle, cgroup_dirs, docker_config

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not BUSYBOX, reason="needs busybox-static"),
]
RUNC = shutil.which("runc")
FIRST, SIZE = 2000000, 65536


def mapping(first=FIRST, size=SIZE):
    return [{"containerID": 0, "hostID": first, "size": size}]


def own(path, uid):
    for base, dirs, files in os.walk(path):
        for f in (base, *(os.path.join(base, x) for x in files)):
            os.lchown(f, uid, uid)


@pytest.fixture
def b(tmp_path):
    os.chmod(tmp_path, 0o700)  # nobody but root of the host may pass: the container must not need to
    bundle = Bundle(tmp_path)
    bundle.config("true")
    bundle.c["linux"]["namespaces"].append({"type": "user"})
    bundle.c["linux"] |= {"uidMappings": mapping(), "gidMappings": mapping()}
    own(bundle.rootfs, FIRST)
    yield bundle
    bundle.call("delete", "-f", "c")
    assert bundle.left() == []
    for p in cgroup_dirs():
        p.rmdir()


STORY = """
id -u; id -g
cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
grep -E '^Cap' /proc/self/status
for d in /proc /dev /dev/pts /sys /dev/mqueue /dev/shm; do stat -c '%n %u %g %a' $d; done
stat -c '%n %u %g %a %t %T' /dev/null /dev/zero /dev/tty /dev/full
grep -E ' /(proc|sys|dev|dev/pts|dev/mqueue|dev/shm) ' /proc/self/mountinfo | sed 's/.* - //; s/ .*//' | sort
touch /tmp/mine; stat -c '%u %g' /tmp/mine
chown 33:33 /tmp/mine; stat -c '%u %g' /tmp/mine
chown 70000 /tmp/mine 2>/dev/null && echo unmapped id taken
mknod /tmp/n c 1 3 2>/dev/null && echo node made
mount -t tmpfs none /tmp 2>/dev/null && echo mounted
(echo 1 > /proc/sys/kernel/panic) 2>/dev/null && echo sysctl written
echo done
"""


def test_as_runc_does_it(b):
    """Ids, owners, kernel file systems, devices and capabilities, line by line."""
    out = b.sh(STORY)
    assert (b.rootfs / "tmp/mine").stat().st_uid == FIRST + 33
    assert out.split()[:2] == ["0", "0"] and out.endswith("\ndone\n") and "unmapped id taken" not in out and "written" not in out
    if RUNC:
        os.unlink(b.rootfs / "tmp/mine")
        for p in (b.path, *b.path.parents):  # runc's needs to pass
            if not os.stat(p).st_mode & 1:
                os.chmod(p, os.stat(p).st_mode | 0o11)
        theirs = json.loads(json.dumps(b.c))
        theirs["ociVersion"] = "1.0.2"
        theirs["linux"]["cgroupsPath"] = f"/{CGROUP}/r"
        (b.path / "config.json").write_text(json.dumps(theirs))
        r = subprocess.run([RUNC, "--root", str(b.path / "runc"), "run", f"r{os.getpid()}"], cwd=b.path, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=60)
        assert r.returncode == 0, r.stderr
        same = [line for line in out.splitlines() if "/dev/mqueue" not in line]
        assert same == [line for line in r.stdout.splitlines() if "/dev/mqueue" not in line]
        assert "/dev/mqueue 0 0 1777" in out  # theirs belongs to group 65534


def test_user_files_and_network_of_the_namespace(b):
    b.c["process"]["capabilities"] = {k: v + ["CAP_NET_ADMIN"] for k, v in b.c["process"]["capabilities"].items()}
    b.c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "net.ipv4.ping_group_range": "0 65535"}
    b.c["process"] |= {"user": {"uid": 33, "gid": 33, "additionalGids": [5, 44]}}
    b.c["process"]["capabilities"]["ambient"] = b.c["process"]["capabilities"]["inheritable"] = ["CAP_NET_BIND_SERVICE"]
    out = b.sh("id -u; id -G; cat /proc/sys/net/ipv4/ip_forward; grep CapEff /proc/self/status; "
               "httpd -p 80 -h /tmp && grep -h ':0050 ' /proc/net/tcp* | wc -l")
    assert out.split()[:4] == ["33", "33", "5", "44"] and out.split()[4] == "1"
    assert out.split()[6] == "0000000000000400" and out.split()[7] == "1"
    b.c["process"]["user"] = {"uid": 0, "gid": 0}
    assert "1 packets received" in b.sh("ip link set lo up; ping -c 1 127.0.0.1")


def test_bind_mounts_are_found_with_the_rights_of_the_host(b):
    """Sources below a directory that the container's root may not enter; shared ones do not become peers."""
    hidden = b.path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "d").mkdir()
    (hidden / "d/f").write_text("host's")
    os.chown(hidden / "d/f", 5, 6)
    (hidden / "file").write_text("one file")
    b.c["mounts"] += [{"destination": "/plain", "type": "bind", "source": str(hidden / "d"), "options": ["rbind", "ro"]},
                      {"destination": "/mapped", "type": "bind", "source": str(hidden / "d"), "options": ["bind", "idmap"]},
                      {"destination": "/other", "type": "bind", "source": str(hidden / "d"), "options": ["rbind", "ridmap"],
                       "uidMappings": [{"containerID": 5, "hostID": FIRST + 50, "size": 1}],
                       "gidMappings": [{"containerID": 6, "hostID": FIRST + 60, "size": 1}]},
                      {"destination": "/etc/file", "type": "bind", "source": str(hidden / "file"), "options": ["bind"]}]
    out = b.sh("for d in plain mapped other; do stat -c '%u %g' /$d/f; done; cat /etc/file; echo; touch /mapped/new; chown 7:8 /mapped/new; "
               "touch /plain/x 2>&1; grep shared: /proc/self/mountinfo; true")
    assert out.splitlines() == ["65534 65534", "5 6", "50 60", "one file", "touch: /plain/x: Read-only file system"]
    st = (hidden / "d/new").stat()
    assert (st.st_uid, st.st_gid) == (7, 8)


@pytest.mark.parametrize("mount, text", [
    ({"type": "tmpfs", "options": ["idmap"]}, "idmap, uidMappings and gidMappings are for bind mounts, not for a new tmpfs"),
    ({"type": "bind", "source": "/proc", "options": ["bind", "idmap"]}, "idmapped mount (mount_setattr MOUNT_ATTR_IDMAP): this kernel has none "
                                                                       "for this file system"),
    ({"type": "bind", "source": "/tmp", "options": ["bind"], "uidMappings": mapping()}, "uidMappings and gidMappings must both be given"),
])
def test_mapped_mounts_that_cannot_be(b, mount, text):
    b.c["mounts"].append({"destination": "/m", **mount})
    r = b.run()
    assert r.returncode == 1 and text in r.stderr, r.stderr


@pytest.mark.parametrize("change, text", [
    (lambda c: c["process"].update(user={"uid": 70000, "gid": 0}), "process.user.uid: uid 70000 is not mapped"),
    (lambda c: c["process"].update(user={"uid": 0, "gid": 70000}), "process.user.gid: gid 70000 is not mapped"),
    (lambda c: c["linux"].update(uidMappings=[{"containerID": 1, "hostID": 1, "size": 5}]), "linux.uidMappings: uid 0 is not mapped"),
    (lambda c: c["linux"].update(uidMappings=[]), "linux.uidMappings and gidMappings are needed"),
    (lambda c: c["linux"].update(uidMappings=mapping() + mapping()), "uid map"),
])
def test_maps_that_cannot_be(b, change, text):
    change(b.c)
    r = b.run()
    assert r.returncode == 1 and text in r.stderr, r.stderr


def test_limits_are_set_with_the_rights_of_the_host(b):
    """A hard limit may go up to the runtime's own, an OOM score below the container's first: not from inside."""
    hard = [int(x) for x in open("/proc/self/limits").read().split("Max open files")[1].split()[:2]][1]
    b.c["process"] |= {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": hard}], "oomScoreAdj": 7}
    assert b.sh("ulimit -Sn; ulimit -Hn; cat /proc/self/oom_score_adj").split() == ["99", str(hard), "7"]


def test_standard_streams_belong_to_the_user(b):
    b.c["process"] |= {"user": {"uid": 33, "gid": 33}, "args": ["sh", "-c", "echo again > /dev/stdout; stat -Lc %u /dev/stdout"]}
    b.save()
    r, w = os.pipe()
    subprocess.run(b.argv("run", "c"), cwd=b.path, stdin=subprocess.DEVNULL, stdout=w, check=True, timeout=60)
    os.close(w)
    assert os.read(r, 100) == b"again\n33\n"
    os.close(r)


@pytest.fixture
def holder(b):
    """A process in a user namespace with the bundle's maps, and the namespaces made in it."""
    p = subprocess.Popen(["unshare", "-U", "-n", "-i", "sh", "-c", "echo; read x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdout.read(1)
    for f in ("uid_map", "gid_map"):
        open(f"/proc/{p.pid}/{f}", "w").write(f"0 {FIRST} {SIZE}\n")
    yield p
    p.communicate()


@pytest.mark.parametrize("told", [True, False])
def test_joined_user_namespace(b, holder, told):
    """By path, with a network namespace that it owns: the container is root of both; exec comes in too."""
    ns = f"/proc/{holder.pid}/ns/"
    for n in b.c["linux"]["namespaces"]:
        if n["type"] in ("user", "network"):
            n["path"] = ns + {"user": "user", "network": "net"}[n["type"]]
    if not told:
        del b.c["linux"]["uidMappings"], b.c["linux"]["gidMappings"]
    b.c["process"]["capabilities"] = {k: v + ["CAP_NET_ADMIN"] for k, v in b.c["process"]["capabilities"].items()}
    b.c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    b.c["mounts"].append({"destination": "/m", "type": "bind", "source": "/etc", "options": ["rbind", "ridmap", "ro"]})
    pid = b.start(script="ip link set lo up; touch /tmp/x; stat -c '%u' /tmp/x /m/passwd; mount | grep -c '^sysfs'; exec sleep 1000")
    while len((b.path / "out").read_text().split()) < 3:
        assert os.path.exists(f"/proc/{pid}"), (b.path / "out").read_text()
        time.sleep(0.01)
    assert (b.path / "out").read_text().split() == ["0", "0", "1"]
    for n in ("user", "net"):
        assert os.readlink(f"/proc/{pid}/ns/{n}") == os.readlink(ns + n)
    assert os.stat(b.rootfs / "tmp/x").st_uid == FIRST and os.stat(f"/proc/{pid}").st_uid in (FIRST, 0)
    r = b.call("exec", "-u", "33", "c", "sh", "-c", "id -u; readlink /proc/self/ns/user; cat /proc/sys/net/ipv4/ip_forward")
    assert r.stdout.split() == ["33", os.readlink(ns + "user"), "1"], r.stderr
    assert b.state()["pid"] == pid
    b.call("kill", "c", "KILL")


def test_joined_user_namespace_with_another_map(b, holder):
    b.c["linux"]["namespaces"][-1]["path"] = f"/proc/{holder.pid}/ns/user"
    b.c["linux"]["uidMappings"] = mapping(FIRST + 1)
    r = b.run()
    assert r.returncode == 1 and "differ from those of the user namespace" in r.stderr


def test_time_namespace_with_it(b):
    b.c["linux"]["namespaces"].append({"type": "time"})
    b.c["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000000}}
    assert float(b.sh("cat /proc/uptime").split()[0]) > 1e9


def test_create_start_exec_terminal(b):
    b.c["process"]["args"] = ["sh", "-c", "sleep 1000"]
    b.save()
    with open(b.path / "out", "w") as out:
        subprocess.run(b.argv("create", "c"), cwd=b.path, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, timeout=60)
    assert b.call("start", "c").returncode == 0
    assert b.call("exec", "c", "id", "-u").stdout == "0\n"
    assert b.call("exec", "-u", "70000", "c", "id").stderr.strip().endswith("process.user.uid: uid 70000 is not mapped")
    pid = b.state()["pid"]
    assert b.call("kill", "c", "KILL").returncode == 0
    while b.state()["status"] != "stopped":
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{pid}/root/bin")


# ---- without root's rights ----

USER = 48000  # nobody's


class UsersBundle(Bundle):
    """A bundle of user USER, who has XDG_RUNTIME_DIR, and ranges in /etc/subuid and /etc/subgid of a mount namespace of the test's own."""

    def __init__(self, path, ranges):
        super().__init__(path)
        self.run_dir = path / "run"
        self.run_dir.mkdir()
        self.root = self.run_dir / "estiba-run"
        own(path, USER)
        for f in ("/etc/subuid", "/etc/subgid"):
            open(f, "a").close()
        sub = path / "sub"
        sub.write_text(f"{USER}:{FIRST}:{SIZE}\n" if ranges else "")
        names = path / "names"  # newuidmap wants the user to have a name
        names.write_text(open("/etc/passwd").read() + f"estiba-test:x:{USER}:{USER}::/:/bin/sh\n")
        self.prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                       f'mount --bind {sub} /etc/subuid && mount --bind {sub} /etc/subgid && mount --bind {names} /etc/passwd && exec setpriv --reuid {USER} --regid {USER} '
                       f'--clear-groups --inh-caps=-all --bounding-set=+all "$@"', "sh"]

    def argv(self, *args):
        return [*self.prefix, "env", f"XDG_RUNTIME_DIR={self.run_dir}", str(self.path / "estiba-run"), *map(str, args)]

    def spec(self):
        subprocess.run(self.argv("spec", "--rootless"), cwd=self.path, check=True)
        self.c = json.loads((self.path / "config.json").read_text())
        self.c["process"] |= {"terminal": False, "args": ["true"], "env": ["PATH=/bin"]}
        self.c["root"]["readonly"] = False
        return self.c


@pytest.fixture(params=["one id", "ranges"])
def u(tmp_path, request):
    for p in (tmp_path, *tmp_path.parents):  # pytest's directories are root's alone
        if not os.stat(p).st_mode & 1:
            os.chmod(p, os.stat(p).st_mode | 0o11)
    bundle = UsersBundle(tmp_path, request.param == "ranges")
    for f in RUN.parent.iterdir():  # where the repository lies he may not be able to pass
        if f.name in ("estiba-run", "estiba-seccomp"):
            os.chown(shutil.copy(f, tmp_path / f.name), USER, USER)
    if not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap (package uidmap)")
    bundle.spec()
    bundle.ranges = request.param == "ranges"
    if bundle.ranges:
        for k in ("uidMappings", "gidMappings"):
            bundle.c["linux"][k] = mapping(USER, 1) + [{"containerID": 1, "hostID": FIRST, "size": SIZE}]
    yield bundle
    bundle.call("delete", "-f", "c")
    assert os.listdir(bundle.root) == [] if bundle.root.exists() else True


def test_rootless(u):
    """Run, with the host's network and sysfs, no cgroup; ids are the user's own, and those that newuidmap grants."""
    out = u.sh("id -u; cat /proc/self/setgroups; cat /proc/self/uid_map; touch /tmp/x; ls /sys/kernel >/dev/null && ls -ld /dev/null; hostname")
    assert out.split()[:4] == ["0", "allow" if u.ranges else "deny", "0", str(USER)] and out.split()[-1] == "estiba"
    assert (u.rootfs / "tmp/x").stat().st_uid == USER
    u.c["process"]["user"] = {"uid": 33, "gid": 34, "additionalGids": [35]}
    r = u.run()
    if not u.ranges:
        assert "process.user.uid: uid 33 is not mapped" in r.stderr
        u.c["process"]["user"] = {"uid": 0, "gid": 0, "additionalGids": [0]}
        assert "process.user.additionalGids: this user namespace denies setgroups" in u.run().stderr
        return
    u.c["linux"]["namespaces"].append({"type": "network"})
    u.c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    u.c["mounts"][2]["options"].append("gid=5")
    os.chmod(u.rootfs / "tmp", 0o1777)
    assert u.sh("id -u; id -G; touch /tmp/y; cat /proc/sys/net/ipv4/ip_forward").split() == ["33", "34", "35", "1"]
    assert (u.rootfs / "tmp/y").stat().st_uid == FIRST + 32


def test_rootless_life(u):
    u.c["linux"]["namespaces"].append({"type": "time"})
    u.c["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000000}}
    u.c["process"]["args"] = ["sleep", "1000"]
    u.save()
    with open(u.path / "out", "w") as out:
        r = subprocess.run(u.argv("run", "-d", "c"), cwd=u.path, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=60)
    assert r.returncode == 0, (u.path / "out").read_text()
    st = u.state()
    assert st["status"] == "running" and os.stat(f"/proc/{st['pid']}").st_uid in (USER, 0)
    assert "c" in u.call("list").stdout
    r = u.call("exec", "c", "sh", "-c", "id -u; cat /proc/uptime; readlink /proc/self/ns/pid; readlink /proc/1/ns/pid")
    assert r.stdout.split()[0] == "0" and float(r.stdout.split()[1]) > 1e9, r.stderr
    assert r.stdout.split()[-1] == r.stdout.split()[-2] == os.readlink(f"/proc/{st['pid']}/ns/pid")
    assert u.call("kill", "c", "KILL").returncode == 0
    while u.state()["status"] != "stopped":
        time.sleep(0.01)
    assert u.call("delete", "c").returncode == 0


def test_rootless_limits_need_a_cgroup(u):
    u.c["linux"]["resources"] = {"memory": {"limit": 1 << 26}}
    r = u.run()
    assert r.returncode == 1 and "linux.resources.memory: " in r.stderr and "denied" in r.stderr, r.stderr
    u.c["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    assert u.run().returncode == 0
    r = u.call("--rootless", "false", "--root", u.root, "run", "c")
    assert r.returncode == 1 and "cgroup" in r.stderr
    assert u.call("--rootless", "x", "list").stderr.strip() == 'estiba-run: --rootless: "x" is not true, false or auto'


def test_rootless_map_that_nobody_granted(u):
    for k in ("uidMappings", "gidMappings"):
        u.c["linux"][k] = mapping(USER, 1) + [{"containerID": 1, "hostID": 5, "size": 9}]
    r = u.run()
    assert r.returncode == 1 and "uid map: newuidmap: " in r.stderr and "(does /etc/subuid grant the range?)" in r.stderr, r.stderr


def test_rootless_program_cannot_be_overwritten(u):
    """CVE-2019-5736 with the user's own copy of the runtime: what runs is a sealed copy."""
    u.c["process"]["args"] = ["sh", "-c", "sleep 1000"]
    u.save()
    with open(u.path / "out", "w") as out:
        subprocess.run(u.argv("run", "-d", "c"), cwd=u.path, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, timeout=60)
    p = subprocess.Popen(u.argv("exec", "c", "/proc/self/exe", "update", "-r", "-", "waits"), cwd=u.path, stdin=subprocess.PIPE, text=True,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    script = ("for i in $(seq 100); do for p in /proc/[0-9]*; do case $(readlink $p/exe) in */estiba-run*|/memfd*) "
              "readlink $p/exe; (echo evil > $p/exe) 2>&1; exit;; esac; done; sleep 0.05; done")
    out = u.call("exec", "c", "sh", "-c", script).stdout
    p.communicate("{}")
    assert out.startswith("/memfd:estiba-run") and ("Text file busy" in out or "not permitted" in out), out
    u.call("kill", "c", "KILL")


@pytest.mark.skipif(not RUNC, reason="needs runc")
@pytest.mark.parametrize("options", [[], ["--rootless"]])
def test_spec_has_the_shape_of_runcs(tmp_path, options):
    docs = []
    for program in (RUNC, RUN):
        subprocess.run([program, "spec", *options], cwd=tmp_path, check=True)
        doc = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").unlink()
        doc["process"]["capabilities"].pop("ambient", None)  # not there any more in runc 1.2
        masked = doc["linux"].pop("maskedPaths")
        docs.append((doc | {"ociVersion": 0, "hostname": 0}, set(masked)))
    assert docs[0][0] == docs[1][0] and docs[0][1] <= docs[1][1]
    assert list(docs[1][0]) == list(docs[0][0])
