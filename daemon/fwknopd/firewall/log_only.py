"""A firewall that only remembers: for trying the daemon out without privileges."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fwknopd.firewall import Diagnosis, TimedDoor
from fwknopd.grants import Door


class LogOnlyFirewall:
    """Doors in memory; no packet is let in or kept out.

    ``clock`` gives seconds that never step, like ``time.monotonic``.
    """

    name = "log-only"
    keeps_doors = False
    closes_late = 0.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expiry: dict[Door, float] = {}

    def start(self, devices: Sequence[str]) -> None:
        """Nothing to make; open doors stay open."""

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Remember ``doors``; an open one gets the new time."""
        now = self._clock()
        self._forget_expired(now)
        self._expiry.update({timed.door: now + timed.seconds for timed in doors})

    def close(self, doors: Sequence[Door]) -> None:
        """Forget ``doors``."""
        for door in doors:
            self._expiry.pop(door, None)

    def read(self) -> list[TimedDoor]:
        """The doors open now, with the seconds they will be."""
        now = self._clock()
        self._forget_expired(now)
        return [TimedDoor(door, expiry - now) for door, expiry in self._expiry.items()]

    def next_due(self) -> float | None:
        """None: a door is forgotten when somebody looks."""
        return None

    def expire(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Forget every door."""
        self._expiry.clear()

    def place(self, door: Door) -> str:
        """All doors are in one place, named like the backend."""
        return self.name

    def fileno(self) -> int | None:
        """None: there is nothing to watch."""
        return None

    def rules_lost(self) -> bool:
        """False: there is nothing to lose."""
        return False

    def look_at(self) -> float | None:
        """None: there is nothing to look at."""
        return None

    def diagnose(self) -> Diagnosis:
        """Always ready, and says what that is worth."""
        return Diagnosis(True, "doors are only remembered: no packet is let in or kept out")

    def _forget_expired(self, now: float) -> None:
        self._expiry = {door: expiry for door, expiry in self._expiry.items() if expiry > now}
