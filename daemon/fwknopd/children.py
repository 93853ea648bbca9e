"""One job in a child of this process: its start, its end, and what it returned.

A child is a fork, so that a job is an ordinary function and loads what it needs (python-gnupg,
the resolver) in its own memory, which is gone with it. What it returns comes back through a
memory file, bounded, when its end makes a descriptor readable.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from io import FileIO

from fwknopd.spawning import open_memory_file

RESULT_LIMIT = 65536
"""Bytes read of what a job returns."""

_FAILED = 70


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. ``status`` is the exit status of its process, below 0 for a signal.

    ``fault`` is "" when the process ended by itself with status 0, else what happened, for
    people. ``result`` is what the job returned, or wrote to its standard output. ``began``:
    there was a process; ``late``: it was killed because its time was over; ``seconds`` it took.
    """

    result: bytes = b""
    status: int = 0
    fault: str = ""
    began: bool = field(default=True, compare=False)
    late: bool = field(default=False, compare=False)
    seconds: float = field(default=0.0, compare=False)


Job = Callable[[], bytes]
"""Runs in the child. It may replace the process (exec); then its standard output counts."""


def run_apart(job: Job, seconds: float) -> Outcome:
    """Run ``job`` and wait for it, ``seconds`` at most. What it loads is gone with its child.

    Raises OSError if there can be no process.
    """
    output, pid, descriptor = start_child(job)
    late = not select.select([descriptor], [], [], seconds)[0]
    if late:
        kill_group(pid)
    result, status = collected(output, pid, descriptor)
    return Outcome(result, status, fault_of(status, seconds if late else None), late=late)


def collected(output: FileIO, pid: int, descriptor: int) -> tuple[bytes, int]:
    """What a child returned, and its exit status. It has ended, or is about to."""
    with output:
        _, ended = os.waitpid(pid, 0)
        os.close(descriptor)
        return os.pread(output.fileno(), RESULT_LIMIT, 0), os.waitstatus_to_exitcode(ended)


def fault_of(status: int, limit: float | None) -> str:
    """What happened, for people. ``limit``: it was killed after so many seconds."""
    if limit is not None:
        return f"it took more than {limit:g} seconds and was stopped"
    if status < 0:
        return f"it was ended by signal {-status}"
    return f"it ended with status {status}" if status else ""


def kill_group(group: int) -> None:
    # Some of its processes may run as others by now; root may kill them all the same.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def start_child(job: Job) -> tuple[FileIO, int, int]:
    """A child's output, number and descriptor of its end. Raises OSError, without a child."""
    output = open_memory_file()
    try:
        pid = _fork(job, output.fileno())
        return output, pid, _watchable(pid)
    except OSError:
        output.close()
        raise


def _watchable(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        # Nobody would see its end, nor that its time is over.
        kill_group(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _fork(job: Job, output: int) -> int:
    """The child's number. The child does the job, and never comes back from here."""
    # Until the child has let go of the daemon's handlers, a signal to it must wait.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _be_child(job, output)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    # In the parent too, or a kill that comes at once would find no such group. It fails when
    # the child is another program already, which then has seen to it.
    with suppress(OSError):
        os.setpgid(pid, pid)
    return pid


def _be_child(job: Job, output: int) -> None:
    try:
        os.setpgid(0, 0)
        _leave_daemon(output)
    except BaseException:
        # A program's own end with this status would look the same without a word.
        with suppress(BaseException):
            os.write(output, b"its process could not be prepared")
        os._exit(_FAILED)
    try:
        os.write(1, job()[:RESULT_LIMIT])
    except BaseException:
        # Nobody is there to see a traceback, which might hold secrets; `fault` tells.
        os._exit(_FAILED)
    os._exit(0)


def _leave_daemon(output: int) -> None:
    """Nothing of the daemon's reaches the job: no signal dispositions, no descriptors."""
    signal.set_wakeup_fd(-1)
    # What is ignored stays so in a program that takes the child's place. Python itself ignores
    # some, and does not know of those that a C library does.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(nothing, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
