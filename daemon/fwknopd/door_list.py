"""What is open now, as the kernel has it, and how many connections live behind it.

The kernel is asked when somebody wants to know. It answers in milliseconds; with thousands
of doors or connections it takes longer, and knocks would wait. So it is asked again only
after nine times as long as it took: at most a tenth of the daemon's time goes into lists.
What the daemon itself opens and closes is in the list at once, whatever its age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from math import inf

from fwknopd.connections import Counted
from fwknopd.firewall import FirewallError
from fwknopd.grants import Door, Grant
from fwknopd.open_doors import MonotonicClock, OpenDoors

PAUSE = 9
"""Times as long as it took to ask the kernel, before it is asked again."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One grant. ``ends`` is the monotonic second at which its door closes, or did.

    ``connections`` is None when they can't be told.
    """

    grant: Grant
    ends: float
    connections: int | None


@dataclass(frozen=True, slots=True)
class DoorList:
    """``open`` doors; ``past`` ones that connections still live on from.

    ``unread`` says why the firewall can't be read (then these are the doors it was told to
    open), ``uncounted`` why connections can't be told. "" when all is well.
    """

    open: tuple[Listed, ...]
    past: tuple[Listed, ...]
    unread: str = ""
    uncounted: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the kernel said: when a door closes (monotonic), and its connections."""

    ends: Mapping[Door, float] = field(default_factory=dict)
    counted: Counted = field(default_factory=Counted)
    unread: str = ""


def last_to_close(listed: Sequence[Listed], limit: int) -> Sequence[Listed]:
    """No more than ``limit`` of them, those that stay open longest."""
    return listed if len(listed) <= limit else nlargest(limit, listed, key=lambda item: item.ends)


class DoorLister:
    """Asks the kernel, but not more often than it can be borne."""

    def __init__(self, doors: OpenDoors, clock: MonotonicClock) -> None:
        self._doors = doors
        self._clock = clock
        self._reading = _Reading()
        self._next = -inf

    def list(self) -> DoorList:
        """The doors now. Never raises."""
        now = self._clock.monotonic()
        if now >= self._next:
            self._reading = self._read()
            after = self._clock.monotonic()
            self._next = after + PAUSE * (after - now)
        reading = self._reading
        past = [self._listed(grant) for grant in self._doors.endings.past]
        return DoorList(
            tuple(self._listed(grant) for grant in self._doors.table),
            tuple(listed for listed in past if listed.connections),
            reading.unread,
            reading.counted.problem,
        )

    def _listed(self, grant: Grant) -> Listed:
        reading = self._reading
        ends = min(grant.expires, reading.ends.get(grant.door, inf))
        return Listed(grant, ends, reading.counted.of(grant.door))

    def _read(self) -> _Reading:
        doors, past = self._doors, self._doors.endings.past
        unread = ""
        ends: dict[Door, float] = {}
        try:
            held = doors.reconcile()
        except FirewallError as error:
            unread = str(error)
        else:
            now = self._clock.monotonic()
            ends = {timed.door: now + timed.seconds for timed in held}
        behind = {grant.door for grant in (*doors.table, *past)}
        counted = doors.endings.connections.count(behind)
        if not counted.problem:
            # Nothing is left of these, and nothing comes in by a closed door.
            past.forget([g for g in past if not counted.of(g.door)])
        return _Reading(ends, counted, unread)
