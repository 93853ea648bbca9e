"""Whose door a knock opens, which addresses can't have one, and where NAT leads."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from fwknopd.policy.packet import Packet
from fwknopd.policy.stanza import NatTarget
from fwknopd.spa.request import UNSPECIFIED, NatRequest

Address = IPv4Address | IPv6Address

_BROADCAST = IPv4Address("255.255.255.255")
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


def nat_target(nat: NatRequest, *, names: bool) -> NatTarget | str:
    """The inside host a client asked for, or why it can't be that one.

    ``names``: ENABLE_NAT_DNS, which only decides what a host name is told.
    """
    try:
        address = IPv4Address(nat.host)
    except ValueError:
        return f"{nat.host[:_SHOWN]!a} is not an IPv4 address; {_about_names(names)}"
    why = "it is a loopback address" if address.is_loopback else _not_a_host(address)
    return f"can't forward to {address}: {why}" if why else NatTarget(address, nat.port)


def _about_names(names: bool) -> str:
    if names:
        return "host names are not resolved yet, so knock with the address"
    return "host names are off (ENABLE_NAT_DNS), so knock with the address"


def local_target(nat: NatRequest, packet: Packet) -> NatTarget | str:
    """The router's own port a client asked for, or why it can't be.

    The router is known by the address the knock was sent to. What the client typed is
    only its name for the router (often a public host name), and trusting it would let
    local NAT reach any inside host although forwarding is off.
    """
    here = plain(packet.destination)
    if isinstance(here, IPv4Address) and not _not_a_host(here):
        return NatTarget(here, nat.port)
    return f"the router's own IPv4 address is not known: the knock was sent to {here}"
