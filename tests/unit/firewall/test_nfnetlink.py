"""Netlink messages byte for byte, and a parser that no bytes can confuse."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall.netlink import NLMSG_ERROR, Message, encode, parse_messages
from fwknopd.firewall.nfnetlink import (
    NFPROTO_INET,
    Element,
    Nft,
    add_element,
    delete_element,
    delete_table,
    encode_batch,
    parse_elements,
    parse_handle,
    table_of_deletion,
)

KEY = bytes.fromhex("c6336407 06000000 08ae0000")
DATA = bytes.fromhex("c0a80164 00160000")
REDIRECT = Element("nat4", KEY, DATA)
# Laid out by hand from the kernel's headers, and compared with what nft itself
# sends for: add element inet t nat4
#   { 198.51.100.7 . tcp . 2222 timeout 30s : 192.168.1.100 . 22 }
BATCH_LITTLE_ENDIAN = bytes.fromhex(
    "14000000 1000 0100 05000000 00000000 00 00 000a"  # begin, number 5
    "60000000 0c0a 0504 06000000 00000000 01 00 0000"  # new element: request, ack, create
    "0600 0100 74000000"  # table t
    "0900 0200 6e617434 00000000"  # set nat4
    "3800 0380 3400 0180"  # elements, one element
    "1400 0180 1000 0100 c6336407 06000000 08ae0000"  # key
    "1000 0280 0c00 0100 c0a80164 00160000"  # data
    "0c00 0400 0000000000007530"  # 30000 ms
    "14000000 1100 0100 07000000 00000000 00 00 000a"  # end
)


@pytest.mark.skipif(sys.byteorder == "big", reason="the bytes are those of little-endian hosts")
def test_batch_is_what_the_kernel_headers_say() -> None:
    assert encode_batch([add_element("t", REDIRECT, 30000)], 5) == BATCH_LITTLE_ENDIAN


def test_only_the_last_of_a_batch_asks_for_an_answer() -> None:
    requests = [delete_element("t", REDIRECT), add_element("t", REDIRECT, 1)]
    flags = [message.flags & 0x4 for message in parse_messages(encode_batch(requests, 9))]
    assert flags == [0, 0, 4, 0]


def test_batch_numbers_follow_each_other() -> None:
    messages = parse_messages(encode_batch([delete_element("t", REDIRECT)] * 3, 7))
    assert [message.sequence for message in messages] == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("milliseconds", [0, -1])
def test_an_element_without_end_cannot_be_built(milliseconds: int) -> None:
    with pytest.raises(ValueError, match="time to live"):
        add_element("t", REDIRECT, milliseconds)


@given(
    st.from_regex(r"[a-z][a-z0-9]{0,30}", fullmatch=True),
    st.binary(min_size=1, max_size=64),
    st.binary(max_size=20),
    st.integers(1, 1 << 40),
)
def test_elements_survive_the_way_there_and_back(
    name: str, key: bytes, data: bytes, milliseconds: int
) -> None:
    request = add_element("fwknopd", Element(name, key, data), milliseconds)
    [message] = parse_messages(encode(request, 1))
    assert message.attributes()[1] == b"fwknopd\0"
    assert message.attributes()[2] == name.encode() + b"\0"
    [loaded] = parse_elements(message)
    assert (loaded.key, loaded.data) == (key, data)


def test_an_element_without_timeout_has_no_end() -> None:
    # What is sent has a time but no remainder, which only the kernel adds.
    [message] = parse_messages(encode(delete_element("t", REDIRECT), 1))
    assert parse_elements(message)[0].remaining is None


def test_errors_are_positive_errno() -> None:
    payload = struct.pack("=i", -17) + bytes(16)
    assert Message(NLMSG_ERROR, 0, 1, payload).error == 17
    assert Message(NLMSG_ERROR, 0, 1, bytes(20)).error == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    with suppress(ValueError):
        for message in parse_messages(data):
            parse_elements(message)
            parse_handle(message, 4)
            table_of_deletion(message)


@given(st.integers(1, len(BATCH_LITTLE_ENDIAN) - 1))
def test_a_message_cut_short_is_noticed(length: int) -> None:
    whole = encode_batch([add_element("t", REDIRECT, 30000)], 5)
    borders = {20, len(whole) - 20}
    if length not in borders:
        with pytest.raises(ValueError, match="cut short"):
            parse_messages(whole[:length])


def _notice(kind: int, family: int = NFPROTO_INET) -> Message:
    [message] = parse_messages(encode(delete_table("fwknopd"), 1))
    return Message(kind, 0, 0, bytes((family,)) + message.payload[1:])


@pytest.mark.parametrize("kind", [Nft.DELTABLE, Nft.DELCHAIN, Nft.DELRULE, Nft.DELSET])
def test_deletions_name_their_table(kind: Nft) -> None:
    assert table_of_deletion(_notice(kind)) == "fwknopd"


def test_other_notices_are_no_deletion() -> None:
    assert table_of_deletion(_notice(Nft.NEWRULE)) is None
    assert table_of_deletion(_notice(Nft.DELSETELEM)) is None
    # Tables of other families may bear the same name.
    assert table_of_deletion(_notice(Nft.DELTABLE, family=2)) is None
