"""The used packets as lines of text, one each, and the mark of a list that was lost.

A file of them begins like the C daemon's digest.cache, and its lines are that format
with four more columns, which the C daemon ignores. So either program can take over the
other's file:

    digest proto src_ip src_port dst_ip dst_port time [key timestamp client checksum]

A line that begins with `#` is a remark to the C daemon. One of them says that a list was
lost, and which packets count as used since; 0 when the clock was not set at that time:

    # blind-before epoch checksum
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from fwknopd.replay import ReplayEntry

LONGEST_LINE = 400
"""Bytes of the longest line `format_line` makes, and some."""

TORN = b" # torn\n"
"""Ends a line that a power cut tore. One cut after its seventh column would otherwise
pass for a line of the C daemon's, which has no checksum, with part of a time in it."""

_HEADER = b"# <digest> <proto> <src_ip> <src_port> <dst_ip> <dst_port> <time>\n"
_BLIND = b"# blind-before "
_DIGEST = re.compile(r"[A-Za-z0-9+/]{22,86}")
_NUMBER = re.compile(r"[0-9]{1,12}")
_C_COLUMNS = 7
_OUR_COLUMNS = 11
_NONE = "-"
_LONGEST_CLIENT = 128
"""Bytes kept of a client's name: it is for people, and a list must stay bounded."""


def format_file(entries: Iterable[ReplayEntry], blind_before: int | None) -> bytes:
    """A whole file. ``blind_before`` is None when no list was lost."""
    mark = b"" if blind_before is None else format_blind(blind_before)
    return _HEADER + mark + b"".join(map(format_line, entries))


def format_blind(before: int) -> bytes:
    """The mark of a lost list, newline included. ``before`` is epoch seconds, 0 if unknown."""
    text = _BLIND + b"%d" % max(0, before)
    return text + b" " + _checksum(text) + b"\n"


def is_blind(line: bytes) -> bool:
    """Is this line meant to be the mark of a lost list?"""
    return line.startswith(_BLIND)


def parse_blind(line: bytes) -> int | None:
    """The epoch second of a mark; None when it makes no sense."""
    text, _, checksum = line.rpartition(b" ")
    number = text.removeprefix(_BLIND).decode("ascii", "replace")
    sound = is_blind(line) and checksum == _checksum(text) and _NUMBER.fullmatch(number)
    return int(number) if sound else None


def is_remark(line: bytes) -> bool:
    """Does this line say nothing about packets?"""
    return not line or line.startswith((b"#", b";"))


def format_line(entry: ReplayEntry) -> bytes:
    """The line of one packet, newline included."""
    key = _base64(entry.key) if entry.key is not None else _NONE
    client = entry.client.encode("utf-8", "surrogateescape")[:_LONGEST_CLIENT]
    columns = (
        entry.digest,
        entry.protocol,
        entry.source,
        entry.source_port or 0,
        entry.destination,
        entry.destination_port or 0,
        entry.seen,
        key,
        _NONE if entry.timestamp is None else entry.timestamp,
        _base64(client) or _NONE,
    )
    text = " ".join(map(str, columns)).encode("ascii")
    return text + b" " + _checksum(text) + b"\n"


def parse_line(line: bytes) -> ReplayEntry | None:
    """The packet of a line of ours or of the C daemon's; None when it makes no sense."""
    try:
        columns = line.decode("ascii").split(" ")
        if len(columns) == _C_COLUMNS:
            return _entry(columns, None, None, "")
        text, _, checksum = line.rpartition(b" ")
        if len(columns) != _OUR_COLUMNS or checksum != _checksum(text):
            return None
        key, timestamp, client = columns[7:10]
        return _entry(
            columns,
            None if key == _NONE else _unbase64(key),
            None if timestamp == _NONE else _number(timestamp),
            "" if client == _NONE else _unbase64(client).decode("utf-8", "surrogateescape"),
        )
    except ValueError:
        return None


def _entry(
    columns: Sequence[str], key: bytes | None, timestamp: int | None, client: str
) -> ReplayEntry:
    digest, protocol, source, source_port, destination, destination_port, seen = columns[:7]
    if not _DIGEST.fullmatch(digest):
        raise ValueError(digest)
    return ReplayEntry(
        digest=digest,
        key=key,
        seen=_number(seen),
        timestamp=timestamp,
        protocol=_number(protocol),
        source=ip_address(source),
        source_port=_number(source_port) or None,
        destination=ip_address(destination),
        destination_port=_number(destination_port) or None,
        client=client,
    )


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii").rstrip("=")


def _unbase64(text: str) -> bytes:
    return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)


def _checksum(text: bytes) -> bytes:
    return b"%08x" % binascii.crc32(text)
