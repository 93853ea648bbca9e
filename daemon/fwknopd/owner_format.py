"""Who opened which door, as lines of text, so that a crash does not make it nobody's.

The first line names the boot, for times are of its monotonic clock. Then come grants, and
grants that ended before their time; each line is a JSON array and the checksum of its text:

    ["boot", "1f0c..."] 1a2b3c4d
    ["+", door, client, check, opened, expires, cut] 1a2b3c4d
    ["-", door, client, check] 1a2b3c4d

A door is only a digest here: whoever could write the file could give a door that is open
another owner, and open none. And of a client's keys there are 16 bits of a digest: enough to
notice other keys under the same name, and not enough to try passwords with.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from fwknopd.checked_lines import checked, text_of
from fwknopd.grants import UNKNOWN_CLIENT, Door, Grant

MAX_BYTES = 16 << 20
"""Bytes read at most: some ten times what 10,000 doors take."""

_MAX_NAME = 300


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a grant. ``door`` and ``check`` are `key_of` and `check_of`."""

    door: str
    client: str
    check: str
    opened: float
    expires: float
    cut_at_expiry: bool = False


def key_of(door: Door) -> str:
    """Names a door: the same for the same door, in another process too."""
    who = f"{door.address.packed.hex()}/{door.prefix}"
    where = f"{door.nat}|{door.local}|{door.translate}|{door.source_nat}|{door.destination}"
    return sha256(f"{who}|{door.what}|{where}".encode()).hexdigest()[:24]


@lru_cache
def check_of(owner: str) -> str:
    """What is written of a client's identity."""
    return sha256(owner.encode()).hexdigest()[:4]


def format_boot(boot: str) -> bytes:
    """The first line."""
    return _line("boot", boot)


def format_opened(grants: Iterable[Grant]) -> bytes:
    """Lines for grants; those of nobody known have none."""
    return b"".join([_opened(grant) for grant in grants if grant.client != UNKNOWN_CLIENT])


def _opened(grant: Grant) -> bytes:
    # As json makes it, written out: every knock has one, and json takes three times as long.
    door, client, check = _whose(grant)
    cut = "true" if grant.cut_at_expiry else "false"
    text = f'["+", "{door}", {_quoted(client)}, "{check}", {grant.opened}, {grant.expires}, {cut}]'
    return checked(text.encode("ascii"))


def format_ended(grants: Iterable[Grant]) -> bytes:
    """Lines that take back what `format_opened` said."""
    return b"".join(_line("-", *_whose(g)) for g in grants if g.client != UNKNOWN_CLIENT)


def parse_owners(data: bytes, boot: str, now: float) -> tuple[list[Kept], int]:
    """The grants of this boot that are not over, and how many lines made no sense.

    ``now`` is the monotonic clock's time.
    """
    first, *lines = [line for line in data.split(b"\n") if line] or [b""]
    if _values(first) != ["boot", boot]:
        return [], 0
    found: dict[tuple[str, str, str], Kept] = {}
    damaged = 0
    for line in lines:
        try:
            _take(_values(line), found)
        except (ValueError, TypeError, OverflowError):
            damaged += 1
    return [kept for kept in found.values() if kept.expires > now >= kept.opened], damaged


def _take(values: list[Any], found: dict[tuple[str, str, str], Kept]) -> None:
    """Take a line in. Raises ValueError, TypeError or OverflowError for one without sense."""
    sign, *rest = values
    door, client, check = map(_name, rest[:3])
    if sign == "-" and not rest[3:]:
        found.pop((door, client, check), None)
        return
    opened, expires, cut = rest[3:]
    if sign != "+" or type(cut) is not bool:
        raise ValueError("no line of a grant")
    kept = Kept(door, client, check, _seconds(opened), _seconds(expires), cut)
    found[door, client, check] = kept


def _whose(grant: Grant) -> tuple[str, str, str]:
    return key_of(grant.door), grant.client, check_of(grant.owner)


@lru_cache
def _quoted(text: str) -> str:
    """The text as JSON has it. Most daemons load json for nothing else, a tenth of a MiB."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    units = struct.iter_unpack("<H", text.encode("utf-16-le", "surrogatepass"))
    escaped = [f"\\u{unit:04x}" for (unit,) in units]
    return f'"{"".join(escaped)}"'


def _line(*texts: str) -> bytes:
    return checked(f"[{', '.join([_quoted(text) for text in texts])}]".encode("ascii"))


def _values(line: bytes) -> list[Any]:
    """What a line holds, nothing when it is damaged."""
    import json

    text = text_of(line)
    try:
        values = json.loads(text or b"[]")
    except (ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else []


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME:
        raise ValueError("not a name")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError("not a time")
    return float(value)
