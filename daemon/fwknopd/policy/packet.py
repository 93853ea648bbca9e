"""What a capture hands to policy: one payload, and where it came from and went to."""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address


class Packet(NamedTuple):
    """One received payload. Nothing in it has been authenticated.

    ``protocol`` is the IANA number (1 ICMP, 6 TCP, 17 UDP); the ports are
    None where it has none. ``via`` names the device it came in on, or "udp" when it
    came through the UDP server, which knows no device.
    """

    payload: bytes
    source: Address
    destination: Address
    source_port: int | None
    destination_port: int | None
    protocol: int
    via: str
