"""Which frames carry a payload, and what is known of the packet then."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from fwknopd.capture import link_layer
from fwknopd.capture.link_layer import parse_frame
from fwknopd.policy.packet import Packet
from tests.unit.capture.frames import (
    DESTINATION,
    DESTINATION6,
    IPV6,
    PPPOE,
    SOURCE,
    SOURCE6,
    cooked,
    cooked_v2,
    ethernet,
    icmp,
    ipv4,
    ipv6,
    pppoe,
    tcp,
    udp,
)

ETHERNET = link_layer.DLT_EN10MB
KNOCK = b"A" * 200
EXPECTED = Packet(KNOCK, SOURCE, DESTINATION, 40000, 62201, 17, "eth1")
EXPECTED6 = Packet(KNOCK, SOURCE6, DESTINATION6, 40000, 62201, 17, "eth1")
PACKET = ipv4(udp(KNOCK))
PACKET6 = ipv6(udp(KNOCK))


@pytest.mark.parametrize(
    ("datalink", "frame"),
    [
        pytest.param(1, ethernet(PACKET), id="ethernet"),
        pytest.param(1, ethernet(PACKET, tags=[(0x8100, 5)]), id="one VLAN tag"),
        pytest.param(1, ethernet(PACKET, tags=[(0x88A8, 7), (0x8100, 5)]), id="two VLAN tags"),
        pytest.param(1, ethernet(PACKET) + b"\0" * 20, id="padded to the shortest frame"),
        pytest.param(1, ethernet(pppoe(PACKET), PPPOE), id="PPPoE session"),
        pytest.param(1, ethernet(pppoe(PACKET), PPPOE, [(0x8100, 7)]), id="PPPoE in a VLAN"),
        pytest.param(9, b"\xff\x03\x00\x21" + PACKET, id="PPP"),
        pytest.param(9, b"\x00\x21" + PACKET, id="PPP, address compressed"),
        pytest.param(9, b"\x21" + PACKET, id="PPP, protocol compressed"),
        pytest.param(50, b"\xff\x03\x00\x21" + PACKET, id="PPP serial"),
        pytest.param(51, pppoe(PACKET), id="PPP over Ethernet"),
        pytest.param(12, PACKET, id="raw IP"),
        pytest.param(101, PACKET, id="raw IP in a file"),
        pytest.param(228, PACKET, id="raw IPv4"),
        pytest.param(0, b"\x02\x00\x00\x00" + PACKET, id="loopback of BSD"),
        pytest.param(108, b"\x00\x00\x00\x02" + PACKET, id="loopback of OpenBSD"),
        pytest.param(113, cooked(PACKET), id="cooked"),
        pytest.param(113, cooked(b"\x00\x05\x08\x00" + PACKET, 0x8100), id="cooked, VLAN"),
        pytest.param(276, cooked_v2(PACKET), id="cooked, version 2"),
    ],
)
def test_every_link_type_leads_to_the_same_packet(datalink: int, frame: bytes) -> None:
    assert parse_frame(datalink, frame, "eth1") == EXPECTED


@pytest.mark.parametrize(
    ("datalink", "frame"),
    [
        pytest.param(1, ethernet(PACKET6, IPV6), id="ethernet"),
        pytest.param(1, ethernet(pppoe(PACKET6, 0x0057), PPPOE), id="PPPoE session"),
        pytest.param(12, PACKET6, id="raw IP"),
        pytest.param(113, cooked(PACKET6, IPV6), id="cooked"),
        pytest.param(276, cooked_v2(PACKET6, IPV6), id="cooked, version 2"),
        pytest.param(12, ipv6(b"\x11\0" + b"\0" * 6 + udp(KNOCK), 0), id="hop-by-hop options"),
        pytest.param(
            12,
            ipv6(b"\x3c\0" + b"\0" * 6 + b"\x11\x01" + b"\0" * 14 + udp(KNOCK), 0),
            id="two option headers",
        ),
    ],
)
def test_ipv6_is_read_as_well(datalink: int, frame: bytes) -> None:
    assert parse_frame(datalink, frame, "eth1") == EXPECTED6


def test_ipv4_options_are_stepped_over() -> None:
    frame = ethernet(ipv4(udp(KNOCK), options=b"\x01" * 40))
    assert parse_frame(ETHERNET, frame, "eth1") == EXPECTED


@pytest.mark.parametrize("options", [b"", b"\x01" * 40])
def test_tcp_payload_begins_after_the_options(options: bytes) -> None:
    frame = ethernet(ipv4(tcp(KNOCK, options=options), protocol=6))
    packet = parse_frame(ETHERNET, frame, "eth1")
    assert packet is not None
    assert (packet.payload, packet.destination_port, packet.protocol) == (KNOCK, 80, 6)


def test_icmp_payload_has_no_ports() -> None:
    packet = parse_frame(ETHERNET, ethernet(ipv4(icmp(KNOCK), protocol=1)), "eth1")
    assert packet == Packet(KNOCK, SOURCE, DESTINATION, None, None, 1, "eth1")


def test_payload_ends_where_the_ip_length_says_not_the_udp_length() -> None:
    segment = bytearray(udp(KNOCK))
    segment[4:6] = b"\x00\x09"
    packet = parse_frame(ETHERNET, ethernet(ipv4(bytes(segment))), "eth1")
    assert packet is not None
    assert packet.payload == KNOCK


@pytest.mark.parametrize(("size", "usable"), [(1472, True), (1473, False)])
def test_longest_udp_payload_of_an_ethernet_frame(size: int, usable: bool) -> None:
    frame = ethernet(ipv4(udp(b"A" * size)))
    assert (parse_frame(ETHERNET, frame, "eth1") is not None) is usable


@pytest.mark.parametrize(("size", "usable"), [(1460, True), (1461, False)])
def test_longest_tcp_payload_of_an_ethernet_frame(size: int, usable: bool) -> None:
    frame = ethernet(ipv4(tcp(b"A" * size), protocol=6))
    assert (parse_frame(ETHERNET, frame, "eth1") is not None) is usable


def _patched(packet: bytes, offset: int, value: bytes) -> bytes:
    return ethernet(packet[:offset] + value + packet[offset + len(value) :])


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="empty"),
        pytest.param(ethernet(b""), id="nothing after the Ethernet header"),
        pytest.param(ethernet(PACKET, 0x0806), id="ARP"),
        pytest.param(ethernet(PACKET, tags=[(0x8100, 1)] * 3), id="three VLAN tags"),
        pytest.param(ethernet(ipv4(udp(KNOCK), flags=0x2000)), id="first fragment"),
        pytest.param(ethernet(ipv4(udp(KNOCK), flags=0x0010)), id="later fragment"),
        pytest.param(ethernet(ipv6(b"\x11" + b"\0" * 7 + udp(KNOCK), 44), IPV6), id="fragment 6"),
        pytest.param(ethernet(ipv4(udp(b""))), id="no payload"),
        pytest.param(ethernet(ipv4(tcp(b""), protocol=6)), id="bare TCP acknowledgement"),
        pytest.param(ethernet(ipv4(udp(KNOCK), protocol=132)), id="another transport"),
        pytest.param(ethernet(ipv6(icmp(KNOCK), 58), IPV6), id="ICMPv6"),
        pytest.param(ethernet(ipv6(icmp(KNOCK), 1), IPV6), id="ICMP of IPv4 in IPv6"),
        pytest.param(ethernet(PACKET)[:-1], id="cut off by one byte"),
        pytest.param(ethernet(PACKET6, IPV6)[:-1], id="IPv6 cut off by one byte"),
        pytest.param(_patched(PACKET, 0, b"\x44"), id="IPv4 header shorter than 20 bytes"),
        pytest.param(_patched(PACKET, 0, b"\x55"), id="IP version 5"),
        pytest.param(_patched(PACKET, 2, b"\x00\x13"), id="IPv4 length shorter than its header"),
        pytest.param(
            _patched(ipv4(tcp(KNOCK), protocol=6), 32, b"\x40"), id="TCP header under 20 bytes"
        ),
        pytest.param(
            _patched(ipv4(tcp(b"A" * 20), protocol=6), 32, b"\xf0"), id="TCP header past the end"
        ),
        pytest.param(ethernet(b"\x12" + pppoe(PACKET)[1:], PPPOE), id="PPPoE of another version"),
        pytest.param(ethernet(pppoe(PACKET, 0xC021), PPPOE), id="PPP link control"),
    ],
)
def test_what_can_not_be_a_knock_gives_nothing(frame: bytes) -> None:
    assert parse_frame(ETHERNET, frame, "eth1") is None


@pytest.mark.parametrize(
    ("datalink", "frame"),
    [(113, cooked(PACKET, direction=4)), (276, cooked_v2(PACKET, direction=4))],
)
def test_what_the_router_sent_itself_gives_nothing(datalink: int, frame: bytes) -> None:
    assert parse_frame(datalink, frame, "any") is None


def test_unknown_link_type_gives_nothing() -> None:
    assert not link_layer.knows_datalink(147)
    assert parse_frame(147, ethernet(PACKET), "eth1") is None


def test_addresses_are_typed() -> None:
    packet = parse_frame(ETHERNET, ethernet(PACKET), "eth1")
    assert packet is not None
    assert isinstance(packet.source, IPv4Address)
