"""Whose door a knock opens, which addresses can't have one, and where NAT leads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import NatTarget
from fwknopd.spa.request import UNSPECIFIED, NatRequest

Address = IPv4Address | IPv6Address

_BROADCAST = IPv4Address("255.255.255.255")
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.ASCII)
_SHOWN = 70


def plain(address: Address) -> Address:
    """An IPv4 address in IPv6 clothes (::ffff:192.0.2.7) as the IPv4 address it is."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def granted_address(
    asked: IPv4Address, packet: Packet, forwarded_for: IPv4Address | None
) -> Address:
    """The address a message asks to let in; 0.0.0.0 means wherever the knock came from.

    ``forwarded_for`` is the client a reverse proxy named; it stands in for the packet's
    source here and nowhere else.
    """
    if asked != UNSPECIFIED:
        return asked
    return forwarded_for if forwarded_for is not None else plain(packet.source)


def _not_a_host(address: Address) -> str:
    if address.is_multicast:
        return "it is a multicast address"
    if address == _BROADCAST:
        return "it is the broadcast address"
    if address.is_unspecified or (isinstance(address, IPv4Address) and address.packed[0] == 0):
        return "it is not a host's address"
    return ""


@dataclass(frozen=True, slots=True)
class HostName:
    """The name of an inside host, of letters, digits, hyphens and dots only."""

    name: str
    port: int

    def placeholder(self, address: Address) -> NatTarget:
        """A target of the same family as ``address``, until the name's address is known."""
        return NatTarget(type(address)(0), self.port)


def nat_target(nat: NatRequest, *, names: bool) -> NatTarget | HostName | str:
    """The inside host a client asked for, or why it can't be that one.

    ``names``: ENABLE_NAT_DNS.
    """
    try:
        address = ip_address(nat.host)
    except ValueError:
        return _host_name(nat, allowed=names)
    if isinstance(address, IPv6Address) and address.scope_id:
        return f"can't forward to {address}: an address with a zone means nothing here"
    return not_a_target(address) or NatTarget(address, nat.port)


def not_a_target(address: Address) -> str:
    """Why nothing can be forwarded to ``address``; "" when it can."""
    why = "it is a loopback address" if address.is_loopback else _not_a_host(address)
    return f"can't forward to {address}: {why}" if why else ""


def _host_name(nat: NatRequest, *, allowed: bool) -> HostName | str:
    # A name of digits and dots alone would be an address in a spelling of its own.
    if not _HOST_NAME.fullmatch(nat.host) or nat.host.replace(".", "").isdigit():
        return f"{nat.host[:_SHOWN]!a} is neither an address nor a host name"
    if not allowed:
        return f"{nat.host!a} is a host name, and those are off (ENABLE_NAT_DNS)"
    return HostName(nat.host, nat.port)


def local_target(nat: NatRequest, packet: Packet) -> NatTarget | str:
    """The router's own port a client asked for, or why it can't be.

    The router is known by the address the knock was sent to. What the client typed is
    only its name for the router (often a public host name), and trusting it would let
    local NAT reach any inside host although forwarding is off.
    """
    here = plain(packet.destination)
    if not _not_a_host(here):
        return NatTarget(here, nat.port)
    return f"the router's own address is not known: the knock was sent to {here}"
