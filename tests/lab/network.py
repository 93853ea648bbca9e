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
from pathlib import Path

from tests.lab.commands import run_checked
from tests.lab.hosts import Host
from tests.lab.ruleset import router_ruleset
from tests.lab.services import EchoService, listen
from tests.lab.sockets import enable_forwarding

NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, slots=True)
class Device:
    """One end of a cable: a device of a machine, with its addresses."""

    machine: str
    name: str
    address: str
    address6: str


MACHINES = ("phone", "stranger", "internet", "router", "lan")
CABLES = (
    (
        Device("phone", "eth0", "203.0.113.10/24", "2001:db8:a::10/64"),
        Device("internet", "to-phone", "203.0.113.1/24", "2001:db8:a::1/64"),
    ),
    (
        Device("stranger", "eth0", "192.0.2.66/24", "2001:db8:b::66/64"),
        Device("internet", "to-stranger", "192.0.2.1/24", "2001:db8:b::1/64"),
    ),
    (
        Device("router", "eth1", "198.51.100.2/24", "2001:db8:1::2/64"),
        Device("internet", "to-router", "198.51.100.1/24", "2001:db8:1::1/64"),
    ),
    (
        Device("lan", "eth0", "192.168.1.100/24", "2001:db8:100::100/60"),
        Device("router", "br-lan", "192.168.1.1/24", "2001:db8:100::1/60"),
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
FORWARDING = ("internet", "router")
SERVICES = (("router", 22), ("router", 2222), ("lan", 80))


@dataclass(frozen=True, slots=True)
class Network:
    """The four machines a test deals with. ``router.address`` is that of its WAN."""

    phone: Host
    stranger: Host
    router: Host
    lan: Host

    def load_ruleset(self, scenario: str) -> None:
        """Load what fw4 printed, as ``fw4 start`` and ``fw4 reload`` do."""
        run_checked(self.router.command(["nft", "-f", "-"]), router_ruleset(scenario))

    def restart_ruleset(self, scenario: str) -> None:
        """Delete fw4's table and load it anew, as ``fw4 restart`` does."""
        run_checked(self.router.command(["nft", "delete", "table", "inet", "fw4"]))
        self.load_ruleset(scenario)


@contextmanager
def network(prefix: str, scenario: str) -> Iterator[Network]:
    """Machines, cables, the router's ruleset, and services; all gone after the block.

    Every namespace is named ``prefix``-MACHINE. Raises LabError.
    """
    with ExitStack() as cleanup:
        cleanup.callback(remove_namespaces, prefix)
        _lay_cables(prefix)
        for machine in FORWARDING:
            enable_forwarding(NAMESPACES / f"{prefix}-{machine}")
        made = Network(*(_host(prefix, name) for name in ("phone", "stranger", "router", "lan")))
        made.load_ruleset(scenario)
        for machine, port in SERVICES:
            host = made.router if machine == "router" else made.lan
            for family in (socket.AF_INET, socket.AF_INET6):
                cleanup.enter_context(closing(_serve(host, family, port)))
        yield made


def remove_namespaces(prefix: str) -> None:
    """Remove every namespace of that prefix, with all that is in it."""
    for path in sorted(NAMESPACES.glob(f"{prefix}-*")):
        run_checked(["ip", "netns", "delete", path.name])


def _host(prefix: str, machine: str) -> Host:
    device = next(end for cable in CABLES for end in cable if end.machine == machine)
    address, address6 = device.address.split("/")[0], device.address6.split("/")[0]
    return Host(machine, NAMESPACES / f"{prefix}-{machine}", address, address6)


def _serve(host: Host, family: socket.AddressFamily, port: int) -> EchoService:
    listener = listen(host.socket(family, socket.SOCK_STREAM), port)
    return EchoService(listener, f"tcp/{port} of the {host.name} at your service")


def _lay_cables(prefix: str) -> None:
    outside = [f"netns add {prefix}-{machine}" for machine in MACHINES]
    outside += [_cable(prefix, *ends) for ends in CABLES]
    run_checked(["ip", "-batch", "-"], "\n".join(outside) + "\n")
    for machine in MACHINES:
        inside = "\n".join(_inside(machine)) + "\n"
        run_checked(["ip", "-n", f"{prefix}-{machine}", "-batch", "-"], inside)


def _cable(prefix: str, one: Device, other: Device) -> str:
    return (
        f"link add {one.name} netns {prefix}-{one.machine} type veth "
        f"peer name {other.name} netns {prefix}-{other.machine}"
    )


def _inside(machine: str) -> Iterator[str]:
    yield "link set lo up"
    for device in (end for cable in CABLES for end in cable if end.machine == machine):
        yield f"address add {device.address} dev {device.name}"
        # Without nodad the address is of no use for a second.
        yield f"address add {device.address6} dev {device.name} nodad"
        yield f"link set {device.name} up"
    for owner, target, gateway in ROUTES:
        if owner == machine:
            yield f"route add {target} via {gateway}"
