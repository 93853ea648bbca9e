"""Doors as the daemon tells of them: who is in, by which, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fwknop_webui.untyped import Json, children, flag, number, text

SHOWN = 200
"""Open doors on a page. It is asked for every few seconds."""


@dataclass(frozen=True, slots=True)
class Door:
    """One door. Times are epoch seconds of the router; ``expires`` is past when it is closed.

    ``connections`` is None when they can't be told. ``command`` is what will be run to close
    it; "" for a door of the firewall's.
    """

    id: str
    client: str
    address: str
    port: str
    target: str
    opened: float
    expires: float
    connections: int | None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Doors:
    """The open doors, those that closed with somebody still connected, and the router's time.

    ``more`` are open beside those listed. ``unread`` says why the firewall can't be read,
    ``uncounted`` why connections can't be told; "" when all is well.
    """

    now: float
    doors: tuple[Door, ...] = ()
    more: int = 0
    past: tuple[Door, ...] = ()
    unread: str = ""
    uncounted: str = ""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Doors closed, connections cut, and what of them lives on. ``cut`` None: not asked for."""

    closed: int
    cut: int | None
    spared: int
    uncut: str


def doors_of(answer: Json) -> Doors:
    """The daemon's answer to ``grants``, the doors that close last on top."""
    open_doors, past = (
        sorted(map(_door, children(answer, name)), key=lambda door: -door.expires)
        for name in ("grants", "past")
    )
    return Doors(
        number(answer, "now"),
        tuple(open_doors[:SHOWN]),
        max(int(number(answer, "open")), len(open_doors)) - len(open_doors[:SHOWN]),
        tuple(past),
        text(answer, "unread"),
        text(answer, "uncounted"),
    )


def revoked_of(answer: Json) -> Revoked:
    """The daemon's answer to ``revoke``."""
    return Revoked(
        closed=int(number(answer, "revoked")),
        cut=_count(answer, "cut"),
        spared=int(number(answer, "spared")),
        uncut=text(answer, "uncut"),
    )


def connections_of(doors: Iterable[Door]) -> int | None:
    """Connections of all these doors; None when they can't be told."""
    counts = [door.connections for door in doors]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _door(data: Json) -> Door:
    target = text(data, "nat")
    if flag(data, "local"):
        target = f"{target} (this router)" if target else "this router"
    return Door(
        id=text(data, "id"),
        client=text(data, "client"),
        address=text(data, "address"),
        port=text(data, "port"),
        target=target,
        opened=number(data, "opened"),
        expires=number(data, "expires"),
        connections=_count(data, "connections"),
        command=text(data, "command"),
    )


def _count(data: Json, key: str) -> int | None:
    return int(number(data, key)) if text(data, key) else None
