"""How the daemon is, as it answers when it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fwknop_webui.untyped import Json, child, children, flag, number, text, texts
from fwknopd.config.problems import Problem, Severity


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
    replay_limit: int
    replay_full: bool
    """No further knock could be remembered, so all are refused."""

    accepted: int
    clock_ok: bool
    clock_detail: str
    knocked_before: bool = False
    """Whether somebody got in under an earlier run of the daemon."""

    uncounted: str = ""
    log_warnings: tuple[str, ...] = ()
    is_test: bool = False
    is_outdated: bool = False
    """Whether the file says something else by now than what the daemon runs from."""

    @property
    def replay_fill(self) -> str:
        """How much of the memory for used packets is taken, in percent; "" if nobody says."""
        if self.replay_limit <= 0:
            return ""
        percent = min(100, max(0, 100 * self.replay_entries // self.replay_limit))
        return f"{percent}" if percent or self.replay_entries <= 0 else "<1"


def status_of(data: Json) -> Status:
    """The answer as typed values."""
    configuration, firewall = child(data, "configuration"), child(data, "firewall")
    clock = child(data, "clock")
    return Status(
        version=text(data, "version"),
        pid=int(number(data, "pid")),
        started=round(number(data, "time") - number(data, "uptime")),
        source=text(configuration, "source"),
        file=text(configuration, "file"),
        problems=problems_of(children(configuration, "problems")),
        last_error=text(configuration, "last_error"),
        idle=text(configuration, "detail"),
        captures=tuple(map(_capture, children(data, "captures"))),
        firewall=text(firewall, "backend"),
        firewall_ready=flag(firewall, "ready"),
        firewall_detail=text(firewall, "detail"),
        firewall_warnings=tuple(texts(firewall, "warnings")),
        clients=int(number(data, "clients")),
        replay_entries=int(number(child(data, "replay"), "entries")),
        replay_limit=int(number(child(data, "replay"), "limit")),
        replay_full=flag(child(data, "replay"), "full"),
        accepted=int(number(child(data, "counters"), "accepted")),
        clock_ok=flag(clock, "ok"),
        clock_detail=text(clock, "detail"),
        knocked_before=flag(data, "knocked_before"),
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


def problems_of(items: Iterable[Json]) -> tuple[Problem, ...]:
    """Findings about the configuration; one of a severity nobody knows is an error."""
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
