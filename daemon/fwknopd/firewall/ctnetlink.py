"""Ctnetlink messages: the kernel's table of connections. Pure: bytes in, bytes out.

Numbers are those of the kernel's uapi headers nfnetlink_conntrack.h,
nf_conntrack_common.h and nf_conntrack_tcp.h.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from fwknopd.firewall.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    Message,
    Request,
    attribute,
    attributes,
    family_header,
    nested,
)
from fwknopd.flows import Flow, Way
from fwknopd.policy.stanza import Address

NFNL_SUBSYS_CTNETLINK = 1
CT_NEW = NFNL_SUBSYS_CTNETLINK << 8 | 0
CT_GET = NFNL_SUBSYS_CTNETLINK << 8 | 1
CT_DELETE = NFNL_SUBSYS_CTNETLINK << 8 | 2
CT_GET_STATS = NFNL_SUBSYS_CTNETLINK << 8 | 5

NFPROTO_UNSPEC = 0
NFPROTO_IPV4 = 2
NFPROTO_IPV6 = 10
TCP, UDP = 6, 17

CTA_TUPLE_ORIG = 1
CTA_TUPLE_REPLY = 2
CTA_STATUS = 3
CTA_PROTOINFO = 4
CTA_TIMEOUT = 7
CTA_ID = 12
CTA_NAT_DST = 13
CTA_ZONE = 18
CTA_FILTER = 25
CTA_TUPLE_IP = 1
CTA_TUPLE_PROTO = 2
CTA_IP_SRC = {4: 1, 6: 3}
CTA_IP_DST = {4: 2, 6: 4}
CTA_PROTO_NUM = 1
CTA_PROTO_SRC_PORT = 2
CTA_PROTO_DST_PORT = 3
CTA_PROTOINFO_TCP = 1
CTA_PROTOINFO_TCP_STATE = 1
CTA_NAT_MINIP = {4: 1, 6: 4}
CTA_NAT_MAXIP = {4: 2, 6: 5}
CTA_FILTER_ORIG_FLAGS = 1
FILTER_SRC = 1 << 0
FILTER_DST = 1 << 1

IPS_SEEN_REPLY = 1 << 1
IPS_CONFIRMED = 1 << 3
IPS_FIXED_TIMEOUT = 1 << 10
TCP_SYN_SENT = 1
TCP_TIME_WAIT = 7
TCP_CLOSE = 8

# Where the addresses stand in an entry: it begins with the header of 4 bytes, then the
# original tuple, in it the addresses, and of them the source; then the destination.
_FRONT = struct.Struct("=4xxxHxxHxxH")
_FRONT_SIZE = 52
_NESTED = 0x8000
_IPV4_FRONT = (CTA_TUPLE_ORIG | _NESTED, CTA_TUPLE_IP | _NESTED, CTA_IP_SRC[4])
_IPV6_FRONT = (CTA_TUPLE_ORIG | _NESTED, CTA_TUPLE_IP | _NESTED, CTA_IP_SRC[6])


@dataclass(frozen=True, slots=True)
class Entry:
    """A connection in the kernel's table.

    ``key`` is what names it to the kernel, and ``zone`` the part of the table it is in:
    attributes, as they came. ``answered`` says that both ends have spoken; ``tcp_state`` is
    the kernel's number, 0 for what is no TCP.
    """

    flow: Flow
    key: bytes
    zone: bytes
    answered: bool
    tcp_state: int

    @property
    def closed(self) -> bool:
        """Both ends have hung up, and the kernel only remembers it."""
        return self.tcp_state in (TCP_TIME_WAIT, TCP_CLOSE)

    @property
    def begins(self) -> bool:
        """One end asked for a TCP connection, and the other has not answered."""
        return self.tcp_state == TCP_SYN_SENT and not self.answered

    @property
    def version(self) -> int:
        """Its IP version."""
        return self.flow.original.source.version


def dump_entries(version: int | None = None) -> Request:
    """Ask for all connections, or for those of one IP version."""
    family = NFPROTO_UNSPEC if version is None else _family(version)
    return Request(CT_GET, NLM_F_DUMP, family_header(family))


def dump_entries_of(address: Address, *, begun: bool) -> Request:
    """Ask for the connections that an IPv4 address began, or those that were begun to it.

    Kernels before 5.8 give all of IPv4. There is nothing alike for IPv6, as kernels up to
    6.18 at least give just the others then.
    """
    kinds, flag = (CTA_IP_SRC, FILTER_SRC) if begun else (CTA_IP_DST, FILTER_DST)
    addresses = nested(CTA_TUPLE_IP, attribute(kinds[4], address.packed))
    flags = attribute(CTA_FILTER_ORIG_FLAGS, flag.to_bytes(4, sys.byteorder))
    payload = nested(CTA_TUPLE_ORIG, addresses) + nested(CTA_FILTER, flags)
    return Request(CT_GET, NLM_F_DUMP, family_header(NFPROTO_IPV4) + payload)


def get_statistics() -> Request:
    """Ask how many connections there are: for whether one may ask."""
    return Request(CT_GET_STATS, 0, family_header(NFPROTO_UNSPEC))


def delete_entry(entry: Entry) -> Request:
    """Delete this very connection; the kernel answers ENOENT if it isn't there any more."""
    return Request(CT_DELETE, 0, family_header(_family(entry.version)) + entry.key)


def delete_way(way: Way, zone: bytes) -> Request:
    """Delete whatever connection of that zone has ``way`` as one of its directions."""
    payload = nested(CTA_TUPLE_ORIG, _tuple(way)) + zone
    return Request(CT_DELETE, 0, family_header(_family(way.source.version)) + payload)


def create_dead_end(
    way: Way, zone: bytes, nowhere: Address, seconds: int, *, translated: bool
) -> Request:
    """Make an entry for packets that go by ``way``, to which nobody can ever answer.

    Answers would have to come from ``nowhere``. ``translated`` sends the packets there too,
    which needs a kernel with NAT. The kernel answers EEXIST if ``way`` is one of another
    connection's. However often packets come, the entry ends after ``seconds``.
    """
    back = way.back
    payload = nested(CTA_TUPLE_ORIG, _tuple(way)) + zone
    if translated:
        payload += nested(CTA_TUPLE_REPLY, _tuple(back))
        payload += nested(CTA_NAT_DST, _nat_limits(nowhere))
    else:
        payload += nested(CTA_TUPLE_REPLY, _tuple(replace(back, source=nowhere)))
    payload += attribute(CTA_TIMEOUT, seconds.to_bytes(4))
    payload += attribute(CTA_STATUS, (IPS_CONFIRMED | IPS_FIXED_TIMEOUT).to_bytes(4))
    family = _family(way.source.version)
    return Request(CT_NEW, NLM_F_CREATE | NLM_F_EXCL, family_header(family) + payload)


def is_of(data: bytes, start: int, end: int, knows: Callable[[bytes], bool]) -> bool:
    """Does the entry in this part of ``data`` have an address at one end that ``knows`` knows?

    For looking at thousands; `parse_entry` takes thirty times as long. Where an entry is laid
    out in another way than kernels do it, it may be, and has to be parsed.
    """
    if end - start < _FRONT_SIZE:
        return True
    front = _FRONT.unpack_from(data, start)
    if front == _IPV4_FRONT:
        source, destination = data[start + 16 : start + 20], data[start + 24 : start + 28]
    elif front == _IPV6_FRONT:
        source, destination = data[start + 16 : start + 32], data[start + 36 : start + 52]
    else:
        return True
    return knows(source) or knows(destination)


def parse_entry(message: Message) -> Entry:
    """The connection that one message of a dump tells of. Raises ValueError."""
    told = message.attributes()
    original, reply = told.get(CTA_TUPLE_ORIG, b""), told.get(CTA_TUPLE_REPLY, b"")
    zone = attribute(CTA_ZONE, told[CTA_ZONE]) if CTA_ZONE in told else b""
    # With its number, as another connection between the same ends may have followed.
    key = nested(CTA_TUPLE_ORIG, original) + attribute(CTA_ID, told.get(CTA_ID, b"")) + zone
    flow = Flow(_way(original), _way(reply))
    if _kind(flow.original) != _kind(flow.reply):
        raise ValueError("conntrack entry whose directions are of two kinds")
    answered = int.from_bytes(told.get(CTA_STATUS, b"")) & IPS_SEEN_REPLY
    return Entry(flow, key, zone, bool(answered), _tcp_state(told))


def _kind(way: Way) -> tuple[int, int]:
    return way.source.version, way.protocol


def _tcp_state(told: dict[int, bytes]) -> int:
    tcp = dict(attributes(told.get(CTA_PROTOINFO, b""))).get(CTA_PROTOINFO_TCP, b"")
    return _number(dict(attributes(tcp)), CTA_PROTOINFO_TCP_STATE, 1)


def _way(content: bytes) -> Way:
    parts = dict(attributes(content))
    addresses = dict(attributes(parts.get(CTA_TUPLE_IP, b"")))
    protocol = dict(attributes(parts.get(CTA_TUPLE_PROTO, b"")))
    version = 4 if CTA_IP_SRC[4] in addresses else 6
    return Way(
        _address(addresses, CTA_IP_SRC[version], version),
        _address(addresses, CTA_IP_DST[version], version),
        _number(protocol, CTA_PROTO_NUM, 1),
        _number(protocol, CTA_PROTO_SRC_PORT, 2),
        _number(protocol, CTA_PROTO_DST_PORT, 2),
    )


def _address(addresses: dict[int, bytes], kind: int, version: int) -> Address:
    packed = addresses.get(kind, b"")
    if len(packed) != (4 if version == 4 else 16):
        raise ValueError("conntrack entry without an address")
    return ip_address(packed)


def _number(told: dict[int, bytes], kind: int, size: int) -> int:
    content = told.get(kind, b"")
    if len(content) > size:
        raise ValueError("conntrack entry with a number too long")
    return int.from_bytes(content)


def _tuple(way: Way) -> bytes:
    version = way.source.version
    addresses = attribute(CTA_IP_SRC[version], way.source.packed)
    addresses += attribute(CTA_IP_DST[version], way.destination.packed)
    protocol = attribute(CTA_PROTO_NUM, bytes((way.protocol,)))
    protocol += attribute(CTA_PROTO_SRC_PORT, way.source_port.to_bytes(2))
    protocol += attribute(CTA_PROTO_DST_PORT, way.destination_port.to_bytes(2))
    return nested(CTA_TUPLE_IP, addresses) + nested(CTA_TUPLE_PROTO, protocol)


def _nat_limits(address: Address) -> bytes:
    version, packed = address.version, address.packed
    return attribute(CTA_NAT_MINIP[version], packed) + attribute(CTA_NAT_MAXIP[version], packed)


def _family(version: int) -> int:
    return NFPROTO_IPV4 if version == 4 else NFPROTO_IPV6
