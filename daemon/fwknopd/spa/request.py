"""What a decrypted knock asks for, as typed values.

Text from the network becomes these values in this module and nowhere else, so
that no later layer ever handles an address or a port as a string.
Rules: protocol 3.0.0, message and nat_access syntax.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from typing import NamedTuple

from fwknopd.spa.errors import SpaError, SpaErrorCode

UNSPECIFIED = IPv4Address(0)
MAX_NAT_HOST = 70

_DIGITS_AND_DOTS = re.compile(rb"[0-9.]{7,15}")
_PORT = re.compile(rb"(tcp|udp)/([0-9]{1,5})")
_NAT_ACCESS = re.compile(rb"([^ ,/?\"'\\\0]{0,%d}),([0-9]{1,5})" % MAX_NAT_HOST)


class Protocol(StrEnum):
    """Transport protocols a knock may ask for."""

    TCP = "tcp"
    UDP = "udp"

    @property
    def number(self) -> int:
        """IANA protocol number."""
        return 6 if self is Protocol.TCP else 17


_PROTOCOLS = {protocol.value.encode(): protocol for protocol in Protocol}


class PortSpec(NamedTuple):
    """One ``proto/port`` element; the port is 1..65535 in a request, 0..65535 in a list."""

    protocol: Protocol
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"


class AccessRequest(NamedTuple):
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
    """nat_access: ``host`` is still unresolved, unvalidated text (an address or a name).

    It may hold control and non-ASCII characters (one per byte): libfko lets them pass.
    """

    host: str
    port: int


def parse_access(message: bytes) -> AccessRequest:
    """``IP,proto/port[,proto/port]...``; raises `SpaError` with DECODE_ACCESS_VALIDFAIL."""
    code = SpaErrorCode.DECODE_ACCESS_VALIDFAIL
    address, *elements = message.split(b",")
    if not elements:
        raise SpaError(code, "an access request needs an address and at least one port")
    return AccessRequest(
        _parse_address(address, code), tuple(_parse_port(element) for element in elements)
    )


def parse_command(message: bytes) -> CommandRequest:
    """``IP,command``; raises `SpaError` with DECODE_MESSAGE_VALIDFAIL.

    A NUL is refused: the C daemon would run only what stands before it.
    """
    code = SpaErrorCode.DECODE_MESSAGE_VALIDFAIL
    address, _, command = message.partition(b",")
    if not command or b"\0" in command:
        raise SpaError(code, "a command message needs an address, a comma and a command")
    return CommandRequest(_parse_address(address, code), command)


def parse_nat(text: bytes) -> NatRequest:
    """``host,port``; raises `SpaError` with DECODE_NATACCESS_VALIDFAIL."""
    match = _NAT_ACCESS.fullmatch(text)
    if match is None or not 1 <= (port := int(match[2])) <= 65535:
        raise SpaError(
            SpaErrorCode.DECODE_NATACCESS_VALIDFAIL,
            f"a NAT target is host,port with at most {MAX_NAT_HOST} characters of host",
        )
    return NatRequest(match[1].decode("latin-1"), port)


def _parse_address(text: bytes, code: SpaErrorCode) -> IPv4Address:
    """Digits and dots as inet_aton reads them: a leading zero makes an octet octal.

    We keep the C daemon's meaning, because a client's packets are what they are,
    but resolve it here: handed on as text, each program would read its own.
    """
    parts = text.split(b".") if _DIGITS_AND_DOTS.fullmatch(text) else ()
    try:
        octets = [int(part, 8 if part.startswith(b"0") else 10) for part in parts]
        if len(octets) == 4:
            return IPv4Address(bytes(octets))
    except ValueError:
        pass
    raise SpaError(code, "the address to open for is not an IPv4 address")


def _parse_port(element: bytes) -> PortSpec:
    match = _PORT.fullmatch(element)
    if match is None or not 1 <= (port := int(match[2])) <= 65535:
        raise SpaError(
            SpaErrorCode.DECODE_ACCESS_VALIDFAIL, "a port is tcp/N or udp/N, with N from 1 to 65535"
        )
    return PortSpec(_PROTOCOLS[match[1]], port)
