"""What rules ask for of TCP and UDP: protocol, port, flags. Pure."""

from __future__ import annotations

import re
from operator import ge, gt, le, lt

from fwknopd.firewall.nft_first_packet import (
    EXACT,
    VERSIONS,
    Met,
    Seen,
    compared,
    values_of,
)

_NUMBERS = {"tcp": "6", "udp": "17"}
# A set, a number as nft seldom writes it, or a range of them.
_NO_NAME = re.compile(r"@|0x|\d+-")
_ORDERS = {"<": lt, "<=": le, ">": gt, ">=": ge}


def protocol(match: re.Match[str], seen: Seen) -> Met:
    """``family`` is that whose header is asked."""
    packet, values = seen.packet, values_of(match["value"])
    if match["family"] and VERSIONS[match["family"]] != packet.version:
        return Met.NO
    if any(_NO_NAME.match(value) for value in values):
        return Met.MAYBE
    names = (packet.protocol, _NUMBERS.get(packet.protocol, ""))
    return compared(any(value in names for value in values), match["op"])


def port(match: re.Match[str], seen: Seen) -> Met:
    """Strangers connect from any port."""
    if match["protocol"] not in ("th", seen.packet.protocol):
        return Met.NO
    if match["end"] == "sport" or seen.packet.port is None:
        return Met.MAYBE
    return _number(match, seen.packet.port)


def _number(match: re.Match[str], number: int) -> Met:
    values, op = values_of(match["value"]), match["op"]
    ranges = [_range(value) for value in values]
    if any(found is None for found in ranges):
        return Met.MAYBE
    if op in EXACT:
        return compared(any(r[0] <= number <= r[1] for r in ranges if r), op)
    if len(values) > 1:
        return Met.MAYBE
    return Met.of(_ORDERS[op](number, (ranges[0] or (0, 0))[0]))


def _range(text: str) -> tuple[int, int] | None:
    first, _, last = text.partition("-")
    if not (_is_port(first) and (not last or _is_port(last))):
        return None
    return int(first), int(last or first)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5


def flags(match: re.Match[str], seen: Seen) -> Met:
    """A packet that opens a connection has the flag syn alone."""
    if seen.packet.protocol != "tcp":
        return Met.NO
    mask, value = _flag_names(match["mask"]), _flag_names(match["value"])
    return compared(mask & {"syn"} == value - {"0x0", "0"}, match["op"])


def plain_flags(match: re.Match[str], seen: Seen) -> Met:
    """Without a mask, one of those named will do."""
    if seen.packet.protocol != "tcp":
        return Met.NO
    names = _flag_names(match["value"])
    return Met.MAYBE if match["op"] else Met.of("syn" in names)


def _flag_names(text: str) -> set[str]:
    return set(re.split(r" \| |,", text.strip("()")))
