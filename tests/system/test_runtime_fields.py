# SPDX-License-Identifier: Apache-2.0
"""Fields of config.json one by one: each does what the specification says, or is refused by its JSON path."""

import json
import os
import pathlib
import subprocess
import time

import pytest

import test_runtime
from test_runtime import b  # noqa: F401 (a fixture)

pytestmark = test_runtime.pytestmark


def poll(what):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("key, text", [
    ("kernel.hostname", 'conflicts with the OCI "hostname" field'),
    ("user.max_user_namespaces", "not in a separate kernel namespace"),
    ("vm.swappiness", "not in a separate kernel namespace"),
    ("net/../vm/swappiness", 'linux.sysctl: "net/../vm/swappiness" is not a name'),
])
def test_sysctl_of_the_host_is_refused(b, key, text):
    b.c["linux"]["sysctl"] = {key: "1"}
    r = b.run()
    assert r.returncode == 1 and text in r.stderr and b.left() == []


def test_sysctl_of_a_foreign_namespace_that_is_ours_is_refused(b):
    b.c["linux"]["namespaces"] = [n for n in b.c["linux"]["namespaces"] if n["type"] != "network"]
    b.c["linux"]["namespaces"].append({"type": "network", "path": "/proc/self/ns/net"})
    b.c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    r = b.run()
    assert r.returncode == 1 and 'sysctl "net.ipv4.ip_forward"' in r.stderr


def test_sysctl_names_have_two_forms(b):
    """The separator that comes first decides; the other one is part of a name, as that of a VLAN device."""
    b.c["linux"]["sysctl"] = {"net/ipv4/conf/lo/arp_filter": "1", "net.ipv4.conf.lo.arp_notify": "1"}
    assert b.sh("cat /proc/sys/net/ipv4/conf/lo/arp_filter /proc/sys/net/ipv4/conf/lo/arp_notify").split() == ["1", "1"]
    for key in ("net.ipv4.conf.eth0/1.arp_filter", "net/ipv4/conf/eth0.1/arp_filter"):
        b.c["linux"]["sysctl"] = {key: "1"}
        assert "sys/net/ipv4/conf/eth0.1/arp_filter" in b.run().stderr


# ---- network devices ----

@pytest.fixture
def device():
    """A device of the host with addresses of all kinds."""
    name = f"es{os.getpid() % 100000}d"

    def ip(*args):
        return subprocess.run(["ip", *args], check=True, capture_output=True, text=True).stdout

    try:
        ip("link", "add", name, "type", "veth", "peer", "name", name + "p")
        ip("link", "set", name, "mtu", "1400", "address", "02:00:00:00:00:77", "up")
        ip("addr", "add", "10.211.1.5/24", "dev", name)
        ip("addr", "add", "10.211.1.6/24", "dev", name, "valid_lft", "1000", "preferred_lft", "1000")  # not permanent
        ip("addr", "add", "10.211.2.5/24", "dev", name, "scope", "link")  # not global
        ip("addr", "add", "fd00:211::5/64", "dev", name, "nodad")
        yield name
    finally:
        subprocess.run(["ip", "link", "del", name], capture_output=True)


def has_link(name):
    """In our network namespace, which /sys may know nothing of."""
    return subprocess.run(["ip", "link", "show", "dev", name], capture_output=True).returncode == 0


LINK = "cat /sys/class/net/{0}/mtu /sys/class/net/{0}/address; ip addr show dev {0}"


@pytest.mark.parametrize("asked, name", [("eth7", "eth7"), (None, None), ("net%d", "net0")])
def test_device_moves_with_its_addresses(b, device, asked, name):
    name = name or device
    b.c["linux"]["netDevices"] = {device: {"name": asked} if asked else {}}
    out = b.sh(LINK.format(name) + "; ls /sys/class/net")
    assert out.split()[:2] == ["1400", "02:00:00:00:00:77"] and ",UP" in out
    assert "10.211.1.5/24" in out and "fd00:211::5/64" in out
    assert "10.211.1.6" not in out and "10.211.2.5" not in out
    poll(lambda: not has_link(device + "p"))  # a virtual device ends with its namespace


def test_device_that_cannot_move_stays(b, device):
    for devices, text in (({device: {"name": "lo"}}, f"linux.netDevices.{device}: the container has a network device lo already"),
                          ({device: {}, "nosuch0": {}}, "linux.netDevices.nosuch0: no network interface nosuch0")):
        b.c["linux"]["netDevices"] = devices
        r = b.run()
        assert r.returncode == 1 and text in r.stderr and b.left() == []
        assert has_link(device)
    b.c["linux"]["namespaces"] = [n for n in b.c["linux"]["namespaces"] if n["type"] != "network"]
    assert "without a private NET namespace" in b.run().stderr


# ---- the rest ----

def test_memory_policy(b):
    def policy(**p):
        b.c["linux"]["memoryPolicy"] = p
        return b.sh("head -n 1 /proc/self/numa_maps").split()[1]

    assert policy(mode="MPOL_BIND", nodes="0", flags=["MPOL_F_STATIC_NODES"]) == "bind=static:0"
    assert policy(mode="MPOL_INTERLEAVE", nodes="0") == "interleave:0"
    assert policy(mode="MPOL_LOCAL") == "local" and policy(mode="MPOL_DEFAULT") == "default"
    b.c["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND"}
    r = b.run()
    assert r.returncode == 1 and "linux.memoryPolicy: set_mempolicy MPOL_BIND" in r.stderr
    b.c["linux"]["memoryPolicy"] = {"mode": "MPOL_INTERLEAVE", "nodes": "0"}
    b.start()
    assert b.call("exec", "c", "head", "-n", "1", "/proc/self/numa_maps").stdout.split()[1] == "interleave:0"


def test_labels_without_selinux_are_told(b):
    if os.path.exists("/sys/fs/selinux"):
        pytest.skip("SELinux is here")
    for change, text in ((lambda: b.c["linux"].update(mountLabel="a:b:c"), "linux.mountLabel: SELinux is not enabled"),
                         (lambda: b.c["process"].update(selinuxLabel="a:b:c"), "process.selinuxLabel: SELinux is not enabled")):
        change()
        r = b.run()
        assert r.returncode == 1 and text in r.stderr
        b.c["linux"].pop("mountLabel", None)


def test_remount(b):
    (b.path / "d").mkdir()
    b.c["mounts"] += [{"destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "noexec"]},
                      {"destination": "/d", "type": "bind", "source": str(b.path / "d"), "options": ["bind"]},
                      {"destination": "/t", "options": ["remount", "ro", "size=2m"]},
                      {"destination": "/d", "options": ["remount", "bind", "ro", "nosuid"], "source": "x"}]
    rows = {l.split()[1]: l.split()[3].split(",") for l in b.sh("cat /proc/mounts").splitlines()}
    assert rows["/t"][0] == "ro" and "noexec" in rows["/t"] and "size=2048k" in rows["/t"]
    assert rows["/d"][0] == "ro" and "nosuid" in rows["/d"]
    b.c["mounts"].append({"destination": "/bin", "options": ["remount", "ro"]})
    assert "remount /bin" in b.run().stderr  # nothing is mounted there


def test_tmpfs_has_the_mode_of_what_it_covers(b):
    (b.rootfs / "old").mkdir()
    (b.rootfs / "old").chmod(0o2710)
    (b.rootfs / "link").symlink_to("/old")
    for d, options in (("/link", ["size=1m"]), ("/old", []), ("/named", ["mode=0711"]), ("/new", [])):
        b.c["mounts"] += [{"destination": d, "type": "tmpfs", "source": "tmpfs", "options": options}]
    assert b.sh("stat -c %a /link/. /named /new").split() == ["2710", "711", "1777"]


def test_list_of_a_root_that_is_not_there(b):
    b.root = b.path / "nowhere"
    for args in (["list"], ["list", "-q"], ["list", "-f", "json"]):
        r = b.call(*args)
        assert (r.returncode, r.stdout) == (1, "") and f"open {b.root}: No such file or directory" in r.stderr
    b.root.mkdir()
    r = b.call("list", "-f", "json")
    assert (r.returncode, r.stdout, r.stderr) == (0, "null\n", "")


def test_paths_are_masked_once(b):
    (b.rootfs / "d").mkdir()
    (b.rootfs / "d/f").write_text("secret")
    (b.rootfs / "e").mkdir()
    (b.rootfs / "e/f").write_text("secret")
    (b.rootfs / "link").symlink_to("e")
    b.c["linux"]["maskedPaths"] = ["/d/f", "/e", "/d/f", "/d//f", "/e/", "/link", "/e"]
    out = b.sh("cut -d' ' -f2 /proc/mounts | grep -E '^/(d/f|e|link)'; cat /d/f; ls -A /e")
    assert out.split() == ["/d/f", "/e"]


def test_bind_options_that_name_one_attribute_name_all(b):
    (b.path / "d").mkdir()
    asked = [[], ["rw"], ["nosuid"], ["noexec", "nodiratime"], ["rro"], ["rro", "nodev"]]
    b.c["mounts"] += [{"destination": f"/d{i}", "type": "bind", "source": str(b.path / "d"), "options": ["bind", *o]}
                      for i, o in enumerate(asked)]
    b.prefix = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                f"mount -t tmpfs t {b.path}/d && mount -o remount,bind,nodev,nosuid,noatime,ro {b.path}/d && exec \"$@\"", "sh", *b.prefix]
    rows = {l.split()[1]: set(l.split()[3].split(",")) for l in b.sh("cat /proc/mounts").splitlines()}
    words = {"rw", "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"}
    assert [rows[f"/d{i}"] & words for i in range(len(asked))] == [
        {"ro", "nosuid", "nodev", "noatime"}, {"rw", "noatime"}, {"rw", "nosuid", "noatime"},
        {"rw", "noexec", "nodiratime", "relatime"}, {"ro", "nosuid", "nodev", "noatime"}, {"ro", "nodev", "noatime"}]


def test_personality(b):
    b.c["linux"]["personality"] = {"domain": "LINUX32"}
    assert b.sh("uname -m").strip() in ("i686", "armv8l")
    b.start()
    assert b.call("exec", "c", "cat", "/proc/1/personality").stdout.strip()[-1] == "8"


def test_io_priority_scheduler_and_names(b):
    b.c["process"] |= {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}, "scheduler": {"policy": "SCHED_BATCH", "nice": 7}}
    b.c["domainname"] = "example.org"
    out = b.sh("ionice -p $$; cat /proc/sys/kernel/domainname; cut -d' ' -f19,41 /proc/self/stat")
    assert out.splitlines() == ["best-effort: prio 6", "example.org", "7 3"]


def test_hooks_know_process_and_place(b):
    """In the container's namespaces the process id is the one seen there; hooks of the runtime run in the bundle."""
    def hook(name, root=b.path):
        return [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {root}/{name}; pwd > {root}/{name}.cwd; test -n \"$X\" || exit 5"],
                 "env": ["X=1", "PATH=/bin:/usr/bin"]}]

    b.c["hooks"] = {n: hook(n) for n in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")}
    b.c["hooks"]["startContainer"] = hook("startContainer", "")
    b.c["process"]["args"] = ["sleep", "1000"]
    b.save()
    with open("/dev/null", "w") as null:
        subprocess.run(b.argv("create", "--bundle", b.path, "c"), cwd="/", stdin=subprocess.DEVNULL, stdout=null, stderr=null, check=True)
    b.c["hooks"] = {"poststart": [{"path": "/bin/false"}], "poststop": [{"path": "/bin/false"}]}
    b.save()  # what changes after create has no part in the container
    pid = b.state()["pid"]
    assert b.call("start", "c").returncode == 0
    poll(lambda: (b.path / "poststart.cwd").exists())
    assert b.call("delete", "-f", "c").returncode == 0
    for name, want, cwd in (("prestart", pid, b.path), ("createRuntime", pid, b.path), ("createContainer", 1, b.rootfs),
                            ("poststart", pid, b.path), ("poststop", None, b.path)):
        assert json.loads((b.path / name).read_text()).get("pid") == want, name
        assert pathlib.Path((b.path / f"{name}.cwd").read_text().strip()) == cwd, name
    assert json.loads((b.rootfs / "startContainer").read_text())["pid"] == 1
