"""How exactly doors close: a few, and one among many that stay open."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from tests.bench.bench import Bench
from tests.bench.contestants import Contestant
from tests.bench.scenarios.filling import fill
from tests.bench.trial import Setup, Trial

EXPIRY = "closing"
_SECONDS = 2
_EARLIEST = 1.2
"""Seconds before its time from which on a door is watched: the C daemon may be a second early."""
_GIVEN_UP = 8.0
"""Seconds after its time at which a door counts as never closed."""
_GRID = 0.005


@dataclass(slots=True)
class _Door:
    """One that is watched; times are of `time.perf_counter`."""

    visitor: str
    due: float
    shut: float | None = None
    silent_since: float | None = None


def expiry(bench: Bench) -> None:
    """Doors closing early or late, in seconds: below 0 is early."""

    def few(contestant: Contestant) -> None:
        with bench.running(contestant, Setup(seconds=_SECONDS)) as trial:
            _note(bench, trial, "few doors", _watch(trial, bench.pick(12, 24)))

    def among_many(contestant: Contestant) -> None:
        with bench.running(contestant, Setup(seconds=_SECONDS)) as trial:
            fill(trial, 100)
            _note(bench, trial, "among 100 doors", _watch(trial, bench.pick(6, 12)))

    bench.take_turns(f"{EXPIRY}, few doors", few, short=1, long=2)
    bench.take_turns(f"{EXPIRY}, among 100 doors", among_many, short=1, long=2)


def _note(bench: Bench, trial: Trial, case: str, doors: list[_Door]) -> None:
    who = trial.contestant
    errors = [door.shut - door.due for door in doors if door.shut is not None]
    never = sum(door.shut is None for door in doors)
    bench.note(who, (EXPIRY, case, "error", "s"), *(errors + [math.inf] * never))
    bench.note(who, (EXPIRY, case, "off by", "s"), *(map(abs, errors + [math.inf] * never)))
    bench.note(who, (EXPIRY, case, "open 8 s late", "%"), 100 * never / len(doors))


def _watch(trial: Trial, count: int) -> list[_Door]:
    doors = []
    for _ in range(count):
        visitor = next(trial.visitors)
        if trial.prober.knock(trial.client.knock(visitor), visitor):
            doors.append(_Door(visitor, time.perf_counter() + _SECONDS))
        time.sleep(0.07)
    while waiting := [door for door in doors if door.shut is None and not _is_given_up(door)]:
        started = time.perf_counter()
        for door in waiting:
            _look(trial, door)
        time.sleep(max(0.0, started + _GRID - time.perf_counter()))
    return doors


def _is_given_up(door: _Door) -> bool:
    return time.perf_counter() > door.due + _GIVEN_UP


def _look(trial: Trial, door: _Door) -> None:
    now = time.perf_counter()
    if now < door.due - _EARLIEST:
        return
    if trial.prober.is_open(door.visitor, patience=0.002):
        door.silent_since = None
    elif door.silent_since is None:
        door.silent_since = now
    else:
        # Twice in a row: one answer may have come too late.
        door.shut = door.silent_since
