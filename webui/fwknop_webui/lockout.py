"""Slowing down password guessing: per address, and more gently for everybody together.

Pure state over a clock that is passed in. The books are bounded: an attacker with many
addresses can neither fill the memory nor push out the address that is locked last.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from fwknop_webui.untyped import Json, child, number, numbers, texts

FAILURES_PER_ADDRESS = 5
LOCK_SECONDS = 15 * 60.0
"""How long an address waits after its fifth failure, and how long failures are remembered."""

FAILURES_OF_ALL = 20
PAUSE_OF_ALL = 10.0
"""After 20 failures in the window, from anywhere: one try every 10 seconds."""

MAX_ADDRESSES = 512
MAX_TRUSTED_KEPT = 64
"""How many of the addresses that showed the password outlive a restart."""


IN_FLIGHT_SECONDS = 1.0
"""What an address is told to wait while its last tries are still being checked."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    locked_until: float = 0.0
    pending: int = 0


@dataclass(slots=True)
class Lockout:
    """Who has to wait how long before the next try. Times are monotonic seconds.

    A try is reserved before the password is looked at (``begin``) and settled after that by
    ``failed``, ``succeeded`` or ``abandoned``: checking takes long, and tries sent all at
    once must not each find the same free place.
    """

    now: Callable[[], float]
    _records: OrderedDict[str, _Record] = field(default_factory=OrderedDict)
    _all: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES_OF_ALL))
    _trusted: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _pending: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, address: str) -> int:
        """Reserve a try; 0 when that was possible, else whole seconds to wait for the next."""
        with self._lock:
            wait = self._wait(_key(address))
            if wait == 0:
                self._pending += 1
                self._touch(_key(address)).pending += 1
            return wait

    def wait(self, address: str) -> int:
        """Whole seconds until this address may try again; 0 when it may try now."""
        with self._lock:
            return self._wait(_key(address))

    def failed(self, address: str) -> bool:
        """The try was wrong. True when it locks the address: the moment to log, once a burst."""
        with self._lock:
            now = self.now()
            self._all.append(now)
            record = self._settle(_key(address))
            record.failures = self._remembered(record, now) + 1
            record.last = now
            if record.failures < FAILURES_PER_ADDRESS:
                return False
            record.locked_until = now + LOCK_SECONDS
            return True

    def succeeded(self, address: str) -> None:
        """The try was right: forget the failures of this address."""
        with self._lock:
            record = self._settle(_key(address))
            record.failures = 0
            self._trusted[_key(address)] = None
            self._trusted.move_to_end(_key(address))
            while len(self._trusted) > MAX_ADDRESSES:
                self._trusted.popitem(last=False)

    def abandoned(self, address: str) -> None:
        """It could not be told whether the try was right."""
        with self._lock:
            self._settle(_key(address))

    def state(self) -> dict[str, object]:
        """What ``restore`` needs: times as seconds before now, and nothing that is over."""
        with self._lock:
            now = self.now()
            records = {
                key: {"failures": record.failures, "ago": now - record.last}
                for key, record in self._records.items()
                if record.failures and now - record.last < LOCK_SECONDS
            }
            recent = [now - time for time in self._all if now - time < LOCK_SECONDS]
            trusted = list(self._trusted)[-MAX_TRUSTED_KEPT:]
            return {"addresses": records, "all": recent, "trusted": trusted}

    def restore(self, data: Json, elapsed: float) -> None:
        """Go on from a state written ``elapsed`` seconds ago, whatever shape it has."""
        with self._lock:
            now = self.now()
            for key in list(child(data, "addresses"))[:MAX_ADDRESSES]:
                self._restore_address(_key(key), child(child(data, "addresses"), key), now, elapsed)
            for ago in sorted(numbers(data, "all"), reverse=True)[-FAILURES_OF_ALL:]:
                self._all.append(now - elapsed - max(0.0, ago))
            for key in texts(data, "trusted")[-MAX_TRUSTED_KEPT:]:
                self._trusted[_key(key)] = None

    def _restore_address(self, key: str, stored: Json, now: float, elapsed: float) -> None:
        last = now - elapsed - max(0.0, number(stored, "ago"))
        failures = min(int(number(stored, "failures")), FAILURES_PER_ADDRESS)
        if failures < 1 or now - last >= LOCK_SECONDS:
            return
        record = self._touch(key)
        record.failures, record.last = failures, last
        if failures == FAILURES_PER_ADDRESS:
            record.locked_until = last + LOCK_SECONDS

    def _wait(self, key: str) -> int:
        now = self.now()
        own = self._own_wait(self._records.get(key, _Record()), now)
        return max(0, ceil(max(own, self._pause_of_all(key, now))))

    def _own_wait(self, record: _Record, now: float) -> float:
        if record.locked_until > now:
            return record.locked_until - now
        full = self._remembered(record, now) + record.pending >= FAILURES_PER_ADDRESS
        return IN_FLIGHT_SECONDS if full else 0.0

    def _remembered(self, record: _Record, now: float) -> int:
        """The failures that still count: none after a pause, none once the lock has ended."""
        over = now - record.last >= LOCK_SECONDS or record.failures >= FAILURES_PER_ADDRESS
        return 0 if over else record.failures

    def _pause_of_all(self, key: str, now: float) -> float:
        # Whoever has shown the password before isn't slowed down by a stranger's guesses.
        recent = sum(1 for time in self._all if now - time < LOCK_SECONDS)
        if recent + self._pending < FAILURES_OF_ALL or key in self._trusted:
            return 0.0
        pause = self._all[-1] + PAUSE_OF_ALL - now if self._all else 0.0
        return max(pause, IN_FLIGHT_SECONDS) if self._pending else pause

    def _touch(self, key: str) -> _Record:
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        while len(self._records) > MAX_ADDRESSES:
            self._records.popitem(last=False)
        return record

    def _settle(self, key: str) -> _Record:
        record = self._touch(key)
        record.pending = max(0, record.pending - 1)
        self._pending = max(0, self._pending - 1)
        return record


def _key(address: str) -> str:
    """An IPv6 host owns its whole /64, so that is what gets counted."""
    if address.endswith("/64"):
        return _key(address.removesuffix("/64"))
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
