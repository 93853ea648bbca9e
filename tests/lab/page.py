"""The web page under the lab."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Mapping

from fwknop_webui.auth import set_password
from tests.lab.errors import LabError
from tests.lab.hosts import LOOPBACK
from tests.lab.paths import LabPaths
from tests.lab.process import Process, installed_program
from tests.ports import free_port

USER = "root"
READY_SECONDS = 15.0


def usable_port(port: int) -> int:
    """``port`` if it is free on the loopback address, or any free one for 0. Raises LabError."""
    if not port:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a port number"
            raise LabError(
                f"the web page can't have port {port} of {LOOPBACK}: {reason}",
                'End what uses it, or choose another port: make run ARGS="--port 8081".',
            ) from error
    return port


class Page:
    """fwknop-webui on this machine's loopback address, with a password of its own."""

    def __init__(self, paths: LabPaths, port: int, environment: Mapping[str, str]) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        self.user = USER
        self.password = secrets.token_urlsafe(9)
        self._port = port
        self._paths = paths
        self._password_file = paths.folder / "webui.password"
        self._environment = environment
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The running process. Raises LabError when there is none."""
        if self._process is None:
            raise LabError("fwknop-webui is not started")
        return self._process

    def command(self) -> list[str]:
        """Its command line."""
        return [
            str(installed_program("fwknop-webui")),
            f"--uci={self._paths.uci}",
            f"--control={self._paths.control}",
            f"--classic={self._paths.classic}",
            f"--listen={LOOPBACK}:{self._port}",
            f"--password-file={self._password_file}",
            "--start-command=make run",
            # The machine's own daemon is none of the lab's business.
            f"--service={self._paths.folder / 'no-service'}",
        ]

    def start(self) -> None:
        """Start it and wait until it answers. Raises LabError with its last words."""
        set_password(self._password_file, self.password, self.user)
        self._process = Process(
            "fwknop-webui",
            self.command(),
            log=self._paths.folder / "webui.log",
            environment=self._environment,
        )
        end = time.monotonic() + READY_SECONDS
        while not self._answers():
            if not self._process.running():
                raise self._process.died()
            if time.monotonic() > end:
                raise LabError(f"fwknop-webui does not answer{self._process.last_words()}")
            # Another program's listen() can't be waited for in any other way.
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self._port)) == 0

    def close(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None
