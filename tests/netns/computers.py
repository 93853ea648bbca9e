"""Machines with /etc, /run and home of their own, on which people type what guides tell them.

A guide names files such as /etc/fwknop/access.conf. Each command sees those of its
machine, in a mount namespace of its own; nothing of this computer is written.
"""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.interop.program import Running, environment
from tests.lab.process import SYSTEM_PATH, with_kernel_leash
from tests.netns.namespaces import Machine

TIME_LIMIT = 20.0
_WITH_OWN_FILES = """\
mount --bind /etc "$1/host-etc" && mount --bind "$1/etc" /etc &&
mount --bind "$1/run" /run && shift && exec "$@"
"""


class Computer:
    """A network namespace plus a folder that holds the machine's own files."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.folder = folder
        for name in ("etc", "host-etc", "run", "home"):
            (folder / name).mkdir(parents=True)
        # Programs need this computer's /etc too, such as /etc/alternatives.
        for entry in Path("/etc").iterdir():
            if entry.name != "fwknop":
                (folder / "etc" / entry.name).symlink_to(folder / "host-etc" / entry.name)

    def path(self, path: str) -> Path:
        """Where this computer keeps the machine's file ``path``."""
        return self.folder / path.removeprefix("/")

    def write(self, path: str, text: str) -> None:
        """Write a file of the machine, private as keys should be."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)

    def type(self, line: str, *, answer: str = "") -> str:
        """Run a command line; its output. ``answer`` is typed at its prompt.

        Raises RuntimeError when it fails.
        """
        with _terminal() as (ours, its), self.machine.entered():
            process = subprocess.Popen(
                self._command("setsid", "--ctty", *shlex.split(line)),
                env=self._environment(),
                stdin=its,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if answer:
                _wait_for_prompt(ours)
                os.write(ours, f"{answer}\n".encode())
            output, _ = process.communicate(timeout=TIME_LIMIT)
        if process.returncode:
            raise RuntimeError(f"{line}: {process.returncode}: {output.strip()}")
        return output

    @contextmanager
    def running(self, line: str, says: str = " started: ") -> Iterator[Running]:
        """Run a daemon's command line; it is ready when the block begins, and gone after it.

        ``says`` is what it says when it is ready.
        """
        with self.machine.entered():
            process = subprocess.Popen(
                self._command(*shlex.split(line)),
                env=self._environment(),
                stderr=subprocess.PIPE,
                text=True,
            )
        daemon = Running(process)
        assert process.stderr is not None
        with closing(process.stderr):
            try:
                daemon.wait_for(says)
                yield daemon
            finally:
                daemon.end()

    def _command(self, *argv: str) -> list[str]:
        own_files = ["sh", "-c", _WITH_OWN_FILES, "sh", str(self.folder)]
        return with_kernel_leash(["unshare", "--mount", "--", *own_files, *argv])

    def _environment(self) -> dict[str, str]:
        programs = f"{Path(sys.executable).parent}:{SYSTEM_PATH}"
        return {
            **environment(),
            "PATH": programs,
            "HOME": str(self.folder / "home"),
            "LOGNAME": "alice",
        }


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: the typist's, and the program's."""
    ours, its = pty.openpty()
    try:
        yield ours, its
    finally:
        os.close(ours)
        os.close(its)


def _wait_for_prompt(terminal: int) -> None:
    # What is typed before the prompt is thrown away.
    shown = b""
    while not shown.endswith(b": "):
        if not select.select([terminal], [], [], TIME_LIMIT)[0]:
            raise RuntimeError(f"asked for nothing within {TIME_LIMIT:g} s: {shown!r}")
        shown += os.read(terminal, 1000)
