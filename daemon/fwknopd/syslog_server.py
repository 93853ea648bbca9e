"""Where events go over the network: a log server that takes syslog over UDP, RFC 5426.

A server that is gone, a network that is down and a full buffer cost messages, never time.
"""

from __future__ import annotations

import os
import socket
from ipaddress import IPv6Address

from fwknopd.config.endpoint import Endpoint
from fwknopd.event_sinks import FACILITIES
from fwknopd.events import Event
from fwknopd.syslog_message import Sender, message


class SyslogServerSink:
    """Sends each event as one datagram; ``lost`` counts those that could not even be sent."""

    def __init__(self, server: Endpoint, identity: str, facility: str) -> None:
        self.lost = 0
        self._server = server
        number = FACILITIES.get(facility, FACILITIES["LOG_DAEMON"])
        self._sender = Sender(number, socket.gethostname(), identity, os.getpid())
        self._socket: socket.socket | None = None

    def __call__(self, event: Event) -> None:
        datagram = message(event, self._sender)
        try:
            # Never connected: an answer that nobody listens must not come back as an error.
            self._open().sendto(datagram, (str(self._server.address), self._server.port))
        except OSError:
            self.lost += 1

    def _open(self) -> socket.socket:
        """The socket; without IPv6 there is none for now, and later there may be."""
        if self._socket is None:
            six = isinstance(self._server.address, IPv6Address)
            family = socket.AF_INET6 if six else socket.AF_INET
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            made.setblocking(False)
            self._socket = made
        return self._socket

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
