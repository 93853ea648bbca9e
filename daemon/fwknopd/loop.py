"""The daemon's one loop: descriptors with callbacks, one after the other."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from contextlib import suppress
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

    def watch(self, source: HasDescriptor | int, callback: Callback) -> None:
        """Have ``callback`` told whenever ``source`` is readable."""
        self.selector.register(source, selectors.EVENT_READ, callback)

    def unwatch(self, source: HasDescriptor | int) -> None:
        """Stop that; nothing happens if it was not watched, or is closed."""
        with suppress(KeyError, ValueError):
            self.selector.unregister(source)

    def turn(self, timeout: float | None) -> None:
        """Wait for ``timeout`` seconds at most, for ever if None, and serve what is ready."""
        for key, mask in self.selector.select(timeout):
            key.data(mask)

    def close(self) -> None:
        """Give the selector back; what was watched stays open."""
        self.selector.close()
