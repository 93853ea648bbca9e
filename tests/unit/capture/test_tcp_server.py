"""The TCP server: real connections on the loopback device, and a clock moved by hand."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, closing
from ipaddress import ip_address
from math import inf

import pytest

from fwknopd.capture import CaptureError, CaptureFault, CaptureStats
from fwknopd.capture.tcp_server import LIFETIME, MAX_CONNECTIONS, QUIET, TcpServerCapture
from fwknopd.policy.packet import Packet
from tests.ports import free_port
from tests.unit.capture.descriptors import open_descriptors

KNOCK = b"Abc9+/xyz=" * 20
REQUEST = b"GET /" + b"Ab-_" * 50 + b" HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\n\r\n"


class Clock:
    """Monotonic seconds, moved by hand."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[TcpServerCapture]:
    opened = TcpServerCapture(free_port(), monotonic=clock)
    yield opened
    opened.close()


def port_of(server: TcpServerCapture) -> int:
    return int(server.name.partition(":")[2])


def connect(server: TcpServerCapture, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((address, port_of(server)), timeout=5)


def receive(server: TcpServerCapture, limit: int = 100) -> list[Packet]:
    """What comes of the next things that happen, until something does."""
    packets: list[Packet] = []
    while not packets:
        assert select.select([server.fileno()], [], [], 5)[0], "nothing came"
        packets = server.read(limit)
    return packets


def take_in(server: TcpServerCapture) -> None:
    """Let the server deal with whatever has come by now; none of it is a whole knock."""
    while select.select([server.fileno()], [], [], 0.1)[0]:
        assert server.read(100) == []


def is_closed(client: socket.socket) -> bool:
    """Has the server given up this connection?"""
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    ("address", "source"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.9", "127.0.0.1"), ("::1", "::1")]
)
def test_both_ends_of_a_connection_are_known(
    server: TcpServerCapture, address: str, source: str
) -> None:
    with connect(server, address) as client:
        client.sendall(KNOCK)
        port = client.getsockname()[1]
    expected = Packet(
        KNOCK, ip_address(source), ip_address(address), port, port_of(server), 6, "tcp"
    )
    assert receive(server) == [expected]
    assert server.stats() == CaptureStats(1, 0)
    assert server.due() == inf


def test_a_knock_in_pieces_is_one_knock(server: TcpServerCapture) -> None:
    with connect(server) as client:
        for start in range(0, len(KNOCK), 50):
            client.sendall(KNOCK[start : start + 50])
            take_in(server)
    assert [packet.payload for packet in receive(server)] == [KNOCK]


def test_a_request_ends_with_an_empty_line(server: TcpServerCapture) -> None:
    """The client may wait for an answer and never hang up."""
    with connect(server) as client:
        client.sendall(REQUEST[:-2])
        take_in(server)
        client.sendall(REQUEST[-2:])
        assert [packet.payload for packet in receive(server)] == [REQUEST]
        assert is_closed(client)


def test_a_client_that_never_hangs_up_is_heard_after_a_while(
    server: TcpServerCapture, clock: Clock
) -> None:
    with connect(server) as client:
        client.sendall(KNOCK)
        take_in(server)
        assert server.due() == clock.time + QUIET
        clock.time += QUIET
        assert [packet.payload for packet in server.read(100)] == [KNOCK]
        assert is_closed(client)


def test_a_client_that_dawdles_is_cut_off(server: TcpServerCapture, clock: Clock) -> None:
    begun = clock.time
    with connect(server) as client:
        while clock.time < begun + LIFETIME:
            client.sendall(b"A")
            take_in(server)
            clock.time += QUIET * 0.9
        assert server.read(100) == []
        assert is_closed(client)
    assert server.stats() == CaptureStats(0, 0)


def test_what_a_reset_connection_said_counts(server: TcpServerCapture) -> None:
    with connect(server) as client:
        client.sendall(KNOCK)
        take_in(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert [packet.payload for packet in receive(server)] == [KNOCK]


@pytest.mark.parametrize(("size", "taken"), [(0, 0), (139, 0), (140, 1), (1500, 1), (1501, 0)])
def test_only_lengths_a_knock_can_have(
    server: TcpServerCapture, clock: Clock, size: int, taken: int
) -> None:
    with connect(server) as client:
        client.sendall(b"A" * size)
    with connect(server) as client:  # of what comes before this one nothing is left
        client.sendall(b"M" * 200)
    packets = receive(server)
    while packets[-1].payload != b"M" * 200:
        packets += receive(server)
    assert len(packets) == 1 + taken
    assert server.due() == inf or size == 0, "no connection is left"


def test_many_clients_at_once_and_the_oldest_goes(server: TcpServerCapture) -> None:
    with ExitStack() as clients:
        opened = [clients.enter_context(connect(server)) for _ in range(MAX_CONNECTIONS + 3)]
        for client in opened:
            client.sendall(b"A")
        take_in(server)
        assert server.stats().dropped == 3
        assert all(is_closed(client) for client in opened[:3])
        for client in opened[3:]:
            client.sendall(KNOCK)
            client.shutdown(socket.SHUT_WR)
        packets: list[Packet] = []
        while len(packets) < MAX_CONNECTIONS:
            packets += receive(server)
    assert {packet.payload for packet in packets} == {b"A" + KNOCK}
    assert server.due() == inf


def test_limit_leaves_the_rest_for_later(server: TcpServerCapture) -> None:
    for _ in range(5):
        with connect(server) as client:
            client.sendall(KNOCK)
    assert len(receive(server, 3)) == 3
    assert len(receive(server, 3)) == 2


def test_a_connection_that_says_nothing_is_not_even_taken(server: TcpServerCapture) -> None:
    with connect(server):
        assert not select.select([server.fileno()], [], [], 0.2)[0]
        assert server.due() == inf


def test_port_in_use_says_which_and_how_to_find_out_who(server: TcpServerCapture) -> None:
    with pytest.raises(CaptureError) as raised:
        TcpServerCapture(port_of(server))
    assert raised.value.fault is CaptureFault.PORT_IN_USE
    assert f"TCP port {port_of(server)} of 0.0.0.0 is in use" in str(raised.value)
    assert "netstat -ltnp" in raised.value.remedy
    assert raised.value.option == "TCPSERV_PORT"
    assert not raised.value.passing


def test_a_daemon_that_is_started_anew_need_not_wait_for_old_connections(
    server: TcpServerCapture,
) -> None:
    port = port_of(server)
    with connect(server) as client:
        client.sendall(KNOCK[:10])
        take_in(server)
        server.close()
        again = TcpServerCapture(port)
        again.close()


def test_no_descriptor_is_left_open() -> None:
    before = open_descriptors()
    server = TcpServerCapture(free_port())
    assert server.detail() == "0.0.0.0, ::"
    with pytest.raises(CaptureError):
        TcpServerCapture(port_of(server))
    with closing(connect(server)) as client:
        client.sendall(b"A")
        take_in(server)
    server.close()
    server.close()
    assert open_descriptors() == before
    assert server.read(10) == []
    assert server.fileno() == -1
