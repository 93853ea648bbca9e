"""When somebody last logged in, and how often it was tried in vain since."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fwknop_webui.untyped import Json, number, text

MAX_ADDRESS = 64
"""Characters; more than any address has."""


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

    def state(self) -> dict[str, object]:
        """What ``restore`` needs."""
        with self._lock:
            time, address = self._last or (0.0, "")
            return {"time": time, "address": address, "failures": self._failures}

    def restore(self, data: Json) -> None:
        """Go on from an earlier run's state, whatever shape it has."""
        last = (number(data, "time"), text(data, "address")[:MAX_ADDRESS])
        with self._lock:
            self._last = last if all(last) else None
            self._failures = max(0, int(number(data, "failures")))
