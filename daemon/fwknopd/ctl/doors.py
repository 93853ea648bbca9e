"""``fwknopctl grants``, ``revoke`` and ``reload``: who is let in, and what to do about it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from fwknopd.ctl.answers import Json, children, flag, number, text
from fwknopd.ctl.daemon import ask
from fwknopd.ctl.errors import CtlError
from fwknopd.ctl.output import ago, counted, duration, print_json, print_note, table
from fwknopd.ctl.status import problem_line
from fwknopd.events import printable_name
from fwknopd.grants import UNKNOWN_CLIENT

_HEAD = ("CLIENT", "ADDRESS", "OPENS", "LEFT", "OPENED", "CONNECTIONS", "ID")
_PAST_HEAD = ("CLIENT", "ADDRESS", "OPENED", "CLOSED", "CONNECTIONS", "ID")


def show_grants(options: Namespace) -> int:
    """The verb ``grants``, those that close first on top."""
    answer = ask(options, "grants")
    if options.json:
        print_json(answer)
        return 0
    now = number(answer, "now")
    grants, past = (
        sorted(children(answer, name), key=lambda grant: number(grant, "expires"))
        for name in ("grants", "past")
    )
    print(table(_HEAD, [_row(grant, now) for grant in grants]) if grants else "No door is open.")
    if (more := int(number(answer, "open")) - len(grants)) > 0:
        print(f"And {counted(more, 'door')} more, which close before these.")
    if past:
        print("\nClosed, but with connections that live on (fwknopctl revoke --cut ends them):")
        print(table(_PAST_HEAD, [_past_row(grant, now) for grant in past]))
    for told, note in _NOTES.items():
        if why := text(answer, told):
            print_note(f"{note}: {why}")
    return 0


_NOTES = {
    "unread": "this is what the firewall was told to open, for it can't be read",
    "uncounted": "connections can't be told",
}


def revoke(options: Namespace) -> int:
    """The verb ``revoke``; closing nothing is no error, because the door is closed.

    1 when connections that were to be cut live on. Raises CtlError for a client there isn't:
    a mistyped name must not pass for a closed door.
    """
    name, value = _selection(options)
    answer = ask(options, "revoke", **{name: value}, **({"cut": True} if options.cut else {}))
    did_nothing = not any(number(answer, what) for what in ("revoked", "cut", "spared"))
    if name == "client" and did_nothing:
        _check_client(options, str(value))
    uncut = text(answer, "uncut")
    if options.json:
        print_json(answer)
    else:
        print(" ".join(_revoked(answer, "" if name == "all" else f" of {name} {value}")))
        if uncut:
            print_note(f"connections live on: {uncut}")
    return 1 if uncut else 0


def _check_client(options: Namespace, name: str) -> None:
    try:
        clients = children(ask(options, "clients"), "clients")
    except CtlError:
        return  # A daemon of another version may not tell its clients.
    labels = [text(client, "label") for client in clients]
    if not {printable_name(name), f"#{name}"} & {*labels, UNKNOWN_CLIENT}:
        raise CtlError(
            f"no door was closed: the daemon has no client {name!r}",
            f"It has: {', '.join(labels) or 'none'}. fwknopctl grants shows what is open",
            "unknown-client",
        )


def _revoked(answer: Json, which: str) -> Iterator[str]:
    closed, cut, spared = (int(number(answer, name)) for name in ("revoked", "cut", "spared"))
    if closed:
        yield f"Closed {counted(closed, 'door')}{which}."
    else:
        yield f"No door{which} was open; see fwknopctl grants."
    if answer.get("cut") is not None:
        yield f"Cut {counted(cut, 'connection')}."
    if spared:
        yield (
            f"Left {counted(spared, 'connection')} alone that may have come in by a door "
            "that is open."
        )


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
    return (
        *_door(grant),
        duration(left) if left > 0 else "closing",
        ago(now - number(grant, "opened")),
        text(grant, "connections") or "?",
        text(grant, "id"),
    )


def _past_row(grant: Json, now: float) -> tuple[str, ...]:
    closed = ago(now - number(grant, "expires"))
    return (*_door(grant), closed, text(grant, "connections"), text(grant, "id"))


def _door(grant: Json) -> tuple[str, str, str]:
    nat = text(grant, "nat")
    how = f" -> {nat}" if nat else " (by command)" if text(grant, "command") else ""
    what = text(grant, "port") + how
    return text(grant, "client"), text(grant, "address"), what


def _selection(options: Namespace) -> tuple[str, str | bool]:
    if options.all:
        return "all", True
    for name in ("client", "address"):
        if (value := getattr(options, name)) is not None:
            return name, str(value)
    return "id", str(options.id)
