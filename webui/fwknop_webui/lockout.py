"""Slowing down password guessing: per address, and more gently for everybody together.

Pure state over a clock that is passed in. The books are bounded: an attacker with many
addresses can neither fill the memory nor push out the address that is locked last.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

FAILURES_PER_ADDRESS = 5
LOCK_SECONDS = 15 * 60.0
"""How long an address waits after its fifth failure, and how long failures are remembered."""

FAILURES_OF_ALL = 20
PAUSE_OF_ALL = 10.0
"""After 20 failures in the window, from anywhere: one try every 10 seconds."""

MAX_ADDRESSES = 512


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    locked_until: float = 0.0


@dataclass(slots=True)
class Lockout:
    """Who has to wait how long before the next try. Times are monotonic seconds."""

    now: Callable[[], float]
    _records: OrderedDict[str, _Record] = field(default_factory=OrderedDict)
    _all: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES_OF_ALL))
    _trusted: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def wait(self, address: str) -> int:
        """Whole seconds until this address may try again; 0 when it may try now."""
        now = self.now()
        record = self._records.get(_key(address))
        own = record.locked_until - now if record else 0.0
        return max(0, ceil(max(own, self._pause_of_all(address, now))))

    def _pause_of_all(self, address: str, now: float) -> float:
        full = len(self._all) == FAILURES_OF_ALL and now - self._all[0] < LOCK_SECONDS
        # Whoever has shown the password before isn't slowed down by a stranger's guesses.
        if not full or _key(address) in self._trusted:
            return 0.0
        return self._all[-1] + PAUSE_OF_ALL - now

    def failed(self, address: str) -> bool:
        """Count a failure. True when it locks the address: the moment to log, once a burst."""
        now = self.now()
        self._all.append(now)
        record = self._records.setdefault(_key(address), _Record())
        self._records.move_to_end(_key(address))
        if now - record.last >= LOCK_SECONDS or record.failures >= FAILURES_PER_ADDRESS:
            record.failures = 0
        record.failures += 1
        record.last = now
        self._forget_oldest()
        if record.failures < FAILURES_PER_ADDRESS:
            return False
        record.locked_until = now + LOCK_SECONDS
        return True

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address that showed the password."""
        self._records.pop(_key(address), None)
        self._trusted[_key(address)] = None
        while len(self._trusted) > MAX_ADDRESSES:
            self._trusted.popitem(last=False)

    def _forget_oldest(self) -> None:
        while len(self._records) > MAX_ADDRESSES:
            self._records.popitem(last=False)


def _key(address: str) -> str:
    """An IPv6 host owns its whole /64, so that is what gets counted."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))


def minutes_and_seconds(seconds: int) -> str:
    """``mm:ss``."""
    return f"{seconds // 60:02d}:{seconds % 60:02d}"
