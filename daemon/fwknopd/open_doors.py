"""Open doors: the grant table and the firewall, kept in agreement.

Whatever happens, a grant in the table stands for a door in the firewall and the other
way round: the table changes only after the firewall did, and what others changed in
the firewall is found out and told. Connections outlive their door, unless they are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import Protocol, TypeVar

from fwknopd.adopting import NoOwners, OwnerMemory, adopted, capped
from fwknopd.connections import Cut
from fwknopd.door_requests import DoorRequest, independent
from fwknopd.endings import Endings, Tell
from fwknopd.events import EventKind
from fwknopd.firewall import (
    Firewall,
    FirewallBarred,
    FirewallError,
    FirewallStuck,
    TimedDoor,
)
from fwknopd.grants import UNKNOWN_CLIENT, Door, Grant, GrantTable
from fwknopd.policy.stanza import Stanza

SETTLING_SECONDS = 1.0
"""A grant this close to its end may be gone from the firewall without anybody's doing."""


class MonotonicClock(Protocol):
    """The clock lifetimes run on."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""


T = TypeVar("T")

Answer = list[Grant] | FirewallError
"""What a request got, or why it got nothing."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """How many grants ended, and what became of their connections if they were to be cut."""

    doors: int
    cut: Cut | None = None


class OpenDoors:
    """All doors of one firewall. ``recover`` puts lost rules back, True when it did."""

    def __init__(
        self,
        firewall: Firewall,
        clock: MonotonicClock,
        tell: Tell,
        owners: OwnerMemory | None = None,
    ) -> None:
        """Without ``owners`` nobody knows after a crash whose the doors are."""
        self.table = GrantTable(firewall.closes_late)
        self.firewall = firewall
        self.recover: Callable[[], bool] = lambda: False
        self.endings = Endings(tell)
        self._owners = owners or NoOwners()
        self._clock = clock

    def open(self, requests: Sequence[DoorRequest]) -> list[Answer]:
        """Open what each of ``requests`` asks for, or tell why not, as if they came in turn.

        As many at a time as can be: with iptables each time takes a run of a program.
        A door to another inside host behind the same outside port ends: the newest knock
        says where a port leads, and under whose address.
        """
        return [a for group in independent(requests) for a in self._open_group(group)]

    def _open_group(self, requests: Sequence[DoorRequest]) -> Sequence[Answer]:
        try:
            return self._open(requests)
        except (FirewallBarred, FirewallStuck) as error:
            return [error] * len(requests)
        except FirewallError as error:
            if len(requests) == 1:
                return [error]
        # One that can't be had must not keep out the others.
        half = len(requests) // 2
        return [*self._open_group(requests[:half]), *self._open_group(requests[half:])]

    def _open(self, requests: Sequence[DoorRequest]) -> list[list[Grant]]:
        now = self._clock.monotonic()
        wanted = [[self._planned(r, door, now) for door in r.doors] for r in requests]
        grants = [grant for planned in wanted for grant in planned]
        self._twice(lambda: self.firewall.open(self._timed(grants)))
        self._give_way(dict.fromkeys(grant.door for grant in grants))
        for grant in grants:
            self.table.record(grant)
        self._owners.opened(grants, self.table)
        self.endings.began(grants)
        return wanted

    def _give_way(self, opened: Iterable[Door]) -> None:
        """What decided before what these decide is over."""
        rivals = [(grant, door) for door in opened for grant in self.table.rivals(door)]
        if not rivals:
            return
        # Their ports lead elsewhere already. What has the same target is the new door's now;
        # and what may be left of the others lets nobody in.
        left = [grant.door for grant, door in rivals if grant.door.target != door.target]
        with suppress(FirewallError):
            self.firewall.close(left)
        why = "a newer knock leads this port elsewhere"
        self.endings.ended(EventKind.REVOKE, self._dropped([grant for grant, _ in rivals]), why)

    def _planned(self, request: DoorRequest, door: Door, now: float) -> Grant:
        return self.table.plan(
            door,
            request.client,
            request.lifetime,
            now,
            request.owner,
            cut_at_expiry=request.cut_at_expiry,
        )

    def _timed(self, grants: Iterable[Grant]) -> list[TimedDoor]:
        """The doors with the time left to the last holder: no client shortens another's."""
        ends: dict[Door, float] = {}
        for grant in grants:
            until = self.table.open_until(grant.door) or grant.expires
            ends[grant.door] = max(until, grant.expires, ends.get(grant.door, 0.0))
        # Taken last: rules may just have been made anew, which takes its time.
        now = self._clock.monotonic()
        return [TimedDoor(door, end - now) for door, end in ends.items() if end > now]

    def _twice(self, action: Callable[[], T]) -> T:
        """Do it, and once more if the rules had just been deleted and are back."""
        try:
            return action()
        except (FirewallBarred, FirewallStuck):
            # A look for what is missing would wait as long, or be refused.
            raise
        except FirewallError:
            if not self.recover():
                raise
            return action()

    # Ends

    def next_due(self) -> float | None:
        """Monotonic second at which `expire` has something to do, None when never."""
        dues = (self.table.next_expiry(), self.firewall.next_due())
        return min([due for due in dues if due is not None], default=None)

    def expire(self) -> None:
        """Close and tell of what is over for sure. Raises FirewallError: nothing is told then."""
        self.firewall.expire()
        ended = self.table.expire(self._clock.monotonic())
        self.endings.ended(EventKind.EXPIRE, [g for g in ended if not g.cut_at_expiry])
        if cutting := [grant for grant in ended if grant.cut_at_expiry]:
            self._close_at_once(cutting)
            self.endings.cut(EventKind.EXPIRE, cutting, self._still_open())

    def _close_at_once(self, ended: Sequence[Grant]) -> None:
        """A kernel that closes doors itself may need some milliseconds more."""
        doors = [grant.door for grant in ended if self.table.open_until(grant.door) is None]
        # If they can't be closed, the rules are gone, or they close themselves in that time.
        with suppress(FirewallError):
            self.firewall.close(doors)

    def revoke(
        self, select: Callable[[Grant], bool], why: str = "", *, cut: bool = False
    ) -> Revoked:
        """End the selected grants now. Raises FirewallError, and tells what has ended.

        A door another client still holds stays open until that grant's end. With ``cut``
        the doors' connections end too, and those of doors that closed before.
        """
        chosen = [grant for grant in self.table if select(grant)]
        if not cut:
            self._end(chosen, why)
            return Revoked(len(chosen))
        past = [grant for grant in self.endings.past if select(grant)]
        ended: list[Grant] = []
        try:
            for part in self._closed(chosen):
                ended += part
        except FirewallError:
            self.endings.ended(EventKind.REVOKE, ended, why)
            raise
        made = self.endings.cut(EventKind.REVOKE, ended, self._still_open(), why, past)
        return Revoked(len(chosen), made)

    def cut(self, select: Callable[[Grant], bool], why: str) -> None:
        """The doors of the selected grants were closed: end these, and their connections."""
        ended = self._dropped([grant for grant in self.table if select(grant)])
        self.endings.cut(EventKind.REVOKE, ended, self._still_open(), why)

    def _still_open(self) -> set[Door]:
        return {grant.door for grant in self.table}

    def _end(self, chosen: Sequence[Grant], why: str) -> None:
        for ended in self._closed(chosen):
            self.endings.ended(EventKind.REVOKE, ended, why)

    def _closed(self, chosen: Sequence[Grant]) -> Iterator[list[Grant]]:
        """Close the doors of ``chosen``, and take them out of the table. Raises FirewallError."""
        shared, alone = self._split(chosen)
        if shared:
            self._twice(lambda: self.firewall.open(self._remaining(shared)))
            yield self._dropped(shared)
        if alone:
            self._twice(lambda: self.firewall.close([grant.door for grant in alone]))
            yield self._dropped(alone)

    def _dropped(self, grants: Sequence[Grant]) -> list[Grant]:
        dropped = self.table.drop(grants)
        if dropped:
            self._owners.ended(dropped, self.table)
        return dropped

    def _split(self, chosen: Sequence[Grant]) -> tuple[list[Grant], list[Grant]]:
        """Those whose door another grant still needs, and the others."""
        staying = self._staying(chosen)
        needed = {grant.door for grant in staying}
        shared = [grant for grant in chosen if grant.door in needed]
        return shared, [grant for grant in chosen if grant.door not in needed]

    def _remaining(self, leaving: Sequence[Grant]) -> list[TimedDoor]:
        ends: dict[Door, float] = {}
        for grant in self._staying(leaving):
            ends[grant.door] = max(grant.expires, ends.get(grant.door, 0.0))
        now = self._clock.monotonic()
        return [TimedDoor(door, end - now) for door, end in ends.items() if end > now]

    def _staying(self, leaving: Sequence[Grant]) -> list[Grant]:
        """The other grants of the same doors."""
        gone = {(grant.door, grant.holder) for grant in leaving}
        doors = {grant.door for grant in leaving}
        held = [grant for door in doors for grant in self.table.of(door)]
        return [grant for grant in held if (grant.door, grant.holder) not in gone]

    # What others do to the firewall

    def adopt(self, stanzas: Sequence[Stanza] = ()) -> int:
        """Take over the doors the firewall holds from an earlier run; how many those are.

        Whose of ``stanzas`` each is, is what that run has noted. Raises FirewallError.
        """
        held = capped(self.firewall.read(), stanzas, self.firewall.open)
        new = [timed for timed in held if self.table.open_until(timed.door) is None]
        for grant in adopted(new, self._owners.left(), stanzas, self._clock.monotonic()):
            self.table.record(grant)
        self._take_over(held)
        self._owners.keep(self.table)
        return len({grant.door for grant in self.table})

    def _take_over(self, held: Sequence[TimedDoor]) -> None:
        """Doors that nobody here holds are nobody's until somebody knocks for them.

        An entry without an end is no work of ours, and would stay open for ever."""
        now = self._clock.monotonic()
        endless = [timed.door for timed in held if not isfinite(timed.seconds)]
        if endless:
            self.firewall.close(endless)
            gone = [Grant(door, UNKNOWN_CLIENT, now, now) for door in endless]
            why = "it had no end, so it was none of fwknopd's"
            self.endings.ended(EventKind.REVOKE, gone, why)
        ending = [(timed.door, timed.seconds) for timed in held if isfinite(timed.seconds)]
        self.table.restore(ending, now)

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

    def reconcile(self) -> list[TimedDoor]:
        """What the firewall holds now, to which the table is fitted. Raises FirewallError.

        Grants end whose door somebody else closed, and doors nobody knew of are taken over.
        """
        held = self._twice(lambda: self.firewall.read())
        settled = self._clock.monotonic() + SETTLING_SECONDS
        self._take_over([timed for timed in held if timed.seconds > SETTLING_SECONDS])
        doors = {timed.door for timed in held}
        lost = [g for g in self.table if g.door not in doors and g.expires > settled]
        why = "somebody closed the door in the firewall"
        self.endings.ended(EventKind.REVOKE, self._dropped(lost), why)
        return held
