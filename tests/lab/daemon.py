"""The daemon under the lab: started, watched through its events, asked over its control socket."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tests.lab.control import ask_daemon
from tests.lab.errors import LabError
from tests.lab.events import EventStream, event_is
from tests.lab.hosts import Host
from tests.lab.paths import LabPaths
from tests.lab.process import STOP_SECONDS, Process, installed_program

READY_SECONDS = 15.0


class Daemon:
    """fwknopd on one machine; may be stopped and started again. Its events outlive it."""

    def __init__(
        self,
        host: Host,
        paths: LabPaths,
        *,
        firewall: str,
        environment: Mapping[str, str],
        events: EventStream,
    ) -> None:
        self.paths = paths
        self.events = events
        self._host = host
        self._firewall = firewall
        self.environment = environment
        self._process: Process | None = None
        self._reader: threading.Thread | None = None

    @property
    def process(self) -> Process:
        """The running process. Raises LabError when there is none."""
        if self._process is None:
            raise LabError("fwknopd is not started")
        return self._process

    def command(self, extra: Sequence[str] = ()) -> list[str]:
        """Its command line."""
        paths = self.paths
        return [
            str(installed_program("fwknopd")),
            "--foreground",
            f"--uci={paths.uci}",
            f"--config-file={paths.classic}/fwknopd.conf",
            f"--access-file={paths.classic}/access.conf",
            f"--control={paths.control}",
            f"--run-dir={paths.run_dir}",
            f"--firewall={self._firewall}",
            "--events=-",
            *extra,
        ]

    def start(self, extra: Sequence[str] = ()) -> None:
        """Start it and wait until it works. Raises LabError with its last words."""
        mark = self.events.mark()
        with self._host.entered():
            process = Process(
                "fwknopd",
                self.command(extra),
                log=self.paths.log,
                environment=self.environment,
                piped=True,
            )
        self._process, self._reader = process, self.events.follow(process.output)
        try:
            self.events.wait_for(event_is("start"), since=mark, timeout=READY_SECONDS)
        except LabError as error:
            status = self.stop()
            raise LabError(
                f"fwknopd did not start (status {status}){process.last_words()}"
            ) from error

    def stop(self) -> int:
        """End it in the orderly way (TERM); returns its exit status."""
        status = self.process.stop()
        if self._reader is not None:
            self._reader.join(STOP_SECONDS)
        self._process = self._reader = None
        return status

    def close(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self.stop()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.signal(signal.SIGKILL)
        self.stop()

    def restart(self, extra: Sequence[str] = ()) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start(extra)

    def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask over the control socket. Raises LabError with the daemon's remedy."""
        return ask_daemon(self.paths.control, verb, **arguments)
