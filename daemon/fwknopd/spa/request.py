"""What a decrypted knock asks for, as typed values.

Text from the network becomes these values in this module and nowhere else, so
that no later layer ever handles an address or a port as a string.
Rules: protocol 3.0.0, message and nat_access syntax.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

UNSPECIFIED = IPv4Address("0.0.0.0")


class Protocol(StrEnum):
    """Transport protocols a knock may ask for."""

    TCP = "tcp"
    UDP = "udp"

    @property
    def number(self) -> int:
        """IANA protocol number."""
        return 6 if self is Protocol.TCP else 17


@dataclass(frozen=True, slots=True, order=True)
class PortSpec:
    """One ``proto/port`` element; the port is 1..65535 in a request, 0..65535 in a list."""

    protocol: Protocol
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Message of types 1..6. ``address`` 0.0.0.0 means the packet's own source."""

    address: IPv4Address
    ports: tuple[PortSpec, ...]


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """Message of type 0. The command is hostile bytes and stays bytes."""

    address: IPv4Address
    command: bytes


@dataclass(frozen=True, slots=True)
class NatRequest:
    """nat_access: ``host`` is still unresolved, unvalidated text (an address or a name)."""

    host: str
    port: int
