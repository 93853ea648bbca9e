"""The filter in the kernel: it may let junk through, but must never keep a knock out.

The first byte chooses what the rest is: a payload to be sent in one of several ways, or a whole
frame.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from fwknopd.capture.bpf import MAX_PAYLOAD, knock_filter
from fwknopd.capture.link_layer import DLT_EN10MB, parse_frame
from fwknopd.spa.errors import SpaError
from fwknopd.spa.packet import classify
from tests.fuzz.mutators import behind_first_byte, blind, one_of, parts
from tests.fuzz.target import Target
from tests.fuzz.targets.wire import HTTP_WORDS, frame_seeds
from tests.interop.spa_vectors import load_vectors
from tests.unit.capture.frames import ethernet, icmp, ipv4, ipv6, tcp, udp

PLAIN = (b"\x08\x00", b"\x86\xdd")
"""Ethertypes of frames without tags: with tags, the admin's own filter has to say so."""


@cache
def program(*, http: bool) -> Any:
    """The filter, as libpcap compiles it for Ethernet."""
    import pcap

    return pcap.bpf(knock_filter(spa_over_http=http).encode(), DLT_EN10MB)


def framed(choice: int, data: bytes) -> bytes:
    """A frame of an input."""
    ways = (
        lambda: data,
        lambda: ethernet(ipv4(udp(data))),
        lambda: ethernet(ipv4(tcp(data), protocol=6)),
        lambda: ethernet(ipv4(tcp(data, options=b"\1" * 12), protocol=6, options=b"\1" * 8)),
        lambda: ethernet(ipv4(icmp(data), protocol=1, options=b"\1" * 4)),
        lambda: ethernet(ipv6(udp(data)), 0x86DD),
        lambda: ethernet(ipv6(tcp(data, options=b"\1" * 4), 6), 0x86DD),
        lambda: ethernet(ipv6(b"\x11\0" + b"\0" * 6 + udp(data), 60), 0x86DD),
    )
    return ways[choice % len(ways)]()


def check_filter(data: bytes) -> None:
    """What can be a knock passes the filter, with web knocks and without."""
    frame = framed(data[0] if data else 0, data[1:])
    packet = parse_frame(DLT_EN10MB, frame, "eth1")
    if packet is None or frame[12:14] not in PLAIN or len(packet.payload) > MAX_PAYLOAD:
        return
    for http in (False, True):
        try:
            classify(packet.payload, http=http, allow_any_user_agent=True)
        except SpaError:
            continue
        assert program(http=http).filter(frame), "the kernel would keep a knock from us"


def seeds() -> list[bytes]:
    packets = {(v.transport, len(v.packet) // 90): v.packet for v in load_vectors()}.values()
    sent = [bytes([place % 8 or 1]) + packet for place, packet in enumerate(packets)]
    return [*sent, *(b"\0" + seed[1:] for seed in frame_seeds()[:5])]


def stretched(data: bytes, random: Random) -> bytes:
    """The alphabet alone, of any length."""
    letters = b"ABYZabyz0189+/-_="
    return bytes(random.choices(letters, k=random.choice((139, 140, 141, 400, 1472, 1473))))


TARGETS = (
    Target(
        "kernel_filter",
        "The filter in the kernel lets through whatever the daemon would take for a knock.",
        check_filter,
        seeds,
        behind_first_byte(one_of(blind, stretched, parts((b" ", b"/", b"\r\n"), HTTP_WORDS))),
        HTTP_WORDS,
        longest=1516,
    ),
)
