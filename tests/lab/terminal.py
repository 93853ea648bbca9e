"""A lab command as a person runs it, for tests of the lab itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.ruleset import PROJECT

END_SECONDS = 30


class Terminal:
    """A command of the lab in a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str, wrapper: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "tests.lab", f"--folder={folder}", *arguments],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._process.pid
        self.shown = ""

    def wait_for(self, text: str) -> str:
        """Read lines until one holds ``text``; it is returned."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.shown += line
            if text in line:
                return line
        raise LabError(f"{text!r} was never shown:\n{self.shown}")

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """Read the rest and wait for the end; returns the exit status."""
        rest, _ = self._process.communicate(timeout=END_SECONDS)
        self.shown += rest
        return self._process.returncode

    def close(self) -> None:
        """End it if it runs."""
        if self._process.poll() is None:
            self.send(signal.SIGTERM)
        self.end()
