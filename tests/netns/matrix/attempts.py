"""Many connection attempts at the same time, and what became of each."""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle

from tests.netns.matrix.services import DATAGRAM, Answer
from tests.netns.namespaces import Machine
from tests.netns.probes import family_of

# Seconds. Within one computer an answer takes less than a millisecond; a lost SYN is sent
# again after a second, and that must not count as an answer to the first.
PATIENCE = 0.35
# What is expected to come is waited for: the machine may be busy.
LONG_PATIENCE = 15.0
_RESET = struct.pack("=ii", 1, 0)

# A port that is used again soon would belong to a flow the router still knows, with the
# translation it had, or as one let through while there were no rules.
_ports: dict[tuple[str, str], Iterator[int]] = {}


def _next_port(attempt: Attempt) -> int:
    whose = (attempt.machine.name, attempt.source)
    return next(_ports.setdefault(whose, cycle(range(20_000, 60_000))))


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody who wants in: from an address of a machine to a port."""

    machine: Machine
    source: str
    address: str
    port: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.source} -> {self.address} {self.protocol}/{self.port}"


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of it, and between which monotonic seconds; no answer is a shut door."""

    attempt: Attempt
    answer: Answer | None
    began: float
    ended: float
    connection: socket.socket | None = None


class _Pending:
    def __init__(self, attempt: Attempt, patience: float, keep: bool) -> None:
        self.attempt, self.keep = attempt, keep
        self.data = b""
        self.socket = _socket(attempt)
        self.began = time.monotonic()
        self.deadline = self.began + patience
        self.failed = not self._set_out()

    def _set_out(self) -> bool:
        attempt = self.attempt
        try:
            self.socket.bind((attempt.source, _next_port(attempt)))
            if attempt.protocol == "udp":
                self.socket.connect((attempt.address, attempt.port))
                self.socket.send(b"?\n")
            else:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                with suppress(BlockingIOError):
                    self.socket.connect((attempt.address, attempt.port))
        except OSError:
            return False
        return True

    def read(self) -> bool:
        """Whether it is decided."""
        try:
            data = self.socket.recv(DATAGRAM)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self.data += data
        self.failed = not data
        return self.failed or b"\n" in self.data

    def finish(self) -> Tried:
        """Close it, unless it is to be kept."""
        line, end, _ = self.data.partition(b"\n")
        answer = Answer.parse(line.decode()) if end else None
        kept = self.socket if self.keep and answer else None
        if kept is None:
            self.socket.close()
        return Tried(self.attempt, answer, self.began, time.monotonic(), kept)


def _socket(attempt: Attempt) -> socket.socket:
    kind = socket.SOCK_DGRAM if attempt.protocol == "udp" else socket.SOCK_STREAM
    with attempt.machine.entered():
        made = socket.socket(family_of(attempt.source), kind)
    made.setblocking(False)
    return made


class Prober:
    """Attempts under way. One thread's own."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._pending: dict[int, _Pending] = {}
        self._decided: list[Tried] = []

    def __len__(self) -> int:
        return len(self._pending) + len(self._decided)

    def launch(self, attempt: Attempt, patience: float = PATIENCE, keep: bool = False) -> None:
        """Begin one. Its connection stays open after the answer if it is to be kept."""
        pending = _Pending(attempt, patience, keep)
        if pending.failed:
            self._decided.append(pending.finish())
            return
        self._pending[pending.socket.fileno()] = pending
        # A connection is readable once it failed, or the server has said who it is.
        self._selector.register(pending.socket, selectors.EVENT_READ)

    def poll(self, wait: float = 0.0) -> list[Tried]:
        """Those decided by now, or within ``wait`` seconds the first of them."""
        first = min((p.deadline for p in self._pending.values()), default=time.monotonic() + wait)
        limit = 0.0 if self._decided else min(wait, max(0.0, first - time.monotonic()))
        for key, _ in self._selector.select(limit):
            pending = self._pending[key.fd]
            if pending.read():
                self._decide(pending)
        now = time.monotonic()
        for pending in [p for p in self._pending.values() if p.deadline <= now]:
            self._decide(pending)
        decided, self._decided = self._decided, []
        return decided

    def _decide(self, pending: _Pending) -> None:
        self._selector.unregister(pending.socket)
        del self._pending[pending.socket.fileno()]
        self._decided.append(pending.finish())

    def close(self) -> None:
        """Give up what is under way."""
        for pending in list(self._pending.values()):
            self._decide(pending)
        self._selector.close()


def try_all(
    attempts: Iterable[Attempt], hopeful: Iterable[Attempt] = (), *, keep: bool = False
) -> dict[Attempt, Tried]:
    """What becomes of attempts made at the same time; for the hopeful ones, with patience."""
    hopes = set(hopeful)
    prober = Prober()
    found: dict[Attempt, Tried] = {}
    try:
        for attempt in dict.fromkeys(attempts):
            prober.launch(attempt, LONG_PATIENCE if attempt in hopes else PATIENCE, keep)
        while len(prober):
            found |= {tried.attempt: tried for tried in prober.poll(1.0)}
    finally:
        prober.close()
    return found


def alive(
    connections: Sequence[socket.socket], patience: float, hopeful: Iterable[socket.socket]
) -> set[socket.socket]:
    """Which of the kept connections still bring back what is sent; the hopeful ones are waited for.

    A connection in trouble sends again and again, with growing pauses.
    """
    token = str(time.monotonic_ns()).encode() + b"\n"
    answered: set[socket.socket] = set()
    began, hopes = time.monotonic(), set(hopeful)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            if _sent(connection, token):
                selector.register(connection, selectors.EVENT_READ)
        while selector.get_map():
            hoping = any(key.fileobj in hopes for key in selector.get_map().values())
            left = began + (patience if hoping else PATIENCE) - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(left):
                assert isinstance(key.fileobj, socket.socket)
                data = _received(key.fileobj)
                if token in data:
                    answered.add(key.fileobj)
                if token in data or not data:
                    selector.unregister(key.fileobj)
    return answered


def _sent(connection: socket.socket, token: bytes) -> bool:
    try:
        connection.send(token)
    except OSError:
        return False
    return True


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(DATAGRAM)
    except OSError:
        return b""
