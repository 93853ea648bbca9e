"""The kernel's filter: every real knock passes, and what can't be one doesn't."""

from __future__ import annotations

import random
from collections.abc import Callable

import pcap
import pytest

from fwknopd.capture.bpf import capture_filter
from tests.interop.spa_vectors import SpaVector, load_vectors
from tests.unit.capture.frames import IPV6, cooked, ethernet, icmp, ipv4, ipv6, tcp, udp

KNOCK = b"Abc9+/xyz=" * 20
DATALINKS = (0, 1, 9, 12, 50, 51, 108, 113, 228, 229, 276)

Wrap = Callable[[bytes], bytes]
WRAPS: dict[str, Wrap] = {
    "udp": lambda payload: ethernet(ipv4(udp(payload))),
    "udp behind IP options": lambda payload: ethernet(ipv4(udp(payload), options=b"\1" * 12)),
    "tcp": lambda payload: ethernet(ipv4(tcp(payload), protocol=6)),
    "tcp with options": lambda p: ethernet(ipv4(tcp(p, options=b"\1" * 12), protocol=6)),
    "icmp": lambda payload: ethernet(ipv4(icmp(payload), protocol=1)),
    "udp over IPv6": lambda payload: ethernet(ipv6(udp(payload)), IPV6),
    "tcp over IPv6": lambda p: ethernet(ipv6(tcp(p, options=b"\1" * 12), 6), IPV6),
}


def passes(text: str, frame: bytes, datalink: int = 1) -> bool:
    return bool(pcap.bpf(text.encode(), datalink).filter(frame))


def knock_filter(spa_over_http: bool = False) -> str:
    return capture_filter("", spa_over_http=spa_over_http).kernel


def accepted(*transports: str) -> list[SpaVector]:
    return [v for v in load_vectors() if v.accept and v.transport in transports]


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_a_knock_passes(wrap: Wrap) -> None:
    assert passes(knock_filter(), wrap(KNOCK))


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize(("size", "expected"), [(139, False), (140, True), (1460, True)])
def test_payload_length_decides(wrap: Wrap, size: int, expected: bool) -> None:
    assert passes(knock_filter(), wrap(b"A" * size)) is expected


@pytest.mark.parametrize(("size", "expected"), [(1472, True), (1473, False)])
def test_longest_udp_payload(size: int, expected: bool) -> None:
    assert passes(knock_filter(), WRAPS["udp"](b"A" * size)) is expected


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
@pytest.mark.parametrize("junk", [b"\xff", b"\0", b" ", b"*", b"{", b"~", b"\x7f", b"\x80"])
def test_bytes_outside_base64_do_not_pass(wrap: Wrap, junk: bytes) -> None:
    assert not passes(knock_filter(), wrap(junk * 200))


def test_every_base64_character_passes_everywhere() -> None:
    text = knock_filter()
    for character in b"ABCXYZabcxyz0189+/=":
        assert passes(text, WRAPS["udp"](bytes([character]) * 200)), chr(character)


def test_random_bytes_do_not_pass() -> None:
    junk = random.Random(5)
    text = knock_filter()
    assert not any(passes(text, WRAPS["udp"](junk.randbytes(230))) for _ in range(2000))


@pytest.mark.parametrize("spa_over_http", [False, True])
def test_every_recorded_knock_passes(spa_over_http: bool) -> None:
    text = knock_filter(spa_over_http)
    vectors = accepted("udp", "tcp")
    assert len(vectors) > 100
    for vector in vectors:
        assert passes(text, WRAPS[vector.transport](vector.packet)), vector.name


def test_every_recorded_http_knock_passes_when_spa_over_http_is_on() -> None:
    vectors = accepted("http")
    assert vectors
    for vector in vectors:
        assert passes(knock_filter(spa_over_http=True), WRAPS["tcp"](vector.packet)), vector.name
        assert not passes(knock_filter(), WRAPS["tcp"](vector.packet)), vector.name


@pytest.mark.parametrize("spa_over_http", [False, True])
@pytest.mark.parametrize("datalink", DATALINKS)
def test_compiles_for_every_link_type(datalink: int, spa_over_http: bool) -> None:
    chosen = capture_filter("udp port 62201 or tcp port 80", spa_over_http=spa_over_http)
    pcap.bpf(chosen.kernel.encode(), datalink)


def test_works_on_cooked_captures() -> None:
    text = capture_filter("udp port 62201").kernel
    assert passes(text, cooked(ipv4(udp(KNOCK))), 113)
    assert passes(text, cooked(ipv6(udp(KNOCK)), IPV6), 113)
    assert not passes(text, cooked(ipv4(udp(b"\xff" * 200))), 113)


def test_the_admins_filter_still_decides() -> None:
    text = capture_filter("udp port 62201 or tcp port 80").kernel
    assert passes(text, WRAPS["udp"](KNOCK))
    assert passes(text, WRAPS["tcp"](KNOCK))
    assert not passes(text, ethernet(ipv4(udp(KNOCK, source=5, destination=53))))
    assert not passes(text, WRAPS["icmp"](KNOCK))


def test_fragments_do_not_pass() -> None:
    assert not passes(knock_filter(), ethernet(ipv4(udp(KNOCK), flags=0x2000)))


def test_ipv6_options_are_left_to_the_parser() -> None:
    frame = ethernet(ipv6(b"\x11\0" + b"\0" * 6 + udp(KNOCK), 0), IPV6)
    assert passes(knock_filter(), frame)


@pytest.mark.parametrize(
    "user",
    [
        "vlan 7 and udp port 62201",
        "udp port 62201 or (vlan and udp port 62201)",
        "pppoes and udp port 62201",
        "mpls and udp",
    ],
)
def test_a_filter_that_moves_offsets_is_used_as_it_is(user: str) -> None:
    assert capture_filter(user).kernel == user


def test_tagged_knocks_pass_a_filter_that_asks_for_the_tag() -> None:
    frame = ethernet(ipv4(udp(KNOCK)), tags=[(0x8100, 7)])
    assert passes(capture_filter("vlan 7 and udp port 62201").kernel, frame)
