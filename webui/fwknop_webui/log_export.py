"""The log as a file: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from fwknop_webui.displayable import one_line
from fwknop_webui.event_log import more_of
from fwknop_webui.untyped import Json, number, text

COLUMNS = ("id", "time", "event", "source", "client", "verdict", "reason", "request", "detail")
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula, which could send others' cells away."""


def csv_of(events: Iterable[Json]) -> str:
    """One line for each event, in RFC 4180's form."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow((*COLUMNS, "count", "more"))
    for event in events:
        count = str(max(1, int(number(event, "count"))))
        writer.writerow((*(_cell(event, name) for name in COLUMNS), count, _more(event)))
    return file.getvalue()


def json_of(events: Iterable[Json], now: float) -> str:
    """The events as the daemon tells them, newest first. ``now`` is epoch seconds."""
    told = [{name: _plain(value) for name, value in event.items()} for event in events]
    # ASCII: whoever reads it in a terminal sees every character for what it is.
    return json.dumps({"exported": now, "events": told}, indent=1, allow_nan=False) + "\n"


def _cell(event: Json, name: str) -> str:
    if name == "time":
        return _time(number(event, name))
    return defused(one_line(text(event, name)))


def defused(cell: str) -> str:
    """``cell`` so that no spreadsheet calculates anything from it."""
    return f"'{cell}" if cell.lstrip().startswith(FORMULA) else cell


def _more(event: Json) -> str:
    return defused("; ".join(f"{name}={value}" for name, value in more_of(event)))


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else None
