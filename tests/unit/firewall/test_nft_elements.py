"""Doors become set elements and elements become the same doors again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.nfnetlink import Element, LoadedElement
from fwknopd.firewall.nft_elements import (
    doors_of,
    elements_of,
    elements_to_add,
    lookups_of,
    milliseconds,
    opposites_of,
)
from fwknopd.firewall.nft_lookups import BASIC, FAMILIES, KINDS, Lookup, lookup_named
from fwknopd.grants import Door
from tests.unit.firewall.doors import door
from tests.unit.firewall.kinds import EVERY_DOOR, NFT_DOOR_LISTS

Dumps = dict[Lookup, list[LoadedElement]]
OPEN4 = Lookup(KINDS["open"], FAMILIES[0], 32)


def as_dumps(elements: dict[Element, int]) -> Dumps:
    """What the kernel would return for ``elements``."""
    dumps: Dumps = {}
    for element, remaining in elements.items():
        lookup = lookup_named(element.set_name)
        assert lookup is not None
        loaded = LoadedElement(element.key, element.data, remaining)
        dumps.setdefault(lookup, []).append(loaded)
    return dumps


def test_a_plain_door_is_address_protocol_port() -> None:
    assert elements_of(door("198.51.100.7", "tcp/22")) == (
        Element("open4", bytes.fromhex("c6336407 06000000 00160000")),
    )
    assert elements_of(door("2001:db8::7", "udp/53")) == (
        Element("open6", bytes.fromhex("20010db8000000000000000000000007 11000000 00350000")),
    )


def test_a_translated_door_is_a_translation_and_an_admission() -> None:
    forwarded = door("198.51.100.7", "tcp/2222", "192.168.1.100:22")
    assert elements_of(forwarded) == (
        Element(
            "redirect4",
            bytes.fromhex("c6336407 06000000 08ae0000"),
            bytes.fromhex("c0a80164 00160000"),
        ),
        Element("inside4", bytes.fromhex("c6336407 06000000 08ae0000 c0a80164")),
    )


def test_a_local_door_is_let_into_the_router_and_not_through_it() -> None:
    local = door("198.51.100.7", "tcp/2222", "192.168.1.1:22", local=True)
    assert [element.set_name for element in elements_of(local)] == ["redirect4", "router4"]


def test_a_target_of_the_other_family_is_refused() -> None:
    with pytest.raises(FirewallError, match="one is IPv4, the other IPv6"):
        elements_of(door("2001:db8::7", "tcp/22", "192.168.1.100:22"))


def test_one_port_cannot_lead_to_two_places_at_once() -> None:
    one = door("198.51.100.7", "tcp/2222", "192.168.1.100:22")
    other = door("198.51.100.7", "tcp/2222", "192.168.1.101:22")
    with pytest.raises(FirewallError, match="two targets"):
        elements_to_add([TimedDoor(one, 30), TimedDoor(other, 30)])


@pytest.mark.parametrize(
    ("item", "names"),
    [
        (door("198.51.100.7", "tcp/22", at="192.0.2.1"), ["open_at4"]),
        (door("198.51.100.7", "tcp/22", prefix=24), ["open4_24"]),
        (
            door("2001:db8::7", "tcp/22", "fd00::5:22", prefix=64, at="2001:db8::1"),
            ["redirect_at6_64", "inside_at6_64"],
        ),
        (door("198.51.100.7", "tcp/22", "10.0.0.5:22", translate=False), ["through4"]),
        (door("198.51.100.7", "all", "10.0.0.5:0"), ["all_redirect4", "all_inside4"]),
        (door("198.51.100.7", "all", "10.0.0.5:0", translate=False), ["all_through4"]),
        (door("198.51.100.7", "all"), ["all4"]),
        (door("198.51.100.7", "all", mask="masquerade"), ["all4", "masq_all4"]),
        (
            door("198.51.100.7", "tcp/22", "10.0.0.5:22", mask="10.0.0.1"),
            ["redirect4", "inside4", "snat_inside4"],
        ),
    ],
)
def test_each_kind_has_its_own_sets(item: Door, names: list[str]) -> None:
    assert [element.set_name for element in elements_of(item)] == names
    assert [lookup.name for lookup in lookups_of(item)] == names


@given(NFT_DOOR_LISTS)
def test_no_two_doors_share_an_element(doors: list[Door]) -> None:
    elements = [(e.set_name, e.key) for item in doors for e in elements_of(item)]
    assert len(elements) == len(set(elements))


@given(EVERY_DOOR, EVERY_DOOR)
def test_what_makes_another_door_is_no_part_of_this_one(item: Door, other: Door) -> None:
    there = {*lookups_of(item), *lookups_of(other)}
    opposites = {(e.set_name, e.key) for e in opposites_of(item, there)}
    assert not opposites & {(e.set_name, e.key) for e in elements_of(item)}


def test_elements_of_look_ups_that_are_not_there_are_no_opposites() -> None:
    masked = door("198.51.100.7", "tcp/22", "10.0.0.5:22", mask="masquerade")
    plain = door("198.51.100.7", "tcp/22", "10.0.0.5:22")
    assert opposites_of(plain, BASIC) == ()
    there = lookups_of(masked)
    assert [e.set_name for e in opposites_of(plain, there)] == ["masq_inside4"]


@pytest.mark.parametrize(
    "item",
    [
        door("198.51.100.7", "tcp/22", at="2001:db8::1"),
        door("198.51.100.7", "all", mask="2001:db8::1"),
        door("2001:db8::7", "all", "10.0.0.5:0"),
    ],
)
def test_other_addresses_of_the_other_family_are_refused(item: Door) -> None:
    with pytest.raises(FirewallError, match="one is IPv4, the other IPv6"):
        elements_of(item)


@given(NFT_DOOR_LISTS)
def test_doors_survive_the_way_there_and_back(doors: list[Door]) -> None:
    dumps = as_dumps(elements_to_add([TimedDoor(item, 30) for item in doors]))
    assert {timed.door for timed in doors_of(dumps)} == set(doors)
    assert {timed.seconds for timed in doors_of(dumps)} == {30}


def test_elements_that_are_no_doors_are_left_out() -> None:
    icmp = LoadedElement(bytes.fromhex("c6336407 01000000 00160000"), b"", 1000)
    assert doors_of({OPEN4: [icmp]}) == []


@given(EVERY_DOOR)
def test_a_door_that_lacks_an_element_is_none(item: Door) -> None:
    for missing in elements_of(item):
        wanted = elements_to_add([TimedDoor(item, 30)])
        del wanted[missing]
        assert item not in [timed.door for timed in doors_of(as_dumps(wanted))]


@given(EVERY_DOOR)
def test_a_door_is_open_as_long_as_all_of_it(item: Door) -> None:
    wanted = elements_to_add([TimedDoor(item, 30)])
    wanted[elements_of(item)[-1]] = 10_000
    assert [timed.seconds for timed in doors_of(as_dumps(wanted))] == [10]


def test_an_element_without_end_is_told_as_such() -> None:
    [element] = elements_of(door("198.51.100.7", "tcp/22"))
    [timed] = doors_of({OPEN4: [LoadedElement(element.key, b"", None)]})
    assert math.isinf(timed.seconds)


@pytest.mark.parametrize("seconds", [0, -1, -0.001, math.nan, math.inf])
def test_a_door_needs_a_time(seconds: float) -> None:
    with pytest.raises(FirewallError, match="seconds"):
        milliseconds(seconds)


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_a_time_is_never_none_to_a_kernel_of_100_hz(seconds: float) -> None:
    assert milliseconds(seconds) >= 100


@given(st.integers(1, 10**9))
def test_whole_seconds_are_exact(seconds: int) -> None:
    assert milliseconds(seconds) == seconds * 1000
