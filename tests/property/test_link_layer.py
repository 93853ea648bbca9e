"""The frame parser against arbitrary bytes: it gives a packet or None, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwknopd.capture.link_layer import MAX_FRAME, parse_frame
from tests.unit.capture.frames import ethernet, icmp, ipv4, ipv6, pppoe, tcp, udp

DATALINKS = (0, 1, 9, 12, 50, 51, 101, 108, 113, 228, 229, 276)
PAYLOADS = st.binary(min_size=1, max_size=1300)
FRAMES = st.one_of(
    st.builds(lambda p: ethernet(ipv4(udp(p))), PAYLOADS),
    st.builds(lambda p: ethernet(ipv4(tcp(p), protocol=6)), PAYLOADS),
    st.builds(lambda p: ethernet(ipv4(icmp(p), protocol=1)), PAYLOADS),
    st.builds(lambda p: ethernet(ipv6(udp(p)), 0x86DD), PAYLOADS),
    st.builds(lambda p: ethernet(ipv6(b"\x11\0" + b"\0" * 6 + udp(p), 0), 0x86DD), PAYLOADS),
    st.builds(lambda p: ethernet(pppoe(ipv4(udp(p))), 0x8864), PAYLOADS),
)


@given(datalink=st.one_of(st.sampled_from(DATALINKS), st.integers()), frame=st.binary())
def test_arbitrary_bytes_never_raise(datalink: int, frame: bytes) -> None:
    packet = parse_frame(datalink, frame, "eth1")
    assert packet is None or packet.payload in frame


@given(
    frame=FRAMES,
    damage=st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 1500),
    datalink=st.sampled_from(DATALINKS),
)
def test_damaged_frames_never_raise_and_invent_no_bytes(
    frame: bytes, damage: list[tuple[int, int]], cut: int, datalink: int
) -> None:
    damaged = bytearray(frame[:cut])
    for place, value in damage:
        if place < len(damaged):
            damaged[place] = value
    for link in (datalink, 1):
        packet = parse_frame(link, bytes(damaged), "eth1")
        if packet is not None:
            assert packet.payload
            assert packet.payload in bytes(damaged)


@given(payload=PAYLOADS, padding=st.binary(max_size=60))
def test_a_whole_frame_gives_back_its_payload(payload: bytes, padding: bytes) -> None:
    frame = ethernet(ipv4(udp(payload))) + padding
    packet = parse_frame(1, frame, "eth1")
    assert packet is not None
    assert packet.payload == payload


@given(frame=FRAMES, cut=st.integers(min_value=1))
def test_a_cut_off_frame_gives_nothing(frame: bytes, cut: int) -> None:
    """Half a knock is no knock, wherever the snap length fell."""
    assert parse_frame(1, frame[: -min(cut, len(frame))], "eth1") is None


@given(size=st.integers(min_value=MAX_FRAME + 1, max_value=MAX_FRAME + 600))
def test_a_frame_longer_than_ethernet_carries_gives_nothing(size: int) -> None:
    assert parse_frame(1, ethernet(ipv4(udp(b"A" * (size - 42)))), "eth1") is None
