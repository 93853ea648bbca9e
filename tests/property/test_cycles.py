"""Any template with any values, and any file of open cycles."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.cycle_format import HEADER, format_cycles, parse_cycles
from fwknopd.cycle_table import OpenCycle
from fwknopd.policy.command import Command
from fwknopd.policy.cycle import substituted

NAMES = ("IP", "SRC", "PKT_SRC", "DST", "PORT", "PROTO", "TIMEOUT", "CLIENT_TIMEOUT")
VALUES = {name.encode(): f"<{name}>".encode() for name in NAMES}
PIECES = st.sampled_from([*(f"${name}" for name in NAMES), "$", "X", "_", " ", "\t", "é", "'", ";"])
TEMPLATES = st.lists(PIECES, max_size=12).map("".join)


def reference(template: str) -> list[bytes]:
    """As the C daemon does it: values first, then words."""
    text, rest = b"", template.encode()
    while rest:
        before, dollar, rest = rest.partition(b"$")
        text += before
        if dollar:
            name = next((name for name in VALUES if rest.startswith(name)), None)
            if name is not None:
                text, rest = text + VALUES[name], rest[len(name) :]
    return text.split()


@given(TEMPLATES)
def test_words_are_those_of_the_c_daemon(template: str) -> None:
    assert list(substituted(template, VALUES)) == reference(template)


@given(TEMPLATES, st.binary(max_size=20))
def test_a_value_never_makes_a_word_more(template: str, value: bytes) -> None:
    hostile = dict.fromkeys(VALUES, value)
    plain = substituted(template, dict.fromkeys(VALUES, b"v"))
    assert len(substituted(template, hostile)) <= len(plain)


BOOT, NOW = "boot one", 1000.0
WORDS = st.lists(
    st.binary(min_size=1, max_size=30).map(lambda word: word.replace(b"\0", b"x")),
    min_size=1,
    max_size=5,
).map(tuple)
ADDRESSES = st.ip_addresses().map(str).map(ip_address)
SINGLE = st.text(st.characters(exclude_characters="\0"), max_size=40)
CYCLES = st.builds(
    OpenCycle,
    client=SINGLE,
    address=ADDRESSES,
    port=st.sampled_from(["tcp/22", "udp/65535"]),
    closing=st.builds(Command, WORDS, SINGLE, SINGLE, st.integers(1, 86400)),
    undoes=WORDS,
    opened=st.floats(0, NOW).map(lambda seconds: round(seconds, 3)),
    expires=st.floats(NOW, NOW + 9999).map(lambda seconds: round(seconds, 3)),
    owner=st.just(""),
)


@given(st.lists(CYCLES, max_size=5))
def test_cycles_come_back_as_they_were(cycles: list[OpenCycle]) -> None:
    data = format_cycles(cycles, BOOT)
    assert data.count(b"\n") == len(cycles) + 1
    assert parse_cycles(data, BOOT, NOW) == (cycles, 0)


@given(st.lists(CYCLES, min_size=1, max_size=3))
def test_what_another_boot_left_is_over(cycles: list[OpenCycle]) -> None:
    found, _ = parse_cycles(format_cycles(cycles, "boot two"), BOOT, NOW)
    assert found == [replace(cycle, opened=NOW, expires=NOW) for cycle in cycles]


@given(st.lists(CYCLES, min_size=1, max_size=3), st.data())
def test_a_torn_file_loses_what_is_torn_and_nothing_else(
    cycles: list[OpenCycle], data: st.DataObject
) -> None:
    whole = format_cycles(cycles, BOOT)
    cut = data.draw(st.integers(len(HEADER), len(whole) - 1))
    found, damaged = parse_cycles(whole[:cut], BOOT, NOW)
    lines = whole[len(HEADER) : cut + 1].split(b"\n")
    assert found == cycles[: len(found)]
    assert len(found) >= len(lines) - 1 - (cut + 1 == len(whole))
    assert damaged <= 1


@given(CYCLES, st.data())
def test_a_flipped_byte_is_noticed(cycle: OpenCycle, data: st.DataObject) -> None:
    whole = bytearray(format_cycles([cycle], BOOT))
    place = data.draw(st.integers(len(HEADER), len(whole) - 2))
    whole[place] ^= data.draw(st.integers(1, 255))
    found, _ = parse_cycles(bytes(whole), BOOT, NOW)
    assert found == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = (
    *("boot", "client", "address", "port", "opened", "expires"),
    *("words", "undoes", "user", "group", "seconds"),
)


@given(
    CYCLES, st.sampled_from(FIELDS), JSON | st.just("x" * 5000) | st.lists(st.just(""), max_size=2)
)
def test_a_field_of_another_kind_is_damage_or_harmless(
    cycle: OpenCycle, field: str, value: object
) -> None:
    text = format_cycles([cycle], BOOT)[len(HEADER) :].rpartition(b" ")[0]
    values = {**json.loads(text), field: value}
    found, damaged = parse_cycles(with_checksum(values), BOOT, NOW)
    assert len(found) + damaged == 1
    for read in found:
        assert NOW <= read.expires <= NOW + 8388608
        assert read.closing.words
        assert all(word and b"\0" not in word for word in read.closing.words)
        assert 1 <= read.closing.seconds <= 86400


def with_checksum(values: object) -> bytes:
    from binascii import crc32

    text = json.dumps(values).encode()
    return text + b" %08x\n" % crc32(text)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    parse_cycles(data, BOOT, NOW)
    parse_cycles(with_checksum(None) + data, BOOT, NOW)
