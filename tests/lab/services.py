"""What there is to reach: a TCP service that greets with a line and then echoes.

The listening sockets are made in a host's network by the lab, so a service runs
as a thread of the lab and needs no program of its own.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from typing import Any

BACKLOG = 64


class _Echo(socketserver.BaseRequestHandler):
    server: EchoService

    def handle(self) -> None:
        connection: socket.socket = self.request
        try:
            connection.sendall(f"{self.server.greeting}\n".encode())
            while data := connection.recv(4096):
                connection.sendall(data)
        except OSError:
            # A peer that was cut off or went away is everyday life for a service.
            return


class EchoService(socketserver.ThreadingTCPServer):
    """Serves one listening socket until closed."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, greeting: str) -> None:
        super().__init__(("", 0), _Echo, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.greeting = greeting
        self._sessions: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one session in a thread of its own."""
        self._sessions.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A session has ended."""
        self._sessions.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        """Stop listening and end every session: an open socket keeps its namespace alive."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for session in list(self._sessions):
            with suppress(OSError):
                session.shutdown(socket.SHUT_RDWR)


def listen(sock: socket.socket, address: str, port: int) -> socket.socket:
    """Make ``sock`` listen; on an IPv6 address only for IPv6."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    sock.listen(BACKLOG)
    return sock
