"""A router between the Internet and a LAN, with the real fw4's rules and our firewall.

    outside 198.51.100.7, .8 --- eth1 router br-lan --- host 192.168.1.100
    guest   203.0.113.7      --- eth2

"outside" is one machine with the addresses of a client and of a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from fwknopd.firewall.nftables import NftablesFirewall
from tests.netns.fw4_rulesets import router_ruleset
from tests.netns.namespaces import End, Machine, Machines
from tests.netns.probes import Outcome, greeter, try_tcp

ROUTER, CLIENT, STRANGER = "198.51.100.1", "198.51.100.7", "198.51.100.8"
ROUTER6, CLIENT6, STRANGER6 = "2001:db8:1::1", "2001:db8:1::7", "2001:db8:1::8"
ROUTER_LAN, HOST = "192.168.1.1", "192.168.1.100"
HOST6 = "2001:db8:100::100"
ROUTER_GUEST, GUEST = "203.0.113.1", "203.0.113.7"
PORTS = (22, 2222, 8080)


@dataclass(frozen=True, slots=True)
class Site:
    """The machines of the picture above."""

    outside: Machine
    guest: Machine
    router: Machine
    host: Machine

    def tcp(self, port: int, source: str = CLIENT, address: str = ROUTER) -> Outcome:
        """Try a connection from the outside to the router."""
        return try_tcp(self.outside, source, address, port)

    def reset(self, scenario: str = "default") -> None:
        """Nothing in nftables but what fw4 loads."""
        self.router.nft("flush ruleset\n" + router_ruleset(scenario))

    def list_ruleset(self) -> str:
        """All of the router's nftables."""
        return self.router.run("nft", "list", "ruleset")


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    with Machines() as machines, ExitStack() as servers:
        site = Site(*(machines.add(role) for role in ("outside", "guest", "router", "host")))
        lay_cables(machines, site)
        for port in PORTS:
            servers.enter_context(greeter(site.router, port, "router"))
            servers.enter_context(greeter(site.host, port, "host"))
        yield site


def lay_cables(machines: Machines, site: Site) -> None:
    """Join the machines as in the picture, with addresses and routes."""
    machines.join(
        End(
            site.outside,
            "eth0",
            (f"{CLIENT}/24", f"{STRANGER}/24", f"{CLIENT6}/64", f"{STRANGER6}/64"),
        ),
        End(site.router, "eth1", (f"{ROUTER}/24", f"{ROUTER6}/64")),
    )
    machines.join(
        End(site.guest, "eth0", (f"{GUEST}/24",)), End(site.router, "eth2", (f"{ROUTER_GUEST}/24",))
    )
    machines.join(
        End(site.host, "eth0", (f"{HOST}/24", f"{HOST6}/60")),
        End(site.router, "br-lan", (f"{ROUTER_LAN}/24", "2001:db8:100::1/60")),
    )
    for machine, gateway in (
        (site.outside, ROUTER),
        (site.guest, ROUTER_GUEST),
        (site.host, ROUTER_LAN),
    ):
        machine.ip("route", "add", "default", "via", gateway)
    site.outside.ip("route", "add", "default", "via", ROUTER6)
    site.host.ip("route", "add", "default", "via", "2001:db8:100::1")
    site.router.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)


@pytest.fixture
def site(_site: Site) -> Site:
    """The site, with stock fw4 rules and this package's includes."""
    _site.reset()
    return _site


@pytest.fixture
def firewall(site: Site) -> Iterator[NftablesFirewall]:
    """Our firewall, started on the router's WAN; the test lives on the router.

    For the first door of its kind the firewall runs nft.
    """
    firewall = NftablesFirewall()
    with site.router.entered():
        firewall.start(["eth1"])
        yield firewall
        firewall.stop()
