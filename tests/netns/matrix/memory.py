"""The model of a daemon: which client holds which door, however often it crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Any

from tests.netns.matrix.ledger import EARLY, Entry

Listed = tuple[str, str, str | None, str | None]
"""A door as the list of grants has it: for whom, what, where to, under whose address."""


def door_of(grant: Mapping[str, Any]) -> Listed:
    """The door of an item of that list."""
    return (grant["address"], grant["port"], grant["nat"], grant["source_nat"])


@dataclass(slots=True)
class Span:
    """Until when a client's grant surely holds, and until when it possibly does."""

    surely: float
    possibly: float


@dataclass(eq=False, slots=True)
class Door:
    """One door of the kernel, and whose grants keep it open. ``entry`` is what follows of them.

    Of doors with an equal ``claim`` only one can be open; None is beside any other.
    """

    entry: Entry
    listed: Listed
    claim: tuple[object, ...] | None
    holders: dict[str, Span] = field(default_factory=dict)

    def granted(self, client: str, asked: float, answered: float, seconds: int) -> None:
        """A client's knock, sent at one monotonic second, was granted by another."""
        self._forget_ended()
        held = self.holders.get(client) or Span(-inf, -inf)
        surely = max(held.surely, asked + seconds - EARLY)
        possibly = max(held.possibly, answered + seconds + self.entry.late)
        self.holders[client] = Span(surely, possibly)
        self._conclude()

    def ended(self, clients: Iterable[str] | None = None) -> None:
        """Those clients', or all, grants of it are over."""
        for client in list(self.holders if clients is None else clients):
            self.holders.pop(client, None)
        self._conclude()

    def _forget_ended(self) -> None:
        now = monotonic()
        self.holders = {c: span for c, span in self.holders.items() if span.possibly > now}

    def _conclude(self) -> None:
        spans = self.holders.values()
        self.entry.surely = max((span.surely for span in spans), default=-inf)
        self.entry.possibly = max([monotonic(), *(span.possibly for span in spans)])


@dataclass(slots=True)
class Memory:
    """What is known of all doors that were ever asked for."""

    doors: Iterable[Door]

    def granted(
        self, wanted: Iterable[Door], client: str, asked: float, answered: float, seconds: int
    ) -> None:
        """A knock for ``wanted`` was granted: it ends what decides the same otherwise."""
        for door in wanted:
            for rival in self.doors:
                if rival is not door and rival.claim is not None and rival.claim == door.claim:
                    rival.ended()
            door.granted(client, asked, answered, seconds)

    def ended(self, client: str) -> None:
        """All that a client holds is over."""
        for door in self.doors:
            if client in door.holders:
                door.ended([client])

    def closed(self, chosen: Callable[[Door], bool] = lambda door: True) -> None:
        """Some doors, or all, are shut."""
        for door in self.doors:
            if door.holders and chosen(door):
                door.ended()
