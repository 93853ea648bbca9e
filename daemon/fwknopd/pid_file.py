"""One daemon per run directory: a pid file held with a lock for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class AlreadyRunning(Exception):
    """Another daemon holds the pid file, or the file can't be made; the text says which."""


class PidFile:
    """Text `PID\\n`, mode 0600, locked with a POSIX lock as the C daemon's is."""

    def __init__(self, path: Path) -> None:
        """Take the lock and write our pid. Raises AlreadyRunning."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise AlreadyRunning(
                f"{path}: {error.strerror}. Run as a user who may write there, or name another "
                "folder with --run-dir."
            ) from error
        self._lock()
        os.ftruncate(self._fd, 0)
        os.write(self._fd, b"%d\n" % os.getpid())

    def _lock(self) -> None:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._fd, 32).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise AlreadyRunning(
                f"An instance of fwknopd is already running: (PID={holder}). "
                "Stop it first, or give this one another --run-dir."
            ) from error

    def release(self) -> None:
        """Remove the file, then let go of the lock. Never raises."""
        self.path.unlink(missing_ok=True)
        os.close(self._fd)


def detach() -> None:
    """Go to the background: the parent exits 0, standard streams go to /dev/null."""
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    if null > 2:
        os.close(null)
