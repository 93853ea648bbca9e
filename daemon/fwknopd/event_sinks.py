"""Where events go besides the ring: JSON lines, standard error, the system log."""

from __future__ import annotations

import json
import os
import sys
import syslog

from fwknopd.events import Event
from fwknopd.log_lines import INFO, log_lines

FACILITIES = {"LOG_DAEMON": syslog.LOG_DAEMON} | {
    f"LOG_LOCAL{n}": getattr(syslog, f"LOG_LOCAL{n}") for n in range(8)
}


class EventFileError(Exception):
    """The events file can't be written; the text says why and what to do."""


class JsonLinesSink:
    """Writes each event as one line of JSON to a file (0600) or, for ``-``, standard output."""

    def __init__(self, path: str) -> None:
        """Raises EventFileError."""
        self.lost = 0
        try:
            self._fd = 1 if path == "-" else _open_append(path)
        except OSError as error:
            raise EventFileError(
                f"--events {path}: {error.strerror}. Name a file in a folder that exists "
                "and that this user may write to."
            ) from error

    def __call__(self, event: Event) -> None:
        line = json.dumps(event.as_json(), ensure_ascii=True, separators=(",", ":")) + "\n"
        try:
            os.write(self._fd, line.encode("ascii"))
        except OSError:
            # A full disk or a closed pipe must not stop the daemon from guarding.
            self.lost += 1


def _open_append(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


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
    """One line on standard error; a closed standard error is no reason to stop."""
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


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
