"""The real daemon on several devices, beside and on top of each other.

    client 198.51.100.7 --- eth0 in bridge br0 198.51.100.1, host
    guest  203.0.113.7  --- eth1 203.0.113.1, host

The guest is the same machine as the client, over a second cable.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.netns.conftest import CLIENT, GUEST, ROUTER, ROUTER_GUEST
from tests.netns.guarded_host import GuardedHost, guarded_host
from tests.netns.namespaces import End, Machines
from tests.netns.probes import Outcome, greeter, try_tcp
from tests.netns.serving import ask, knock, serving

pytestmark = [pytest.mark.root, pytest.mark.client, pytest.mark.nft]

RULES = """\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        meta mark & 0x40000000 != 0 accept
        ct state established,related accept
    }
}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedHost]:
    with guarded_host(tmp_path_factory.mktemp("links")) as made, Machines() as cables:
        host, outside = made.host.machine, made.outside.machine
        cables.join(
            End(outside, "eth1", (f"{GUEST}/24",)), End(host, "eth1", (f"{ROUTER_GUEST}/24",))
        )
        host.ip("link", "add", "br0", "type", "bridge")
        host.ip("address", "flush", "dev", "eth0")
        host.ip("link", "set", "eth0", "master", "br0")
        host.ip("address", "add", f"{ROUTER}/24", "dev", "br0")
        host.ip("link", "set", "br0", "up")
        with greeter(host, 22, "host"):
            yield made


@pytest.fixture(autouse=True)
def _closed(site: GuardedHost) -> None:
    site.host.machine.nft("flush ruleset\n" + RULES)


@pytest.mark.parametrize(
    ("devices", "captures"),
    [
        ("any", ["any"]),
        ("br0, eth0", ["br0", "eth0"]),
        ("br0 eth1", ["br0", "eth1"]),
        ("eth0", ["eth0"]),
    ],
)
def test_one_knock_is_one_verdict_however_many_devices_see_it(
    site: GuardedHost, devices: str, captures: list[str]
) -> None:
    with serving(site, f"PCAP_INTF {devices};\n") as daemon:
        knock(site, daemon, f"-a {CLIENT}")
        knock(site, daemon, f"-a {CLIENT} -A tcp/23")
        status = ask(site, "status")
        assert status["counters"] == {"accepted": 2}
        assert [row["name"] for row in status["captures"]] == captures
        assert all(row["state"] == "capturing" for row in status["captures"])
        assert not any("Replay" in line for line in daemon.lines)


def test_doors_open_on_the_devices_that_are_watched(site: GuardedHost) -> None:
    with serving(site, "PCAP_INTF br0, eth1;\n") as daemon:
        for address, router in ((CLIENT, ROUTER), (GUEST, ROUTER_GUEST)):
            assert try_tcp(site.outside.machine, address, router, 22) is Outcome.SILENT
            knock(site, daemon, f"-a {address} -D {router}")
            assert try_tcp(site.outside.machine, address, router, 22) is Outcome.CONNECTED
    with serving(site, "PCAP_INTF br0;\n") as daemon:
        knock(site, daemon, f"-a {GUEST}")
        assert try_tcp(site.outside.machine, GUEST, ROUTER_GUEST, 22) is Outcome.SILENT


def test_a_device_among_several_that_goes_and_comes(site: GuardedHost) -> None:
    host = site.host.machine
    with serving(site, "PCAP_INTF br0, eth1, later0;\n") as daemon:
        host.ip("link", "add", "later0", "type", "bridge")
        host.ip("link", "set", "later0", "up")
        daemon.wait_for("Sniffing interface: later0")
        host.ip("link", "delete", "later0")
        daemon.wait_for("Not capturing on later0: ")
        states = {row["name"]: row["state"] for row in ask(site, "status")["captures"]}
        assert states == {"br0": "capturing", "eth1": "capturing", "later0": "waiting"}
        knock(site, daemon, f"-a {CLIENT}")


def test_a_door_opens_on_what_the_watched_device_is_part_of(site: GuardedHost) -> None:
    """Knocks are seen on the port as well, but connections come in by the bridge."""
    with serving(site, "PCAP_INTF eth0;\n") as daemon:
        assert try_tcp(site.outside.machine, CLIENT, ROUTER, 22) is Outcome.SILENT
        knock(site, daemon, f"-a {CLIENT}")
        assert try_tcp(site.outside.machine, CLIENT, ROUTER, 22) is Outcome.CONNECTED
        assert ask(site, "status")["firewall"]["devices"] == ["br0", "eth0"]


def test_and_on_what_it_becomes_part_of_later(site: GuardedHost) -> None:
    host = site.host.machine
    with serving(site, "PCAP_INTF eth1;\n") as daemon:
        knock(site, daemon, f"-a {GUEST} -D {ROUTER_GUEST}")
        host.ip("link", "add", "br1", "type", "bridge")
        try:
            host.ip("link", "set", "br1", "up")
            host.ip("link", "set", "eth1", "master", "br1")
            host.ip("address", "add", f"{ROUTER_GUEST}/24", "dev", "br1")
            host.ip("address", "flush", "dev", "eth1")
            daemon.wait_for("Doors open on br1 as well")
            # It answers when the rules are made. The door is the one that was open before.
            assert ask(site, "status")["firewall"]["devices"] == ["br1", "eth1"]
            assert try_tcp(site.outside.machine, GUEST, ROUTER_GUEST, 22) is Outcome.CONNECTED
        finally:
            host.ip("link", "delete", "br1")
            host.ip("address", "replace", f"{ROUTER_GUEST}/24", "dev", "eth1")
        assert ask(site, "status")["firewall"]["ready"]
