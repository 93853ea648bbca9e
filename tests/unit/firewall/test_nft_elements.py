"""Doors become set elements and elements become the same doors again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.nfnetlink import Element, LoadedElement
from fwknopd.firewall.nft_elements import doors_of, elements_of, elements_to_add, milliseconds
from fwknopd.grants import Door
from tests.unit.firewall.doors import DOOR_LISTS, door

Dumps = dict[str, list[LoadedElement]]


def as_dumps(elements: dict[Element, int]) -> Dumps:
    """What the kernel would return for ``elements``."""
    dumps: Dumps = {}
    for element, remaining in elements.items():
        loaded = LoadedElement(element.key, element.data, remaining)
        dumps.setdefault(element.set_name, []).append(loaded)
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
        Element("forward4", bytes.fromhex("c6336407 c0a80164 06000000 00160000")),
    )


def test_a_local_door_is_let_into_the_router_and_not_through_it() -> None:
    local = door("198.51.100.7", "tcp/2222", "192.168.1.1:22", local=True)
    assert [element.set_name for element in elements_of(local)] == ["redirect4", "local4"]


def test_a_target_of_the_other_family_is_refused() -> None:
    with pytest.raises(FirewallError, match="one is IPv4, the other IPv6"):
        elements_of(door("2001:db8::7", "tcp/22", "192.168.1.100:22"))


def test_one_port_cannot_lead_to_two_places_at_once() -> None:
    one = door("198.51.100.7", "tcp/2222", "192.168.1.100:22")
    other = door("198.51.100.7", "tcp/2222", "192.168.1.101:22")
    with pytest.raises(FirewallError, match="two targets"):
        elements_to_add([TimedDoor(one, 30), TimedDoor(other, 30)])


def test_doors_to_one_inside_port_share_the_longer_admission() -> None:
    one = door("198.51.100.7", "tcp/2222", "192.168.1.100:22")
    other = door("198.51.100.7", "tcp/2223", "192.168.1.100:22")
    wanted = elements_to_add([TimedDoor(one, 60), TimedDoor(other, 30)])
    times = sorted((element.set_name, time) for element, time in wanted.items())
    assert times == [("forward4", 60000), ("redirect4", 30000), ("redirect4", 60000)]


@given(DOOR_LISTS)
def test_doors_survive_the_way_there_and_back(doors: list[Door]) -> None:
    dumps = as_dumps(elements_to_add([TimedDoor(item, 30) for item in doors]))
    assert {timed.door for timed in doors_of(dumps)} == set(doors)
    assert {timed.seconds for timed in doors_of(dumps)} == {30}


def test_elements_that_are_no_doors_are_left_out() -> None:
    icmp = LoadedElement(bytes.fromhex("c6336407 01000000 00160000"), b"", 1000)
    assert doors_of({"open4": [icmp]}) == []


def test_an_element_without_end_is_told_as_such() -> None:
    [element] = elements_of(door("198.51.100.7", "tcp/22"))
    [timed] = doors_of({"open4": [LoadedElement(element.key, b"", None)]})
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
