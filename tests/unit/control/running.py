"""A real control server in a loop of its own, for tests that talk to it over its socket."""

from __future__ import annotations

import queue
import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from fwknopd.control.server import ControlServer, Handler

LIMIT = 10.0


class RunningServer(AbstractContextManager["RunningServer"]):
    """Runs in a thread, as the daemon's service would; everything ends with the block."""

    def __init__(
        self, path: Path, handlers: Mapping[str, Handler], group: int | None = None
    ) -> None:
        self.path = path
        self.server = ControlServer(path, handlers, group)
        self.turns = 0
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> RunningServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._order(None)
        self._thread.join(LIMIT)
        assert not self._thread.is_alive(), "the server's loop hangs"
        self._wake.close()
        self._woken.close()

    def in_loop(self, job: Callable[[], object]) -> object:
        """Run ``job`` between two turns of the loop, as the service would; its result."""
        self._order(job)
        return self._done.get(timeout=LIMIT)

    def publish(self, event: Mapping[str, object]) -> None:
        """Publish an event from within the loop."""
        self.in_loop(lambda: self.server.publish(event))

    def await_clients(self, count: int) -> None:
        """Wait until exactly ``count`` clients are connected."""
        for _ in range(2000):
            if self.in_loop(lambda: self.server.clients) == count:
                return
            self._wait.wait(0.005)
        raise AssertionError(f"not {count} clients but {self.server.clients}")

    def hang_up(self) -> None:
        """Drop every connection, as the daemon's end does; to be run in the loop."""
        for connection in list(self.server._connections):
            self.server._drop(connection)

    _wait = threading.Event()

    def _order(self, job: Callable[[], object] | None) -> None:
        self._jobs.put(job)
        self._wake.send(b"x")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            self.server.attach(selector)
            selector.register(self._woken, selectors.EVENT_READ, self._work)
            self._going = True
            while self._going:
                self.turns += 1
                for key, mask in selector.select():
                    key.data(mask)
            self.server.close()

    def _work(self, _mask: int) -> None:
        self._woken.recv(1)
        job = self._jobs.get()
        if job is None:
            self._going = False
        else:
            self._done.put(job())


def connect(path: Path) -> socket.socket:
    """A raw connection, for clients that don't behave."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(LIMIT)
    connection.connect(str(path))
    return connection


def read_line(connection: socket.socket) -> bytes:
    """The next line, byte by byte so that nothing after it is lost; b"" at the end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return line
