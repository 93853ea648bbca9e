"""The log as a file: CSV for spreadsheets, JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from fwknop_webui.displayable import one_line
from fwknop_webui.event_log import more_of
from fwknop_webui.untyped import Json, number, text
from fwknopd.control.client import ControlError

PIECE = 16 * 1024
COLUMNS = ("id", "time", "event", "source", "client", "verdict", "reason", "request", "detail")
INCOMPLETE = "incomplete"
MISSING = "older events are missing here"
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula, which could send others' cells away."""


def csv_of(events: Iterable[Json]) -> Iterator[str]:
    """One line for each event, in RFC 4180's form.

    When the daemon ends before all were told, the last line's event is INCOMPLETE.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow((*COLUMNS, "count", "more"))
    try:
        for event in events:
            yield _taken(file)
            writer.writerow(_cells(event))
    except ControlError as error:
        yield _taken(file)
        told = {"event": INCOMPLETE, "detail": one_line(f"{MISSING}: {error}")}
        writer.writerow((*(told.get(name, "") for name in COLUMNS), "", ""))
    yield _taken(file)


def _cells(event: Json) -> tuple[str, ...]:
    count = str(max(1, int(number(event, "count"))))
    return (*(_cell(event, name) for name in COLUMNS), count, _more(event))


def _taken(file: io.StringIO) -> str:
    found = file.getvalue()
    file.seek(0)
    file.truncate()
    return found


def json_of(events: Iterable[Json], now: float) -> Iterator[str]:
    """The events as the daemon tells them, newest first. ``now`` is epoch seconds.

    INCOMPLETE is true when the daemon ended before all were told.
    """
    yield f'{{"exported": {_json(now)}, "events": ['
    comma, broken = "", False
    try:
        for event in events:
            yield f"{comma}\n{_json({name: _plain(value) for name, value in event.items()})}"
            comma = ","
    except ControlError:
        broken = True
    yield f'\n], "{INCOMPLETE}": {_json(broken)}}}\n'


def _json(value: object) -> str:
    # ASCII: whoever reads it in a terminal sees every character for what it is.
    return json.dumps(value, allow_nan=False)


def in_pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """The text as it is sent. In one piece a long one would leave holes in memory for good."""
    piece = bytearray()
    for line in lines:
        piece += line.encode("utf-8", "replace")
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


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
