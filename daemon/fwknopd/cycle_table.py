"""Which command cycles are open: what will be run to undo each, and when. Pure state.

Times are seconds of a monotonic clock. A cycle is known by its client and by what its
closing command undoes, so knocking again extends it. Two clients' cycles that undo the same
are held like a door with two keys: it is undone when the last of them ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256

from fwknopd.policy.command import Command
from fwknopd.policy.stanza import Address

LIMIT = 256
"""Cycles open at the same time."""


@dataclass(frozen=True, slots=True)
class OpenCycle:
    """One cycle. ``address`` and ``port`` say to people who was let in, and where.

    - ``undoes`` are the words of ``closing`` without times in them
    - ``owner`` tells clients apart whatever they are called; "" after a restart
    - ``turn``: among whose commands the newest opening one runs; "" for its own client's
    - ``failures``: how often ``closing`` could not be brought to its end
    """

    client: str
    address: Address
    port: str
    closing: Command
    undoes: tuple[bytes, ...]
    opened: float
    expires: float
    owner: str = field(default="", repr=False)
    turn: str = ""
    failures: int = 0

    @property
    def effect(self) -> tuple[object, ...]:
        """What its closing command does, whoever's it is."""
        return (self.undoes, self.closing.user, self.closing.group)

    @property
    def key(self) -> tuple[object, ...]:
        """Tells cycles apart."""
        return (self.owner or self.client, self.effect)

    @property
    def id(self) -> str:
        """Short name: the same however often the client knocks."""
        return sha256(repr(self.key).encode("utf-8", "surrogateescape")).hexdigest()[:10]


class CycleTable:
    """All open cycles by key."""

    def __init__(self) -> None:
        self._cycles: dict[tuple[object, ...], OpenCycle] = {}

    def __len__(self) -> int:
        return len(self._cycles)

    def __iter__(self) -> Iterator[OpenCycle]:
        """Every cycle, in the order they were first opened."""
        return iter(list(self._cycles.values()))

    def record(self, cycle: OpenCycle) -> OpenCycle:
        """Take a cycle in; what is recorded: one that is open already only ends later.

        It takes over one of its client's that was found open after a restart. The closing
        command is the newer one.
        """
        adopted = self._cycles.pop((cycle.client, cycle.effect), None)
        before = self._cycles.get(cycle.key) or adopted
        if before is not None:
            expires = max(before.expires, cycle.expires)
            cycle = replace(cycle, opened=before.opened, expires=expires)
        self._cycles[cycle.key] = cycle
        return cycle

    def adopt(self, cycles: Iterable[OpenCycle]) -> None:
        """Take in what an earlier process left."""
        for cycle in cycles:
            self.record(cycle)

    def knows(self, cycle: OpenCycle) -> bool:
        """Is there one that ``cycle`` would extend?"""
        return cycle.key in self._cycles or (cycle.client, cycle.effect) in self._cycles

    def drop(self, cycle: OpenCycle) -> None:
        """Take a cycle out."""
        del self._cycles[cycle.key]

    def is_held(self, cycle: OpenCycle) -> bool:
        """Does a cycle in here undo the same?"""
        return any(other.effect == cycle.effect for other in self._cycles.values())

    def next_expiry(self) -> float | None:
        """When the next cycle ends; None when there is none."""
        if not self._cycles:
            return None
        return min(cycle.expires for cycle in self._cycles.values())

    def due(self, now: float) -> list[OpenCycle]:
        """The cycles whose time is over, first ended first."""
        over = [cycle for cycle in self._cycles.values() if cycle.expires <= now]
        return sorted(over, key=lambda cycle: cycle.expires)
