"""Signals as bytes on a descriptor, so that they are just another event of the loop."""

from __future__ import annotations

import contextlib
import signal
import socket
from types import FrameType

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
IGNORED = (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor carries the signal; Python needs some handler to write it."""


class SignalPipe:
    """Installs the handlers; `take` returns what has arrived, also what came long before."""

    def __init__(self) -> None:
        self._before = {number: signal.getsignal(number) for number in (*HANDLED, *IGNORED)}
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, _noted)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)

    def fileno(self) -> int:
        """Readable when a signal has arrived."""
        return self._reader.fileno()

    def take(self) -> set[int]:
        """The signals since the last call."""
        with contextlib.suppress(BlockingIOError):
            return set(self._reader.recv(4096))
        return set()

    def close(self) -> None:
        """Stop listening; signals do again what they did before. Calling it twice is no error."""
        if not self._before:
            return
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        self._reader.close()
        self._writer.close()
