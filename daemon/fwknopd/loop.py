"""The daemon's one loop: descriptors with callbacks, one after the other."""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import sleep
from typing import Protocol

Callback = Callable[[int], None]
"""Told the event mask when its descriptor is ready."""


class HasDescriptor(Protocol):
    """Something to wait on."""

    def fileno(self) -> int:
        """Its descriptor."""


class Loop:
    """A selector whose keys' data are callbacks."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._soon: deque[Callable[[], None]] = deque()

    def watch(self, source: HasDescriptor | int, callback: Callback) -> None:
        """Have ``callback`` told whenever ``source`` is readable."""
        self.selector.register(source, selectors.EVENT_READ, callback)

    def unwatch(self, source: HasDescriptor | int) -> None:
        """Stop that; nothing happens if it was not watched, or is closed."""
        with suppress(KeyError, ValueError):
            self.selector.unregister(source)

    def soon(self, call: Callable[[], None]) -> None:
        """Have ``call`` called in the next turn, which then waits for nothing."""
        self._soon.append(call)

    @property
    def has_calls(self) -> bool:
        """The next turn has calls to make."""
        return bool(self._soon)

    def turn(self, timeout: float | None) -> None:
        """Wait for ``timeout`` seconds at most, for ever if None, and serve what is ready."""
        for key, mask in self.selector.select(0 if self._soon else timeout):
            key.data(mask)
        # Only those of before: a call may ask for another turn.
        for _ in range(len(self._soon)):
            self._soon.popleft()()

    def rest(self, seconds: float) -> None:
        """Do nothing at all for that long."""
        if seconds > 0:
            sleep(seconds)

    def close(self) -> None:
        """Give the selector back; what was watched stays open."""
        self.selector.close()
