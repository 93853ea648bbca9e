"""What is asked about the live connections of doors, and what the answers are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fwknopd.grants import Door


@dataclass(frozen=True, slots=True)
class Counted:
    """Live connections by door, 0 for doors that are left out.

    ``problem`` says why they can't be told, and then nothing else counts.
    """

    by_door: Mapping[Door, int] = field(default_factory=dict)
    problem: str = ""

    def of(self, door: Door) -> int | None:
        """Connections of one door; None when they can't be told."""
        return None if self.problem else self.by_door.get(door, 0)


@dataclass(frozen=True, slots=True)
class Cut:
    """What became of the connections of closed doors.

    - ``by_door``: cut
    - ``spared``: left alone, as they may be those of a door that is still open
    - ``problem``: why others live on, or why nothing could be cut; "" when all is done
    """

    by_door: Mapping[Door, int] = field(default_factory=dict)
    spared: int = 0
    problem: str = ""

    @property
    def count(self) -> int:
        """Connections cut."""
        return sum(self.by_door.values())

    @property
    def detail(self) -> str:
        """What was not cut and why, for people; "" when there is nothing to say."""
        spared = (
            f"{connections(self.spared)} left alone that may have come in by a door that is open"
            if self.spared
            else ""
        )
        failed = f"connections live on: {self.problem}" if self.problem else ""
        return "; ".join(filter(None, (spared, failed)))


def connections(count: int) -> str:
    """A number of them in words."""
    return f"{count} connection{'' if count == 1 else 's'}"


class Connections(Protocol):
    """The kernel's table of connections. Nothing raises."""

    def count(self, doors: Collection[Door]) -> Counted:
        """The live connections of ``doors``."""

    def cut(self, closed: Collection[Door], still_open: Collection[Door]) -> Cut:
        """End the connections of ``closed`` for good, but for those of doors ``still_open``.

        The firewall must have closed the doors before.
        """

    def opened(self, doors: Collection[Door]) -> None:
        """``doors`` have opened: nothing that was cut before may stand in their way."""

    def problem(self) -> str:
        """Why connections can be neither counted nor cut; "" when they can."""


class NoConnections:
    """Where no packet comes in by a door, so that there are none."""

    def count(self, doors: Collection[Door]) -> Counted:
        """None."""
        return Counted()

    def cut(self, closed: Collection[Door], still_open: Collection[Door]) -> Cut:
        """Nothing to do."""
        return Cut()

    def opened(self, doors: Collection[Door]) -> None:
        """Nothing to do."""

    def problem(self) -> str:
        """None."""
        return ""
