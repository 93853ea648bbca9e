"""Where events go besides the ring: JSON lines, standard error, the system log."""

from __future__ import annotations

import os
import select
import stat
import syslog
from pathlib import Path

from fwknopd.events import Event, Losses
from fwknopd.log_lines import ERROR, INFO, log_lines

FACILITIES: dict[str, int] = {"LOG_DAEMON": syslog.LOG_DAEMON} | {
    f"LOG_LOCAL{n}": getattr(syslog, f"LOG_LOCAL{n}") for n in range(8)
}


class EventFileError(Exception):
    """The events file can't be written; the text says why and what to do."""


class JsonLinesSink:
    """Writes each event as one line of JSON to a file (0600) or, for ``-``, standard output.

    A reader who doesn't read, and a disk that is full, cost lines and never the daemon's
    time: `losses` tells of them.
    """

    def __init__(self, path: str) -> None:
        """Raises EventFileError."""
        # Few have such a file.
        from json import JSONEncoder

        self._text_of = JSONEncoder(separators=(",", ":")).encode
        self._losses = Losses(path)
        self._torn = False
        try:
            self._fd = 1 if path == "-" else _open_append(path)
        except OSError as error:
            raise EventFileError(
                f"--events {path}: {error.strerror}. Name a file in a folder that exists "
                "and that this user may write to."
            ) from error

    def __call__(self, event: Event) -> None:
        data = self._text_of(event.as_json()).encode("ascii") + b"\n"
        if self._torn:
            data = b"\n" + data
        written, fault = _written_now(self._fd, data)
        if written < len(data):
            self._losses.add(event.time, fault)
        # Half a line must not swallow the next one.
        self._torn = 0 < written < len(data) or (self._torn and not written)

    def losses(self) -> Losses:
        """What could not be written."""
        return self._losses


def _open_append(path: str) -> int:
    """Open for appending. A pipe is opened both ways, for else it waits for a reader."""
    flags = os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        is_pipe = stat.S_ISFIFO(Path(path).stat().st_mode)
    except FileNotFoundError:
        is_pipe = False
    fd = os.open(path, flags | (os.O_RDWR if is_pipe else os.O_WRONLY), 0o600)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        os.fchmod(fd, 0o600)
    return fd


def write_now(fd: int, data: bytes) -> int:
    """Write what can be written without waiting; how many bytes that was. Never raises."""
    return _written_now(fd, data)[0]


def _written_now(fd: int, data: bytes) -> tuple[int, str]:
    """The same, and what went wrong as far as the system says so.

    A pipe that is ready takes a line of up to PIPE_BUF bytes as a whole, pipe(7).
    """
    try:
        ready = select.select([], [fd], [], 0)[1]
        return (os.write(fd, data) if ready else 0), ""
    except OSError as error:
        return 0, error.strerror or str(error)
    except ValueError as error:
        return 0, str(error)


class StderrSink:
    """Lines on standard error, as the C daemon writes in the foreground: no time stamps."""

    def __init__(self, verbosity: int = 0) -> None:
        self._worst = INFO + min(verbosity, 1)

    def __call__(self, event: Event) -> None:
        for severity, line in log_lines(event):
            self.say(severity, line)

    def say(self, severity: int, line: str) -> None:
        """Write a line, unless it is too detailed for the verbosity."""
        if severity <= self._worst:
            write_stderr(line)


def write_stderr(line: str) -> None:
    """One line on standard error; one that is closed or full is no reason to stop or wait."""
    write_now(2, (line + "\n").encode("utf-8", "backslashreplace"))


def write_syslog(line: str) -> None:
    """One line in the system log about why there is no daemon, for want of a sink."""
    syslog.syslog(ERROR, line)


class SyslogSink:
    """Lines in the system log, under the configured identity and facility."""

    def __init__(
        self, identity: str = "fwknopd", facility: str = "LOG_DAEMON", verbosity: int = 0
    ) -> None:
        self._worst = INFO + min(verbosity, 1)
        syslog.openlog(identity, syslog.LOG_PID, FACILITIES.get(facility, syslog.LOG_DAEMON))

    def __call__(self, event: Event) -> None:
        for severity, line in log_lines(event):
            self.say(severity, line)

    def say(self, severity: int, line: str) -> None:
        """Write a line, unless it is too detailed for the verbosity."""
        if severity <= self._worst:
            syslog.syslog(severity, line)
