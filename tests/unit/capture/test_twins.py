"""One knock over TCP, seen by the sniffer and by the listener."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from fwknopd.capture import twins
from fwknopd.capture.twins import REMEMBERED_SECONDS, Twins
from fwknopd.policy.packet import Packet

PORT = 62201
SNIFFED = Packet(
    b"A" * 200, ip_address("198.51.100.7"), ip_address("203.0.113.1"), 40000, PORT, 6, "eth1"
)
HEARD = replace(SNIFFED, via="tcp")


class Clock:
    """Monotonic seconds, moved by hand."""

    def __init__(self) -> None:
        self.time = 5.0

    def __call__(self) -> float:
        return self.time


@pytest.mark.parametrize("packets", [(SNIFFED, HEARD), (HEARD, SNIFFED), (SNIFFED, SNIFFED)])
def test_only_the_first_counts(packets: tuple[Packet, ...]) -> None:
    seen = Twins(Clock())
    assert seen.first_ones(packets, PORT) == [packets[0]]
    assert seen.first_ones(packets, PORT) == []


def test_a_listener_that_moved_to_another_port_still_knows_what_was_sniffed() -> None:
    seen = Twins(Clock())
    assert seen.first_ones([SNIFFED], PORT) == [SNIFFED]
    assert seen.first_ones([HEARD], 62202) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(HEARD, source=ip_address("198.51.100.8")),
        replace(HEARD, source_port=40001),
        replace(HEARD, payload=b"A" * 199 + b"B"),
    ],
)
def test_a_copy_on_another_connection_counts(other: Packet) -> None:
    assert Twins(Clock()).first_ones([SNIFFED, other], PORT) == [SNIFFED, other]


@pytest.mark.parametrize("changed", [{"protocol": 17}, {"destination_port": 80}])
def test_what_is_not_for_the_listener_is_left_alone(changed: dict[str, int]) -> None:
    packet = replace(SNIFFED, **changed)  # type: ignore[arg-type]
    assert Twins(Clock()).first_ones([packet, packet], PORT) == [packet, packet]


def test_without_a_listener_nothing_is_left_out() -> None:
    assert Twins(Clock()).first_ones([SNIFFED, SNIFFED], None) == [SNIFFED, SNIFFED]


def test_it_forgets_after_a_while() -> None:
    clock = Clock()
    seen = Twins(clock)
    assert seen.first_ones([SNIFFED], PORT)
    clock.time += REMEMBERED_SECONDS
    assert seen.first_ones([SNIFFED], PORT)


def test_it_remembers_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "REMEMBERED", 3)
    seen = Twins(Clock())
    several = [replace(SNIFFED, source_port=port) for port in range(4)]
    assert seen.first_ones([*several, several[3]], PORT) == several
    assert seen.first_ones(several[:1], PORT) == several[:1], "the oldest went"
