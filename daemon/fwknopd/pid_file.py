"""One daemon per run directory: a pid file held with a lock for as long as the process lives."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import struct
from contextlib import suppress
from pathlib import Path

_FLOCK = struct.Struct("@hhqqi8x")
"""struct flock of Linux with 64-bit offsets, which is what Python is built with; the
room at the end is for the fields that some architectures add."""

_ATTEMPTS = 5


class PidFileError(Exception):
    """The pid file can't be made or read; the text says which and what to do."""


class AlreadyRunning(PidFileError):
    """Another daemon holds the pid file."""


class PidFile:
    """Text `PID\\n`, mode 0600, locked with a POSIX lock as the C daemon's is.

    Such a lock ends with any descriptor of the file, so nothing else in this process
    may ever open it. It does not pass to a child: take it after the last fork.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock and write our pid. Raises PidFileError, AlreadyRunning."""
        self.path = path
        self._fd = self._locked()
        # The lock names us to those who ask for it, also when there is no room for the text.
        with suppress(OSError):
            os.ftruncate(self._fd, 0)
            # In a jail we are number 1, which outside is the system's own first process: whoever
            # sends that a signal ends the machine.
            if (pid := os.getpid()) != 1:
                os.pwrite(self._fd, b"%d\n" % pid, 0)

    def _locked(self) -> int:
        for _ in range(_ATTEMPTS):
            fd = self._opened()
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                pid = _lock_holder(fd) or "unknown"
                os.close(fd)
                raise AlreadyRunning(
                    f"An instance of fwknopd is already running: (PID={pid}). "
                    "Stop it with `fwknopd -K`, or give this one another --run-dir."
                ) from error
            # A daemon that was just ending may have removed the file we have opened.
            with suppress(OSError):
                if os.path.samestat(os.fstat(fd), self.path.lstat()):
                    return fd
            os.close(fd)
        raise PidFileError(f"{self.path} is removed by somebody again and again.")

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            return os.open(self.path, flags, 0o600)
        except OSError as error:
            raise PidFileError(
                f"{self.path}: {error.strerror}. Run as a user who may write there, or name "
                "another place with --pid-file or --run-dir."
            ) from error

    def release(self) -> None:
        """Remove the file, then let go of the lock. Never raises."""
        with suppress(OSError):
            self.path.unlink()
        os.close(self._fd)


def running_pid(path: Path) -> int | None:
    """The process that holds the lock of a pid file, None when no daemon runs.

    Only asks: neither the file nor its lock is touched. Raises PidFileError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        remedy = "Ask as root" if error.errno == errno.EACCES else "Name it with --pid-file"
        raise PidFileError(f"{path}: {error.strerror}. {remedy}.") from error
    try:
        return _lock_holder(fd)
    finally:
        os.close(fd)


def _lock_holder(fd: int) -> int | None:
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, question))
    if kind == fcntl.F_UNLCK:
        return None
    # The kernel can't name a holder outside our pid namespace; then the text must do.
    return pid if pid > 0 else _written_pid(fd)


def _written_pid(fd: int) -> int | None:
    found = re.match(rb"[0-9]{1,9}", os.pread(fd, 32, 0))
    return int(found[0]) if found else None
