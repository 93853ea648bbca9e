"""What the daemon has said of its doors, kept like books: each is opened once and closed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from tests.lab.events import Event

OPENS = "grant"
CLOSES = frozenset({"expire", "revoke"})
SETTLING = 0.7
"""Seconds: a door that ends so soon, or has just ended, may be in the kernel or not."""


def address_of(request: str) -> str:
    """Whom a door lets in."""
    return request.partition(",")[0]


@dataclass(slots=True)
class Books:
    """``open``: the doors, by client and request, and the epoch second of each end.

    ``closed_at`` has the end of those that are over, by address.
    """

    open: dict[tuple[str, str], float] = field(default_factory=dict)
    closed_at: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    opened: int = 0
    extended: int = 0
    closed: int = 0

    def enter(self, event: Event) -> None:
        """Take in one event."""
        kind = event["event"]
        if kind != OPENS and kind not in CLOSES:
            return
        door = (event["client"], event["request"])
        if kind == OPENS:
            self.extended += door in self.open
            self.opened += door not in self.open
            self.open[door] = event["expires"]
            return
        self.closed += 1
        self.closed_at[address_of(door[1])] = event["time"]
        if self.open.pop(door, None) is None:
            self.wrong.append(f"closed without having been open: {event}")

    def addresses(self) -> dict[str, float]:
        """Who is let in, and until when."""
        ends: dict[str, float] = {}
        for (_, request), end in self.open.items():
            address = address_of(request)
            ends[address] = max(end, ends.get(address, -inf))
        return ends

    def compare(self, held: set[str], began: float, ended: float) -> None:
        """Note where the kernel had something else when asked in that time, epoch seconds.

        On a busy machine it takes seconds to ask.
        """
        ends = self.addresses()
        for address in held - set(ends):
            if self.closed_at.get(address, -inf) < began - SETTLING:
                self.wrong.append(f"{ended:.1f}: the kernel lets in {address}, whom nobody told of")
        for address in set(ends) - held:
            if ends[address] > ended + SETTLING:
                self.wrong.append(f"{ended:.1f}: the kernel shuts out {address}, told to be let in")
