"""Connections across a firewall, all within this process."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from ipaddress import ip_address
from math import inf

from tests.netns.namespaces import Machine

# Seconds. Within one computer a packet needs 0.1 ms; a lost SYN is sent again after 1 s,
# and that must not count as an answer to the first.
PATIENCE = 0.4
BACKLOG = 4096


class Outcome(StrEnum):
    """What became of a connection attempt."""

    CONNECTED = "connected"
    REFUSED = "refused"
    SILENT = "silent"


def family_of(address: str) -> socket.AddressFamily:
    """The socket family of an address."""
    return socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6


def listen_tcp(machine: Machine, port: int) -> socket.socket:
    """A TCP listener for both families on every address of the machine."""
    with machine.entered():
        listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(BACKLOG)
    listener.settimeout(5)
    return listener


@contextmanager
def greeter(machine: Machine, port: int, greeting: str) -> Iterator[None]:
    """A server on every address of the machine that says who it is, and hangs up.

    ``{peer}`` in the greeting is where the connection comes from.
    """
    listener = listen_tcp(machine, port)
    listener.settimeout(None)
    thread = threading.Thread(target=_greet, args=(listener, greeting))
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _greet(listener: socket.socket, greeting: str) -> None:
    while True:
        try:
            client, peer = listener.accept()
        except OSError:  # The listener was shut down.
            return
        with client, suppress(OSError):
            client.sendall(greeting.format(peer=peer[0].removeprefix("::ffff:")).encode())


def connect(
    machine: Machine, source: str, address: str, port: int, source_port: int = 0
) -> socket.socket:
    """A TCP connection from ``source`` on that machine. Raises OSError."""
    with machine.entered():
        client = socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        client.bind((source, source_port))
        client.settimeout(PATIENCE)
        client.connect((address, port))
    except OSError:
        client.close()
        raise
    client.settimeout(5)
    return client


def try_tcp(machine: Machine, source: str, address: str, port: int) -> Outcome:
    """Whether a TCP connection comes about; it is closed at once."""
    try:
        with connect(machine, source, address, port) as client:
            # Closing by reset: a port still in use at the other end would not answer
            # when, after thousands of connections, it is drawn again.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
    except ConnectionRefusedError:
        return Outcome.REFUSED
    except TimeoutError:
        return Outcome.SILENT
    return Outcome.CONNECTED


@contextmanager
def udp_server(machine: Machine, address: str, port: int) -> Iterator[socket.socket]:
    """A bound UDP socket of that machine."""
    with machine.entered():
        server = socket.socket(family_of(address), socket.SOCK_DGRAM)
    with server:
        server.bind((address, port))
        yield server


def arrives(machine: Machine, source: str, server: socket.socket, address: str, port: int) -> bool:
    """Whether a datagram sent from ``source`` reaches ``server``."""
    with machine.entered():
        client = socket.socket(family_of(address), socket.SOCK_DGRAM)
    with client, suppress(ConnectionRefusedError):
        client.bind((source, 0))
        client.sendto(b"ping", (address, port))
        if select.select([server], [], [], PATIENCE)[0]:
            return server.recv(100) == b"ping"
    return False


def closing_time(
    machine: Machine, source: str, address: str, port: int, pause: float = 0.002
) -> tuple[float, float]:
    """When the door was last seen open (-inf: never) and first seen shut, in monotonic seconds.

    The door shut in between. The first is the time before an attempt, the second the
    time after one, so a slow machine widens the gap but never falsifies it. The same goes for
    the opening: compare the first with a time after it, and the second with one before it.
    """
    last_open = -inf
    while True:
        before = time.monotonic()
        if try_tcp(machine, source, address, port) is not Outcome.CONNECTED:
            return last_open, time.monotonic()
        last_open = before
        time.sleep(pause)  # Thousands of attempts would fill the tables.
