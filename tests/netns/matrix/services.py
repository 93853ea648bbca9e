"""Servers that say who they are and whom they see, on many machines and in one thread.

Every connection and datagram is answered with one line: the machine, its address and
port, and the address it was asked from. Whatever is sent later comes back.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from tests.netns.namespaces import Machine
from tests.netns.probes import BACKLOG, family_of

DATAGRAM = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """Which machine answered, on which port, and whom it saw."""

    role: str
    port: int
    seen: str

    @classmethod
    def parse(cls, line: str) -> Answer:
        """What `greeting` wrote."""
        role, port, seen = line.split()
        return cls(role, int(port), seen)

    def __str__(self) -> str:
        return f"{self.role}:{self.port} that sees {self.seen}"


def greeting(role: str, port: int, peer: str) -> bytes:
    """The line a server answers with."""
    address = ip_address(peer.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return f"{role} {port} {address}\n".encode()


class Services:
    """All servers. They run while the block does."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._cleanup = ExitStack()
        self._ours, self._theirs = socket.socketpair()
        self._selector.register(self._theirs, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve, name="services")

    def tcp(self, machine: Machine, ports: Iterable[int]) -> None:
        """Listen on every address of a machine."""
        for port in ports:
            with machine.entered():
                listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(("::", port))
            listener.listen(BACKLOG)
            self._watch(listener, self._accepting(listener, machine.role, port))

    def udp(self, machine: Machine, addresses: Iterable[str], ports: Iterable[int]) -> None:
        """Listen on those addresses: a datagram's answer has to come from where it went."""
        wanted = [(address, port) for address in addresses for port in ports]
        for address, port in wanted:
            with machine.entered():
                server = socket.socket(family_of(address), socket.SOCK_DGRAM)
            server.bind((address, port))
            self._watch(server, self._answering(server, machine.role, port))

    def _watch(self, server: socket.socket, act: Callable[[], None]) -> None:
        server.setblocking(False)
        self._cleanup.enter_context(server)
        self._selector.register(server, selectors.EVENT_READ, act)

    def _accepting(self, listener: socket.socket, role: str, port: int) -> Callable[[], None]:
        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, peer = listener.accept()
                    client.setblocking(False)
                    with suppress(OSError):
                        client.send(greeting(role, port, peer[0]))
                    self._selector.register(client, selectors.EVENT_READ, self._echoing(client))

        return accept

    def _echoing(self, client: socket.socket) -> Callable[[], None]:
        def echo() -> None:
            data = b""
            with suppress(OSError):
                data = client.recv(DATAGRAM)
                client.send(data)
            if not data:
                self._selector.unregister(client)
                client.close()

        return echo

    def _answering(self, server: socket.socket, role: str, port: int) -> Callable[[], None]:
        def answer() -> None:
            with suppress(OSError):
                while True:
                    data, peer = server.recvfrom(DATAGRAM)
                    server.sendto(greeting(role, port, peer[0]) + data, peer)

        return answer

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                key.data()

    def __enter__(self) -> Services:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ours.send(b"end")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._ours.close()
        self._selector.close()
        self._cleanup.close()
