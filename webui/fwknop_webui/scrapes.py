"""How often the numbers may be read, and how often a wrong token may be shown.

Apart from the logins: a scraper with an old token must lock nobody out of the page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from fwknop_webui.lockout import Lockout

AT_ONCE = 10
"""Answers somebody with the token gets without a pause: several scrapers at the same time."""

SECONDS_EACH = 1.0
"""After that: one answer in so many seconds, for all together."""


@dataclass(slots=True)
class Scrapes:
    """What was read lately. Times are monotonic seconds."""

    now: Callable[[], float]
    wrong: Lockout = field(init=False)
    """Wrong tokens, counted as wrong passwords are."""

    _until: float = field(default=float("-inf"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self.wrong = Lockout(self.now)

    def has_room(self) -> bool:
        """Whether there may be one more answer now; nothing is counted."""
        with self._lock:
            return self._next() is not None

    def take(self) -> bool:
        """Whether there may be one more answer now; it counts if so."""
        with self._lock:
            until = self._next()
            if until is None:
                return False
            self._until = until
            return True

    def _next(self) -> float | None:
        now = self.now()
        until = max(self._until, now) + SECONDS_EACH
        return until if until <= now + AT_ONCE * SECONDS_EACH else None
