"""Frames built byte by byte, so that tests don't lean on the code they check."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

SOURCE = IPv4Address("192.0.2.7")
DESTINATION = IPv4Address("198.51.100.2")
SOURCE6 = IPv6Address("2001:db8:b::7")
DESTINATION6 = IPv6Address("2001:db8:1::2")

BROADCAST = b"\xff" * 6
SENDER = b"\x02\x00\x00\x00\x00\x01"
IPV4 = 0x0800
IPV6 = 0x86DD
PPPOE = 0x8864


def udp(payload: bytes, source: int = 40000, destination: int = 62201) -> bytes:
    return struct.pack(">HHHH", source, destination, (8 + len(payload)) & 0xFFFF, 0) + payload


def tcp(payload: bytes, destination: int = 80, options: bytes = b"") -> bytes:
    offset = (20 + len(options)) // 4 << 4
    header = struct.pack(">HHIIBBHHH", 40000, destination, 1, 1, offset, 0x18, 1000, 0, 0)
    return header + options + payload


def icmp(payload: bytes) -> bytes:
    return struct.pack(">BBHHH", 8, 0, 0, 1, 1) + payload


def ipv4(body: bytes, protocol: int = 17, options: bytes = b"", flags: int = 0x4000) -> bytes:
    header = struct.pack(
        ">BBHHHBBH4s4s",
        0x45 + len(options) // 4,
        0,
        20 + len(options) + len(body),
        1,
        flags,
        64,
        protocol,
        0,
        SOURCE.packed,
        DESTINATION.packed,
    )
    return header + options + body


def ipv6(body: bytes, protocol: int = 17) -> bytes:
    header = struct.pack(">IHBB", 0x60000000, len(body), protocol, 64)
    return header + SOURCE6.packed + DESTINATION6.packed + body


def ethernet(packet: bytes, ethertype: int = IPV4, tags: Sequence[tuple[int, int]] = ()) -> bytes:
    head = b"".join(struct.pack(">HH", kind, number) for kind, number in tags)
    return BROADCAST + SENDER + head + struct.pack(">H", ethertype) + packet


def pppoe(packet: bytes, protocol: int = 0x0021) -> bytes:
    return struct.pack(">BBHHH", 0x11, 0, 1, len(packet) + 2, protocol) + packet


def cooked(packet: bytes, ethertype: int = IPV4, direction: int = 0) -> bytes:
    return struct.pack(">HHH8sH", direction, 512, 0, b"", ethertype) + packet


def cooked_v2(packet: bytes, ethertype: int = IPV4, direction: int = 0) -> bytes:
    return struct.pack(">HHIHBB8s", ethertype, 0, 7, 512, direction, 0, b"") + packet


def capture_file(frames: Sequence[bytes], datalink: int = 1) -> bytes:
    """A capture file in the classic format, all frames at time 0."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, datalink)
    records = (struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames)
    return head + b"".join(records)
