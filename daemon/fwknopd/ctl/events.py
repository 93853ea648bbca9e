"""``fwknopctl events``: what happened, and with ``--follow`` what happens."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterable

from fwknopd.ctl.answers import Json, children, number, text
from fwknopd.ctl.daemon import ask, follow
from fwknopd.ctl.output import (
    GREEN,
    RED,
    YELLOW,
    clean,
    colour,
    columns,
    moment,
    print_json,
    print_json_line,
)
from fwknopd.policy.verdict import Reason

_VERDICTS = {"accept": ("ACCEPTED", GREEN), "refuse": ("refused", RED)}
_COLOURS = {"error": RED, "capture": YELLOW, "firewall": YELLOW}
# Wide enough for what is usual; a longer cell shifts only its own line, which is what
# a stream needs: the next line isn't known yet.
_WIDTHS = (8, 9, 15, 12)


def show_events(options: Namespace) -> int:
    """The verb ``events``."""
    if options.follow:
        return _stream(options)
    answer = ask(options, "events", limit=options.limit, after=options.after)
    if options.json:
        print_json(answer)
        return 0
    events = children(answer, "events")
    _print_all(events)
    if not events:
        print("Nothing has happened yet.")
    return 0


def _stream(options: Namespace) -> int:
    for event in follow(options, after=options.after, limit=options.limit):
        if options.json:
            print_json_line(event)
        else:
            print(event_line(event, time.time()), flush=True)
    return 0


def _print_all(events: Iterable[Json]) -> None:
    now = time.time()
    for event in events:
        print(event_line(event, now))


def event_line(event: Json, now: float) -> str:
    """One event in one line: when, what, from where, who, and why."""
    kind = text(event, "event")
    word, paint = _VERDICTS.get(text(event, "verdict"), (kind, _COLOURS.get(kind, "")))
    if text(event, "reason") == Reason.LOG_ONLY:
        word = "log only"
    cells = [
        moment(number(event, "time"), now),
        clean(word),
        clean(text(event, "source")) or "-",
        clean(text(event, "client")) or "-",
    ]
    line = columns([*cells, clean(_what(event))], [*_WIDTHS, 0])
    return line.replace(cells[1], colour(cells[1], paint), 1) if paint else line


def _what(event: Json) -> str:
    reason, request, detail = (text(event, name) for name in ("reason", "request", "detail"))
    told = (Reason.ACCEPTED, Reason.LOG_ONLY)
    parts = ("" if reason in told else reason, request, detail)
    return "  ".join(part for part in parts if part)
