"""The filter that runs in the kernel: what can't be a knock never wakes the daemon.

The admin's PCAP_FILTER says which traffic to look at. To it we add what every knock
has in common, so that short and binary junk costs the process nothing:

* an unfragmented packet with 140 to 1472 bytes of TCP, UDP or ICMP payload
  (protocol notes 11), counted from the IP length as the receiver does;
* only base64 characters at a few places of the payload. A word ``w`` of four bytes
  holds nothing but 0x2B ('+') to 0x7A ('z') exactly if no byte has its high bit set,
  ``w + 0x55555555`` sets all four high bits, and ``w + 0x05050505`` sets none.

In SPA over HTTP the payload begins with ``GET /``, then the same characters (with '-'
and '_') follow, so there the first word is left out.

libpcap reads offsets such as ``udp[8:4]`` for IPv4 only; IPv6 is counted from its own
header. Pure: this module builds text and imports no packet library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fwknopd.capture.link_layer import TCP, UDP

MIN_PAYLOAD = 140
MAX_PAYLOAD = 1472

# Inside the shortest payload, and far apart: junk with a text header fails further on.
_PROBES = (0, 44, 92, 136)
_PROBES_HTTP = (8, 44, 92, 136)

# These words of the filter language move the offsets of everything after them, on one
# branch of an "or" only; what we add would then be read at the wrong place.
_MOVES_OFFSETS = re.compile(r"\b(?:vlan|mpls|pppoed|pppoes|geneve|vxlan)\b")


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """What the settings ask for, and what the kernel is given if it takes it.

    Both are filter expressions; "" matches everything.
    """

    user: str
    kernel: str


def capture_filter(
    user: str, *, spa_over_http: bool = False, max_payload: int = MAX_PAYLOAD
) -> CaptureFilter:
    """Join PCAP_FILTER with the marks of a knock; ``max_payload`` in bytes.

    A filter that can't be joined safely is used as it is.
    """
    user = user.strip()
    if _MOVES_OFFSETS.search(user):
        return CaptureFilter(user, user)
    knock = knock_filter(spa_over_http=spa_over_http, max_payload=max_payload)
    return CaptureFilter(user, f"({user}) and ({knock})" if user else knock)


def knock_filter(*, spa_over_http: bool = False, max_payload: int = MAX_PAYLOAD) -> str:
    """The marks every knock has, whatever its port, as a filter expression."""
    probes = _PROBES_HTTP if spa_over_http else _PROBES
    sizes = (MIN_PAYLOAD, max_payload)
    return _any_of([_ipv4(probes, sizes), _ipv6(probes, sizes)])


def _ipv4(probes: Sequence[int], sizes: tuple[int, int]) -> str:
    segment = "ip[2:2] - ((ip[0] & 0xf) << 2)"
    tcp_header = "((tcp[12] & 0xf0) >> 2)"
    return _all_of(
        [
            "ip",
            "ip[6:2] & 0x3fff = 0",
            _any_of(
                [
                    _payload("udp", f"{segment} - 8", "udp[8 + {}:4]", probes, sizes),
                    _payload(
                        "tcp",
                        f"{segment} - {tcp_header}",
                        f"tcp[{tcp_header} + {{}}:4]",
                        probes,
                        sizes,
                    ),
                    _payload("icmp", f"{segment} - 8", "icmp[8 + {}:4]", probes, sizes),
                ]
            ),
        ]
    )


def _ipv6(probes: Sequence[int], sizes: tuple[int, int]) -> str:
    tcp_header = "((ip6[52] & 0xf0) >> 2)"
    return _all_of(
        [
            "ip6",
            _any_of(
                [
                    _payload(f"ip6[6] = {UDP}", "ip6[4:2] - 8", "ip6[48 + {}:4]", probes, sizes),
                    _payload(
                        f"ip6[6] = {TCP}",
                        f"ip6[4:2] - {tcp_header}",
                        f"ip6[40 + {tcp_header} + {{}}:4]",
                        probes,
                        sizes,
                    ),
                    # Behind option headers the payload's place isn't known here.
                    "ip6[6] = 0",
                    "ip6[6] = 60",
                ]
            ),
        ]
    )


def _payload(
    protocol: str, length: str, word: str, probes: Sequence[int], sizes: tuple[int, int]
) -> str:
    """``protocol``, with a payload of the right length and characters.

    ``word`` is the expression for the four payload bytes at a place to be filled in.
    """
    shortest, longest = sizes
    return _all_of(
        [
            protocol,
            f"{length} >= {shortest}",
            f"{length} <= {longest}",
            *(_base64_characters(word.format(probe)) for probe in probes),
        ]
    )


def _base64_characters(word: str) -> str:
    return _all_of(
        [
            f"{word} & 0x80808080 = 0",
            f"({word} + 0x55555555) & 0x80808080 = 0x80808080",
            f"({word} + 0x05050505) & 0x80808080 = 0",
        ]
    )


def _all_of(terms: Sequence[str]) -> str:
    return " and ".join(terms)


def _any_of(terms: Sequence[str]) -> str:
    return "(" + " or ".join(f"({term})" for term in terms) + ")"
