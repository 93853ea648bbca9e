"""Spans of time as people write them on a command line."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

_SPAN = re.compile(r"([0-9]{1,5})\s*([hdw]?)")
_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}


def span(text: str) -> int:
    """Seconds of ``30d``, ``12h`` or ``4w``; a bare number is days. Raises ArgumentTypeError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no span such as 30d, 12h or 4w")
    return int(found[1]) * _UNITS[found[2] or "d"]
