"""One client of the control socket: bytes in as lines, lines out as bytes, nothing unbounded."""

from __future__ import annotations

import socket
from collections import deque

from fwknopd.control.listening import peer_of
from fwknopd.control.protocol import MAX_LINE

CHUNK = 4096


class LineTooLongError(Exception):
    """The client sent more than a request may have without ending the line."""


class Connection:
    """A connected, non-blocking socket with its two buffers.

    ``ended`` says that the client sends no more; it may still be reading.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket = connected
        self.peer = peer_of(connected)
        self.following = False
        self.ended = False
        self.closing = False
        self.pending = 0
        self._inbox = bytearray()
        self._outbox: deque[bytes] = deque()

    @property
    def queued_lines(self) -> int:
        """Lines not yet taken by the client."""
        return len(self._outbox)

    @property
    def has_line(self) -> bool:
        """Does a whole request wait?"""
        return b"\n" in self._inbox

    def receive(self) -> None:
        """Take what has come. Raises OSError when the connection broke, and LineTooLongError."""
        try:
            chunk = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self.ended = True
        elif not self.following:  # a follower has nothing more to say
            self._inbox += chunk
            if len(self._inbox) > MAX_LINE and b"\n" not in self._inbox[:MAX_LINE]:
                raise LineTooLongError

    def next_line(self) -> bytes:
        """The oldest request; only while ``has_line``. Raises LineTooLongError."""
        line, _, rest = bytes(self._inbox).partition(b"\n")
        if len(line) >= MAX_LINE:
            raise LineTooLongError
        self._inbox[:] = rest
        return line

    def queue(self, line: bytes) -> None:
        """Have ``line`` sent by the next ``flush``."""
        self._outbox.append(line)
        self.pending += len(line)

    def flush(self) -> None:
        """Send what the client takes now. Raises OSError when the connection broke."""
        while self._outbox:
            line = self._outbox[0]
            try:
                sent = self.socket.send(line)
            except BlockingIOError:
                return
            self.pending -= sent
            if sent < len(line):
                self._outbox[0] = line[sent:]
                return
            self._outbox.popleft()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
