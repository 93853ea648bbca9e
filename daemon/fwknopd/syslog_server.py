"""Where events go over the network: a log server that takes syslog over UDP, RFC 5426.

A server that is gone, a network that is down and a full buffer cost messages, never time. Of what
did not arrive that much is known as the network says: ICMP, ip(7) under IP_RECVERR.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv6Address

from fwknopd.config.endpoint import Endpoint
from fwknopd.event_sinks import FACILITIES
from fwknopd.events import Event, Losses
from fwknopd.syslog_message import Sender, message

IP_RECVERR = 11
IPV6_RECVERR = 25
"""linux/in.h and linux/in6.h; Python names neither before 3.14."""

MAX_REPORTS = 1000
"""ICMP errors read in a row; the kernel keeps some hundred, and others may be sending more."""


class SyslogServerSink:
    """Sends each event as one datagram; `losses` tells of those that are known to be lost."""

    def __init__(self, server: Endpoint, identity: str, facility: str) -> None:
        self._losses = Losses(str(server))
        self._server = server
        self._sent = 0.0
        number = FACILITIES.get(facility, FACILITIES["LOG_DAEMON"])
        self._sender = Sender(number, socket.gethostname(), identity, os.getpid())
        self._socket: socket.socket | None = None

    def __call__(self, event: Event) -> None:
        datagram = message(event, self._sender)
        # What the network says of earlier ones would be taken for a fault of this one.
        self._hear()
        try:
            self._send(datagram)
        except OSError as error:
            self._losses.add(event.time, error.strerror or str(error))
        self._sent = event.time

    def _send(self, datagram: bytes) -> None:
        """Raises OSError."""
        # Never connected: that would tie it to the address this router has now.
        where = str(self._server.address), self._server.port
        try:
            self._open().sendto(datagram, where)
        except OSError:
            if not self._hear():
                raise
            # It was said of an earlier one, only just.
            self._open().sendto(datagram, where)

    def losses(self) -> Losses:
        """What could not be sent, or came back as undeliverable so far."""
        self._hear()
        return self._losses

    def _hear(self) -> int:
        """Count what the network says did not arrive; how many those were."""
        before = self._losses.count
        for number in _reported(self._socket) if self._socket else ():
            self._losses.add(self._sent, os.strerror(number))
        return self._losses.count - before

    def _open(self) -> socket.socket:
        """The socket; without IPv6 there is none for now, and later there may be."""
        if self._socket is None:
            six = isinstance(self._server.address, IPv6Address)
            family = socket.AF_INET6 if six else socket.AF_INET
            made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            made.setblocking(False)
            level, option = (
                (socket.IPPROTO_IPV6, IPV6_RECVERR) if six else (socket.IPPROTO_IP, IP_RECVERR)
            )
            made.setsockopt(level, option, 1)
            self._socket = made
        return self._socket

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _reported(sender: socket.socket) -> Iterator[int]:
    """The errno of each datagram that came back, once.

    Each has a ``struct sock_extended_err``, which begins with that number.
    """
    for _ in range(MAX_REPORTS):
        try:
            notes = sender.recvmsg(0, 512, socket.MSG_ERRQUEUE)[1]
        except OSError:
            return
        for _level, kind, data in notes:
            if kind in (IP_RECVERR, IPV6_RECVERR) and len(data) >= 4:
                yield struct.unpack_from("=I", data)[0]
