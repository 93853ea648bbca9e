"""The lab's network: a phone, a stranger, a router with a LAN host, and the Internet between them.

    phone 203.0.113.10 ---+
                          +--- internet --- eth1 router br-lan --- lan host 192.168.1.100
    stranger 192.0.2.66 --+        198.51.100.2      192.168.1.1

Device names and addresses of the router are those of the recorded fw4 configurations.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from tests.lab.errors import LabError
from tests.lab.hosts import Host
from tests.lab.ruleset import router_ruleset
from tests.lab.services import EchoService, listen
from tests.netns.namespaces import End, Machine, Machines

PREFIX = "fwlab"
ANY_ADDRESS = ("0.0.0.0", "::")
PHONE = ("203.0.113.10", "2001:db8:a::10")
STRANGER = ("192.0.2.66", "2001:db8:b::66")
ROUTER = ("198.51.100.2", "2001:db8:1::2")
LAN = ("192.168.1.100", "2001:db8:100::100")
NAMES = {"lan": "LAN host"}
ROLES = ("phone", "stranger", "internet", "router", "lan")
# machine, its device, its addresses; the same of the other end
CABLES = (
    (
        *("phone", "eth0", ("203.0.113.10/24", "2001:db8:a::10/64")),
        *("internet", "to-phone", ("203.0.113.1/24", "2001:db8:a::1/64")),
    ),
    (
        *("stranger", "eth0", ("192.0.2.66/24", "2001:db8:b::66/64")),
        *("internet", "to-stranger", ("192.0.2.1/24", "2001:db8:b::1/64")),
    ),
    (
        *("router", "eth1", ("198.51.100.2/24", "2001:db8:1::2/64")),
        *("internet", "to-router", ("198.51.100.1/24", "2001:db8:1::1/64")),
    ),
    (
        *("lan", "eth0", ("192.168.1.100/24", "2001:db8:100::100/60")),
        *("router", "br-lan", ("192.168.1.1/24", "2001:db8:100::1/60")),
    ),
)
# As in life, the Internet knows the way to the router's IPv6 prefix, but none to 192.168.1.0.
ROUTES = (
    ("phone", "default", "203.0.113.1"),
    ("phone", "default", "2001:db8:a::1"),
    ("stranger", "default", "192.0.2.1"),
    ("stranger", "default", "2001:db8:b::1"),
    ("router", "default", "198.51.100.1"),
    ("router", "default", "2001:db8:1::1"),
    ("lan", "default", "192.168.1.1"),
    ("lan", "default", "2001:db8:100::1"),
    ("internet", "2001:db8:100::/56", "2001:db8:1::2"),
)
FORWARDING = {"net__ipv4__ip_forward": 1, "net__ipv6__conf__all__forwarding": 1}


@dataclass(frozen=True, slots=True)
class Network:
    """The four machines a test deals with. ``router.address`` is that of its WAN."""

    stem: str
    phone: Host
    stranger: Host
    router: Host
    lan: Host

    def load_ruleset(self, scenario: str) -> None:
        """Load what fw4 printed, as ``fw4 start`` and ``fw4 reload`` do."""
        _machine(self.router).nft(router_ruleset(scenario))

    def restart_ruleset(self, scenario: str) -> None:
        """Delete fw4's table and load it anew, as ``fw4 restart`` does."""
        _machine(self.router).nft("delete table inet fw4\n")
        self.load_ruleset(scenario)


@contextmanager
def network(scenario: str) -> Iterator[Network]:
    """Machines, cables, the router's ruleset, and services; all gone after the block.

    Raises LabError.
    """
    with ExitStack() as cleanup:
        try:
            made = _make(cleanup, scenario)
        except (RuntimeError, OSError) as error:
            raise LabError(f"the lab's network can't be made: {error}") from error
        yield made


def hosts_of(stem: str) -> Network:
    """The machines of a network another process has made."""

    def host(role: str, addresses: tuple[str, str]) -> Host:
        return Host(NAMES.get(role, role), Machine(role, f"{stem}-{role}"), *addresses)

    return Network(
        stem,
        phone=host("phone", PHONE),
        stranger=host("stranger", STRANGER),
        router=host("router", ROUTER),
        lan=host("lan", LAN),
    )


def _make(cleanup: ExitStack, scenario: str) -> Network:
    machines = cleanup.enter_context(Machines(PREFIX))
    by_role = {role: machines.add(role) for role in ROLES}
    for role, device, addresses, peer, peer_device, peer_addresses in CABLES:
        machines.join(
            End(by_role[role], device, addresses), End(by_role[peer], peer_device, peer_addresses)
        )
    for role, target, gateway in ROUTES:
        by_role[role].ip("route", "add", target, "via", gateway)
    for role in ("internet", "router"):
        by_role[role].sysctl(**FORWARDING)
    made = hosts_of(by_role["router"].name.removesuffix("-router"))
    made.load_ruleset(scenario)
    for host, port in ((made.router, 22), (made.router, 2222), (made.lan, 80)):
        for address in ANY_ADDRESS:
            cleanup.enter_context(closing(_serve(host, address, port)))
    return made


def _serve(host: Host, address: str, port: int) -> EchoService:
    listener = listen(host.socket(address, socket.SOCK_STREAM), address, port)
    return EchoService(listener, f"tcp/{port} of the {host.name} at your service")


def _machine(host: Host) -> Machine:
    if host.machine is None:
        raise LabError(f"{host.name} has no namespace")
    return host.machine
