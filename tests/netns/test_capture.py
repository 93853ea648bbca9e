"""Capturing on real devices: what arrives, what doesn't, and what happens when a device goes."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from fwknopd.capture import CaptureError, CaptureFault, CaptureStats
from fwknopd.capture.bpf import capture_filter
from fwknopd.capture.pcap import PcapCapture
from fwknopd.policy.packet import Packet
from tests.netns.namespaces import End, Machine, Machines
from tests.unit.capture.descriptors import open_descriptors
from tests.unit.capture.frames import (
    IPV4,
    IPV6,
    PPPOE,
    capture_file,
    ethernet,
    ipv4,
    ipv6,
    pppoe,
    udp,
)

pytestmark = pytest.mark.root

DEVICE = "eth1"
PORT = 62201
FILTER = capture_filter(f"udp port {PORT}")
KNOCK = b"Abc9+/xyz=" * 20
MARKER = b"M" * 200
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ROUTER, ROUTER6 = "198.51.100.2", "2001:db8:1::2"
PHONE, PHONE6 = "198.51.100.1", "2001:db8:1::1"


@dataclass(slots=True)
class Wire:
    """A router, in which the test lives, and a phone on its device eth1."""

    router: Machine
    phone: Machine

    def send(self, payload: bytes, address: str = ROUTER, port: int = PORT, times: int = 1) -> None:
        """UDP datagrams from the phone."""
        with self.phone.entered():
            sender = socket.socket(_family(address), socket.SOCK_DGRAM)
        with sender:
            for _ in range(times):
                sender.sendto(payload, (address, port))

    def send_frame(self, frame: bytes) -> None:
        """A frame as it is from the phone's device."""
        with self.phone.entered():
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with sender:
            sender.bind(("eth0", 0))
            sender.send(frame)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@pytest.fixture
def wire() -> Iterator[Wire]:
    with Machines("capture") as machines:
        router, phone = machines.add("router"), machines.add("phone")
        _lay_cable(machines, router, phone)
        with router.entered():
            yield Wire(router, phone)


def _lay_cable(machines: Machines, router: Machine, phone: Machine) -> None:
    machines.join(
        End(router, DEVICE, (f"{ROUTER}/24", f"{ROUTER6}/64")),
        End(phone, "eth0", (f"{PHONE}/24", f"{PHONE6}/64")),
    )


@pytest.fixture
def capture(wire: Wire) -> Iterator[PcapCapture]:
    opened = PcapCapture(DEVICE, FILTER)
    yield opened
    opened.close()


def await_packets(capture: PcapCapture, count: int) -> list[Packet]:
    packets: list[Packet] = []
    while len(packets) < count:
        assert select.select([capture.fileno()], [], [], 5)[0], f"only {len(packets)} came"
        packets += capture.read(1000)
    return packets


def await_end(capture: PcapCapture) -> CaptureError:
    """The error the capture ends with; fails the test unless it wakes the waiter by itself."""
    assert select.select([capture.fileno()], [], [], 5)[0], "nobody was told of the end"
    with pytest.raises(CaptureError) as raised:
        for _ in range(10):
            capture.read(100)
    return raised.value


def is_quiet(capture: PcapCapture) -> bool:
    return not select.select([capture.fileno()], [], [], 0)[0]


def test_knocks_over_ipv4_and_ipv6_arrive_whole(wire: Wire, capture: PcapCapture) -> None:
    for address in (ROUTER, ROUTER6):
        wire.send(KNOCK, address)
    first, second = await_packets(capture, 2)
    assert (first.source, first.destination) == (IPv4Address(PHONE), IPv4Address(ROUTER))
    assert (second.source, second.destination) == (IPv6Address(PHONE6), IPv6Address(ROUTER6))
    for packet in (first, second):
        assert (packet.payload, packet.destination_port, packet.protocol, packet.via) == (
            KNOCK,
            PORT,
            17,
            DEVICE,
        )


@pytest.mark.parametrize("kind", [0x8100, 0x88A8])
def test_a_knock_with_a_vlan_tag_arrives(wire: Wire, capture: PcapCapture, kind: int) -> None:
    """What device the tag belongs to does not matter here; that one need not exist."""
    for packet, ethertype in ((ipv4(udp(KNOCK)), IPV4), (ipv6(udp(KNOCK)), IPV6)):
        wire.send_frame(ethernet(packet, ethertype, tags=[(kind, 7)]))
        (arrived,) = await_packets(capture, 1)
        assert arrived.payload == KNOCK


def test_a_doubly_tagged_knock_arrives_where_the_filter_asks_for_it(wire: Wire) -> None:
    opened = PcapCapture(DEVICE, capture_filter("vlan and vlan and udp port 62201"))
    wire.send_frame(ethernet(ipv4(udp(KNOCK)), tags=[(0x88A8, 7), (0x8100, 5)]))
    (packet,) = await_packets(opened, 1)
    assert packet.payload == KNOCK
    opened.close()


@pytest.mark.parametrize("tags", [(), ((0x8100, 7),)])
def test_a_pppoe_session_is_read_on_the_device_below_it(
    wire: Wire, tags: tuple[tuple[int, int], ...]
) -> None:
    """Normally one captures on ppp0; for a mirror port, the filter has to ask for the session."""
    opened = PcapCapture(DEVICE, capture_filter("pppoes and udp port 62201"))
    for packet, protocol in ((ipv4(udp(KNOCK)), 0x0021), (ipv6(udp(KNOCK)), 0x0057)):
        wire.send_frame(ethernet(pppoe(packet, protocol), PPPOE, tags))
        (arrived,) = await_packets(opened, 1)
        assert arrived.payload == KNOCK
    opened.close()


def test_other_traffic_and_junk_neither_arrive_nor_wake(wire: Wire, capture: PcapCapture) -> None:
    wire.send(KNOCK, port=53)
    for junk in (b"\xff" * 200, b"short", b"A" * 139, b"\0" * 400, b"some text, " * 20):
        for address in (ROUTER, ROUTER6):
            wire.send(junk, address, times=50)
    assert is_quiet(capture)
    assert capture.stats() == CaptureStats(0, 0)
    wire.send(MARKER)
    assert [packet.payload for packet in await_packets(capture, 1)] == [MARKER]


def test_what_the_router_sends_is_not_taken(wire: Wire, capture: PcapCapture) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(KNOCK, (PHONE, PORT))
    wire.send(MARKER)
    assert [packet.payload for packet in await_packets(capture, 1)] == [MARKER]


def test_a_request_over_http_is_seen(wire: Wire) -> None:
    request = b"GET /" + b"Ab-_" * 50 + b" HTTP/1.0\r\nUser-Agent: Fwknop/2.6.10\r\n\r\n"
    opened = PcapCapture(DEVICE, capture_filter("tcp port 80", spa_over_http=True))
    for address in (ROUTER, ROUTER6):
        with socket.create_server((address, 80), family=_family(address)):
            with wire.phone.entered():
                sender = socket.create_connection((address, 80), timeout=5)
            with sender:
                sender.sendall(request)
                assert [packet.payload for packet in await_packets(opened, 1)] == [request]
    opened.close()


def test_every_device_at_once_gives_cooked_frames(wire: Wire) -> None:
    opened = PcapCapture("any", FILTER)
    wire.send(KNOCK)
    wire.send(KNOCK, ROUTER6)
    assert [packet.payload for packet in await_packets(opened, 2)] == [KNOCK, KNOCK]
    assert opened.detail() == ""
    opened.close()


def test_a_device_without_ethernet_header(wire: Wire) -> None:
    """A tunnel, as PPP uplinks and WireGuard are: the frame begins with IP."""
    wire.router.ip("tuntap", "add", "mode", "tun", "name", "tun0")
    tunnel = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH", b"tun0", IFF_TUN | IFF_NO_PI))
    wire.router.ip("link", "set", "tun0", "up")
    opened = PcapCapture("tun0", FILTER)
    os.write(tunnel, ipv4(udp(KNOCK)))
    os.write(tunnel, ipv6(udp(KNOCK)))
    assert [packet.payload for packet in await_packets(opened, 2)] == [KNOCK, KNOCK]
    opened.close()
    os.close(tunnel)


def test_a_knock_longer_than_the_snap_length_is_left_out(wire: Wire) -> None:
    opened = PcapCapture(DEVICE, FILTER, snaplen=400)
    wire.send(b"A" * 1000)
    wire.send(MARKER)
    assert [packet.payload for packet in await_packets(opened, 1)] == [MARKER]
    opened.close()


def test_limit_leaves_the_rest_in_the_ring(wire: Wire, capture: PcapCapture) -> None:
    wire.send(KNOCK, times=30)
    assert len(capture.read(20)) == 20
    assert not is_quiet(capture)
    assert len(capture.read(20)) == 10
    assert capture.read(20) == []


def test_a_burst_fits_the_ring(wire: Wire) -> None:
    """5,000 knocks back to back, none fetched meanwhile: the worst the daemon can do to itself."""
    opened = PcapCapture(DEVICE, FILTER, snaplen=700, buffer_size=4 * 1024 * 1024)
    wire.send(KNOCK, times=5000)
    received = len(opened.read(10_000))
    print(f"burst of 5000: received {received}, kernel counted {opened.stats()}")
    assert received == 5000
    assert opened.stats() == CaptureStats(5000, 0)
    opened.close()


def test_what_does_not_fit_the_ring_is_counted(wire: Wire) -> None:
    opened = PcapCapture(DEVICE, FILTER, buffer_size=64 * 1024)
    # What the device received before the filter was set counts too, but is never read.
    before = opened.stats().received
    wire.send(KNOCK, times=1000)
    stats = opened.stats()
    received = len(opened.read(10_000))
    assert stats.dropped > 0
    assert stats.received - before - stats.dropped == received
    opened.close()
    assert opened.stats().dropped == stats.dropped


def test_a_deleted_device_ends_the_capture(wire: Wire, capture: PcapCapture) -> None:
    wire.send(KNOCK)
    wire.router.ip("link", "delete", DEVICE)
    error = await_end(capture)
    assert error.fault is CaptureFault.DEVICE_GONE
    assert error.passing
    assert DEVICE in error.message


def test_a_redialled_uplink_is_a_new_device(wire: Wire, capture: PcapCapture) -> None:
    """Deleted and made again under its name before anybody looked."""
    wire.router.ip("link", "delete", DEVICE)
    with Machines("capture2") as others:
        _lay_cable(others, wire.router, others.add("phone"))
        assert await_end(capture).fault is CaptureFault.DEVICE_GONE
        again = PcapCapture(DEVICE, FILTER)
        again.close()


def test_a_renamed_device_ends_the_capture(wire: Wire, capture: PcapCapture) -> None:
    wire.router.ip("link", "set", DEVICE, "down")
    wire.router.ip("link", "set", DEVICE, "name", "eth7")
    assert await_end(capture).fault is CaptureFault.DEVICE_GONE


def test_a_device_that_goes_down_and_up_keeps_its_capture(wire: Wire, capture: PcapCapture) -> None:
    wire.router.ip("link", "set", DEVICE, "down")
    assert capture.read(100) == []
    assert capture.detail() == "the device eth1 is down"
    wire.router.ip("link", "set", DEVICE, "up")
    assert capture.detail() == ""
    wire.send(KNOCK)
    assert [packet.payload for packet in await_packets(capture, 1)] == [KNOCK]


def test_a_device_that_is_down_is_named(wire: Wire) -> None:
    wire.router.ip("link", "set", DEVICE, "down")
    with pytest.raises(CaptureError, match="eth1 is down") as raised:
        PcapCapture(DEVICE, FILTER)
    assert raised.value.fault is CaptureFault.DEVICE_DOWN
    assert raised.value.passing


def test_a_missing_privilege_is_named(wire: Wire) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        try:
            PcapCapture(DEVICE, FILTER)
        except CaptureError as error:
            os.write(writer, f"{error.fault}: {error}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    assert text.startswith("not-permitted: capturing on eth1 is not permitted. Run the daemon as")


def test_a_file_of_the_devices_name_is_not_taken_for_it(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / DEVICE).write_bytes(capture_file([ethernet(ipv4(udp(KNOCK)))]))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaptureError, match="a capture file named eth1 in the current directory"):
        PcapCapture(DEVICE, FILTER)


def test_no_descriptor_is_left_open(wire: Wire) -> None:
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(CaptureError):
            PcapCapture(DEVICE, "udp prt 1")
        opened = PcapCapture(DEVICE, FILTER)
        opened.close()
        opened.close()
    assert open_descriptors() == before
    assert (opened.read(10), opened.fileno()) == ([], -1)
