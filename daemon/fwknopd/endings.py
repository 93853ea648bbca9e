"""What comes with the end of a grant: its connections live on or are cut, and it is told.

Connections are only cut once their door is closed, and never if they may have come in by
one that is still open: behind one address there may be several people.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fwknopd.connections import Connections, Cut, NoConnections
from fwknopd.events import EventKind
from fwknopd.grants import Door, Grant
from fwknopd.past_doors import PastDoors


class Tell(Protocol):
    """Told of every grant that ends or changes."""

    def __call__(
        self,
        kind: EventKind,
        grant: Grant,
        why: str = "",
        *,
        cut: int | None = None,
        uncut: str = "",
    ) -> None:
        """``why`` is "" when its time was over.

        ``cut`` are connections that ended with it; ``uncut`` says which did not, and why.
        """


class Endings:
    """Knows who may still be connected through a door that has closed."""

    def __init__(self, tell: Tell) -> None:
        self.connections: Connections = NoConnections()
        self.past = PastDoors()
        self._tell = tell

    def began(self, grants: Sequence[Grant]) -> None:
        """These are open, whatever they were before."""
        self.past.forget(grants)
        self.connections.opened([grant.door for grant in grants])

    def ended(self, kind: EventKind, grants: Sequence[Grant], why: str = "") -> None:
        """These are over, and their connections may live on."""
        self.past.remember(grants)
        for grant in grants:
            self._tell(kind, grant, why)

    def cut(
        self,
        kind: EventKind,
        grants: Sequence[Grant],
        still_open: Collection[Door],
        why: str = "",
        past: Sequence[Grant] = (),
    ) -> Cut:
        """``grants`` are over, and their connections and those of ``past`` ones are to end.

        Where some may be left, the grants stay remembered.
        """
        self.past.remember(grants)
        every = [*past, *grants]
        if not every:
            return Cut()
        made = self.connections.cut({grant.door for grant in every}, still_open)
        if not (made.spared or made.problem):
            self.past.forget(every)
        # The connections of a door several clients held are told of once.
        left = dict(made.by_door)
        for grant in grants:
            self._tell(kind, grant, why, cut=left.pop(grant.door, 0), uncut=made.detail)
        for grant in past:
            if count := left.pop(grant.door, 0):
                self._tell(EventKind.CUT, grant, why, cut=count, uncut=made.detail)
        return made
