"""Knocks through ordinary TCP connections, bare or as a web request.

The C daemon only takes the connection and leaves the rest to the sniffer, which then needs a
filter that lets TCP through and sees a split knock in pieces. Here the connection is read:
whatever the filter says, and however the text was cut, it is one knock. `twins` sees to it
that it stays one when the sniffer saw it too.

Whoever connects has proven nothing, so a connection costs next to nothing: the kernel keeps
it to itself until data comes, then it has a few seconds and the length of one knock. When
there are too many, the oldest goes, so that nobody can occupy them all.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from math import inf

from fwknopd.capture import CaptureStats
from fwknopd.capture.bpf import MIN_PAYLOAD
from fwknopd.capture.link_layer import TCP
from fwknopd.capture.sockets import ALL_ADDRESSES, TCP_PORT, new_epoll, open_sockets
from fwknopd.capture.twins import LISTENER
from fwknopd.policy.packet import Address, Packet
from fwknopd.spa.http import is_request

MAX_PAYLOAD = 1500
"""The longest a knock may be (protocol notes 10)."""

MAX_CONNECTIONS = 64

LIFETIME = 5.0
"""Seconds a connection may last."""

QUIET = 1.0
"""Seconds without more data after which the text is taken for whole: a lost segment is sent
again sooner. Normally the client closes the connection, or an empty line ends its request."""

_END_OF_REQUEST = b"\r\n\r\n"
_RECEIVE_BUFFER = 4096
_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Connection:
    """A client's connection, and what it has said so far. Times are monotonic seconds."""

    socket: socket.socket
    source: Address
    source_port: int
    destination: Address
    opened: float
    heard: float = inf
    text: bytearray = field(default_factory=bytearray)

    @property
    def due(self) -> float:
        return min(self.opened + LIFETIME, self.heard + QUIET)


class TcpServerCapture:
    """Knocks sent over connections to ``port`` on ``addresses``. Opening raises CaptureError."""

    def __init__(
        self,
        port: int,
        addresses: Sequence[Address] = ALL_ADDRESSES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"tcp:{port}"
        self._port = port
        self._monotonic = monotonic
        self._received = self._dropped = 0
        self._listeners: dict[int, socket.socket] = {}
        self._connections: dict[int, _Connection] = {}
        self._ready = new_epoll(TCP_PORT, port)
        self._resume_at: float | None = None
        try:
            for opened in open_sockets(TCP_PORT, addresses, port, _set_options):
                self._listeners[opened.fileno()] = opened
            self._listen()
        except BaseException:
            self.close()
            raise

    def _listen(self) -> None:
        self._resume_at = None
        for opened in self._listeners.values():
            self._ready.register(opened, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable while a connection or data waits."""
        return -1 if self._ready.closed else self._ready.fileno()

    def due(self) -> float:
        """Monotonic second at which a connection's time is over, or others are taken again.

        Infinite when there is none.
        """
        dues = [connection.due for connection in self._connections.values()]
        return min(*dues, inf, inf if self._resume_at is None else self._resume_at)

    def read(self, limit: int) -> list[Packet]:
        """At most ``limit`` knocks that have come to their end."""
        packets: list[Packet] = []
        if self._ready.closed:
            return packets
        for descriptor, _events in self._ready.poll(0):
            if descriptor in self._listeners:
                self._accept(self._listeners[descriptor])
            elif len(packets) < limit:
                packets += self._hear(descriptor)
        now = self._monotonic()
        if self._resume_at is not None and self._resume_at <= now:
            self._listen()
        over = [number for number, found in self._connections.items() if found.due <= now]
        for descriptor in over[: limit - len(packets)]:
            packets += self._finish(descriptor)
        return packets

    def detail(self) -> str:
        """The addresses listened on."""
        return ", ".join(str(opened.getsockname()[0]) for opened in self._listeners.values())

    def stats(self) -> CaptureStats:
        """Knocks taken, and connections given up because there were too many."""
        return CaptureStats(self._received, self._dropped)

    def close(self) -> None:
        """Close the port and every connection."""
        for connection in self._connections.values():
            connection.socket.close()
        for opened in self._listeners.values():
            opened.close()
        self._connections.clear()
        self._listeners.clear()
        self._ready.close()

    # Connections

    def _accept(self, listener: socket.socket) -> None:
        """Take what waits, but no more than there may be: others want the loop too."""
        for _ in range(MAX_CONNECTIONS):
            try:
                opened, peer = listener.accept()
            except OSError as error:  # none is left, it went away again, or descriptors ran out
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._pause()
                return
            if len(self._connections) >= MAX_CONNECTIONS:
                self._dropped += 1
                self._drop(next(iter(self._connections)))
            opened.setblocking(False)
            self._connections[opened.fileno()] = _Connection(
                opened,
                _address(peer[0]),
                peer[1],
                _address(opened.getsockname()[0]),
                self._monotonic(),
            )
            self._ready.register(opened, select.EPOLLIN)

    def _pause(self) -> None:
        """Take no connection for a while: the one that waits would wake us again at once."""
        if self._resume_at is None:
            self._resume_at = self._monotonic() + QUIET
            for opened in self._listeners.values():
                self._ready.unregister(opened)

    def _hear(self, descriptor: int) -> list[Packet]:
        """Read on; the knock if this was its end."""
        connection = self._connections.get(descriptor)
        if connection is None:  # dropped for a newer one a moment ago
            return []
        text = connection.text
        try:
            data = connection.socket.recv(MAX_PAYLOAD + 1 - len(text))
        except BlockingIOError:
            return []
        except OSError:  # reset; what came before is a knock all the same
            data = b""
        text += data
        connection.heard = self._monotonic()
        ended = not data or _cut_behind_request(text)
        if len(text) > MAX_PAYLOAD:
            self._drop(descriptor)
            return []
        return self._finish(descriptor) if ended else []

    def _finish(self, descriptor: int) -> list[Packet]:
        """Close a connection; the knock if it held one."""
        connection = self._connections[descriptor]
        self._drop(descriptor)
        if len(connection.text) < MIN_PAYLOAD:
            return []
        self._received += 1
        return [
            Packet(
                bytes(connection.text),
                connection.source,
                connection.destination,
                connection.source_port,
                self._port,
                TCP,
                LISTENER,
            )
        ]

    def _drop(self, descriptor: int) -> None:
        """End a connection. By a reset, unless the client did: the kernel forgets it at once."""
        opened = self._connections.pop(descriptor).socket
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        opened.close()


def _cut_behind_request(text: bytearray) -> bool:
    """Whether a whole request is there, what follows it cut off.

    How much of that came along is chance, and it must not decide what the knock is.
    """
    end = text.find(_END_OF_REQUEST)
    if end < 0 or not is_request(bytes(text[:5])):
        return False
    del text[end + len(_END_OF_REQUEST) :]
    return True


def _set_options(opened: socket.socket) -> None:
    # A daemon that is started anew must not wait for the last one's connections to fade.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    # Connections that say nothing stay with the kernel, which forgets them by itself.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(LIFETIME))


def _address(text: str) -> Address:
    # A link-local peer carries its device after a "%", which is no part of an address.
    return ip_address(text.partition("%")[0])
