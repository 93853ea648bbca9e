"""Ctrl-C and its like, as a request that is looked at where it is safe to stop."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType, TracebackType

from tests.lab.errors import LabStopped

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Readable once somebody asked us to stop, while the block lasts.

    Nothing is interrupted: start-up asks between its steps. So no half-made thing is ever
    left behind, and a second Ctrl-C can't disturb the taking down.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """Descriptor that becomes readable when we are to stop."""
        return self._read

    def wait(self, seconds: float) -> bool:
        """Wait no longer than that for it: are we to stop?"""
        return bool(select.select([self._read], [], [], seconds)[0])

    def check(self) -> None:
        """Raise LabStopped if we are to stop."""
        if self.wait(0):
            raise LabStopped("stopped while starting")

    def _asked(self, number: int, frame: FrameType | None) -> None:
        os.write(self._write, b".")

    def __enter__(self) -> StopRequest:
        self._before = {number: signal.signal(number, self._asked) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)
