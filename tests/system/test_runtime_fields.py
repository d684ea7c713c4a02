# SPDX-License-Identifier: Apache-2.0
"""Fields of config.json one by one: each does what the specification says, or is refused by its JSON path."""

import pytest

import test_runtime
from test_runtime import b  # noqa: F401 (a fixture)

pytestmark = test_runtime.pytestmark


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
