"""Open doors: the grant table and the firewall, kept in agreement.

Whatever happens, a grant in the table stands for a door in the firewall and the other
way round: the table changes only after the firewall did, and what others changed in
the firewall is found out and told.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

from fwknopd.events import EventKind
from fwknopd.firewall import Firewall, FirewallBarred, FirewallError, TimedDoor
from fwknopd.grants import Door, Grant, GrantTable

RECONCILE_SECONDS = 2.0
"""The firewall is read back at most this often, however often somebody asks."""

SETTLING_SECONDS = 1.0
"""A grant this close to its end may be gone from the firewall without anybody's doing."""

Tell = Callable[[EventKind, Grant, str], None]
"""Told of every grant that ends or changes, and why ("" when its time was over)."""


class MonotonicClock(Protocol):
    """The clock lifetimes run on."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""


@dataclass(frozen=True, slots=True)
class DoorRequest:
    """What one knock asks for: ``doors``, all or none, for ``lifetime`` seconds."""

    doors: Sequence[Door]
    client: str
    owner: str
    lifetime: float


Answer = list[Grant] | FirewallError
"""What a request got, or why it got nothing."""


class OpenDoors:
    """All doors of one firewall. ``recover`` puts lost rules back, True when it did."""

    def __init__(self, firewall: Firewall, clock: MonotonicClock, tell: Tell) -> None:
        self.table = GrantTable()
        self.firewall = firewall
        self.recover: Callable[[], bool] = lambda: False
        self._clock = clock
        self._tell = tell
        self._reconciled_at = 0.0

    def open(self, requests: Sequence[DoorRequest]) -> list[Answer]:
        """Open what each of ``requests`` asks for, or tell why not, as if they came in turn.

        As many at a time as can be: with iptables each time takes a run of a program.
        A door to another inside host behind the same outside port ends: the newest knock
        says where a port leads, and under whose address.
        """
        return [a for group in _independent(requests) for a in self._open_group(group)]

    def _open_group(self, requests: Sequence[DoorRequest]) -> Sequence[Answer]:
        try:
            return self._open(requests)
        except FirewallBarred as error:
            return [error] * len(requests)
        except FirewallError as error:
            if len(requests) == 1:
                return [error]
        # One that can't be had must not keep out the others.
        half = len(requests) // 2
        return [*self._open_group(requests[:half]), *self._open_group(requests[half:])]

    def _open(self, requests: Sequence[DoorRequest]) -> list[list[Grant]]:
        rivals = [grant for r in requests for door in r.doors for grant in self.table.rivals(door)]
        self._end(rivals, "a newer knock leads this port elsewhere")
        now = self._clock.monotonic()
        wanted = [
            [self.table.plan(door, r.client, r.lifetime, now, r.owner) for door in r.doors]
            for r in requests
        ]
        grants = [grant for planned in wanted for grant in planned]
        self._twice(lambda: self.firewall.open(self._timed(grants)))
        for grant in grants:
            self.table.record(grant)
        return wanted

    def _timed(self, grants: Iterable[Grant]) -> list[TimedDoor]:
        """The doors with the time left to the last holder: no client shortens another's."""
        ends: dict[Door, float] = {}
        for grant in grants:
            until = self.table.open_until(grant.door) or grant.expires
            ends[grant.door] = max(until, grant.expires, ends.get(grant.door, 0.0))
        # Taken last: rules may just have been made anew, which takes its time.
        now = self._clock.monotonic()
        return [TimedDoor(door, end - now) for door, end in ends.items() if end > now]

    def _twice(self, action: Callable[[], None]) -> None:
        """Do it, and once more if the rules had just been deleted and are back."""
        try:
            action()
        except FirewallError:
            if not self.recover():
                raise
            action()

    # Ends

    def next_due(self) -> float | None:
        """Monotonic second at which `expire` has something to do, None when never."""
        dues = (self.table.next_expiry(), self.firewall.next_due())
        return min((due for due in dues if due is not None), default=None)

    def expire(self) -> None:
        """Close and tell of what ran out. Raises FirewallError: nothing is told then."""
        self.firewall.expire()
        for grant in self.table.expire(self._clock.monotonic()):
            self._tell(EventKind.EXPIRE, grant, "")

    def revoke(self, select: Callable[[Grant], bool], why: str = "") -> int:
        """End the selected grants now; how many. Raises FirewallError, and tells what is left.

        A door another client still holds stays open until that grant's end.
        """
        chosen = [grant for grant in self.table if select(grant)]
        self._end(chosen, why)
        return len(chosen)

    def _end(self, chosen: Sequence[Grant], why: str) -> None:
        if not chosen:
            return
        shared, alone = self._split(chosen)
        if shared:
            self._twice(lambda: self.firewall.open(self._remaining(shared)))
            self._drop(shared, why)
        if alone:
            self._twice(lambda: self.firewall.close([grant.door for grant in alone]))
            self._drop(alone, why)

    def _split(self, chosen: Sequence[Grant]) -> tuple[list[Grant], list[Grant]]:
        """Those whose door another grant still needs, and the others."""
        leaving = {(grant.door, grant.holder) for grant in chosen}
        needed = {g.door for g in self.table if (g.door, g.holder) not in leaving}
        shared = [grant for grant in chosen if grant.door in needed]
        return shared, [grant for grant in chosen if grant.door not in needed]

    def _remaining(self, leaving: Sequence[Grant]) -> list[TimedDoor]:
        gone = {(grant.door, grant.holder) for grant in leaving}
        ends: dict[Door, float] = {}
        for grant in self.table:
            if (grant.door, grant.holder) not in gone:
                ends[grant.door] = max(grant.expires, ends.get(grant.door, 0.0))
        now = self._clock.monotonic()
        doors = {grant.door for grant in leaving}
        return [TimedDoor(d, ends[d] - now) for d in doors if ends.get(d, 0.0) > now]

    def _drop(self, grants: Sequence[Grant], why: str) -> None:
        self.table.drop(grants)
        for grant in grants:
            self._tell(EventKind.REVOKE, grant, why)

    # What others do to the firewall

    def adopt(self) -> int:
        """Take over the doors the firewall holds from an earlier run. Raises FirewallError.

        An entry without an end is no work of ours, and would stay open for ever: it is closed.
        """
        held = self.firewall.read()
        endless = [timed.door for timed in held if not isfinite(timed.seconds)]
        if endless:
            self.firewall.close(endless)
        ending = [(timed.door, timed.seconds) for timed in held if isfinite(timed.seconds)]
        return len(self.table.restore(ending, self._clock.monotonic()))

    def restore(self, devices: Sequence[str]) -> int:
        """Make the rules (again), with every door's remaining time; how many doors.

        Raises FirewallError.
        """
        self.firewall.start(devices)
        self.expire()
        doors = self._timed(self.table)
        if doors:
            self.firewall.open(doors)
        return len(doors)

    def reconcile(self) -> None:
        """Drop grants whose door somebody else closed. Never raises; reads the firewall back."""
        now = self._clock.monotonic()
        if not len(self.table) or now - self._reconciled_at < RECONCILE_SECONDS:
            return
        self._reconciled_at = now
        try:
            held = {timed.door for timed in self.firewall.read()}
        except FirewallError:
            return
        settled = now + SETTLING_SECONDS
        lost = [g for g in self.table if g.door not in held and g.expires > settled]
        self._drop(lost, "somebody closed the door in the firewall")


def _independent(requests: Iterable[DoorRequest]) -> Iterator[list[DoorRequest]]:
    """``requests`` in order, parted wherever one has to do with what an earlier one changed."""
    group: list[DoorRequest] = []
    decided: set[Hashable] = set()
    for request in requests:
        decides = {door if door.claim is None else door.claim for door in request.doors}
        if not decided.isdisjoint(decides):
            yield group
            group, decided = [], set()
        group.append(request)
        decided |= decides
    if group:
        yield group
