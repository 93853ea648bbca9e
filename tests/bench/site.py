"""The machines of one contestant: somebody outside, the guarded router, and a LAN host.

    outside 198.51.100.2 --- eth1 198.51.100.1 router 192.168.1.1 br-lan --- host 192.168.1.100
    and all of 10.0.0.0/8

What comes in from outside is dropped, unless it belongs to a connection or a door is open.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from tests.bench.clients import KNOWN_ADDRESSES
from tests.bench.contestants import Contestant
from tests.netns.namespaces import End, Machine, Machines
from tests.netns.probes import listen_tcp

PREFIX = "fwbench"
WAN = "eth1"
OUTSIDE, ROUTER, HOST = "198.51.100.2", "198.51.100.1", "192.168.1.100"
SPA_PORT = 62201
SSH, WEB, INSIDE_WEB = 22, 8080, 80
MARK = 0x40000000

_NFT_GUARD = f"""
table inet guard {{
    chain input {{
        type filter hook input priority filter; policy drop;
        meta mark & {MARK:#x} != 0 accept
        iif lo accept
        ct state established,related accept
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        meta mark & {MARK:#x} != 0 accept
        ct state established,related accept
    }}
}}
"""
_IPTABLES_GUARD = """
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
COMMIT
"""


@dataclass(frozen=True, slots=True)
class Site:
    """The machines, and the sockets behind the doors. ``services`` accept by `hang_up`."""

    outside: Machine
    router: Machine
    host: Machine
    services: tuple[socket.socket, ...]

    def hang_up(self) -> None:
        """Accept what has come in, and close it."""
        for listener in self.services:
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()


@contextmanager
def made_site(contestant: Contestant) -> Iterator[Site]:
    """The machines while the block runs, guarded by the contestant's kind of firewall."""
    with Machines(PREFIX) as machines, ExitStack() as cleanup:
        outside, router, host = (machines.add(role) for role in ("outside", "router", "host"))
        machines.join(End(outside, "eth0", (f"{OUTSIDE}/24",)), End(router, WAN, (f"{ROUTER}/24",)))
        machines.join(
            End(router, "br-lan", ("192.168.1.1/24",)), End(host, "eth0", (f"{HOST}/24",))
        )
        # Every visitor's address is this machine's, without a list of them.
        outside.ip("route", "add", "local", KNOWN_ADDRESSES, "dev", "lo")
        router.ip("route", "add", KNOWN_ADDRESSES, "via", OUTSIDE)
        host.ip("route", "add", "default", "via", "192.168.1.1")
        router.sysctl(net__ipv4__ip_forward=1)
        guard(router, contestant.variant)
        places = ((router, SSH), (router, WEB), (host, INSIDE_WEB))
        services = tuple(cleanup.enter_context(listen_tcp(*place)) for place in places)
        for service in services:
            service.setblocking(False)
        yield Site(outside, router, host, services)


def guard(router: Machine, variant: str) -> None:
    """Drop what nothing lets in."""
    if variant:
        router.run(f"iptables-{variant}-restore", script=_IPTABLES_GUARD)
    else:
        router.nft(_NFT_GUARD)
