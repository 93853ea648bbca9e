"""Reading knocks from a capture file."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwknopd.capture import CaptureError, CaptureFault
from fwknopd.capture.bpf import capture_filter
from fwknopd.capture.pcap import PcapCapture, PcapFileCapture
from fwknopd.policy.packet import Packet
from tests.unit.capture.descriptors import open_descriptors
from tests.unit.capture.frames import (
    IPV6,
    capture_file,
    cooked,
    cooked_v2,
    ethernet,
    ipv4,
    ipv6,
    pppoe,
    udp,
)

KNOCKS = [b"%04d" % number * 50 for number in range(250)]
FILTER = capture_filter("udp port 62201")


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "knocks.pcap"
    path.write_bytes(data)
    return path


def drain(capture: PcapFileCapture, limit: int = 100) -> list[Packet]:
    packets: list[Packet] = []
    while not capture.exhausted:
        batch = capture.read(limit)
        assert len(batch) <= limit
        packets += batch
    return packets


def test_whole_file_in_order(tmp_path: Path) -> None:
    frames = [ethernet(ipv4(udp(knock))) for knock in KNOCKS]
    capture = PcapFileCapture(written(tmp_path, capture_file(frames)), FILTER)
    assert [packet.payload for packet in drain(capture)] == KNOCKS
    assert capture.stats().received == len(KNOCKS)
    assert capture.detail() == "read to its end"
    capture.close()


def test_the_filter_applies_to_files_too(tmp_path: Path) -> None:
    frames = [ethernet(ipv4(udp(KNOCKS[0], destination=port))) for port in (53, 62201)]
    capture = PcapFileCapture(written(tmp_path, capture_file(frames)), FILTER)
    assert [packet.destination_port for packet in drain(capture)] == [62201]
    capture.close()


FOUR, SIX = ipv4(udp(KNOCKS[0])), ipv6(udp(KNOCKS[1]))
# As `tcpdump -w` numbers them: in files raw IP is 101, whatever the system calls it.
LINKS = {
    "Ethernet": (1, ethernet(FOUR), ethernet(SIX, IPV6)),
    "PPP": (9, b"\xff\x03\x00\x21" + FOUR, b"\xff\x03\x00\x57" + SIX),
    "PPP serial": (50, b"\xff\x03\x00\x21" + FOUR, b"\xff\x03\x00\x57" + SIX),
    "PPP over Ethernet": (51, pppoe(FOUR), pppoe(SIX, 0x0057)),
    "raw IP": (101, FOUR, SIX),
    "cooked": (113, cooked(FOUR), cooked(SIX, IPV6)),
    "cooked, version 2": (276, cooked_v2(FOUR), cooked_v2(SIX, IPV6)),
}


@pytest.mark.parametrize("link", LINKS)
def test_every_link_is_read_through_the_kernels_filter(tmp_path: Path, link: str) -> None:
    number, *frames = LINKS[link]
    capture = PcapFileCapture(written(tmp_path, capture_file(frames, number)), FILTER)
    assert capture.filter == FILTER.kernel
    assert [packet.payload for packet in drain(capture)] == KNOCKS[:2]
    capture.close()


@pytest.mark.parametrize("kinds", [(0x8100,), (0x88A8,), (0x88A8, 0x8100), (0x8100, 0x8100)])
def test_tags_are_read_where_the_filter_asks_for_them(
    tmp_path: Path, kinds: tuple[int, ...]
) -> None:
    """In a file they are part of the frame; live, the kernel takes the outer one away."""
    tags = [(kind, 7) for kind in kinds]
    frames = [ethernet(FOUR, tags=tags), ethernet(SIX, IPV6, tags)]
    asked = capture_filter(" and ".join(["vlan"] * len(kinds) + ["udp port 62201"]))
    capture = PcapFileCapture(written(tmp_path, capture_file(frames)), asked)
    assert [packet.payload for packet in drain(capture)] == KNOCKS[:2]
    capture.close()


def test_unusable_frames_do_not_end_the_file(tmp_path: Path) -> None:
    frames = [b"short", ethernet(b"\x45" * 30)] * 150 + [ethernet(ipv4(udp(KNOCKS[0])))]
    capture = PcapFileCapture(written(tmp_path, capture_file(frames)))
    assert len(drain(capture)) == 1
    capture.close()


def test_cut_off_file_gives_what_it_has_then_says_so(tmp_path: Path) -> None:
    whole = capture_file([ethernet(ipv4(udp(knock))) for knock in KNOCKS[:3]])
    capture = PcapFileCapture(written(tmp_path, whole[:-5]), FILTER)
    assert len(capture.read(100)) == 2
    with pytest.raises(CaptureError) as raised:
        capture.read(100)
    assert raised.value.fault is CaptureFault.BAD_FILE
    assert capture.exhausted
    capture.close()


@pytest.mark.parametrize("content", [b"", b"not a capture file at all"])
def test_a_file_of_something_else_is_named(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    with pytest.raises(CaptureError, match="not a capture file") as raised:
        PcapFileCapture(path)
    assert str(path) in str(raised.value)
    assert "tcpdump -w" in raised.value.remedy


def test_missing_file_is_named() -> None:
    with pytest.raises(CaptureError, match=r"/nowhere/x\.pcap can't be read: no such file"):
        PcapFileCapture("/nowhere/x.pcap")


def test_a_file_of_unknown_link_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="link type 147"):
        PcapFileCapture(written(tmp_path, capture_file([], datalink=147)))


def test_bad_filter_names_the_filter_and_the_option(tmp_path: Path) -> None:
    path = written(tmp_path, capture_file([]))
    with pytest.raises(CaptureError, match="'udp prt 62201' is not valid") as raised:
        PcapFileCapture(path, capture_filter("udp prt 62201"))
    assert raised.value.fault is CaptureFault.BAD_FILTER
    assert "PCAP_FILTER" in raised.value.remedy


def test_brackets_in_a_filter_can_not_widen_what_is_added(tmp_path: Path) -> None:
    """``(a) or (b) and (ours)`` would compile; the admin's text alone doesn't."""
    path = written(tmp_path, capture_file([]))
    with pytest.raises(CaptureError, match="is not valid"):
        PcapFileCapture(path, capture_filter("udp) or (tcp"))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    path = written(tmp_path, capture_file([ethernet(ipv4(udp(KNOCKS[0])))]))
    before = open_descriptors()
    for _ in range(5):
        capture = PcapFileCapture(path, FILTER)
        capture.read(10)
        capture.close()
        capture.close()
        with pytest.raises(CaptureError):
            PcapFileCapture(path, "udp prt 1")
    assert open_descriptors() == before
    assert capture.read(10) == []
    assert capture.fileno() == -1
    assert capture.stats().received == 1


def test_missing_device_lists_those_there_are() -> None:
    with pytest.raises(CaptureError, match="no network device 'eth99'") as raised:
        PcapCapture("eth99")
    assert raised.value.fault is CaptureFault.NO_DEVICE
    assert raised.value.passing
    assert "lo" in raised.value.remedy


@pytest.mark.parametrize("name", ["", "a/b", "x" * 40, "nul\0name"])
def test_names_no_device_can_have(name: str) -> None:
    with pytest.raises(CaptureError) as raised:
        PcapCapture(name)
    assert raised.value.fault is CaptureFault.NO_DEVICE
