"""Whose the doors are that an earlier process left: what is remembered, checked by the kernel.

What the kernel has is the truth. What was remembered only adds whose a door is, and only as
far as it fits: a door that ends at another time was made by somebody else since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf, isfinite
from typing import Protocol

from fwknopd.firewall import TimedDoor
from fwknopd.grants import UNKNOWN_CLIENT, Grant, GrantTable
from fwknopd.owner_format import Kept, check_of, key_of
from fwknopd.policy.stanza import Stanza

SLACK = 2.0
"""Seconds that a door may end earlier or later than remembered: iptables' rules name whole ones."""


class OwnerMemory(Protocol):
    """Keeps beyond the end of this process who opened which door. Nothing raises."""

    def left(self) -> Sequence[Kept]:
        """What an earlier process has left."""

    def opened(self, grants: Sequence[Grant], every: GrantTable) -> None:
        """Note grants, which are among ``every`` one there is."""

    def ended(self, grants: Sequence[Grant], every: GrantTable) -> None:
        """Note that grants have ended before their time."""

    def keep(self, every: GrantTable) -> None:
        """Keep just these."""


class NoOwners:
    """Keeps nothing."""

    def left(self) -> Sequence[Kept]:
        """Nothing."""
        return ()

    def opened(self, grants: Sequence[Grant], every: GrantTable) -> None:
        """Nothing to do."""

    def ended(self, grants: Sequence[Grant], every: GrantTable) -> None:
        """Nothing to do."""

    def keep(self, every: GrantTable) -> None:
        """Nothing to do."""


def adopted(
    held: Iterable[TimedDoor], left: Iterable[Kept], stanzas: Iterable[Stanza], now: float
) -> Iterator[Grant]:
    """The grants of the doors that the firewall holds; ``now`` is a monotonic second."""
    by_door: dict[str, list[Kept]] = {}
    for kept in left:
        by_door.setdefault(kept.door, []).append(kept)
    owners: dict[str, list[Stanza]] = {}
    for stanza in stanzas if by_door else ():
        owners.setdefault(check_of(stanza.identity), []).append(stanza)
    for timed in held:
        if isfinite(timed.seconds):
            theirs = by_door.get(key_of(timed.door), [])
            yield from _grants(timed, theirs, owners, now)


def capped(
    held: Sequence[TimedDoor],
    stanzas: Iterable[Stanza],
    shorten: Callable[[Sequence[TimedDoor]], None],
) -> Sequence[TimedDoor]:
    """``held``, with no door open for longer than any client may have one. Raises FirewallError.

    The rules of iptables name their ends in time of day. When the clock was set back since,
    what a crash has left would stay open by as much longer.
    """
    most = max((max(s.fw_access_timeout, s.max_fw_timeout) for s in stanzas), default=inf)
    late = {timed.door: TimedDoor(timed.door, most) for timed in held if _is_beyond(timed, most)}
    if late:
        shorten(list(late.values()))
    return [late.get(timed.door, timed) for timed in held]


def _is_beyond(timed: TimedDoor, most: float) -> bool:
    return isfinite(timed.seconds) and timed.seconds > most + SLACK


def _grants(
    timed: TimedDoor, theirs: list[Kept], owners: dict[str, list[Stanza]], now: float
) -> Iterator[Grant]:
    door, end = timed.door, now + timed.seconds
    last = max((kept.expires for kept in theirs), default=0.0)
    if last <= end + SLACK:
        for kept in theirs:
            owner, expires = _owner(kept, owners), min(kept.expires, end)
            yield Grant(door, kept.client, kept.opened, expires, owner, kept.cut_at_expiry)
    if abs(last - end) > SLACK:
        # Last, for an owner takes the place of one that is unknown.
        yield Grant(door, UNKNOWN_CLIENT, now, end)


def _owner(kept: Kept, owners: dict[str, list[Stanza]]) -> str:
    """The identity of the client that it was; one that is nobody's when there is none such."""
    found = owners.get(kept.check, [])
    named = [stanza for stanza in found if stanza.label == kept.client]
    return next((stanza.identity for stanza in (*named, *found)), f"gone {kept.check}")
