"""Dates as browsers write them (2030-12-31) and as fwknop does (12/31/2030)."""

from __future__ import annotations

import re
from datetime import date


def is_iso_date(text: str) -> bool:
    """Whether ``text`` is a date the browser's picker can show."""
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and _parse_iso(text) is not None


def iso_date(text: str) -> str:
    """fwknop's form as the browser's; anything unusual stays as it is."""
    match = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text)
    if not match:
        return text
    turned = f"{match[3]}-{int(match[1]):02d}-{int(match[2]):02d}"
    return turned if _parse_iso(turned) else text


def fwknop_date(text: str) -> str:
    """The browser's form as fwknop's; anything else stays as it was typed."""
    parsed = _parse_iso(text)
    return parsed.strftime("%m/%d/%Y") if parsed else text


def _parse_iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
