"""A router between the Internet and a LAN, where thousands of phones have an address.

    outside 198.51.100.1 --- eth1 router br-lan --- host 192.168.1.100

"outside" is the whole Internet: it holds every address of the networks of phones and
strangers. It has routes into the LAN, as somebody on the provider's side could have.
Devices and addresses of the router are those of the recorded fw4 configurations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from tests.netns.namespaces import End, Machine, Machines

VERSIONS = (4, 6)
Pair = dict[int, str]
"""An address for each IP version."""

PROVIDER: Pair = {4: "198.51.100.1", 6: "2001:db8:1::1"}
ROUTER: Pair = {4: "198.51.100.2", 6: "2001:db8:1::2"}
SECOND: Pair = {4: "198.51.100.3", 6: "2001:db8:1::3"}
"""The router's other address outside."""
INSIDE: Pair = {4: "192.168.1.1", 6: "2001:db8:100::1"}
ALIAS: Pair = {4: "192.168.1.2", 6: "2001:db8:100::2"}
"""The router's other address inside, never chosen by the kernel itself."""
HOST: Pair = {4: "192.168.1.100", 6: "2001:db8:100::100"}
STRANGER: Pair = {4: "192.0.2.66", 6: "2001:db8:b::66"}
SERVER: Pair = {4: "192.0.2.80", 6: "2001:db8:b::80"}
"""A server on the Internet that the LAN uses."""
FLOW_SECONDS = 600
WAN, LAN = "eth1", "br-lan"

_BITS = {4: 24, 6: 64}
_LAN_BITS = {4: 24, 6: 60}
_OUTSIDE_NETWORKS = ("100.64.0.0/10", "192.0.2.0/24", "2001:db8:a::/48", "2001:db8:b::/64")
_INSIDE_NETWORKS = {4: "192.168.1.0/24", 6: "2001:db8:100::/56"}
# Networks of phones; every second one is left empty, to be somebody's neighbour.
_PHONES = {4: int(IPv4Address("100.64.0.0")), 6: int(IPv6Address("2001:db8:a::"))}
_SHIFT = {4: 8, 6: 64}


@dataclass(frozen=True, slots=True)
class Home:
    """A phone's place on the Internet: a network of its own, among others of its kind."""

    number: int
    version: int

    def address(self, host: int, network: int = 0) -> str:
        """A host of this network, or of a later one."""
        start = _PHONES[self.version]
        value = start + ((2 * self.number + network) << _SHIFT[self.version]) + host
        return str(IPv4Address(value) if self.version == 4 else IPv6Address(value))

    @property
    def phone(self) -> str:
        """Who knocks."""
        return self.address(10)

    @property
    def near(self) -> str:
        """In the same network, and even in the same few addresses."""
        return self.address(12)

    @property
    def neighbour(self) -> str:
        """In the same network, but not close."""
        return self.address(77)

    @property
    def beyond(self) -> str:
        """In the next network, with the same host number."""
        return self.address(10, network=1)

    @property
    def around(self) -> tuple[str, ...]:
        """All of them, the phone first."""
        return (self.phone, self.near, self.neighbour, self.beyond)


@dataclass(frozen=True, slots=True)
class Site:
    """The machines of the picture above."""

    outside: Machine
    router: Machine
    host: Machine

    def remember_flows(self) -> None:
        """Have the router forget no flow because this machine is busy; needs rules that track."""
        self.router.sysctl(net__netfilter__nf_conntrack_udp_timeout=FLOW_SECONDS)

    def lose_wan(self) -> None:
        """The device of the uplink is gone, as when a modem restarts."""
        self.router.ip("link", "delete", WAN)

    def lay_wan(self, machines: Machines) -> None:
        """The uplink is there, with addresses and routes."""
        machines.join(
            End(self.outside, "eth0", _with_bits(PROVIDER, _BITS)),
            End(self.router, WAN, (*_with_bits(ROUTER, _BITS), *_with_bits(SECOND, _BITS))),
        )
        for version in VERSIONS:
            self.router.ip("route", "add", "default", "via", PROVIDER[version])
            self.outside.ip("route", "add", _INSIDE_NETWORKS[version], "via", ROUTER[version])


def _with_bits(pair: Pair, bits: dict[int, int]) -> tuple[str, ...]:
    return tuple(f"{pair[version]}/{bits[version]}" for version in VERSIONS)


@contextmanager
def matrix_site() -> Iterator[tuple[Site, Machines]]:
    """The machines while the block runs, without any firewall rule."""
    with Machines() as machines:
        site = Site(*(machines.add(role) for role in ("outside", "router", "host")))
        site.lay_wan(machines)
        _lay_lan(machines, site)
        for network in _OUTSIDE_NETWORKS:
            site.outside.ip("route", "add", "local", network, "dev", "lo")
        site.outside.sysctl(net__ipv6__ip_nonlocal_bind=1)
        site.router.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        yield site, machines


def _lay_lan(machines: Machines, site: Site) -> None:
    machines.join(
        End(site.host, "eth0", _with_bits(HOST, _LAN_BITS)),
        End(site.router, LAN, _with_bits(INSIDE, _LAN_BITS)),
    )
    for version in VERSIONS:
        alias = f"{ALIAS[version]}/{_LAN_BITS[version]}"
        # Without a preferred time the kernel doesn't choose it as a source.
        unpreferred = ("valid_lft", "forever", "preferred_lft", "0")
        site.router.ip("address", "add", alias, "dev", LAN, *unpreferred)
        site.host.ip("route", "add", "default", "via", INSIDE[version])
