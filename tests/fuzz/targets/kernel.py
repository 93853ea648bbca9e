"""What the kernel answers over netlink: sets and their elements, connections, links."""

from __future__ import annotations

import struct

from fwknopd.capture.links import tells_of_link
from fwknopd.firewall.ctnetlink import CT_NEW, delete_entry, is_of, parse_entry
from fwknopd.firewall.netlink import (
    HEADER,
    Message,
    Request,
    attribute,
    attributes,
    encode,
    parse_messages,
)
from fwknopd.firewall.nfnetlink import (
    NFTA_TABLE,
    NFTA_TABLE_HANDLE,
    Element,
    LoadedElement,
    Nft,
    add_element,
    encode_batch,
    parse_elements,
    parse_handle,
    parse_set,
    table_of_deletion,
)
from fwknopd.firewall.nft_earlier import earlier_doors, earlier_sets
from fwknopd.firewall.nft_elements import doors_of, elements_of
from fwknopd.firewall.nft_lookups import FAMILIES, KINDS, Lookup, lookup_named
from tests.fuzz.doors import DOORS
from tests.fuzz.mutators import changed_attributes
from tests.fuzz.target import Target
from tests.unit.firewall import ct_messages

LOOKUPS = tuple(Lookup(kind, f, bits) for kind in KINDS.values() for f in FAMILIES for bits in (
    f.bits, 24))  # fmt: skip


def messages_of(data: bytes) -> list[Message]:
    """The messages of a datagram, none when it is cut short."""
    try:
        return parse_messages(data)
    except ValueError:
        return []


def check_answers(data: bytes) -> None:
    """ValueError or values; elements that are no door of ours are no door and no error."""
    assert tells_of_link(data) in (True, False)
    for message in messages_of(data):
        assert isinstance(message.error, int)
        try:
            parse_handle(message, NFTA_TABLE_HANDLE)
            found = parse_set(message)
            table_of_deletion(message)
            elements = parse_elements(message)
        except ValueError:
            continue
        assert found is None or lookup_named(found.name) is None or found.key_size >= 0
        check_doors(elements)


def check_doors(elements: list[LoadedElement]) -> None:
    """Whatever set these are in, they are doors whose elements they are, or none."""
    for lookup in LOOKUPS:
        for timed in doors_of({lookup: elements}):
            needed = {element.key for element in elements_of(timed.door)}
            assert needed <= {element.key for element in elements}
    earlier_doors({name: elements for name in (*earlier_sets(), "redirect4", "redirect6")})


def answer_seeds() -> list[bytes]:
    batches = [
        encode_batch([add_element("fwknopd", element, 30000) for element in elements_of(door)], 1)
        for door in DOORS
    ]
    key = bytes.fromhex("c6336407 06000000 08ae0000")
    deleted = Request(Nft.DELTABLE, 0, b"\1\0\0\0" + attribute(NFTA_TABLE, b"fwknopd\0"))
    some = add_element("fwknopd", Element("open4", key), 1)
    return [
        *batches,
        encode(deleted, 1),
        encode(some, 5) + HEADER.pack(20, 3, 2, 5, 0) + b"\0\0\0\0",
        HEADER.pack(36, 2, 0, 7, 0) + struct.pack("=i", -2) + HEADER.pack(40, 2571, 5, 7, 0),
        HEADER.pack(32, 16, 0, 0, 0) + bytes(16),
    ]


def check_connections(data: bytes) -> None:
    """ValueError or a connection; the quick look never misses what the slow one finds."""
    start = 0
    for message in messages_of(data):
        end = start + HEADER.size + len(message.payload)
        assert is_of(data, start + HEADER.size, end, lambda _: True)
        start = end + (-end & 3)
        _check_entry(message)


def _check_entry(message: Message) -> None:
    try:
        entry = parse_entry(message)
    except ValueError:
        return
    assert isinstance(entry.closed or entry.begins, bool)
    assert encode(delete_entry(entry), 1)
    original, payload = entry.flow.original, message.payload
    # Both believe that no kernel says the same twice: one takes the first, the other the last.
    if repeats(payload[4:]):
        return
    for address in (original.source.packed, original.destination.packed):
        assert is_of(payload, 0, len(payload), address.__eq__)


def repeats(data: bytes) -> bool:
    """Is any attribute there twice, here or within another?"""
    try:
        found = list(attributes(data))
    except ValueError:
        return False
    kinds = [kind for kind, _ in found]
    return len(set(kinds)) < len(kinds) or any(repeats(content) for _, content in found)


def connection_seeds() -> list[bytes]:
    recorded = (
        ct_messages.TRANSLATED,
        ct_messages.CLOSED,
        ct_messages.IN_A_ZONE,
        ct_messages.OVER_IPV6,
    )
    single = [encode(Request(CT_NEW, 0, payload), 1) for payload in recorded]
    return [*single, b"".join(single)]


TARGETS = (
    Target(
        "netlink_answers",
        "The kernel's answers about sets give values or ValueError; what is no door of ours is "
        "left out.",
        check_answers,
        answer_seeds,
        changed_attributes(4),
        longest=2048,
        grown=1 << 15,
    ),
    Target(
        "connections",
        "The kernel's connections are read or refused by ValueError, and the quick look misses "
        "none.",
        check_connections,
        connection_seeds,
        changed_attributes(4),
        longest=2048,
        grown=1 << 15,
    ),
)
