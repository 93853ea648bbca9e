"""Open doors, as pure state: which client opened what, for whom, until when.

Times are seconds of a monotonic clock, so a clock step never opens or closes a
door. The kernel enforces expiry; this table remembers who opened the door.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from fwknopd.policy.stanza import NatTarget
from fwknopd.spa.request import PortSpec

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Door:
    """What the firewall opens: the identity of a grant, without its time and owner.

    ``nat`` set: connections to ``port`` are sent on to that target, which is the
    router itself when ``local``.
    """

    address: Address
    port: PortSpec
    nat: NatTarget | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A door with its owner and its times (monotonic seconds)."""

    door: Door
    client: str
    opened: float
    expires: float
