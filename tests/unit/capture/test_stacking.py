"""Which devices lie on top of others, from the kernel's list of them."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.capture.stacking import Link, devices_on_top, ends, on_top_of, parse_links

ETH0, BRIDGE, LAN, WAN = 2, 3, 4, 5
ROUTER = (
    Link(1, "lo"),
    Link(ETH0, "eth0"),
    Link(BRIDGE, "br-lan"),
    Link(LAN, "eth0.1", BRIDGE, ETH0),
    Link(WAN, "eth0.2", 0, ETH0),
    Link(6, "wlan0", BRIDGE),
    Link(7, "guest", 0, BRIDGE),
)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["eth0"], ["br-lan", "eth0.1", "eth0.2", "guest"]),
        (["eth0.1"], ["br-lan", "guest"]),
        (["eth0.1", "br-lan"], ["guest"]),
        (["wlan0", "eth0.2"], ["br-lan", "guest"]),
        (["eth0.2"], []),
        (["lo"], []),
        (["ppp0"], []),
        ([], []),
    ],
)
def test_bridges_and_vlans_are_on_top_of_what_carries_them(
    names: list[str], found: list[str]
) -> None:
    assert list(on_top_of(names, ROUTER)) == found


def test_what_is_left_of_a_list_has_an_end() -> None:
    """A master may be gone while the kernel lists; devices in a circle it never makes."""
    links = (Link(2, "eth0", 9), Link(3, "a", 4, 2), Link(4, "b", 3, 4))
    assert on_top_of(["eth0"], links) == ("a", "b")


def test_a_name_that_no_rule_can_hold_is_left_out() -> None:
    links = (Link(2, "eth0", 3), Link(3, 'br"0', 4), Link(4, "br1"), Link(5, "any", 0, 2))
    assert on_top_of(["eth0"], links) == ("br1",)


def attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) & 3)


def message(index: int, *attributes: bytes, kind: int = 16) -> bytes:
    payload = struct.pack("=BxHiII", 0, 1, index, 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(payload), kind, 2, 1, 0) + payload


NAME = attribute(3, b"x0\0")
BELOW, MASTER = attribute(5, struct.pack("=i", 2)), attribute(10, struct.pack("=i", 8))


def of_kind(kind: bytes) -> bytes:
    return attribute(18 | 0x8000, attribute(1, kind))


@pytest.mark.parametrize(
    ("attributes", "link"),
    [
        ([NAME], Link(7, "x0")),
        ([NAME, MASTER], Link(7, "x0", 8)),
        ([NAME, BELOW, of_kind(b"vlan\0")], Link(7, "x0", 0, 2)),
        ([of_kind(b"macvlan\0"), BELOW, MASTER, NAME], Link(7, "x0", 8, 2)),
        # The other end of a veth, the carrier of a tunnel, a port of a switch, another's number.
        ([NAME, BELOW, of_kind(b"veth\0")], Link(7, "x0")),
        ([NAME, BELOW, of_kind(b"sit\0")], Link(7, "x0")),
        ([NAME, BELOW], Link(7, "x0")),
        ([NAME, BELOW, of_kind(b"vlan\0"), attribute(37, bytes(4))], Link(7, "x0")),
        ([NAME, attribute(10, b"\1")], Link(7, "x0")),
    ],
)
def test_what_the_kernel_says_of_a_device(attributes: list[bytes], link: Link) -> None:
    assert parse_links(message(7, *attributes)) == [link]


def test_what_is_no_device_is_passed_over() -> None:
    answer = message(1, NAME, kind=24) + message(2) + message(3, NAME) + b"\1"
    assert parse_links(answer) == [Link(3, "x0")]


def test_the_end_of_the_answer() -> None:
    assert not ends(message(1, NAME))
    for kind in (2, 3):
        assert ends(message(1, NAME) + message(0, kind=kind))
    assert ends(b"")


@given(st.binary(max_size=200))
def test_whatever_comes_is_read(answer: bytes) -> None:
    assert isinstance(parse_links(answer) + parse_links(message(7, answer)), list)
    assert ends(answer) in (True, False)


def test_this_kernel_is_understood() -> None:
    assert devices_on_top([name for _, name in socket.if_nameindex()]) == ()
    assert devices_on_top(["no such device"]) == ()
