"""The UDP server: real sockets on the loopback device."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from fwknopd.capture import CaptureError, CaptureFault
from fwknopd.capture.udp_server import UdpServerCapture
from fwknopd.policy.packet import Packet
from tests.ports import free_port
from tests.unit.capture.descriptors import open_descriptors

KNOCK = b"A" * 200


@pytest.fixture
def server() -> Iterator[UdpServerCapture]:
    opened = UdpServerCapture(free_port(socket.SOCK_DGRAM))
    yield opened
    opened.close()


def port_of(server: UdpServerCapture) -> int:
    return int(server.name.partition(":")[2])


def send(server: UdpServerCapture, payload: bytes, address: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(payload, (address, port_of(server)))
        return int(sender.getsockname()[1])


def receive(server: UdpServerCapture, limit: int = 100) -> list[Packet]:
    assert select.select([server.fileno()], [], [], 5)[0], "no datagram came"
    return server.read(limit)


@pytest.mark.parametrize(
    ("address", "source"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.9", "127.0.0.1"), ("::1", "::1")]
)
def test_both_ends_of_a_datagram_are_known(
    server: UdpServerCapture, address: str, source: str
) -> None:
    port = send(server, KNOCK, address)
    expected = Packet(
        KNOCK, ip_address(source), ip_address(address), port, port_of(server), 17, "udp"
    )
    assert receive(server) == [expected]


def test_nothing_waiting_is_no_wait(server: UdpServerCapture) -> None:
    assert server.read(100) == []


def test_limit_leaves_the_rest_for_later(server: UdpServerCapture) -> None:
    for _ in range(7):
        send(server, KNOCK)
    assert len(receive(server, 5)) == 5
    assert len(receive(server, 5)) == 2
    assert server.stats().received == 7


@pytest.mark.parametrize(("size", "taken"), [(0, 0), (1, 1), (1500, 1), (1501, 0), (9000, 0)])
def test_only_lengths_a_knock_can_have(server: UdpServerCapture, size: int, taken: int) -> None:
    send(server, b"A" * size)
    assert len(receive(server)) == taken


def test_loss_is_counted(server: UdpServerCapture) -> None:
    for _ in range(40):
        for _ in range(100):
            send(server, b"A" * 1400)
    received = 0
    while packets := server.read(1000):
        received += len(packets)
    send(server, KNOCK)  # the kernel reports its counter with the next datagram
    received += len(receive(server))
    assert server.stats().dropped == 4001 - received > 0


def test_port_in_use_says_which_and_how_to_find_out_who(server: UdpServerCapture) -> None:
    with pytest.raises(CaptureError) as raised:
        UdpServerCapture(port_of(server))
    assert raised.value.fault is CaptureFault.PORT_IN_USE
    assert f"UDP port {port_of(server)} of 0.0.0.0 is in use" in str(raised.value)
    assert "netstat -lunp" in raised.value.remedy
    assert not raised.value.passing


def test_an_address_of_somebody_else_is_named() -> None:
    with pytest.raises(CaptureError, match=r"192\.0\.2\.1"):
        UdpServerCapture(free_port(socket.SOCK_DGRAM), [IPv4Address("192.0.2.1")])


def test_missing_ipv6_address_alone_is_an_error_but_not_beside_another() -> None:
    foreign = IPv6Address("2001:db8::1")
    with pytest.raises(CaptureError):
        UdpServerCapture(free_port(socket.SOCK_DGRAM), [foreign])
    server = UdpServerCapture(free_port(socket.SOCK_DGRAM), [IPv4Address("127.0.0.1"), foreign])
    assert server.detail() == "127.0.0.1"
    server.close()


def test_no_descriptor_is_left_open() -> None:
    before = open_descriptors()
    server = UdpServerCapture(free_port(socket.SOCK_DGRAM))
    with pytest.raises(CaptureError):
        UdpServerCapture(port_of(server))
    server.close()
    server.close()
    assert open_descriptors() == before
    assert server.read(10) == []
    assert server.fileno() == -1
