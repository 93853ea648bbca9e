"""Nfnetlink messages for elements of nftables sets. Pure: bytes in, bytes out.

Only what the firewall needs: batches that add and delete elements, dumps of
elements, a table's identity, and the notifications that tell of a deletion.
Numbers are those of the kernel's uapi headers nfnetlink.h and nf_tables.h.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

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


_INET = family_header(NFPROTO_INET)
_BATCH = struct.pack("!BBH", NFPROTO_UNSPEC, 0, NFNL_SUBSYS_NFTABLES)

# Four of them in a row, the least that a key has, are in no header and in no name.
_HOLE = b"\xff"

DELETIONS = frozenset({Nft.DELTABLE, Nft.DELCHAIN, Nft.DELRULE, Nft.DELSET})


class Element(NamedTuple):
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
    key, data = element.key, element.data
    before, between, behind = _around(table, element.set_name, len(key), len(data), timed=True)
    payload = b"".join((before, key, between, data, behind, milliseconds.to_bytes(8)))
    return Request(Nft.NEWSETELEM, NLM_F_CREATE, payload)


def delete_element(table: str, element: Element) -> Request:
    """Delete by key; the kernel answers ENOENT if it isn't there."""
    return Request(Nft.DELSETELEM, 0, _named(table, element))


def get_element(table: str, element: Element) -> Request:
    """Ask for one element by its key."""
    return Request(Nft.GETSETELEM, 0, _named(table, element))


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
    *others, last = requests
    end = sequence + len(requests)
    parts = [encode(request, number) for number, request in enumerate(others, sequence + 1)]
    return b"".join(
        (
            _border(NFNL_MSG_BATCH_BEGIN, sequence),
            *parts,
            encode(last, end, NLM_F_ACK),
            _border(NFNL_MSG_BATCH_END, end + 1),
        )
    )


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
    return Request(kind, flags, _INET + payload)


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


def _named(table: str, element: Element) -> bytes:
    """An element by its key alone."""
    before, between, _ = _around(table, element.set_name, len(element.key), 0, timed=False)
    return before + element.key + between


@lru_cache(maxsize=64)
def _around(
    table: str, set_name: str, key: int, data: int, *, timed: bool
) -> tuple[bytes, bytes, bytes]:
    """What a request for an element has before its key, behind that, and behind its data.

    ``key`` and ``data`` are how many bytes they have. With ``timed`` the time follows, in ms
    and 8 bytes. All else is the same in every request for a set, and dear to put together.
    """
    time = attribute(NFTA_SET_ELEM_TIMEOUT, bytes(8)) if timed else b""
    value = _value(NFTA_SET_ELEM_DATA, data) if data else b""
    elements = nested(NFTA_LIST_ELEM, _value(NFTA_SET_ELEM_KEY, key) + value + time)
    whole = _INET + _set_name(table, set_name) + nested(NFTA_SET_ELEM_LIST_ELEMENTS, elements)
    before, _, rest = (whole[:-8] if timed else whole).partition(_HOLE * key)
    between, _, behind = rest.partition(_HOLE * data) if data else (rest, b"", b"")
    return before, between, behind


def _set_name(table: str, set_name: str) -> bytes:
    return _name(NFTA_TABLE, table) + _name(NFTA_SET_ELEM_LIST_SET, set_name)


def _value(kind: int, size: int) -> bytes:
    return nested(kind, attribute(NFTA_DATA_VALUE, _HOLE * size))


def _name(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode("ascii") + b"\0")


def _border(kind: int, sequence: int) -> bytes:
    return HEADER.pack(HEADER.size + len(_BATCH), kind, NLM_F_REQUEST, sequence, 0) + _BATCH
