"""By which devices strangers come: those with a default route, as the kernel has them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from fwknopd.firewall.netlink import NLM_F_DUMP, Message, Request, attributes
from fwknopd.firewall.netlink_socket import NETLINK_ROUTE, NetlinkSocket
from fwknopd.firewall.own_addresses import AF_INET, AF_INET6, RTM_GETROUTE

RTA_OIF = 4
RTA_MULTIPATH = 9
RTN_UNICAST = 1
# Struct rtmsg: the family, the bits of the destination, and its seventh byte is the type.
_RTMSG = 12
_BITS, _TYPE = 1, 7
# Struct rtnexthop: its length, two bytes of no interest, and the device.
_NEXT_HOP = struct.Struct("=HBBi")
_DEVICE = struct.Struct("=i")
_VERSIONS = {4: AF_INET, 6: AF_INET6}


def default_devices() -> dict[int, set[int]]:
    """Numbers of the devices with a default route, in any table, by IP version.

    Raises OSError.
    """
    asked = NetlinkSocket(NETLINK_ROUTE)
    try:
        return {
            version: set(_devices(asked.ask(_question(family))))
            for version, family in _VERSIONS.items()
        }
    finally:
        asked.close()


def _question(family: int) -> Request:
    return Request(RTM_GETROUTE, NLM_F_DUMP, bytes((family,)) + bytes(_RTMSG - 1))


def _devices(routes: Iterable[Message]) -> Iterator[int]:
    for route in routes:
        header, rest = route.payload[:_RTMSG], route.payload[_RTMSG:]
        if len(header) < _RTMSG or header[_BITS] or header[_TYPE] != RTN_UNICAST:
            continue
        try:
            found = dict(attributes(rest))
        except ValueError:
            continue
        if len(found.get(RTA_OIF, b"")) == _DEVICE.size:
            yield _DEVICE.unpack(found[RTA_OIF])[0]
        yield from _of_hops(found.get(RTA_MULTIPATH, b""))


def _of_hops(hops: bytes) -> Iterator[int]:
    while len(hops) >= _NEXT_HOP.size:
        length, _, _, device = _NEXT_HOP.unpack_from(hops)
        yield device
        hops = hops[max(length + (-length & 3), _NEXT_HOP.size) :]
