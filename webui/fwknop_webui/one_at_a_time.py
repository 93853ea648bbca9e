"""A turn at something that only one request may do at a time, for longer than its own view."""

from __future__ import annotations

from threading import Lock


class Turn:
    """Taken in one place and given back in another: at the end of an answer, however it ends."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._is_taken = False

    def take(self, patience: float) -> bool:
        """Wait ``patience`` seconds at most; False when it is somebody else's still."""
        self._is_taken = self._lock.acquire(timeout=patience)
        return self._is_taken

    def give_back(self) -> None:
        """Let the next one have it. May be called again."""
        if self._is_taken:
            self._is_taken = False
            self._lock.release()
