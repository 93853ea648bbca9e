"""What the engine asks of the edges around it, beside the firewall: time, names, a memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from fwknopd.policy.settings import PolicySettings
from fwknopd.policy.stanza import Address
from fwknopd.replay import ReplayCache, ReplayEntry


class Clock(Protocol):
    """Wall time for packet ages and people, monotonic time for lifetimes."""

    def now(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""

    def problem(self) -> str:
        """Why `now` can't be believed; "" when it can."""

    def utc_offset(self, now: float) -> int:
        """Seconds this machine's wall clock was, is or will be ahead of UTC at ``now``."""


LookUp = Callable[[str, int, Callable[[Address | str], None]], None]
"""Finds the address of a host name for an IP version, and tells it, or why not, later."""


class Memory(Protocol):
    """The replay cache, and what keeps it over the end of this process. Nothing raises."""

    @property
    def cache(self) -> ReplayCache:
        """What was used."""

    def use(self, settings: PolicySettings) -> None:
        """Work by these settings from now on."""

    def refresh(self) -> None:
        """Packets are about to be judged: take account of the clock as it is now."""

    def outlived(self) -> None:
        """Doors that an earlier run opened are still open."""

    def remember(self, entries: Sequence[ReplayEntry]) -> None:
        """Make used packets outlive this process, before anything comes of them."""

    def sync(self) -> None:
        """Make them outlive the machine too, before anything comes of them that also does."""
