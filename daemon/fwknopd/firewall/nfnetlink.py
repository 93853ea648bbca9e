"""Nfnetlink messages for elements of nftables sets. Pure: bytes in, bytes out.

Only what the firewall needs: batches that add and delete elements, dumps of
elements, a table's identity, and the notifications that tell of a deletion.
Numbers are those of the kernel's uapi headers netlink.h, nfnetlink.h and
nf_tables.h. Headers are in host order, numbers inside attributes in network order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF
NFPROTO_UNSPEC = 0
NFPROTO_INET = 1
NFNL_SUBSYS_NFTABLES = 10
NFNL_MSG_BATCH_BEGIN = 0x10
NFNL_MSG_BATCH_END = 0x11
NFNLGRP_NFTABLES = 7

# Every table, chain, rule, set and element list names its table in attribute 1.
NFTA_TABLE = 1
NFTA_TABLE_HANDLE = 4
NFTA_RULE_HANDLE = 3
NFTA_SET_ELEM_LIST_SET = 2
NFTA_SET_ELEM_LIST_ELEMENTS = 3
NFTA_LIST_ELEM = 1
NFTA_SET_ELEM_KEY = 1
NFTA_SET_ELEM_DATA = 2
NFTA_SET_ELEM_TIMEOUT = 4
NFTA_SET_ELEM_EXPIRATION = 5
NFTA_DATA_VALUE = 1

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")


class Nft(IntEnum):
    """Message types of the nftables subsystem, with the subsystem's number in."""

    GETTABLE = NFNL_SUBSYS_NFTABLES << 8 | 1
    DELTABLE = NFNL_SUBSYS_NFTABLES << 8 | 2
    DELCHAIN = NFNL_SUBSYS_NFTABLES << 8 | 5
    NEWRULE = NFNL_SUBSYS_NFTABLES << 8 | 6
    GETRULE = NFNL_SUBSYS_NFTABLES << 8 | 7
    DELRULE = NFNL_SUBSYS_NFTABLES << 8 | 8
    DELSET = NFNL_SUBSYS_NFTABLES << 8 | 11
    NEWSETELEM = NFNL_SUBSYS_NFTABLES << 8 | 12
    GETSETELEM = NFNL_SUBSYS_NFTABLES << 8 | 13
    DELSETELEM = NFNL_SUBSYS_NFTABLES << 8 | 14


DELETIONS = frozenset({Nft.DELTABLE, Nft.DELCHAIN, Nft.DELRULE, Nft.DELSET})


@dataclass(frozen=True, slots=True)
class Element:
    """An element by its set, its key and, in a map, its data, as the kernel lays them out."""

    set_name: str
    key: bytes
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class LoadedElement:
    """An element as the kernel returned it; ``remaining`` in ms, None for ever."""

    key: bytes
    data: bytes
    remaining: int | None


@dataclass(frozen=True, slots=True)
class Request:
    """A message before it has its sequence number."""

    kind: int
    flags: int
    payload: bytes
    family: int = NFPROTO_INET


@dataclass(frozen=True, slots=True)
class Message:
    """A message from the kernel; ``payload`` is what follows the netlink header."""

    kind: int
    flags: int
    sequence: int
    payload: bytes

    @property
    def error(self) -> int:
        """errno of an NLMSG_ERROR or NLMSG_DONE message, 0 for success."""
        if len(self.payload) < _ERROR.size:
            return 0
        code: int = _ERROR.unpack_from(self.payload)[0]
        return -code

    def attributes(self) -> dict[int, bytes]:
        """The attributes of a message of a subsystem. Raises ValueError."""
        return dict(_attributes(self.payload[4:]))


def add_element(table: str, element: Element, milliseconds: int) -> Request:
    """Add ``element`` for that long; no error if it is there, unless with other data.

    To the kernel a time of 0 means for ever, so it is refused with ValueError.
    """
    if milliseconds < 1:
        raise ValueError("an element must have a time to live")
    content = _attribute(NFTA_SET_ELEM_TIMEOUT, milliseconds.to_bytes(8))
    if element.data:
        content = _value(NFTA_SET_ELEM_DATA, element.data) + content
    payload = _element_list(table, element, content)
    return Request(Nft.NEWSETELEM, NLM_F_CREATE, payload)


def delete_element(table: str, element: Element) -> Request:
    """Delete by key; the kernel answers ENOENT if it isn't there."""
    return Request(Nft.DELSETELEM, 0, _element_list(table, element))


def get_element(table: str, element: Element) -> Request:
    """Ask for one element by its key."""
    return Request(Nft.GETSETELEM, 0, _element_list(table, element))


def dump_elements(table: str, set_name: str) -> Request:
    """Ask for all elements of a set."""
    return Request(Nft.GETSETELEM, NLM_F_DUMP, _set_name(table, set_name))


def get_table(table: str) -> Request:
    """Ask for a table's handle, which no later table of that name will have."""
    return Request(Nft.GETTABLE, 0, _name(NFTA_TABLE, table))


def dump_rules(table: str) -> Request:
    """Ask for all rules of a table."""
    return Request(Nft.GETRULE, NLM_F_DUMP, _name(NFTA_TABLE, table))


def delete_table(table: str) -> Request:
    """Delete a table and all it holds."""
    return Request(Nft.DELTABLE, 0, _name(NFTA_TABLE, table))


def encode(request: Request, sequence: int, extra_flags: int = 0) -> bytes:
    """One message as it goes to the kernel."""
    length = _HEADER.size + 4 + len(request.payload)
    flags = request.flags | extra_flags | NLM_F_REQUEST
    header = _HEADER.pack(length, request.kind, flags, sequence, 0)
    return header + bytes((request.family, 0, 0, 0)) + request.payload


def encode_batch(requests: Sequence[Request], sequence: int) -> bytes:
    """A transaction: ``requests`` get the numbers after ``sequence``, all or none is done.

    Only the last asks to be acknowledged. The kernel reports each failing message
    unasked, and before that last answer, so nothing goes unnoticed and a batch of
    thousands can't overflow our receive buffer with good news.
    """
    last = len(requests)
    parts = [_border(NFNL_MSG_BATCH_BEGIN, sequence)]
    for number, request in enumerate(requests, 1):
        parts.append(encode(request, sequence + number, NLM_F_ACK if number == last else 0))
    parts.append(_border(NFNL_MSG_BATCH_END, sequence + last + 1))
    return b"".join(parts)


def parse_messages(data: bytes) -> list[Message]:
    """The messages of one datagram. Raises ValueError if it was cut short."""
    messages: list[Message] = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _HEADER.size:
            raise ValueError("netlink message cut short")
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if not _HEADER.size <= length <= len(data) - offset:
            raise ValueError("netlink message cut short")
        payload = data[offset + _HEADER.size : offset + length]
        messages.append(Message(kind, flags, sequence, payload))
        offset += length + (-length & 3)
    return messages


def parse_elements(message: Message) -> list[LoadedElement]:
    """The elements of one NEWSETELEM message. Raises ValueError."""
    elements = message.attributes().get(NFTA_SET_ELEM_LIST_ELEMENTS, b"")
    return [_loaded(dict(_attributes(content))) for _, content in _attributes(elements)]


def parse_handle(message: Message, attribute: int) -> int:
    """The 64-bit handle in ``attribute``, 0 without one. Raises ValueError."""
    return int.from_bytes(message.attributes().get(attribute, b""))


def table_of_deletion(message: Message) -> str | None:
    """The inet table that lost something by this notification, None for any other message."""
    if message.kind not in DELETIONS or message.payload[:1] != bytes((NFPROTO_INET,)):
        return None
    return message.attributes().get(NFTA_TABLE, b"").rstrip(b"\0").decode("ascii", "replace")


def _loaded(attributes: dict[int, bytes]) -> LoadedElement:
    # A time that never ends has no attribute in old kernels and is 0 in new ones.
    expiration = int.from_bytes(attributes.get(NFTA_SET_ELEM_EXPIRATION, b""))
    timeout = int.from_bytes(attributes.get(NFTA_SET_ELEM_TIMEOUT, b""))
    return LoadedElement(
        key=_data_value(attributes.get(NFTA_SET_ELEM_KEY, b"")),
        data=_data_value(attributes.get(NFTA_SET_ELEM_DATA, b"")),
        remaining=expiration if timeout else None,
    )


def _data_value(content: bytes) -> bytes:
    return dict(_attributes(content)).get(NFTA_DATA_VALUE, b"")


def _element_list(table: str, element: Element, content: bytes = b"") -> bytes:
    key = _value(NFTA_SET_ELEM_KEY, element.key)
    elements = _nested(NFTA_LIST_ELEM, key + content)
    return _set_name(table, element.set_name) + _nested(NFTA_SET_ELEM_LIST_ELEMENTS, elements)


@lru_cache(maxsize=32)
def _set_name(table: str, set_name: str) -> bytes:
    # The same few bytes in every request, so they are worth keeping.
    return _name(NFTA_TABLE, table) + _name(NFTA_SET_ELEM_LIST_SET, set_name)


def _value(kind: int, data: bytes) -> bytes:
    return _nested(kind, _attribute(NFTA_DATA_VALUE, data))


def _name(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode("ascii") + b"\0")


def _nested(kind: int, content: bytes) -> bytes:
    return _attribute(kind | NLA_F_NESTED, content)


def _attribute(kind: int, content: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(length, kind) + content + bytes(-length & 3)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        if len(data) - offset < _ATTRIBUTE.size:
            raise ValueError("netlink attribute cut short")
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if not _ATTRIBUTE.size <= length <= len(data) - offset:
            raise ValueError("netlink attribute cut short")
        yield kind & NLA_TYPE_MASK, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + (-length & 3)


def _border(kind: int, sequence: int) -> bytes:
    header = _HEADER.pack(_HEADER.size + 4, kind, NLM_F_REQUEST, sequence, 0)
    return header + struct.pack("!BBH", NFPROTO_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)
