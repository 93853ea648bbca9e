"""Which packets were already used, as pure bounded state.

A packet is known under two names: the reference digest, which the C daemon's
digest.cache holds too and which costs one hash of the text as it came in; and the
canonical key, which every re-encoding of the same ciphertext shares. Only packets
that a client's keys opened are ever added, so junk can't grow this.

An entry is needed for as long as its packet's own timestamp could still be
accepted, and no longer. A few more are kept beyond that, so that a clock which
jumps ahead and back doesn't make the last packets usable a second time.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

Address = IPv4Address | IPv6Address

LIMIT = 20_000
"""Packets remembered at most, about 600 bytes each; knocks of 80 a second for 4 minutes."""

KEEP = 512
"""Newest packets kept however old they are, against a clock that jumps ahead and back."""


class ReplayCacheFull(Exception):
    """No entry can be forgotten yet, so a further packet could be used twice: refuse it."""


class ReplayEntry(NamedTuple):
    """One used packet.

    - ``digest``: base64 of SHA-256 over the wire text, the name the C daemon uses
    - ``key``: canonical name, or None when only the C daemon saw the packet
    - ``seen``: epoch second of its arrival; ``timestamp``: the packet's own, None if unknown
    - the rest: where it came from and went to, and the client whose keys opened it
    """

    digest: str
    key: bytes | None
    seen: int
    timestamp: int | None
    protocol: int
    source: Address
    source_port: int | None
    destination: Address
    destination_port: int | None
    client: str = ""


class ReplayCache:
    """Every packet that may not be used again. Times are epoch seconds.

    - ``max_age``: seconds a timestamp may lie in the past or the future; None when
      packets don't age, and then nothing is ever forgotten. It is None until the
      settings are known, so that what was loaded before isn't forgotten too early
    - ``blind_before``: packets stamped before this second count as used, because the
      record of that time was lost; None when nothing was lost
    - ``booted_at``: the machine was started in this second, and lately; else None
    """

    def __init__(self, max_age: int | None = None, *, limit: int = LIMIT, keep: int = KEEP) -> None:
        self._max_age = max_age
        self.blind_before: int | None = None
        self.booted_at: int | None = None
        self._limit = limit
        self._keep = min(keep, limit)
        self._by_digest: dict[str, ReplayEntry] = {}
        self._by_key: dict[bytes, ReplayEntry] = {}
        self._prune_at = self._grown_size()
        self._first_expiry = 0

    @property
    def max_age(self) -> int | None:
        """Seconds a packet's timestamp may lie off; None when packets don't age."""
        return self._max_age

    @max_age.setter
    def max_age(self, seconds: int | None) -> None:
        self._max_age = seconds
        self._first_expiry = 0
        self._prune_at = 0

    def __len__(self) -> int:
        return len(self._by_digest)

    @property
    def limit(self) -> int:
        """Packets that are remembered at most."""
        return self._limit

    @property
    def full(self) -> bool:
        """The bound is reached; only entries that expire make room again."""
        return len(self) >= self._limit

    def entries(self) -> list[ReplayEntry]:
        """All entries, in the order they were added."""
        return list(self._by_digest.values())

    def seen(self, key: str | bytes) -> ReplayEntry | None:
        """The entry with this reference digest (text) or canonical key (bytes)."""
        return self._by_digest.get(key) if isinstance(key, str) else self._by_key.get(key)

    def still_acceptable(self, timestamp: int, now: int) -> bool:
        """Could a packet of this timestamp pass the age check, now or later?"""
        return self._max_age is None or now <= timestamp + self._max_age

    def has_room(self, now: int) -> bool:
        """Would `add` succeed? Nothing changes."""
        if not self.full:
            return True
        if self._max_age is None or len(self) <= self._keep or now <= self._first_expiry:
            return False
        return any(now > self._expiry(entry) for entry in self._by_digest.values())

    def add(self, entry: ReplayEntry, now: int) -> None:
        """Remember a packet. Raises ReplayCacheFull, and then the packet must be refused."""
        self._make_room(now)
        self._put(entry)

    def load(self, entries: Iterable[ReplayEntry], now: int) -> None:
        """Take over what was remembered before; when it is too much, the newest stays."""
        for entry in entries:
            self._put(entry)
        self.prune(now)
        for entry in self.entries()[: max(0, len(self) - self._limit)]:
            self._forget(entry)
        self._prune_at = self._grown_size()

    def prune(self, now: int) -> int:
        """Forget packets too old to be accepted again, oldest first; returns how many."""
        excess = len(self) - self._keep
        if excess <= 0 or self._max_age is None or now <= self._first_expiry:
            return 0
        expired = [entry for entry in self.entries() if now > self._expiry(entry)][:excess]
        for entry in expired:
            self._forget(entry)
        self._first_expiry = min(map(self._expiry, self._by_digest.values()), default=0)
        return len(expired)

    def _make_room(self, now: int) -> None:
        if len(self) < self._prune_at:
            return
        self.prune(now)
        self._prune_at = self._grown_size()
        if self.full:
            raise ReplayCacheFull

    def _grown_size(self) -> int:
        # Pruning costs a look at every entry; waiting until the cache has doubled
        # spreads that over the packets that made it grow.
        return min(self._limit, 2 * max(len(self), self._keep))

    def _expiry(self, entry: ReplayEntry) -> int:
        age = self._max_age or 0
        # Without the packet's own timestamp: it was accepted, so it lay at most
        # max_age ahead of the clock at that time.
        timestamp = entry.seen + age if entry.timestamp is None else entry.timestamp
        return timestamp + age

    def _put(self, entry: ReplayEntry) -> None:
        # It may end before all the others: they can be from the time of a clock that ran ahead.
        self._first_expiry = min(self._first_expiry, self._expiry(entry))
        self._by_digest[entry.digest] = entry
        if entry.key is not None:
            self._by_key[entry.key] = entry

    def _forget(self, entry: ReplayEntry) -> None:
        del self._by_digest[entry.digest]
        if entry.key is not None:
            self._by_key.pop(entry.key, None)


class VolatileMemory:
    """A replay cache and nothing that outlives it, for judging without a journal."""

    def __init__(self) -> None:
        self.cache = ReplayCache()

    def use(self, settings: object) -> None:
        """Nothing depends on the settings."""

    def refresh(self) -> None:
        """Nothing depends on the clock."""

    def outlived(self) -> None:
        """Nothing depends on an earlier run."""

    def remember(self, entries: Sequence[ReplayEntry]) -> None:
        """They are in the cache."""

    def sync(self) -> None:
        """Nothing outlives this process."""
