"""The doors this process keeps open in iptables, and when each is to be closed. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from fwknopd.firewall import FirewallError, TimedDoor
from fwknopd.firewall.iptables_rules import DoorRule, IptablesSettings, Rules, rules_of
from fwknopd.grants import Door

LONGEST_SECONDS = 1 << 30


@dataclass(frozen=True, slots=True)
class Held:
    """An open door: its rules, and the monotonic second of its end."""

    door: Door
    rules: tuple[DoorRule, ...]
    due: float

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.door.address.version


class HeldDoors:
    """Open doors, found by identity, by what only one door can decide, and by end."""

    def __init__(self) -> None:
        self._by_door: dict[Door, Held] = {}
        self._claims: dict[Hashable, Held] = {}
        # What was replaced or dropped stays in the heap until it comes up.
        self._ends: list[tuple[float, int, Held]] = []
        self._pushes = 0

    def __len__(self) -> int:
        return len(self._by_door)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._by_door.values())

    def of(self, version: int) -> list[Held]:
        """Those of an address family."""
        return [held for held in self if held.version == version]

    def parted(
        self, rules: Rules, version: int, without: Collection[Door] = ()
    ) -> tuple[list[Held], list[Held]]:
        """Those of a family whose rules are all among ``rules``, which are taken out; the rest.

        ``without`` are left out, for rules of two doors may be alike.
        """
        parts: tuple[list[Held], list[Held]] = ([], [])
        for held in self.of(version):
            if held.door not in without:
                parts[not _take_all(rules, held.rules)].append(held)
        return parts

    def get(self, door: Door) -> Held | None:
        """The door as it is open now."""
        return self._by_door.get(door)

    def replaced_by(self, door: Door) -> list[Held]:
        """What has to go when ``door`` opens: itself, and where its port led before."""
        same = self._by_door.get(door)
        other = self._claims.get(door.claim) if door.claim is not None else None
        return list({held.door: held for held in (same, other) if held}.values())

    def put(self, held: Held) -> None:
        """Take in a door just opened."""
        for old in self.replaced_by(held.door):
            self.drop(old.door)
        self._by_door[held.door] = held
        if held.door.claim is not None:
            self._claims[held.door.claim] = held
        self._pushes += 1
        heappush(self._ends, (held.due, self._pushes, held))
        if len(self._ends) > 2 * len(self._by_door) + 64:
            self._ends = [end for end in self._ends if self._is_current(end[2])]
            heapify(self._ends)

    def drop(self, door: Door) -> None:
        """Forget a door; one that isn't held is no error."""
        held = self._by_door.pop(door, None)
        if held is not None and held.door.claim is not None:
            del self._claims[held.door.claim]

    def clear(self) -> None:
        """Forget every door."""
        self._by_door.clear()
        self._claims.clear()
        self._ends.clear()

    def next_due(self) -> float | None:
        """The monotonic second at which the first door ends, None when none is open."""
        while self._ends and not self._is_current(self._ends[0][2]):
            heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def due(self, now: float) -> list[Held]:
        """The doors whose time is over, first ended first. They stay held."""
        first = self.next_due()
        if first is None or first > now:
            return []
        over = [end for end in self._ends if end[0] <= now and self._is_current(end[2])]
        return [held for _, _, held in sorted(over, key=lambda end: end[:2])]

    def _is_current(self, held: Held) -> bool:
        return self._by_door.get(held.door) is held


def planned(
    doors: Iterable[TimedDoor], now: float, epoch: float, settings: IptablesSettings
) -> list[Held]:
    """What opening ``doors`` adds. Raises FirewallError if two contradict."""
    plan = HeldDoors()
    for timed in doors:
        door, seconds = timed.door, _checked(timed.seconds)
        for other in plan.replaced_by(door):
            if other.door != door:
                raise FirewallError(
                    f"{door.what} of {door.who} can't lead to two targets at once: "
                    "ask for one of them"
                )
            seconds = max(seconds, other.due - now)
        plan.put(Held(door, rules_of(door, int(epoch + seconds), settings), now + seconds))
    return list(plan)


def _checked(seconds: float) -> float:
    if not math.isfinite(seconds) or seconds <= 0:
        raise FirewallError(f"a door can't be opened for {seconds} seconds: ask for more than 0")
    return min(seconds, LONGEST_SECONDS)


def _take_all(found: Rules, rules: Iterable[DoorRule]) -> bool:
    """Take all of ``rules`` out of ``found``, or none if one isn't there."""
    taken: list[DoorRule] = []
    for rule in rules:
        if not found[rule]:
            found.update(taken)
            return False
        found[rule] -= 1
        taken.append(rule)
    return True


def rules_in(doors: Iterable[Held], version: int) -> list[DoorRule]:
    """The rules of those doors that are of an address family."""
    return [rule for held in doors if held.version == version for rule in held.rules]
