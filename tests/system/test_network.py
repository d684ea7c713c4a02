# SPDX-License-Identifier: Apache-2.0
"""The network room in the kernel: a host, a client and containers, each a network namespace of this test's own."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import pytest

BUILD = os.environ.get("ESTIBA_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
NETDRIVE = os.path.join(BUILD, "tests/system/netdrive")
HOST, CLIENT = f"est-h{os.getpid()}", f"est-c{os.getpid()}"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")

# Answers every connection with the peer's address, for ever.
SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[1], int(sys.argv[2]))); s.listen(16); print("ready", flush=True)
while True:
    c, peer = s.accept(); c.sendall(peer[0].encode()); c.close()
"""
UDP_SERVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], int(sys.argv[2]))); print("ready", flush=True)
while True:
    d, peer = s.recvfrom(99); s.sendto(peer[0].encode(), peer)
"""
CLIENT_TCP = """
import socket, sys
try:
    c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2); print(c.recv(99).decode())
except ConnectionRefusedError: print("refused")
except (socket.timeout, TimeoutError): print("timeout")
except OSError as e: print("error", e)
"""
CLIENT_UDP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
try: print(s.recv(99).decode())
except (socket.timeout, TimeoutError): print("timeout")
except ConnectionRefusedError: print("refused")
"""


def sh(*argv, check=True):
    return subprocess.run(argv, check=check, capture_output=True, text=True).stdout


class House:
    """The namespaces, and netdrive running in the host's."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="estiba-net.")
        self.procs = []
        for ns in (HOST, CLIENT):
            sh("ip", "netns", "add", ns)
            self.run(ns, "ip", "link", "set", "lo", "up")
        self.run(HOST, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", CLIENT)
        self.run(HOST, "ip", "addr", "add", "10.99.0.1/24", "dev", "up0")
        self.run(HOST, "ip", "link", "set", "up0", "mtu", "1400", "up")
        self.run(HOST, "ip", "route", "add", "default", "via", "10.99.0.2")
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):  # a new namespace has what the machine has
            self.run(HOST, "sysctl", "-qw", f"net.{name}=0")
        self.run(CLIENT, "ip", "addr", "add", "10.99.0.2/24", "dev", "eth0")
        self.run(CLIENT, "ip", "link", "set", "eth0", "up")
        self.run(CLIENT, "ip", "route", "add", "172.17.0.0/16", "via", "10.99.0.1")
        self.notices = []
        self.start()

    def start(self):
        self.drive = subprocess.Popen(["nsenter", f"--net=/run/netns/{HOST}", NETDRIVE, self.root], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, bufsize=1)

    def path(self, where):
        return f"/run/netns/{where}" if where in (HOST, CLIENT) else f"{self.root}/netns/{where}"

    def run(self, where, *argv, check=True):
        return sh("nsenter", f"--net={self.path(where)}", *argv, check=check)

    def do(self, line):
        """Send one command; returns what it "took", or the error's text."""
        self.drive.stdin.write(line + "\n")
        took = ""
        while True:
            kind, _, rest = self.drive.stdout.readline().rstrip("\n").partition(" ")
            if kind == "notice":
                self.notices.append(rest)
            elif kind == "took":
                took = rest
            elif kind == "error":
                return "error " + rest
            else:
                assert kind == "ok", kind
                return took

    def ok(self, line):
        got = self.do(line)
        assert not got.startswith("error"), got
        return got

    def serve(self, where, address, port, program=SERVER):
        p = subprocess.Popen(["nsenter", f"--net={self.path(where)}", sys.executable, "-c", program, address, str(port)],
                             stdout=subprocess.PIPE, text=True)
        self.procs.append(p)
        assert p.stdout.readline() == "ready\n"

    def ask(self, where, address, port, program=CLIENT_TCP):
        return self.run(where, sys.executable, "-c", program, address, str(port)).strip()

    def close(self):
        for p in self.procs:
            p.kill()
            p.wait()
        if self.drive.poll() is None:
            self.do("purge")
        self.drive.stdin.close()
        self.drive.wait()
        for ns in (HOST, CLIENT):
            sh("ip", "netns", "del", ns)
        shutil.rmtree(self.root)


@pytest.fixture(scope="module")
def house():
    h = House()
    h.ok("open")
    h.ok("bridge n1 estiba0 172.17.0.1/16 fd00:17::1/64")
    h.ok("bridge n2 es-two 172.18.0.1/24")
    h.ok("bridge n3 es-int 172.19.0.1/24 - internal")
    h.ok("bridge n4 es-icc 172.20.0.1/24 - icc_off")
    h.ok("ready")
    for line in ("up c1 n1 172.17.0.2 fd00:17::2", "up c2 n1 172.17.0.3", "up c3 n2 172.18.0.2", "up c4 n3 172.19.0.2",
                 "up c5 n4 172.20.0.2", "up c6 n4 172.20.0.3"):
        h.ok(line)
    h.serve("c1", "0.0.0.0", 80)
    h.serve("c1", "fd00:17::2", 80)
    h.serve("c1", "0.0.0.0", 53, UDP_SERVER)
    h.serve("c3", "0.0.0.0", 80)
    h.serve("c5", "0.0.0.0", 80)
    h.ok("publish c1 tcp * 8080 80 172.17.0.2 fd00:17::2")
    h.ok("publish c1 udp * 8053 53 172.17.0.2 -")
    h.ok("publish c1 tcp 127.0.0.1 8081 80 172.17.0.2 -")
    h.ok("publish c1 tcp 10.99.0.1 8082 80 172.17.0.2 -")
    h.ok("publish c5 tcp * 8085 80 172.20.0.2 -")
    yield h
    h.close()


# who asks, where: what must come back. Addresses are what the container saw.
@pytest.mark.parametrize("who,address,port,want", [
    ("c1", "172.17.0.2", 80, "172.17.0.2"),
    (HOST, "172.17.0.2", 80, "172.17.0.1"),
    ("c2", "172.17.0.2", 80, "172.17.0.3"),           # neighbour, directly
    (CLIENT, "10.99.0.1", 8080, "10.99.0.2"),         # published: the source address is kept
    (HOST, "127.0.0.1", 8080, "172.17.0.1"),          # from the host's loopback: the gateway
    (HOST, "10.99.0.1", 8080, "10.99.0.1"),
    (HOST, "::1", 8080, "refused"),                   # at once, so that clients fall back
    (HOST, "fd00:17::1", 8080, "fd00:17::1"),
    ("c2", "10.99.0.1", 8080, "172.17.0.1"),          # neighbour on the same bridge, through the host
    ("c1", "10.99.0.1", 8080, "172.17.0.1"),          # itself, through the host
    ("c3", "10.99.0.1", 8080, "172.18.0.2"),          # another network, through the host
    (HOST, "127.0.0.1", 8081, "172.17.0.1"),
    (CLIENT, "10.99.0.1", 8081, "refused"),           # published on the loopback only
    (CLIENT, "10.99.0.1", 8082, "10.99.0.2"),
    (HOST, "127.0.0.1", 8082, "refused"),             # published on one address only
    ("c3", "172.17.0.2", 80, "timeout"),              # networks are isolated
    ("c1", "172.18.0.2", 80, "timeout"),
    (CLIENT, "172.17.0.2", 80, "timeout"),            # no way in besides published ports
    (CLIENT, "10.99.0.1", 8085, "10.99.0.2"),
    ("c6", "172.20.0.2", 80, "timeout"),              # icc=false
])
def test_reach(house, who, address, port, want):
    assert house.ask(who, address, port) == want


def test_out(house):
    house.serve(CLIENT, "0.0.0.0", 7000)
    assert house.ask("c1", "10.99.0.2", 7000) == "10.99.0.1"  # masqueraded
    assert house.ask("c4", "10.99.0.2", 7000).startswith("error")  # internal: no route at all
    assert house.run("c1", "ip", "route").splitlines()[0].startswith("default via 172.17.0.1")


def test_udp(house):
    assert house.ask(CLIENT, "10.99.0.1", 8053, CLIENT_UDP) == "10.99.0.2"
    assert house.ask(HOST, "127.0.0.1", 8053, CLIENT_UDP) == "172.17.0.1"


def test_loopback_services_stay_inside(house):
    house.serve(HOST, "127.0.0.1", 7001)
    house.run("c2", "ip", "route", "add", "127.0.0.0/24", "via", "172.17.0.1", check=False)
    house.run("c2", "ip", "addr", "del", "127.0.0.1/8", "dev", "lo", check=False)
    house.run("c2", "ip", "route", "add", "local", "127.9.9.9", "dev", "lo", check=False)
    house.run("c2", "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1", check=False)
    assert house.ask("c2", "127.0.0.1", 7001) in ("timeout", "error [Errno 101] Network is unreachable", "error [Errno 22] Invalid argument")
    # The same on the wire: a client that routes 127/8 to us.
    house.run(CLIENT, "sysctl", "-qw", "net.ipv4.conf.eth0.route_localnet=1", check=False)
    house.run(CLIENT, "ip", "addr", "del", "127.0.0.1/8", "dev", "lo", check=False)
    house.run(CLIENT, "ip", "route", "add", "127.0.0.0/8", "via", "10.99.0.1", check=False)
    assert house.ask(CLIENT, "127.0.0.1", 8081) != "10.99.0.2"


def test_conflicts(house):
    assert house.do("publish c2 tcp * 8080 80 172.17.0.3 -") == "error Bind for 0.0.0.0:8080 failed: port is already allocated"
    assert house.do("publish c2 tcp 127.0.0.1 8080 80 172.17.0.3 -") == \
        "error Bind for 127.0.0.1:8080 failed: port is already allocated"
    house.serve(HOST, "0.0.0.0", 7002)
    assert house.do("publish c2 tcp * 7002 80 172.17.0.3 -") == \
        "error failed to bind host port 0.0.0.0:7002/tcp: address already in use"
    assert house.do("publish c2 tcp 1.2.3.4 7003 80 172.17.0.3 -") == \
        "error failed to bind host port 1.2.3.4:7003/tcp: cannot assign requested address"
    # and the other way round: nobody else gets a published port
    bind = "import socket,sys\ntry: socket.create_server(('127.0.0.1', 8080))\nexcept OSError as e: print(e.errno)"
    assert house.run(HOST, sys.executable, "-c", bind).strip() == "98"
    assert "port=32768" in house.ok("publish c2 tcp * 0 80 172.17.0.3 -")
    assert "port=8083" in house.ok("publish c2 tcp * 8080-8090 80 172.17.0.3 -")
    house.ok("unpublish c2")


def test_mtu_and_forwarding_are_told(house):
    assert "mtu 1400" in house.run(HOST, "ip", "link", "show", "estiba0") and "mtu 1400" in house.run("c1", "ip", "link", "show", "eth0")
    assert any("/proc/sys/net/ipv4/ip_forward switched on" in n for n in house.notices)
    assert any("/proc/sys/net/ipv6/conf/all/forwarding switched on" in n for n in house.notices)


def test_no_router_for_others(house):
    """Forwarding was switched on for us: between two interfaces that were there before, nothing passes."""
    table = house.run(HOST, "nft", "list", "ruleset")
    assert '"up0"' in table.split("set uplinks")[1].split("}")[0]


def test_flush_is_repaired(house):
    house.run(HOST, "nft", "flush", "ruleset")
    deadline = time.time() + 3
    while "dnat" not in house.run(HOST, "nft", "list", "ruleset") and time.time() < deadline:
        time.sleep(0.02)
    assert house.ask(CLIENT, "10.99.0.1", 8080) == "10.99.0.2"
    house.ok("foreign")
    assert any("put back" in n for n in house.notices)


def test_foreign_drop_is_told(house):
    house.run(HOST, "nft", "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
    assert house.ask(CLIENT, "10.99.0.1", 8080) == "timeout"
    assert house.ok("foreign").startswith("nftables table ip filter, chain FORWARD, drops")
    house.run(HOST, "nft", "add chain ip filter DOCKER-USER; add rule ip filter FORWARD jump DOCKER-USER")
    house.ok("bridge n9 es-nine 172.29.0.1/24")  # any change puts our rule in
    assert house.ask(CLIENT, "10.99.0.1", 8080) == "10.99.0.2"
    assert house.ok("foreign") == "none"
    house.run(HOST, "nft", "delete", "table", "ip", "filter")
    house.ok("unbridge n9")


def test_costs(house, capsys):
    """Not a judge of speed: the figures, and that many ports work."""
    many = house.ok("publish c2 tcp 10.99.0.1 20000 80 172.17.0.3 - 2000")
    one = house.ok("publish c2 tcp 10.99.0.1 30000 80 172.17.0.3 -")
    off = house.ok("unpublish c2")
    ups = [house.ok(f"up t{i} n2 172.18.0.{100 + i}") for i in range(8)]
    with capsys.disabled():
        print(f"\n2000 ports: {many}; one more: {one}; all off: {off}\nattach: {ups}")
    for i in range(8):
        house.ok(f"down t{i} n2 172.18.0.{100 + i}")


def test_restart_adopts_and_sweeps(house):
    """The next daemon does not interrupt; what nobody adopts goes; purge leaves nothing."""
    house.ok("close")
    assert house.ask(CLIENT, "10.99.0.1", 8080) == "10.99.0.2"
    house.ok("open")
    house.ok("bridge n1 estiba0 172.17.0.1/16")
    house.ok("ready")
    links = house.run(HOST, "ip", "-o", "link")
    assert "estiba0" in links and "es-two" not in links and "vethc" not in links
    house.ok("purge")
    assert house.run(HOST, "nft", "list", "ruleset") == ""
    assert house.run(HOST, "ip", "-o", "link").count("\n") == 2  # lo, up0
    assert [n for n in os.listdir(f"{house.root}/netns")] == []
