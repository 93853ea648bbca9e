"""From a captured frame to the payload inside it. Pure, and blind to who sent it.

Every byte here is hostile. A frame that isn't a whole, unfragmented IP packet with a
TCP, UDP or ICMP payload gives None; nothing in this module raises on any input.
Rules: protocol notes 9.5 (link types, fragments) and 11 (sizes). Unlike the C daemon,
a packet that is longer than what was captured is refused, since half a knock can't
be a valid one, and IPv6 is understood.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from fwknopd.policy.packet import Packet

DLT_NULL = 0
DLT_EN10MB = 1
DLT_PPP = 9
DLT_RAW = 12
DLT_PPP_SERIAL = 50
DLT_PPP_ETHER = 51
LINKTYPE_RAW = 101
DLT_LOOP = 108
DLT_LINUX_SLL = 113
DLT_IPV4 = 228
DLT_IPV6 = 229
DLT_LINUX_SLL2 = 276

# Captured length plus a checksum of four bytes must fit the longest Ethernet frame.
MAX_FRAME = 1518 - 4

ICMP = 1
TCP = 6
UDP = 17

_ETHERTYPE_IPV4 = 0x0800
_PLAIN_IPV4 = _ETHERTYPE_IPV4.to_bytes(2)
_ETHERTYPE_IPV6 = 0x86DD
_ETHERTYPE_PPPOE_SESSION = 0x8864
_VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_MAX_VLAN_TAGS = 2
_PPP_IPV4 = 0x0021
_PPP_IPV6 = 0x0057
_IPV6_HEADER = 40
_HOP_BY_HOP = 0
_DESTINATION_OPTIONS = 60
_MAX_EXTENSION_HEADERS = 8
_MORE_FRAGMENTS_OR_OFFSET = 0x3FFF
_OUTGOING = 4

# Version and header length, whole length, fragment, protocol, source, destination.
_IPV4 = Struct("!BxHxxHxBxx4s4s")
_PORTS = Struct("!HH")

# (payload, source port, destination port)
_Transport = tuple[bytes, int | None, int | None]


def parse_frame(datalink: int, frame: bytes, via: str) -> Packet | None:
    """The packet in ``frame``, captured on device ``via`` with link type ``datalink``.

    None for whatever can't be a knock: other protocols, fragments, cut-off or
    oversized frames, and packets without payload.
    """
    if len(frame) > MAX_FRAME:
        return None
    header = _LINK_HEADERS.get(datalink)
    offset = None if header is None else header(frame)
    if offset is None or offset >= len(frame):
        return None
    version = frame[offset] >> 4
    if version == 4:
        return _parse_ipv4(frame, offset, via)
    return _parse_ipv6(frame, offset, via) if version == 6 else None


def knows_datalink(datalink: int) -> bool:
    """Can frames of this link type be read at all?"""
    return datalink in _LINK_HEADERS


def _word(frame: bytes, offset: int) -> int:
    """The 16-bit number at ``offset``; past the end it is short or 0, never an error."""
    return int.from_bytes(frame[offset : offset + 2], "big")


def _ethernet(frame: bytes) -> int | None:
    # Nearly every frame of all is this one.
    return 14 if frame[12:14] == _PLAIN_IPV4 else _after_ethertype(frame, 12)


def _cooked(frame: bytes) -> int | None:
    return None if _word(frame, 0) == _OUTGOING else _after_ethertype(frame, 14)


def _cooked_v2(frame: bytes) -> int | None:
    if len(frame) < 20 or frame[10] == _OUTGOING:
        return None
    return _by_ethertype(frame, _word(frame, 0), 20)


def _after_ethertype(frame: bytes, offset: int) -> int | None:
    return _by_ethertype(frame, _word(frame, offset), offset + 2)


def _by_ethertype(frame: bytes, ethertype: int, offset: int) -> int | None:
    for _ in range(_MAX_VLAN_TAGS):
        if ethertype not in _VLAN_TAGS:
            break
        ethertype = _word(frame, offset + 2)
        offset += 4
    if ethertype in (_ETHERTYPE_IPV4, _ETHERTYPE_IPV6):
        return offset
    return _pppoe(frame, offset) if ethertype == _ETHERTYPE_PPPOE_SESSION else None


def _pppoe(frame: bytes, offset: int = 0) -> int | None:
    """PPPoE session data: version 1, type 1, code 0, session, length, then PPP."""
    if _word(frame, offset) != 0x1100:
        return None
    return _ppp(frame, offset + 6)


def _ppp(frame: bytes, offset: int = 0) -> int | None:
    if _word(frame, offset) == 0xFF03:  # address and control, often compressed away
        offset += 2
    first = frame[offset] if offset < len(frame) else 0
    if first & 1:  # the protocol field itself compressed to its low byte
        return offset + 1 if first in (_PPP_IPV4, _PPP_IPV6) else None
    return offset + 2 if _word(frame, offset) in (_PPP_IPV4, _PPP_IPV6) else None


def _raw(_frame: bytes) -> int | None:
    return 0


def _null(_frame: bytes) -> int | None:
    # The address family's number and byte order differ between systems; the version
    # in the IP header itself says the same.
    return 4


_LINK_HEADERS: dict[int, Callable[[bytes], int | None]] = {
    DLT_NULL: _null,
    DLT_LOOP: _null,
    DLT_EN10MB: _ethernet,
    DLT_PPP: _ppp,
    DLT_PPP_SERIAL: _ppp,
    DLT_PPP_ETHER: _pppoe,
    DLT_RAW: _raw,
    LINKTYPE_RAW: _raw,
    DLT_IPV4: _raw,
    DLT_IPV6: _raw,
    DLT_LINUX_SLL: _cooked,
    DLT_LINUX_SLL2: _cooked_v2,
}


def _parse_ipv4(frame: bytes, offset: int, via: str) -> Packet | None:
    if len(frame) < offset + _IPV4.size:
        return None
    first, length, fragment, protocol, source, destination = _IPV4.unpack_from(frame, offset)
    header = (first & 0x0F) * 4
    end = offset + length
    body = offset + header
    if header < 20 or body > end or end > len(frame):
        return None
    if fragment & _MORE_FRAGMENTS_OR_OFFSET:
        return None
    transport = _transport(frame, protocol, body, end)
    if transport is None:
        return None
    payload, source_port, destination_port = transport
    return Packet(
        payload,
        _ipv4_address(source),
        _ipv4_address(destination),
        source_port,
        destination_port,
        protocol,
        via,
    )


@lru_cache(maxsize=64)
def _ipv4_address(packed: bytes) -> IPv4Address:
    # A flood brings the same two again and again, and making them takes longer than a look.
    return IPv4Address(packed)


def _parse_ipv6(frame: bytes, offset: int, via: str) -> Packet | None:
    body = offset + _IPV6_HEADER
    end = body + _word(frame, offset + 4)
    if end > len(frame):
        return None
    protocol, body = _skip_extension_headers(frame, frame[offset + 6], body, end)
    # ICMPv6 is no way to send a knock; only ICMP over IPv4 is in the protocol.
    transport = None if protocol == ICMP else _transport(frame, protocol, body, end)
    if transport is None:
        return None
    payload, source_port, destination_port = transport
    return Packet(
        payload,
        IPv6Address(frame[offset + 8 : offset + 24]),
        IPv6Address(frame[offset + 24 : offset + 40]),
        source_port,
        destination_port,
        protocol,
        via,
    )


def _skip_extension_headers(frame: bytes, protocol: int, body: int, end: int) -> tuple[int, int]:
    """Step over option headers; any other extension stays as the "protocol" and is refused."""
    for _ in range(_MAX_EXTENSION_HEADERS):
        if protocol not in (_HOP_BY_HOP, _DESTINATION_OPTIONS) or body + 8 > end:
            break
        protocol, body = frame[body], body + (frame[body + 1] + 1) * 8
    return protocol, body


def _transport(frame: bytes, protocol: int, body: int, end: int) -> _Transport | None:
    """Payload and ports of the segment from ``body`` to ``end``, which are in the frame."""
    if protocol == UDP:
        return _with_ports(frame, body, body + 8, end)
    if protocol == TCP:
        return _with_ports(frame, body, body + _tcp_header(frame, body, end), end)
    if protocol == ICMP and end - body > 8:
        return frame[body + 8 : end], None, None
    return None


def _tcp_header(frame: bytes, body: int, end: int) -> int:
    """Bytes of the TCP header, or too many for the segment when it is nonsense."""
    if end - body < 20:
        return end - body
    header = (frame[body + 12] >> 4) * 4
    return header if header >= 20 else end - body


def _with_ports(frame: bytes, body: int, start: int, end: int) -> _Transport | None:
    # The UDP length field is not looked at: like the C daemon we go by the IP length,
    # and a knock sent raw may carry anything there.
    if end <= start:
        return None
    source_port, destination_port = _PORTS.unpack_from(frame, body)
    return frame[start:end], source_port, destination_port
