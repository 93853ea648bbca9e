"""When somebody last logged in, and how often it was tried in vain since. In memory only."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PreviousLogin:
    """``time`` is epoch seconds. ``failures`` are the wrong passwords since, from anywhere."""

    time: float
    address: str
    failures: int


@dataclass(slots=True)
class LoginHistory:
    """The last login and what came after it."""

    _last: tuple[float, str] | None = None
    _failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self) -> None:
        """A wrong password."""
        with self._lock:
            self._failures += 1

    def succeeded(self, time: float, address: str) -> PreviousLogin | None:
        """A login now; what was known of the one before, None at the first since the start."""
        with self._lock:
            last, failures = self._last, self._failures
            self._last, self._failures = (time, address), 0
        if last is None:
            return PreviousLogin(0.0, "", failures) if failures else None
        return PreviousLogin(*last, failures)
