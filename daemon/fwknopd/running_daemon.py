"""`fwknopd -S`, `-K` and `-R`: about the daemon that holds the pid file.

The C daemon takes the lock and overwrites the pid file when it only wants to look;
here looking changes nothing, so the answers stay right.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from fwknopd.pid_file import PidFileError, running_pid

PATIENCE = 4.0
"""Seconds an asked daemon has for ending by itself."""


def status(pid_file: Path) -> int:
    """Print whether a daemon runs; 0 when it does."""
    return _with_daemon(pid_file, lambda pid: _said(f"Detected fwknopd is running (pid={pid})."))


def kill(pid_file: Path) -> int:
    """End the daemon, by force if it takes longer than `PATIENCE`; 0 when it has ended."""
    return _with_daemon(pid_file, lambda pid: _kill(pid, pid_file))


def restart(pid_file: Path) -> int:
    """Have the daemon read its configuration anew; 0 when it was told to."""
    return _with_daemon(pid_file, lambda pid: _restart(pid, pid_file))


def _with_daemon(pid_file: Path, act: Callable[[int], int]) -> int:
    try:
        pid = running_pid(pid_file)
        if pid is None:
            print("No running fwknopd detected.")
            return 1
        return act(pid)
    except PidFileError as error:
        print(f"fwknopd: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"fwknopd: the daemon (pid={pid}) can't be signalled: {error.strerror}. "
            "Try as root, or as the user it runs as.",
            file=sys.stderr,
        )
    return 1


def _said(text: str) -> int:
    print(text)
    return 0


def _restart(pid: int, pid_file: Path) -> int:
    process = _process(pid, pid_file)
    try:
        signal.pidfd_send_signal(process, signal.SIGHUP)
    finally:
        os.close(process)
    return _said(f"Sent restart signal to fwknopd (pid={pid})")


def _kill(pid: int, pid_file: Path) -> int:
    process = _process(pid, pid_file)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(process, number)
            if select.select([process], [], [], PATIENCE)[0]:
                return _said(f"Killed fwknopd (pid={pid}) via {number.name}")
    finally:
        os.close(process)
    raise PidFileError(f"fwknopd (pid={pid}) does not end. Is it waiting for a broken disk?")


def _process(pid: int, pid_file: Path) -> int:
    """A descriptor of the process, sure to be the daemon and not one that got its number."""
    process = os.pidfd_open(pid)
    if running_pid(pid_file) == pid:
        return process
    os.close(process)
    raise ProcessLookupError(0, "it has just ended")
