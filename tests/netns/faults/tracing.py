"""System calls of a running process: which there are, and what befalls it at one of them.

The state of a machine only changes in system calls. So a process that is killed, stopped or
refused something at each of them in turn has been so at every instruction that matters.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CALL = re.compile(r"(\w+)\((?:\d+<([^>]*)>)?")
_NAMED = re.compile(r"(?:unlink|rename)\w*\([^\"]*\"([^\"]*)\"")
_TRACER_SECONDS = 20.0

HARMLESS = frozenset(
    {
        *("epoll_wait", "close", "lseek", "mmap", "munmap", "brk", "prlimit64"),
        *("rt_sigprocmask", "newfstatat", "fstat", "stat", "access", "faccessat"),
    }
)
"""They change nothing that outlives the process, or can't fail."""

CHANGING = frozenset(
    {"write", "fsync", "fdatasync", "sendto", "sendmsg", "clone", "clone3", "vfork"}
)
"""Where files and the kernel's rules are changed, and programs started."""

COMMITTING = frozenset(
    {"openat", "fchown", "fchmod", "write", "fsync", "rename", "renameat", "renameat2", "unlink"}
)
"""Where a file gets another content."""

LEARNING = frozenset({"recvfrom", "recvmsg", "wait4", "waitid", "poll"})
"""Where it is waited for, and learnt, what came of that."""


@dataclass(frozen=True, slots=True)
class Call:
    """The ``nth`` call of a name, counted from when it was first looked; ``on`` which file."""

    name: str
    nth: int
    on: str

    def __str__(self) -> str:
        return f"{self.name} {self.nth} on {self.on or '-'}"


class Trace:
    """Notes the calls of a process, but not of its children, while the block runs."""

    def __init__(self, pid: int, file: Path) -> None:
        self._pid = pid
        self._file = file

    @contextmanager
    def noting(self) -> Iterator[list[Call]]:
        """The list is filled when the block has ended."""
        calls: list[Call] = []
        with _attached(self._pid, "-y", "-o", str(self._file)):
            yield calls
        calls += _parsed(self._file.read_text(errors="replace").splitlines())


@contextmanager
def tampered(pid: int, call: Call, what: str) -> Iterator[None]:
    """While the block runs, do ``what`` at a call: `signal=SIGKILL`, `error=ENOMEM`."""
    injection = f"inject={call.name}:{what}:when={call.nth}"
    with _attached(pid, "-o", os.devnull, "-e", f"trace={call.name}", "-e", injection):
        yield


def first_of_each(calls: Sequence[Call]) -> list[Call]:
    """Of each kind and file the first."""
    first: dict[tuple[str, str], Call] = {}
    for call in calls:
        first.setdefault((call.name, call.on), call)
    return list(first.values())


def _parsed(lines: Sequence[str]) -> Iterator[Call]:
    counts: dict[str, int] = {}
    for line in lines:
        if found := _CALL.match(line):
            named = _NAMED.match(line)
            name, on = found[1], named[1] if named else found[2] or ""
            counts[name] = counts.get(name, 0) + 1
            yield Call(name, counts[name], re.sub(r"\[\d+\]", "", on.rpartition("/")[2]))


@contextmanager
def _attached(pid: int, *options: str) -> Iterator[None]:
    tracer = subprocess.Popen(
        ["strace", "-p", str(pid), *options], stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr is not None
    try:
        said = tracer.stderr.readline()
        assert "attached" in said, said
        yield
    finally:
        # It lets go of the process, which goes on, or stays stopped.
        tracer.terminate()
        tracer.wait(_TRACER_SECONDS)
        tracer.stderr.close()
