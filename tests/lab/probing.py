"""Trying a door again and again, to show that it never opens, or when it does."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from tests.lab.hosts import Attempt, Host

# At most five new connections a second: fw4's limit for SYN packets (25 a second) holds for
# everybody together, and must not be what keeps the phone out.
SILENCE_SECONDS = 0.2


class Probing:
    """A host tries one port over and over while the block lasts, in a thread of its own."""

    def __init__(self, host: Host, address: str, port: int) -> None:
        self._host, self._address, self._port = host, address, port
        self._attempts: list[Attempt] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._try, daemon=True)

    def _try(self) -> None:
        while not self._end.is_set():
            attempt = self._host.connect(self._address, self._port, SILENCE_SECONDS)
            self._attempts.append(attempt)
            self._end.wait(max(0, SILENCE_SECONDS - attempt.milliseconds / 1000))

    @property
    def attempts(self) -> list[Attempt]:
        """Every try so far."""
        return list(self._attempts)

    @property
    def connected(self) -> int:
        """How many tries got in."""
        return sum(map(bool, self.attempts))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
