"""Connections that stay up across a firewall, and whether anything still gets through them."""

from __future__ import annotations

import secrets
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from tests.netns.namespaces import Machine
from tests.netns.probes import connect, family_of, listen_tcp, udp_server

# Seconds to wait for what should come, and for what should not. A packet needs 0.1 ms, and
# TCP sends a lost one again after 0.2 s.
ENOUGH = 5.0
SILENCE = 0.25


@dataclass(frozen=True, slots=True)
class Talk:
    """Both ends of a connection, in this process."""

    client: socket.socket
    server: socket.socket

    @property
    def port(self) -> int:
        """The client's port."""
        number: int = self.client.getsockname()[1]
        return number

    def is_up(self) -> bool:
        """Do both hear each other?"""
        return bool(clients_heard([self], ENOUGH) and servers_heard([self], ENOUGH))

    def client_is_heard(self) -> bool:
        """Does what the client says reach the server?"""
        return bool(clients_heard([self]))

    def server_is_heard(self) -> bool:
        """Does what the server says reach the client?"""
        return bool(servers_heard([self]))


def clients_heard(talks: Sequence[Talk], seconds: float = SILENCE) -> list[Talk]:
    """The connections in which what the client says reaches the server."""
    passed = _passing([(talk.client, talk.server) for talk in talks], seconds)
    return [talk for talk in talks if talk.server in passed]


def servers_heard(talks: Sequence[Talk], seconds: float = SILENCE) -> list[Talk]:
    """The connections in which what the server says reaches the client."""
    passed = _passing([(talk.server, talk.client) for talk in talks], seconds)
    return [talk for talk in talks if talk.client in passed]


def _passing(pairs: Sequence[tuple[socket.socket, socket.socket]], seconds: float) -> set[object]:
    """The receivers that get what their sender says, within so many seconds."""
    said = {receiver: secrets.token_bytes(8) for _, receiver in pairs}
    for sender, receiver in pairs:
        # A refusal of something earlier would be told now.
        sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        with suppress(OSError):
            sender.send(said[receiver])
    passed: set[object] = set()
    end = time.monotonic() + seconds
    while said:
        # One last look at the end, however late this process comes to it.
        left = end - time.monotonic()
        ready = select.select(list(said), [], [], max(left, 0))[0]
        for receiver in ready:
            if _hears(receiver, said.pop(receiver)):
                passed.add(receiver)
        if left <= 0 and not ready:
            break
    return passed


def _hears(receiver: socket.socket, text: bytes) -> bool:
    try:
        # What was lost before may come first: TCP sends it again.
        return receiver.recv(1000).endswith(text)
    except OSError:
        return False


@contextmanager
def tcp_talk(
    client: Machine,
    source: str,
    address: str,
    port: int,
    server: Machine,
    inside_port: int = 0,
    client_port: int = 0,
) -> Iterator[Talk]:
    """A TCP connection from ``source`` to a server of ``server``. Raises OSError."""
    with closing(listen_tcp(server, inside_port or port)) as listener:
        caller = connect(client, source, address, port, client_port)
        answerer, _ = listener.accept()
    with closing(caller), closing(answerer):
        # By reset, so that nothing of it stays when it is over.
        for end in (caller, answerer):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        yield Talk(caller, answerer)


@contextmanager
def udp_talk(
    client: Machine,
    source: str,
    address: str,
    port: int,
    server: Machine,
    inside: tuple[str, int] | None = None,
) -> Iterator[Talk]:
    """The same over UDP, where the server answers whoever spoke to it first."""
    with client.entered():
        caller = socket.socket(family_of(address), socket.SOCK_DGRAM)
    with closing(caller), udp_server(server, *(inside or (address, port))) as answerer:
        caller.bind((source, 0))
        caller.connect((address, port))
        caller.send(b"hello")
        answerer.settimeout(ENOUGH)
        _, whence = answerer.recvfrom(100)
        answerer.connect(whence)
        talk = Talk(caller, answerer)
        assert talk.is_up()
        yield talk
