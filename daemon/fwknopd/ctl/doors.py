"""``fwknopctl grants``, ``revoke`` and ``reload``: who is let in, and what to do about it."""

from __future__ import annotations

from argparse import Namespace

from fwknopd.ctl.answers import Json, children, flag, number, text
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.output import ago, duration, print_json, table
from fwknopd.ctl.status import problem_line

_HEAD = ("CLIENT", "ADDRESS", "OPENS", "LEFT", "OPENED", "ID")


def show_grants(options: Namespace) -> int:
    """The verb ``grants``, those that close first on top."""
    answer = ask(options, "grants")
    if options.json:
        print_json(answer)
        return 0
    grants = sorted(children(answer, "grants"), key=lambda grant: number(grant, "expires"))
    now = number(answer, "now")
    print(table(_HEAD, [_row(grant, now) for grant in grants]) if grants else "No door is open.")
    return 0


def revoke(options: Namespace) -> int:
    """The verb ``revoke``; closing nothing is no error, because the door is closed."""
    name, value = _selection(options)
    answer = ask(options, "revoke", **{name: value})
    if options.json:
        print_json(answer)
        return 0
    closed = int(number(answer, "revoked"))
    which = "" if name == "all" else f" of {name} {value}"
    if closed:
        print(f"Closed {closed} door{'' if closed == 1 else 's'}{which}.")
    else:
        print(f"No door{which} was open; see fwknopctl grants.")
    return 0


def reload(options: Namespace) -> int:
    """The verb ``reload``; 1 when the daemon keeps the old configuration."""
    answer = ask(options, "reload")
    taken = flag(answer, "reloaded")
    if options.json:
        print_json(answer)
        return 0 if taken else 1
    for problem in children(answer, "problems"):
        print(problem_line(problem))
    print(
        "The configuration is in use."
        if taken
        else "The configuration is faulty; the daemon goes on with the old one."
    )
    return 0 if taken else 1


def _row(grant: Json, now: float) -> tuple[str, ...]:
    left = number(grant, "expires") - now
    nat = text(grant, "nat")
    return (
        text(grant, "client"),
        text(grant, "address"),
        text(grant, "port") + (f" -> {nat}" if nat else ""),
        duration(left) if left > 0 else "closing",
        ago(now - number(grant, "opened")),
        text(grant, "id"),
    )


def _selection(options: Namespace) -> tuple[str, str | bool]:
    if options.all:
        return "all", True
    for name in ("client", "address"):
        if (value := getattr(options, name)) is not None:
            return name, str(value)
    return "id", str(options.id)
