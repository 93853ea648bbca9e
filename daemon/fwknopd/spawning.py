"""Starting other programs: nft and iptables for the firewall, ubus for the networks.

Without the subprocess module, whose import the daemon would pay for all its life
in memory. Texts pass through memory files, so neither side can block on a full pipe,
and nothing of them shows in a process list. The end of a child is a readable
descriptor, so it can be waited for in a loop beside everything else.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from contextlib import closing
from io import FileIO

# A service may have been started with a PATH that leaves these out.
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")


def find_program(name: str) -> str | None:
    """Absolute path of a program, None if there is none."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    for folder in (*folders, *SYSTEM_FOLDERS):
        # Relative folders in PATH are skipped: root must not run what lies around.
        path = f"{folder}/{name}"
        if folder.startswith("/") and os.access(path, os.X_OK):
            return path
    return None


def open_memory_file() -> FileIO:
    """A file without a name, empty. Raises OSError."""
    return FileIO(os.memfd_create("fwknopd"), "r+")


def memory_file(content: str = "") -> closing[FileIO]:
    """A file without a name that holds ``content``, to be read from its beginning."""
    file = open_memory_file()
    try:
        file.write(content.encode())
        file.seek(0)
    except OSError:
        file.close()
        raise
    return closing(file)


def text_of(file: FileIO, limit: int) -> str:
    """The first ``limit`` bytes of a memory file, as text."""
    return os.pread(file.fileno(), limit, 0).decode("utf-8", "replace")


class ChildLost(OSError):
    """A program was started, and had to be killed: it may have done its work by then, or not."""


class Child:
    """A running program. Starting raises OSError.

    ``files`` are the descriptors of its standard input, output and errors.
    """

    def __init__(self, program: str, arguments: Sequence[str], files: Sequence[int]) -> None:
        # Messages in English, because some of them are told apart by their text.
        environment = {"PATH": os.pathsep.join(SYSTEM_FOLDERS), "LC_ALL": "C"}
        self._pid = os.posix_spawn(
            program,
            [program, *arguments],
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files)],
            # The child must not inherit what the daemon blocks or ignores.
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
        )
        try:
            self._descriptor = os.pidfd_open(self._pid)
        except OSError as error:
            # Nobody would see its end.
            self.kill()
            os.waitpid(self._pid, 0)
            raise ChildLost(error.errno, error.strerror) from error

    @property
    def pid(self) -> int:
        """The number of its process, which may become another's once it is reaped."""
        return self._pid

    def fileno(self) -> int:
        """Readable when the program has ended."""
        return self._descriptor

    def has_ended(self, time_limit: float = 0.0) -> bool:
        """Whether it has ended, after ``time_limit`` seconds at most."""
        return bool(select.select([self._descriptor], [], [], time_limit)[0])

    def kill(self) -> None:
        """End it now; it must still be reaped."""
        os.kill(self._pid, signal.SIGKILL)

    def reap(self) -> int:
        """Its exit status, below zero for a signal. Waits for the end if it is still running."""
        try:
            _, status = os.waitpid(self._pid, 0)
        finally:
            os.close(self._descriptor)
        return os.waitstatus_to_exitcode(status)
