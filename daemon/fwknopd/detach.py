"""Going to the background, with start faults still told to who typed the command."""

from __future__ import annotations

import os
import signal
import sys


class Foreground:
    """Readiness of a daemon nobody waits for."""

    def ready(self) -> None:
        """Nobody needs to be told."""


class Background(Foreground):
    """The daemon's end of the pipe on which the command that started it waits.

    Until `ready` the daemon still speaks on the terminal. If it ends before, the
    command ends with exit code 1.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def ready(self) -> None:
        """Leave the terminal, and let the waiting command end with exit code 0."""
        _silence(1, 2)
        os.write(self._pipe, b"+")
        os.close(self._pipe)


def detach() -> Background:
    """Fork to the background. Returns in the daemon only; the command waits and exits."""
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    if os.fork() > 0:
        os.close(writer)
        _wait(reader)
    os.close(reader)
    os.setsid()
    if os.fork() > 0:
        # Not the leader of its session, the daemon can't get a terminal by accident.
        os._exit(0)
    os.chdir("/")
    _silence(0)
    return Background(writer)


def _wait(reader: int) -> None:
    # Whoever presses Ctrl-C here wants their prompt back, not a stack trace.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os._exit(0 if os.read(reader, 1) else 1)


def _silence(*streams: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in streams:
        os.dup2(null, stream)
    if null > 2:
        os.close(null)
