"""Any grants on file, and any file: nobody becomes the owner of what isn't theirs."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.adopting import adopted
from fwknopd.checked_lines import checked, text_of
from fwknopd.firewall import TimedDoor
from fwknopd.grants import Grant
from fwknopd.owner_format import (
    check_of,
    format_boot,
    format_ended,
    format_opened,
    key_of,
    parse_owners,
)
from tests.unit.firewall.doors import DOOR_LISTS

BOOT, NOW = "boot one", 1000.0
CLIENTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda n: n != "?")
TIMES = st.floats(0.1, 1e6)


@st.composite
def grant_lists(draw: st.DrawFn) -> list[Grant]:
    return [
        Grant(item, draw(CLIENTS), NOW - draw(st.floats(0, NOW)), NOW + draw(TIMES), "owner")
        for item in draw(DOOR_LISTS)
    ]


@given(grant_lists(), st.data())
def test_what_is_written_is_read(grants: list[Grant], data: st.DataObject) -> None:
    ended = data.draw(st.lists(st.sampled_from(grants), unique_by=id))
    text = format_boot(BOOT) + format_opened(grants) + format_ended(ended)
    found, damaged = parse_owners(text, BOOT, NOW)
    assert not damaged
    staying = [grant for grant in grants if grant not in ended]
    assert [(k.door, k.client, k.check, k.opened, k.expires) for k in found] == [
        (key_of(g.door), g.client, check_of("owner"), g.opened, g.expires) for g in staying
    ]
    assert parse_owners(text, "boot two", NOW) == ([], 0)
    assert parse_owners(text, BOOT, NOW + 2e6)[0] == []


@given(st.binary(max_size=300))
def test_any_file_is_read_without_a_fault(data: bytes) -> None:
    assert parse_owners(data, BOOT, NOW)[0] == []
    assert parse_owners(format_boot(BOOT) + data, BOOT, NOW)[0] == []


VALUES = st.sampled_from(["+", "-", "boot", BOOT, "0" * 24]) | st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
LINES = st.lists(VALUES, max_size=7) | st.tuples(
    st.just("+"), st.just("door"), st.just("client"), st.just("c"), VALUES, VALUES, st.booleans()
)


@given(st.lists(LINES | VALUES, max_size=5))
def test_whatever_a_whole_line_says_is_read_or_damage(lines: list[object]) -> None:
    text = b"".join(checked(json.dumps(line).encode()) for line in lines)
    for kept in parse_owners(format_boot(BOOT) + text, BOOT, NOW)[0]:
        assert kept.opened <= NOW < kept.expires


@given(grant_lists(), st.data())
def test_a_changed_byte_makes_no_other_owner(grants: list[Grant], data: st.DataObject) -> None:
    text = bytearray(format_boot(BOOT) + format_opened(grants))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    whole = {(key_of(grant.door), grant.client) for grant in grants}
    found, _ = parse_owners(bytes(text), BOOT, NOW)
    assert {(kept.door, kept.client) for kept in found} <= whole


@given(grant_lists(), st.binary(max_size=100), st.floats(-30, 30))
def test_no_file_opens_a_door_or_lengthens_one(
    grants: list[Grant], junk: bytes, off: float
) -> None:
    held = [TimedDoor(g.door, max(g.expires - NOW + off, 0.1)) for g in grants[::2]]
    left, _ = parse_owners(format_boot(BOOT) + format_opened(grants) + junk, BOOT, NOW)
    ends = {timed.door: NOW + timed.seconds for timed in held}
    taken = list(adopted(held, left, (), NOW))
    assert {grant.door for grant in taken} == set(ends)
    assert all(grant.expires <= ends[grant.door] for grant in taken)
    assert all(max(g.expires for g in taken if g.door == d) >= e - 2 for d, e in ends.items())


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_written_as_json_has_it(text: str) -> None:
    written = text_of(format_boot(text).rstrip(b"\n"))
    assert written is not None
    assert json.loads(written) == json.loads(json.dumps(["boot", text]))
