"""One knock that two captures saw."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from fwknopd.capture import twins
from fwknopd.capture.twins import CONNECTION_SECONDS, MOMENT_SECONDS, Twins
from fwknopd.policy.packet import Packet

PORT = 62201
SNIFFED = Packet(
    b"A" * 200, ip_address("198.51.100.7"), ip_address("203.0.113.1"), 40000, PORT, 6, "eth1"
)
HEARD = SNIFFED._replace(via="tcp")
DATAGRAM = SNIFFED._replace(protocol=17)


class Clock:
    """Monotonic seconds, moved by hand."""

    def __init__(self) -> None:
        self.time = 5.0

    def __call__(self) -> float:
        return self.time


class Captures:
    """What several captures hand over, each known by a name; which of it counts."""

    def __init__(self, port: int | None = PORT, *, several: bool = True) -> None:
        self.clock = Clock()
        self.twins = Twins(self.clock)
        self.port = port
        self.several = several
        self._seers: dict[str, object] = {}

    def count(self, *seen: tuple[str, Packet]) -> list[Packet]:
        return [packet for name, one in seen for packet in self.see(name, one)]

    def see(self, name: str, *packets: Packet) -> list[Packet]:
        seer = self._seers.setdefault(name, object())
        return list(self.twins.first_ones(packets, seer, self.port, several=self.several))


# A listener beside the sniffer


@pytest.mark.parametrize(
    "seen",
    [
        (("eth1", SNIFFED), ("tcp", HEARD)),
        (("tcp", HEARD), ("eth1", SNIFFED)),
        (("eth1", SNIFFED), ("eth1", SNIFFED)),
    ],
)
def test_of_a_connection_only_the_first_counts(seen: tuple[tuple[str, Packet], ...]) -> None:
    captures = Captures()
    assert captures.count(*seen) == [seen[0][1]]
    captures.clock.time += CONNECTION_SECONDS - 1
    assert captures.count(*seen) == []
    captures.clock.time += CONNECTION_SECONDS
    assert captures.count(*seen) == [seen[0][1]]


def test_a_listener_that_moved_to_another_port_still_knows_what_was_sniffed() -> None:
    captures = Captures()
    assert captures.see("eth1", SNIFFED) == [SNIFFED]
    captures.port = 62202
    assert captures.see("tcp", HEARD) == []


@pytest.mark.parametrize(
    "other",
    [
        HEARD._replace(source=ip_address("198.51.100.8")),
        HEARD._replace(source_port=40001),
        HEARD._replace(payload=b"A" * 199 + b"B"),
    ],
)
def test_a_copy_on_another_connection_counts(other: Packet) -> None:
    seen = ("eth1", SNIFFED), ("tcp", other)
    assert Captures().count(*seen) == [SNIFFED, other]


@pytest.mark.parametrize("changed", [{"protocol": 17}, {"destination_port": 80}])
def test_what_comes_again_on_the_same_device_is_a_copy(changed: dict[str, int]) -> None:
    packet = SNIFFED._replace(**changed)  # type: ignore[arg-type]
    for several in (False, True):
        captures = Captures(several=several)
        assert captures.see("eth1", packet, packet) == [packet, packet]


# Devices on top of each other


def test_of_several_devices_only_the_first_counts() -> None:
    captures = Captures(None)
    below, above = DATAGRAM, DATAGRAM._replace(via="br-lan")
    assert captures.count(("eth1", below), ("br-lan", above), ("eth1.7", above)) == [below]
    captures.clock.time += MOMENT_SECONDS
    assert captures.see("br-lan", above) == [above], "later it is a copy"


def test_all_devices_at_once_see_it_several_times() -> None:
    captures = Captures(None)
    packet = DATAGRAM._replace(via="any")
    assert captures.see("any", packet, packet, packet) == [packet]


def test_a_capture_that_replaces_another_on_its_device() -> None:
    captures = Captures(None)
    assert captures.count(("old", DATAGRAM), ("new", DATAGRAM)) == [DATAGRAM]


def test_with_one_capture_on_one_device_nothing_is_left_out() -> None:
    captures = Captures(None, several=False)
    assert captures.see("eth1", DATAGRAM, DATAGRAM) == [DATAGRAM, DATAGRAM]


def test_it_remembers_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "REMEMBERED", 3)
    captures = Captures()
    several = [SNIFFED._replace(source_port=port) for port in range(4)]
    assert captures.count(*(("eth1", packet) for packet in several)) == several
    assert captures.see("eth1", several[3]) == []
    assert captures.see("eth1", several[0]) == [several[0]], "the oldest went"
