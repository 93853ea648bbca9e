"""Firewall backends: one file each, all with the interface of this page.

A backend either does what it is asked, completely, or raises FirewallError and
leaves no half-made rule. It only ever adds accepts; it never drops traffic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fwknopd.grants import Door


class FirewallError(Exception):
    """The firewall refused. The text says what, and what to do about it."""


class FirewallBarred(FirewallError):
    """Nothing was changed, and nothing else could be at the moment: whatever is asked fails.

    Permission is missing, or another program keeps everybody out.
    """


class FirewallStuck(FirewallError):
    """It took too long and was given up: nobody knows what came of it, and asking again would
    take as long."""


class TimedDoor(NamedTuple):
    """A door and the whole seconds it is to stay open (or still is, when read back)."""

    door: Door
    seconds: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a packet let through by a door will really get in; ``detail`` says what to do.

    ``warnings`` are what else others' rules have to do with ours, each with a remedy.
    """

    ready: bool
    detail: str
    warnings: tuple[str, ...] = ()


class Firewall(Protocol):
    """What the engine asks of a backend."""

    name: str
    keeps_doors: bool
    """Whether doors stay open when this process has ended, until their time is over."""
    closes_late: float
    """Seconds by which a door may be open longer than this process reckons."""

    def start(self, devices: Sequence[str]) -> None:
        """Make the rules for packets that come in on ``devices``; keep doors already open.

        Called again with other devices at a reload. Raises FirewallError.
        """

    def open(self, doors: Sequence[TimedDoor]) -> None:
        """Open all doors or none; an open door gets the new time. Raises FirewallError."""

    def close(self, doors: Sequence[Door]) -> None:
        """Close doors; one that is closed already is no error. Raises FirewallError."""

    def read(self) -> list[TimedDoor]:
        """What the kernel holds now. Raises FirewallError."""

    def next_due(self) -> float | None:
        """Monotonic second at which to call `expire`; None where the kernel closes doors itself."""

    def expire(self) -> None:
        """Close the doors whose time is over; nothing to do is no error. Raises FirewallError."""

    def stop(self) -> None:
        """Take every rule and door of ours away, unless ``keeps_doors``. Never raises."""

    def place(self, door: Door) -> str:
        """Where the rule of a door stands, in one word, for the log."""

    def fileno(self) -> int | None:
        """Descriptor that becomes readable when ``rules_lost`` should be asked, or None."""

    def rules_lost(self) -> bool:
        """Read pending notifications: did somebody delete our rules? Never raises."""

    def look_at(self) -> float | None:
        """Monotonic second at which ``rules_lost`` should be asked unasked, None when never."""

    def diagnose(self) -> Diagnosis:
        """Would a door really let somebody in, with the rules that others made?

        May take some milliseconds. Raises FirewallError.
        """
