"""Ctnetlink messages byte for byte, and a parser that no bytes can confuse."""

from __future__ import annotations

import sys
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall.ctnetlink import (
    Entry,
    create_dead_end,
    delete_entry,
    delete_way,
    dump_entries,
    dump_entries_of,
    get_statistics,
    is_of,
    parse_entry,
)
from fwknopd.firewall.netlink import encode, parse_messages
from fwknopd.flows import Flow, Way
from tests.unit.firewall.ct_messages import CLOSED, IN_A_ZONE, OVER_IPV6, TRANSLATED, message

pytestmark = pytest.mark.skipif(
    sys.byteorder == "big", reason="the bytes are those of little-endian hosts"
)
PHONE, ROUTER, HOST = map(ip_address, ("198.51.100.7", "198.51.100.1", "192.168.1.100"))
PHONE6, ROUTER6 = map(ip_address, ("2001:db8:1::7", "2001:db8:1::1"))


@pytest.mark.parametrize(
    ("recorded", "flow", "closed"),
    [
        (
            TRANSLATED,
            Flow(Way(PHONE, ROUTER, 6, 50000, 2222), Way(HOST, PHONE, 6, 22, 50000)),
            False,
        ),
        (CLOSED, Flow(Way(PHONE, ROUTER, 6, 50001, 80), Way(ROUTER, PHONE, 6, 80, 50001)), True),
        (
            IN_A_ZONE,
            Flow(Way(PHONE, ROUTER, 17, 50002, 9), Way(ROUTER, PHONE, 17, 9, 50002)),
            False,
        ),
        (
            OVER_IPV6,
            Flow(Way(PHONE6, ROUTER6, 17, 40501, 53), Way(ROUTER6, PHONE6, 17, 53, 40501)),
            False,
        ),
    ],
)
def test_what_the_kernel_sent_is_understood(recorded: bytes, flow: Flow, closed: bool) -> None:
    entry = parse_entry(message(recorded))
    assert entry.flow == flow
    assert entry.closed is closed
    assert entry.answered is (recorded is not IN_A_ZONE)
    asked: list[bytes] = []

    def knows(packed: bytes) -> bool:
        asked.append(packed)
        return False

    padded = b"\xff" * 7 + recorded + b"\xff" * 7
    assert not is_of(padded, 7, 7 + len(recorded), knows)
    assert asked == [flow.original.source.packed, flow.original.destination.packed]
    assert is_of(recorded, 0, len(recorded), lambda packed: packed == asked[0])
    assert is_of(recorded, 0, len(recorded), lambda packed: packed == asked[1])


# Laid out by hand from the kernel's headers.


def test_an_entry_is_deleted_by_what_named_it_in_its_zone() -> None:
    entry = parse_entry(message(IN_A_ZONE))
    assert encode(delete_entry(entry), 5) == bytes.fromhex(
        "58000000 0201 0100 05000000 00000000 02000000"
        "34000180 14000180 08000100 c6336407 08000200 c6336401"
        "1c000280 05000100 11000000 06000200 c3520000 06000300 00090000"
        "08000c00 69554f41"  # its number
        "06001200 00070000"  # its zone
    )


def test_a_way_is_deleted_whatever_connection_it_is_of() -> None:
    assert encode(delete_way(Way(ROUTER, PHONE, 6, 22, 50000), b""), 5) == bytes.fromhex(
        "48000000 0201 0100 05000000 00000000 02000000"
        "34000180 14000180 08000100 c6336401 08000200 c6336407"
        "1c000280 05000100 06000000 06000200 00160000 06000300 c3500000"
    )


def test_a_dead_end_leads_nowhere() -> None:
    way, nowhere = Way(ROUTER, PHONE, 6, 22, 50000), ip_address("127.255.255.254")
    request = create_dead_end(way, b"", nowhere, 600, translated=True)
    assert encode(request, 5) == bytes.fromhex(
        "a0000000 0001 0106 05000000 00000000 02000000"  # new: request, create, exclusive
        "34000180 14000180 08000100 c6336401 08000200 c6336407"
        "1c000280 05000100 06000000 06000200 00160000 06000300 c3500000"
        "34000280 14000180 08000100 c6336407 08000200 c6336401"
        "1c000280 05000100 06000000 06000200 c3500000 06000300 00160000"
        "14000d80 08000100 7ffffffe 08000200 7ffffffe"  # translate the destination
        "08000700 00000258"  # 600 s
        "08000300 00000408"  # confirmed, and the time is fixed
    )


def test_a_dead_end_without_translation_waits_for_answers_from_nowhere() -> None:
    way, nowhere = Way(ROUTER6, PHONE6, 17, 53, 40501), ip_address("::1")
    made = message(create_dead_end(way, b"", nowhere, 600, translated=False).payload)
    assert parse_entry(made).flow == Flow(way, Way(nowhere, ROUTER6, 17, 40501, 53))


def test_the_kernel_is_asked_for_no_more_than_needed() -> None:
    assert encode(dump_entries_of(PHONE, begun=True), 5) == bytes.fromhex(
        "30000000 0101 0103 05000000 00000000 02000000"
        "10000180 0c000180 08000100 c6336407"
        "0c001980 08000100 01000000"  # of this, the source
    )
    assert encode(dump_entries_of(PHONE, begun=False), 5) == bytes.fromhex(
        "30000000 0101 0103 05000000 00000000 02000000"
        "10000180 0c000180 08000200 c6336407"
        "0c001980 08000100 02000000"
    )
    assert [dump_entries(version).payload[0] for version in (None, 4, 6)] == [0, 2, 10]
    assert get_statistics().flags == 0


# Property tests


def test_what_is_laid_out_in_another_way_has_to_be_parsed() -> None:
    swapped = TRANSLATED[:4] + TRANSLATED[56:108] + TRANSLATED[4:56] + TRANSLATED[108:]
    assert parse_entry(message(swapped)).flow == parse_entry(message(TRANSLATED)).flow
    assert is_of(swapped, 0, len(swapped), lambda packed: False)
    assert is_of(TRANSLATED, 0, 40, lambda packed: False)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    with suppress(ValueError):
        parse_entry(message(data))
    is_of(data, 0, len(data), lambda packed: len(packed) not in (4, 16))


@given(
    st.sampled_from([TRANSLATED, CLOSED, IN_A_ZONE, OVER_IPV6]),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8),
    st.integers(0, 300),
)
def test_a_damaged_entry_is_parsed_or_refused(
    recorded: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(recorded)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    entry = None
    with suppress(ValueError):
        entry = parse_entry(message(bytes(damaged[:length])))
    if entry is not None:
        # Whatever was understood can be asked for.
        use(entry)


def use(entry: Entry) -> None:
    delete_entry(entry)
    for way in (entry.flow.original, entry.flow.reply):
        delete_way(way, entry.zone)
        delete_way(way.back, entry.zone)


NUMBERS = st.integers(0, 255), st.integers(0, 65535), st.integers(0, 65535)
WAYS = st.one_of(
    st.builds(Way, st.ip_addresses(v=4), st.ip_addresses(v=4), *NUMBERS),
    st.builds(Way, st.ip_addresses(v=6), st.ip_addresses(v=6), *NUMBERS),
)


@given(WAYS)
def test_ways_survive_the_way_there_and_back(way: Way) -> None:
    nowhere = type(way.source)(1)
    request = create_dead_end(way, b"", nowhere, 1, translated=False)
    [sent] = parse_messages(encode(request, 1))
    entry = parse_entry(sent)
    assert entry.flow.original == way
    assert entry.flow.reply.back.source == way.source
    for end in (way.source, way.destination):
        assert is_of(sent.payload, 0, len(sent.payload), end.packed.__eq__)
