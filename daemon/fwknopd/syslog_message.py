"""Events as messages of RFC 5424: one line for people, and every fact by its name.

The facts stand in an element of structured data. Its number is the one for examples (RFC 5612):
this project has none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fwknopd.events import Event
from fwknopd.log_lines import INFO, log_lines

ELEMENT = "fwknop@32473"

LARGEST = 2048
"""Bytes of a message; every receiver should take so many (RFC 5424, section 6.1)."""

MAX_FACTS = 1400
"""Bytes of the facts together; the rest is for the line."""

MAX_VALUE = 256
"""Bytes of a fact, before it is escaped."""

BOM = "\ufeff"
"""Before a line that is more than ASCII, as section 6.4 asks."""

NOTHING = "-"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_SPECIAL = re.compile(r'(["\\\]])')
_INVISIBLE = re.compile(r"[^!-~]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: ``facility`` is the number of syslog's facility, times 8."""

    facility: int
    host: str
    program: str
    process: int


def message(event: Event, sender: Sender) -> bytes:
    """One datagram, no longer than LARGEST."""
    lines = log_lines(event)
    severity = min((severity for severity, _ in lines), default=INFO)
    head = " ".join(
        (
            f"<{sender.facility + severity}>1",
            _timestamp(event.time),
            _word(sender.host, 255),
            _word(sender.program, 48),
            str(sender.process),
            _word(event.event, 32),
            _element(event),
        )
    ).encode()
    text = _CONTROL.sub(" ", " | ".join(line for _, line in lines))
    body = (text if text.isascii() else BOM + text).encode("utf-8", "replace")
    return head + b" " + _cut(body, LARGEST - len(head) - 1)


def _timestamp(epoch: float) -> str:
    """Section 6.2.3; a clock that is beyond all years has none."""
    try:
        moment = datetime.fromtimestamp(epoch, UTC)
    except (ValueError, OverflowError, OSError):
        return NOTHING
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment.year >= 1970 else NOTHING


def _word(text: str, longest: int) -> str:
    return _INVISIBLE.sub("_", text)[:longest] or NOTHING


def _element(event: Event) -> str:
    """Every fact there is room for; those that come first are most wanted."""
    params, size = [], 0
    for name, value in _facts(event):
        param = f'{name}="{escaped(value)}"'
        size += len(param.encode()) + 1
        if size <= MAX_FACTS:
            params.append(param)
    return f"[{' '.join((ELEMENT, *params))}]"


def _facts(event: Event) -> Iterator[tuple[str, str]]:
    for name, value in event.as_json().items():
        if name in ("time", "event") or value is None or value == "":
            continue
        if _NAME.fullmatch(name):
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


def escaped(value: str) -> str:
    """A value as section 6.3.3 wants it, cut to MAX_VALUE, without control characters."""
    known = _cut(value.encode("utf-8", "replace"), MAX_VALUE).decode()
    return _SPECIAL.sub(r"\\\1", _CONTROL.sub(" ", known))


def _cut(text: bytes, longest: int) -> bytes:
    """``text``, cut between two characters."""
    return text[:longest].decode("utf-8", "ignore").encode()
