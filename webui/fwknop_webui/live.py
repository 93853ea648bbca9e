"""The running daemon as the pages see it: its answers as typed values.

Whatever a knock carried is text here, shown only through escaping templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flask import g, has_app_context

from fwknop_webui.doors import Doors, Revoked, doors_of, revoked_of
from fwknop_webui.exposed import Exposed, exposed_of
from fwknop_webui.knocks import Knock, is_knock, knock_of
from fwknop_webui.status import Status, problems_of, status_of
from fwknop_webui.untyped import Json, child, children, flag, number, text
from fwknopd.config.problems import Problem
from fwknopd.control.client import ControlClient, ControlError

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


class DaemonState(StrEnum):
    """Whether there is a daemon, and whether it answers."""

    UP = "up"
    SILENT = "silent"
    DOWN = "down"


def _state_of(error: ControlError) -> DaemonState:
    return DaemonState.DOWN if error.is_down else DaemonState.SILENT


def _silence() -> ControlError | None:
    """How the daemon let this request wait in vain; None outside of one, and if it didn't."""
    found: ControlError | None = g.get("silence") if has_app_context() else None
    return found


def _remember(error: ControlError | None) -> None:
    """What this request learned by asking; a refusal says nothing of how the daemon is."""
    if not has_app_context():
        return
    if error is None:
        g.daemon_state = DaemonState.UP
    elif error.is_down or error.code == "timeout":
        g.daemon_state = _state_of(error)
    if error is not None and error.code == "timeout":
        g.silence = error


class LiveDaemon:
    """Questions to the daemon over its control socket. All may raise ControlError."""

    def __init__(self, socket: Path, start_command: str) -> None:
        self._client = ControlClient(socket, TIMEOUT)
        self._glance = ControlClient(socket, GLANCE_TIMEOUT)
        self.start_command = start_command

    def state(self) -> DaemonState:
        """As this request found it; else it is asked, and no page waits long to learn that."""
        known: DaemonState | None = g.get("daemon_state")
        return known or self._glimpsed()

    def _glimpsed(self) -> DaemonState:
        try:
            self._glance.call("status")
        except ControlError as error:
            return _state_of(error)
        return DaemonState.UP

    def _call(self, verb: str, **arguments: object) -> Json:
        """Ask, unless the daemon has let this very page wait before: one time limit is enough."""
        silence = _silence()
        if silence is not None:
            raise silence
        return self._work(verb, **arguments)

    def _work(self, verb: str, **arguments: object) -> Json:
        """Ask whatever was before: for what a person wants done."""
        try:
            answer = self._client.call(verb, **arguments)
        except ControlError as error:
            _remember(error)
            raise
        _remember(None)
        return answer

    def status(self) -> Status:
        """How the daemon is."""
        return status_of(self._call("status"))

    def doors(self) -> Doors:
        """The open doors, and who is still connected through closed ones."""
        return doors_of(self._call("grants"))

    def knocks(self) -> tuple[Knock, ...]:
        """The newest knocks, newest first."""
        answer = self._call("events", limit=EVENTS_ASKED)
        rows = [item for item in children(answer, "events") if is_knock(item)]
        return tuple(knock_of(item) for item in reversed(rows[-KNOCKS_SHOWN:]))

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

    def exposed(self, ports: str = "", *, anew: bool = False) -> Exposed:
        """At which ports anybody gets in: at ``ports``, or at those of clients; nothing of an
        older daemon."""
        asked = {"ports": ports} if ports else {}
        try:
            return exposed_of(self._call("exposed", anew=anew, **asked))
        except ControlError as error:
            if error.code in ("unknown-verb", "bad-argument"):
                return Exposed()
            raise

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
            problems=problems_of(children(answer, "problems")),
            source=text(used, "source"),
            file=text(used, "file"),
        )
