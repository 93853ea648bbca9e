"""Putting things on a terminal: tables, spans of time, and text that may be hostile.

Parts of what is shown came from packets. Nothing goes out before ``clean`` has seen it,
so that no escape sequence reaches the terminal and one row stays one line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from fwknopd.ctl.errors import CtlError

FEW = 5
"""Names that are told when many are meant."""

GREEN, RED, YELLOW = "32", "31", "33"
_GAP = "  "
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def clean(text: str) -> str:
    r"""``text`` with every character that isn't plainly visible as \xNN or \uNNNN."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def colour(text: str, code: str) -> str:
    """``text`` in a colour, where somebody looks at a terminal and has not forbidden it."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a heading, columns as wide as they must be. Cells are cleaned."""
    cells = [list(head), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(columns(row, widths) for row in cells)


def columns(row: Sequence[str], widths: Sequence[int]) -> str:
    """One line of a table."""
    padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return _GAP.join(padded).rstrip()


def duration(seconds: float) -> str:
    """A span in words, in the two largest units: "3 min 12 s"."""
    whole = max(0, round(seconds))
    units = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))
    for place, (size, name) in enumerate(units):
        if whole >= size or size == 1:
            rest = units[place + 1 : place + 2]
            smaller = [f"{part} {n}" for s, n in rest if (part := whole % size // s)]
            return " ".join([f"{whole // size} {name}", *smaller])
    raise AssertionError("every span has seconds")


def ago(seconds: float) -> str:
    """How long something is past."""
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def counted(number: int, noun: str) -> str:
    """A number of things: "1 door", "2 doors"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def moment(epoch: float, now: float) -> str:
    """Local time of day, with the date unless it is today's."""
    when, today = time.localtime(epoch), time.localtime(now)
    same_day = when[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", when)


def print_json(value: Mapping[str, object]) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2))


def print_json_line(value: Mapping[str, object]) -> None:
    """One line of a stream, out at once."""
    print(json.dumps(value), flush=True)


def print_error(error: CtlError, *, as_json: bool) -> None:
    """The error for people on stderr, or for programs on stdout."""
    if as_json:
        told = {"code": error.code, "message": error.message, "remedy": error.remedy}
        print_json({"ok": False, "error": {**told, "others": error.others}})
        return
    print(f"fwknopctl: {clean(error.message)}.", file=sys.stderr)
    if error.remedy:
        print(f"  {clean(error.remedy)}", file=sys.stderr)
    for other in error.others:
        print(f"fwknopctl: {clean(other)}", file=sys.stderr)


def print_note(text: str) -> None:
    """Something to know that is no error; on stderr, so that output stays usable."""
    print(f"fwknopctl: note: {clean(text)}", file=sys.stderr)


def listed(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


def no_more_output() -> None:
    """Standard output leads nowhere from now on, also when Python flushes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def unread_is_no_error(summary: str, written: bool) -> Iterator[None]:
    """Whoever read what is printed within may have enough, as `head` has, and go.

    What is ``written`` by then stays done, and that is told by its ``summary`` on stderr.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        no_more_output()
        if not written:
            raise
        print_note(summary)
