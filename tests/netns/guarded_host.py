"""A host on the Internet whose firewall fwknopd opens, and a client who wants in.

    client 198.51.100.7, stranger 198.51.100.8 --- eth0 host 198.51.100.1

Client and stranger are two addresses of one machine.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.program import Running
from tests.netns.computers import TIME_LIMIT, Computer
from tests.netns.conftest import CLIENT, ROUTER, STRANGER
from tests.netns.namespaces import End, Machines
from tests.netns.probes import Outcome, closing_time, connect, listen_tcp, try_tcp

WINDOW = 30.0
# Seconds a door may shut early or late, on a machine busy with other tests.
TOLERANCE = 1.5
_IPV4 = 0x0800


@dataclass(frozen=True, slots=True)
class Packet:
    """A UDP datagram seen on the wire."""

    payload: bytes
    port: int


@dataclass(frozen=True, slots=True)
class GuardedHost:
    """The machines of the picture above. ``host`` is what guides call the server or router."""

    outside: Computer
    host: Computer

    def tries(self, port: int, source: str = CLIENT) -> Outcome:
        """What becomes of a connection to the host."""
        return try_tcp(self.outside.machine, source, ROUTER, port)

    def send(self, packet: Packet, source: str) -> None:
        """Send a datagram from the outside."""
        with self.outside.machine.entered():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with closing(sender):
            sender.bind((source, 0))
            sender.sendto(packet.payload, (ROUTER, packet.port))

    def seen(self, knock: Callable[[], object]) -> Packet:
        """The datagram that reaches the host while ``knock`` runs."""
        with self.host.machine.entered():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
        with closing(wire):
            wire.bind(("eth0", _IPV4))
            wire.settimeout(TIME_LIMIT)
            knock()
            while True:
                datagram = wire.recv(2000)
                if datagram[9] == socket.IPPROTO_UDP:
                    return _parse(datagram)


def _parse(datagram: bytes) -> Packet:
    udp = datagram[(datagram[0] & 15) * 4 :]
    port, length = struct.unpack("!2xHH", udp[:6])
    return Packet(udp[8:length], port)


@contextmanager
def guarded_host(folder: Path) -> Iterator[GuardedHost]:
    """The machines while the block runs, without any firewall rule."""
    with Machines() as machines:
        outside, host = machines.add("outside"), machines.add("host")
        machines.join(
            End(outside, "eth0", (f"{CLIENT}/24", f"{STRANGER}/24")),
            End(host, "eth0", (f"{ROUTER}/24",)),
        )
        yield GuardedHost(Computer(outside, folder / "outside"), Computer(host, folder / "host"))


def assert_one_knock_does_what_it_should(
    site: GuardedHost, daemon: Running, port: int, knock: Callable[[], object]
) -> None:
    """The client gets in, nobody else does, and of the window only the session remains."""
    with closing(listen_tcp(site.host.machine, port)) as service:
        assert site.tries(port) is Outcome.SILENT
        said, before = len(daemon.lines), time.monotonic()
        packet = site.seen(knock)
        daemon.wait_for("Added access rule to", after=said)
        opened = time.monotonic()
        client = connect(site.outside.machine, CLIENT, ROUTER, port)
        server, _ = service.accept()
        with closing(client), closing(server):
            _assert_a_copy_is_worthless(site, daemon, port, packet)
            # Its end is looked at from a little before it may come.
            time.sleep(max(0, before + WINDOW - 2 * TOLERANCE - time.monotonic()))
            last_open, shut = closing_time(site.outside.machine, CLIENT, ROUTER, port, 0.05)
            assert last_open - opened < WINDOW + TOLERANCE
            assert shut - before > WINDOW - TOLERANCE
            daemon.wait_for("Removed rule from", after=said)
            client.sendall(b"still there?")
            assert server.recv(100) == b"still there?"


def _assert_a_copy_is_worthless(
    site: GuardedHost, daemon: Running, port: int, packet: Packet
) -> None:
    assert site.tries(port, STRANGER) is Outcome.SILENT
    site.send(packet, STRANGER)
    daemon.wait_for(f"Replay detected from source IP: {STRANGER}")
    assert site.tries(port, STRANGER) is Outcome.SILENT
