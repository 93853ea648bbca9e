"""Open command cycles as lines of text, so that they are closed even after a crash.

A header, then for each cycle one JSON object and the checksum of its text:

    # fwknopd: commands to be run later
    {"client": "phone", ...} 1a2b3c4d

Times are of the monotonic clock of one boot, whose id is in each line. What was opened under
another boot counts as over: nobody knows how long ago that was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from fwknopd.checked_lines import checked, text_of
from fwknopd.cycle_table import LIMIT, OpenCycle
from fwknopd.policy.command import Command

HEADER = b"# fwknopd: commands to be run later\n"
MAX_LINES = 4 * LIMIT
"""Lines read at most: some twice as many as there can be cycles, open and closing."""

_MAX_WORDS = 1000
_MAX_BYTES = 4000
_MAX_NAME = 128
_MAX_SECONDS = 86400
_LONGEST = 8388608.0
"""Seconds a cycle can be open: the upper end of CMD_CYCLE_TIMER."""


def format_cycles(cycles: Iterable[OpenCycle], boot: str) -> bytes:
    """A whole file."""
    return HEADER + b"".join(_line(cycle, boot) for cycle in cycles)


def parse_cycles(data: bytes, boot: str, now: float) -> tuple[list[OpenCycle], int]:
    """The cycles of a file, and how many lines made no sense and were skipped.

    ``now`` is the monotonic clock's time. The end of a cycle lies between now and the
    longest time there is, whatever its line says.
    """
    found, damaged = [], 0
    for line in data.split(b"\n")[:MAX_LINES]:
        if line and not line.startswith(b"#"):
            cycle = _cycle(line, boot, now)
            damaged += cycle is None
            found += [] if cycle is None else [cycle]
    return found, damaged


def _line(cycle: OpenCycle, boot: str) -> bytes:
    command = cycle.closing
    text = json.dumps(
        {
            "boot": boot,
            "client": cycle.client,
            "address": str(cycle.address),
            "port": cycle.port,
            "opened": round(cycle.opened, 3),
            "expires": round(cycle.expires, 3),
            "words": _texts(command.words),
            "undoes": _texts(cycle.undoes),
            "user": command.user,
            "group": command.group,
            "seconds": command.seconds,
        }
    ).encode("ascii")
    return checked(text)


def _cycle(line: bytes, boot: str, now: float) -> OpenCycle | None:
    text = text_of(line)
    if text is None:
        return None
    try:
        return _from_json(json.loads(text), boot, now)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _from_json(values: Any, boot: str, now: float) -> OpenCycle:
    opened, expires = _seconds(values["opened"]), _seconds(values["expires"])
    if values["boot"] != boot:
        opened = expires = now
    words = _words(values["words"])
    if not words:
        raise ValueError("a command of no words")
    limit = values["seconds"]
    if type(limit) is not int or not 1 <= limit <= _MAX_SECONDS:
        raise ValueError(f"not a time limit: {limit!r}")
    closing = Command(words, _name(values["user"]), _name(values["group"]), limit)
    return OpenCycle(
        client=_name(values["client"]),
        address=ip_address(_name(values["address"])),
        port=_name(values["port"]),
        closing=closing,
        undoes=_words(values["undoes"]),
        opened=min(opened, now),
        expires=min(max(expires, now), now + _LONGEST),
    )


def _texts(words: Iterable[bytes]) -> list[str]:
    return [word.decode("latin-1") for word in words]


def _words(texts: Any) -> tuple[bytes, ...]:
    if not isinstance(texts, list) or len(texts) > _MAX_WORDS:
        raise ValueError("not a list of words")
    words = tuple(_text(text).encode("latin-1") for text in texts)
    if sum(map(len, words)) > _MAX_BYTES or any(not word or b"\0" in word for word in words):
        raise ValueError("not the words of a command")
    return words


def _name(value: Any) -> str:
    text = _text(value)
    if len(text) > _MAX_NAME or "\0" in text:
        raise ValueError("not a name")
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"not a time: {value!r}")
    return float(value)
