"""Nfnetlink messages for elements of nftables sets. Pure: bytes in, bytes out.

Only what the firewall needs: batches that add and delete elements, dumps of
elements, a table's identity, and the notifications that tell of a deletion.
Numbers are those of the kernel's uapi headers nfnetlink.h and nf_tables.h.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from fwknopd.firewall.netlink import (
    HEADER,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    Message,
    Request,
    attribute,
    attributes,
    encode,
    family_header,
    nested,
)

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
NFTA_SET_NAME = 2
NFTA_SET_FLAGS = 3
NFTA_SET_KEY_LEN = 5
NFTA_SET_DATA_LEN = 7
NFT_SET_ANONYMOUS = 0x1
NFTA_SET_ELEM_LIST_SET = 2
NFTA_SET_ELEM_LIST_ELEMENTS = 3
NFTA_LIST_ELEM = 1
NFTA_SET_ELEM_KEY = 1
NFTA_SET_ELEM_DATA = 2
NFTA_SET_ELEM_TIMEOUT = 4
NFTA_SET_ELEM_EXPIRATION = 5
NFTA_DATA_VALUE = 1


class Nft(IntEnum):
    """Message types of the nftables subsystem, with the subsystem's number in."""

    GETTABLE = NFNL_SUBSYS_NFTABLES << 8 | 1
    DELTABLE = NFNL_SUBSYS_NFTABLES << 8 | 2
    DELCHAIN = NFNL_SUBSYS_NFTABLES << 8 | 5
    NEWRULE = NFNL_SUBSYS_NFTABLES << 8 | 6
    GETRULE = NFNL_SUBSYS_NFTABLES << 8 | 7
    DELRULE = NFNL_SUBSYS_NFTABLES << 8 | 8
    GETSET = NFNL_SUBSYS_NFTABLES << 8 | 10
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
class LoadedSet:
    """A set or map that has a name, and the bytes of its keys and data."""

    name: str
    key_size: int
    data_size: int


def add_element(table: str, element: Element, milliseconds: int) -> Request:
    """Add ``element`` for that long; no error if it is there, unless with other data.

    To the kernel a time of 0 means for ever, so it is refused with ValueError.
    """
    if milliseconds < 1:
        raise ValueError("an element must have a time to live")
    content = attribute(NFTA_SET_ELEM_TIMEOUT, milliseconds.to_bytes(8))
    if element.data:
        content = _value(NFTA_SET_ELEM_DATA, element.data) + content
    payload = _element_list(table, element, content)
    return _request(Nft.NEWSETELEM, NLM_F_CREATE, payload)


def delete_element(table: str, element: Element) -> Request:
    """Delete by key; the kernel answers ENOENT if it isn't there."""
    return _request(Nft.DELSETELEM, 0, _element_list(table, element))


def get_element(table: str, element: Element) -> Request:
    """Ask for one element by its key."""
    return _request(Nft.GETSETELEM, 0, _element_list(table, element))


def dump_elements(table: str, set_name: str) -> Request:
    """Ask for all elements of a set."""
    return _request(Nft.GETSETELEM, NLM_F_DUMP, _set_name(table, set_name))


def get_table(table: str) -> Request:
    """Ask for a table's handle, which no later table of that name will have."""
    return _request(Nft.GETTABLE, 0, _name(NFTA_TABLE, table))


def dump_rules(table: str) -> Request:
    """Ask for all rules of a table."""
    return _request(Nft.GETRULE, NLM_F_DUMP, _name(NFTA_TABLE, table))


def dump_sets(table: str) -> Request:
    """Ask for all sets and maps of a table."""
    return _request(Nft.GETSET, NLM_F_DUMP, _name(NFTA_TABLE, table))


def delete_table(table: str) -> Request:
    """Delete a table and all it holds."""
    return _request(Nft.DELTABLE, 0, _name(NFTA_TABLE, table))


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


def parse_elements(message: Message) -> list[LoadedElement]:
    """The elements of one NEWSETELEM message. Raises ValueError."""
    elements = message.attributes().get(NFTA_SET_ELEM_LIST_ELEMENTS, b"")
    return [_loaded(dict(attributes(content))) for _, content in attributes(elements)]


def parse_set(message: Message) -> LoadedSet | None:
    """The set of one NEWSET message; None for one without a name. Raises ValueError."""
    told = message.attributes()
    if int.from_bytes(told.get(NFTA_SET_FLAGS, b"")) & NFT_SET_ANONYMOUS:
        return None
    name = told.get(NFTA_SET_NAME, b"").rstrip(b"\0").decode("ascii", "replace")
    sizes = (int.from_bytes(told.get(kind, b"")) for kind in (NFTA_SET_KEY_LEN, NFTA_SET_DATA_LEN))
    return LoadedSet(name, *sizes)


def parse_handle(message: Message, kind: int) -> int:
    """The 64-bit handle in the attribute ``kind``, 0 without one. Raises ValueError."""
    return int.from_bytes(message.attributes().get(kind, b""))


def table_of_deletion(message: Message) -> str | None:
    """The inet table that lost something by this notification, None for any other message."""
    if message.kind not in DELETIONS or message.payload[:1] != bytes((NFPROTO_INET,)):
        return None
    return message.attributes().get(NFTA_TABLE, b"").rstrip(b"\0").decode("ascii", "replace")


def _request(kind: Nft, flags: int, payload: bytes) -> Request:
    return Request(kind, flags, family_header(NFPROTO_INET) + payload)


def _loaded(told: dict[int, bytes]) -> LoadedElement:
    # A time that never ends has no attribute in old kernels and is 0 in new ones.
    expiration = int.from_bytes(told.get(NFTA_SET_ELEM_EXPIRATION, b""))
    timeout = int.from_bytes(told.get(NFTA_SET_ELEM_TIMEOUT, b""))
    return LoadedElement(
        key=_data_value(told.get(NFTA_SET_ELEM_KEY, b"")),
        data=_data_value(told.get(NFTA_SET_ELEM_DATA, b"")),
        remaining=expiration if timeout else None,
    )


def _data_value(content: bytes) -> bytes:
    return dict(attributes(content)).get(NFTA_DATA_VALUE, b"")


def _element_list(table: str, element: Element, content: bytes = b"") -> bytes:
    key = _value(NFTA_SET_ELEM_KEY, element.key)
    elements = nested(NFTA_LIST_ELEM, key + content)
    return _set_name(table, element.set_name) + nested(NFTA_SET_ELEM_LIST_ELEMENTS, elements)


@lru_cache(maxsize=32)
def _set_name(table: str, set_name: str) -> bytes:
    # The same few bytes in every request, so they are worth keeping.
    return _name(NFTA_TABLE, table) + _name(NFTA_SET_ELEM_LIST_SET, set_name)


@lru_cache(maxsize=8)
def _value(kind: int, data: bytes) -> bytes:
    # To open a door its element is added, deleted and added again.
    return nested(kind, attribute(NFTA_DATA_VALUE, data))


def _name(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode("ascii") + b"\0")


def _border(kind: int, sequence: int) -> bytes:
    header = HEADER.pack(HEADER.size + 4, kind, NLM_F_REQUEST, sequence, 0)
    return header + struct.pack("!BBH", NFPROTO_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)
