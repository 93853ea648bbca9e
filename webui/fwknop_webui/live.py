"""The running daemon as the pages see it: its answers as typed values.

Whatever a knock carried is text here, shown only through escaping templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import g, has_app_context

from fwknop_webui.doors import Doors, Revoked, doors_of, revoked_of
from fwknop_webui.reasons import Explanation, command_explanation, explain
from fwknop_webui.untyped import Json, child, children, flag, number, text, texts
from fwknopd.config.problems import Problem, Severity
from fwknopd.control.client import ControlClient, ControlError
from fwknopd.policy.verdict import Reason

COMMAND = "command"
KNOCK_EVENTS = frozenset({"verdict", "rejected"})
EVENTS_ASKED = 200
KNOCKS_SHOWN = 20
EVENTS_AT_ONCE = 100
"""So few that the longest texts there can be fit an answer of the daemon."""

MOST_EVENTS = 20_000
TIMEOUT = 5.0
"""Seconds a person waits for a page while the daemon hangs."""

WRONG_TOKEN, NO_METRICS = "wrong-token", "no-metrics"

GLANCE_TIMEOUT = 0.5
"""Seconds for pages that only want to know whether it runs."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One place knocks are listened for."""

    name: str
    kind: str
    state: str
    detail: str
    received: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Status:
    """How the daemon is. ``started`` is epoch seconds, ``source`` uci, files or none."""

    version: str
    pid: int
    started: int
    source: str
    file: str
    problems: tuple[Problem, ...]
    last_error: str
    idle: str
    captures: tuple[Capture, ...]
    firewall: str
    firewall_ready: bool
    firewall_detail: str
    firewall_warnings: tuple[str, ...]
    clients: int
    replay_entries: int
    accepted: int
    clock_ok: bool
    clock_detail: str
    uncounted: str = ""
    log_warnings: tuple[str, ...] = ()
    is_test: bool = False
    is_outdated: bool = False
    """Whether the file says something else by now than what the daemon runs from."""


@dataclass(frozen=True, slots=True)
class Knock:
    """One row of "Recent knocks"; ``count`` is above 1 for a summary of strangers' packets.

    ``failed``: what an accepted knock had run went wrong.
    """

    id: int
    time: float
    source: str
    client: str
    request: str
    accepted: bool
    log_only: bool
    explanation: Explanation
    detail: str
    count: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ClientLife:
    """What the daemon knows of a client: when it knocked last, and whether it was let in.

    ``last_knock`` is epoch seconds, 0 when there was none since the daemon's start. ``ended``:
    these are old keys that count no more.
    """

    last_knock: float = 0
    accepted: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What the daemon made of the new configuration, and what it runs from now.

    ``source`` is uci, files or none; ``file`` the UCI file or fwknopd.conf.
    """

    accepted: bool
    problems: tuple[Problem, ...]
    source: str
    file: str


def _silence() -> ControlError | None:
    """How the daemon let this request wait in vain; None outside of one, and if it didn't."""
    found: ControlError | None = g.get("silence") if has_app_context() else None
    return found


class LiveDaemon:
    """Questions to the daemon over its control socket. All may raise ControlError."""

    def __init__(self, socket: Path, start_command: str) -> None:
        self._client = ControlClient(socket, TIMEOUT)
        self._glance = ControlClient(socket, GLANCE_TIMEOUT)
        self.start_command = start_command

    def is_up(self) -> bool:
        """Whether it runs; one that hangs does, and no page waits long to learn that."""
        if _silence() is not None:
            return True
        try:
            self._glance.call("status")
        except ControlError as error:
            return not error.is_down
        return True

    def _call(self, verb: str, **arguments: object) -> Json:
        """Ask, unless the daemon has let this very page wait before: one time limit is enough."""
        silence = _silence()
        if silence is not None:
            raise silence
        return self._work(verb, **arguments)

    def _work(self, verb: str, **arguments: object) -> Json:
        """Ask whatever was before: for what a person wants done."""
        try:
            return self._client.call(verb, **arguments)
        except ControlError as error:
            if error.code == "timeout" and has_app_context():
                g.silence = error
            raise

    def status(self) -> Status:
        """How the daemon is."""
        return _status(self._call("status"))

    def doors(self) -> Doors:
        """The open doors, and who is still connected through closed ones."""
        return doors_of(self._call("grants"))

    def knocks(self) -> tuple[Knock, ...]:
        """The newest knocks, newest first."""
        answer = self._call("events", limit=EVENTS_ASKED)
        rows = [item for item in children(answer, "events") if _is_knock(item)]
        return tuple(_knock(item) for item in reversed(rows[-KNOCKS_SHOWN:]))

    def newest_event(self) -> Json:
        """The newest event as the daemon tells it; empty when nothing happened yet."""
        found = children(self._call("events", limit=1), "events")
        return found[-1] if found else {}

    def events(self) -> Iterator[Json]:
        """All events the daemon remembers, newest first, asked for a few hundred at a time."""
        asked: dict[str, object] = {"limit": EVENTS_AT_ONCE}
        for _ in range(MOST_EVENTS // EVENTS_AT_ONCE):
            found = children(self._call("events", **asked), "events")
            yield from reversed(found)
            if len(found) < EVENTS_AT_ONCE:
                return
            asked["before"] = int(number(found[0], "id"))

    def clients(self) -> tuple[tuple[int, str], ...]:
        """Number and label of every client in force, in file order."""
        found = children(self._call("clients"), "clients")
        return tuple((int(number(item, "number")), text(item, "label")) for item in found)

    def lives(self) -> dict[str, ClientLife]:
        """What became of each client, by its label."""
        return {
            text(item, "label"): ClientLife(
                number(item, "last_knock"), flag(item, "last_accepted"), flag(item, "ended")
            )
            for item in children(self._call("clients"), "clients")
        }

    def rehearse(self, **arguments: object) -> Json:
        """What would become of a knock made with a client's keys."""
        return self._call("rehearse", **arguments)

    def watch(self, seconds: int) -> None:
        """Have the next packets explained."""
        self._call("watch", seconds=seconds)

    def watched(self) -> Json:
        """The packets explained so far."""
        return self._call("watched")

    def metrics(self, token: str, *, by_client: bool) -> str:
        """Everything in numbers for who has this token: OpenMetrics text.

        For others a ControlError has the code WRONG_TOKEN, or NO_METRICS if nobody has one.
        """
        answer = self._call("scrape", token=token, by_client=by_client)
        return text(answer, "text")

    def revoke(self, *, cut: bool, **which: str) -> Revoked:
        """Close the doors with this ``id`` or of this ``client``, and cut connections."""
        asked = {**which, "cut": True} if cut else which
        return revoked_of(self._work("revoke", **asked))

    def reload(self) -> Reloaded:
        """Make the daemon read its configuration anew."""
        answer = self._work("reload")
        # A daemon from before an update doesn't say it with its answer.
        used = answer if "source" in answer else child(self._call("status"), "configuration")
        return Reloaded(
            accepted=flag(answer, "reloaded"),
            problems=_problems(children(answer, "problems")),
            source=text(used, "source"),
            file=text(used, "file"),
        )


def _status(data: Json) -> Status:
    configuration, firewall = child(data, "configuration"), child(data, "firewall")
    clock = child(data, "clock")
    return Status(
        version=text(data, "version"),
        pid=int(number(data, "pid")),
        started=round(number(data, "time") - number(data, "uptime")),
        source=text(configuration, "source"),
        file=text(configuration, "file"),
        problems=_problems(children(configuration, "problems")),
        last_error=text(configuration, "last_error"),
        idle=text(configuration, "detail"),
        captures=tuple(map(_capture, children(data, "captures"))),
        firewall=text(firewall, "backend"),
        firewall_ready=flag(firewall, "ready"),
        firewall_detail=text(firewall, "detail"),
        firewall_warnings=tuple(texts(firewall, "warnings")),
        clients=int(number(data, "clients")),
        replay_entries=int(number(child(data, "replay"), "entries")),
        accepted=int(number(child(data, "counters"), "accepted")),
        clock_ok=flag(clock, "ok"),
        clock_detail=text(clock, "detail"),
        uncounted=text(child(data, "connections"), "detail"),
        log_warnings=tuple(texts(child(data, "log"), "warnings")),
        is_test=flag(data, "test"),
        is_outdated=flag(configuration, "outdated"),
    )


def _capture(data: Json) -> Capture:
    return Capture(
        name=text(data, "name"),
        kind=text(data, "kind"),
        state=text(data, "state"),
        detail=text(data, "detail"),
        received=int(number(data, "received")),
        dropped=int(number(data, "dropped")),
    )


def _knock(data: Json) -> Knock:
    accepted = text(data, "verdict") == "accept"
    reason = text(data, "reason") or ("accepted" if accepted else "")
    explanation, failed = explain(reason), text(data, "event") == COMMAND
    if failed or (reason == Reason.ACCEPTED and text(data, "command")):
        explanation = command_explanation(failed=failed)
    return Knock(
        id=int(number(data, "id")),
        time=number(data, "time"),
        source=text(data, "source"),
        client=text(data, "client"),
        request=text(data, "request"),
        accepted=accepted,
        log_only=reason == Reason.LOG_ONLY,
        explanation=explanation,
        detail=text(data, "detail"),
        count=max(1, int(number(data, "count"))),
        failed=failed,
    )


def _is_knock(event: Json) -> bool:
    """A verdict, or the end of a command that went wrong.

    What closes something often has nothing left to close, and says so by its status.
    """
    if text(event, "event") != COMMAND or text(event, "stage") != "ended":
        return text(event, "event") in KNOCK_EVENTS
    status = text(event, "status")
    return not status or (status != "0" and text(event, "purpose") != "close")


def _problems(items: Iterable[Json]) -> tuple[Problem, ...]:
    return tuple(map(_problem, items))


def _problem(data: Json) -> Problem:
    try:
        severity = Severity(text(data, "severity"))
    except ValueError:
        severity = Severity.ERROR
    return Problem(
        severity=severity,
        file=text(data, "file"),
        line=int(number(data, "line")) or None,
        option=text(data, "option"),
        message=text(data, "message"),
        remedy=text(data, "remedy"),
        section=text(data, "section"),
    )
