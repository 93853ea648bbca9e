"""Descriptors that are kept open to be given up, for when the process can get no other."""

from __future__ import annotations

import os
from contextlib import suppress


class Reserve:
    """Holds ``count`` descriptors, or as many as there were to be had."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: list[int] = []
        self.fill()

    def fill(self) -> None:
        """Take back what was given up, as far as there are descriptors."""
        with suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def free_one(self) -> None:
        """Give one up, if there is any left."""
        if self._held:
            os.close(self._held.pop())

    def close(self) -> None:
        """Give up all."""
        while self._held:
            self.free_one()
