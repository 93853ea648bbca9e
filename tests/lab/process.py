"""Programs the lab starts: each ends with the lab, and is ended by its own pid.

A child gets its own session, so that Ctrl-C reaches only the lab, which then
ends its children in order. The kernel kills a child whose lab was killed.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.lab.errors import LabError

STOP_SECONDS = 5.0
LOG_TAIL_BYTES = 4000
LOG_TAIL_LINES = 15
# System programs only; the lab puts its own stand-in for ubus before them.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def installed_program(name: str) -> Path:
    """Path of one of our own programs, beside the Python that runs the lab.

    Raises LabError when the project is not installed there.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LabError(f"{path} is missing", "Prepare the environment first: make setup.")
    return path


def with_kernel_leash(argv: Sequence[str]) -> list[str]:
    """``argv`` started so that the kernel kills it when the thread that started it is gone."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *argv]


class Process:
    """A running child. Its output is a pipe when ``piped``; what is left goes to ``log``."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        piped: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                with_kernel_leash(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the program itself: the wrappers before it exec."""
        return self._popen.pid

    @property
    def output(self) -> IO[bytes]:
        """The pipe the program writes to; whoever reads it closes it."""
        if self._popen.stdout is None:
            raise LabError(f"the output of {self.name} goes to {self.log}, not to a pipe")
        return self._popen.stdout

    def running(self) -> bool:
        """False once the program has ended; its status is collected then."""
        return self._popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the program, if it still runs."""
        self._popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Its exit status (minus the signal that ended it). Raises LabError after ``timeout``."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name} still runs after {timeout:g} s") from error

    def stop(self, timeout: float = STOP_SECONDS) -> int:
        """End the program, by force if it has not ended after ``timeout`` seconds."""
        if self.running():
            self._popen.terminate()
        try:
            return self.wait(timeout)
        except LabError:
            self._popen.kill()
            return self._popen.wait()

    def died(self) -> LabError:
        """The error that tells how the program ended, with the last lines it wrote."""
        return LabError(f"{self.name} {self.how_it_ended()}{self.last_words()}")

    def how_it_ended(self) -> str:
        """ "was killed by SIGKILL", or "ended with status 1". Raises LabError while it runs."""
        status = self.wait(0)
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def last_words(self) -> str:
        """The end of its log, indented, or nothing."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "".join(f"\n    {line}" for line in lines)


def wait_for_end(processes: Sequence[Process], wake: int) -> Process | None:
    """Block until one of ``processes`` ends, and return it; None when ``wake`` is readable."""
    if ended := next((process for process in processes if not process.running()), None):
        return ended
    watched = {os.pidfd_open(process.pid): process for process in processes}
    try:
        ready, _, _ = select.select([wake, *watched], [], [])
        return None if wake in ready else watched[ready[0]]
    finally:
        for descriptor in watched:
            os.close(descriptor)
