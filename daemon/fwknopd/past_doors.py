"""Grants that are over, whose connections may live on. Pure.

A door is open for half a minute, and what came in by it may stay for days. Whoever revokes
a client that was lost means those connections too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fwknopd.grants import Door, Grant

REMEMBERED = 500
"""Grants kept, the newest; each takes some 300 bytes."""


class PastDoors:
    """The newest grants that are over, one for each client and door."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._grants: dict[tuple[Door, str], Grant] = {}

    def __iter__(self) -> Iterator[Grant]:
        """The oldest first."""
        return iter(list(self._grants.values()))

    def __len__(self) -> int:
        return len(self._grants)

    def remember(self, grants: Iterable[Grant]) -> None:
        """These are over."""
        for grant in grants:
            self._grants.pop((grant.door, grant.holder), None)
            self._grants[grant.door, grant.holder] = grant
        while len(self._grants) > self._limit:
            del self._grants[next(iter(self._grants))]

    def forget(self, grants: Iterable[Grant]) -> None:
        """Nothing is left of these, or they are open again."""
        for grant in grants:
            self._grants.pop((grant.door, grant.holder), None)
