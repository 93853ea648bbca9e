"""Floods are taken in lots, and nobody else waits."""

from __future__ import annotations

import pytest

from fwknopd.pacing import GATHERED, REST_SECONDS, Pacing


def rests(lots: list[tuple[float, int]], *, in_vain: bool = True) -> list[float]:
    """The rest after each lot: when it came, and how many packets it had."""
    pacing = Pacing()
    return [pacing.rest(packets, now, in_vain=in_vain) for now, packets in lots]


def test_the_first_packet_after_a_while_is_no_flood() -> None:
    assert rests([(100.0, 1), (101.0, 3)]) == [0, 0]


@pytest.mark.parametrize("rate", [600, 1000, 10_000])
def test_a_flood_of_single_packets_gathers_while_the_daemon_rests(rate: int) -> None:
    assert rests([(100.0, 1), (100.0 + 1 / rate, 1)]) == [0, REST_SECONDS]
    lot = max(1, int(rate * REST_SECONDS))
    assert rests([(100.0, lot), (100.0 + lot / rate, lot)])[1] == REST_SECONDS


def test_slow_junk_is_no_flood() -> None:
    assert rests([(100.0 + n / 100, 1) for n in range(5)]) == [0] * 5


def test_packets_that_gather_by_themselves_are_not_kept_waiting() -> None:
    assert rests([(100.0, GATHERED), (100.001, GATHERED)]) == [0, 0]


def test_good_knocks_are_never_kept_waiting() -> None:
    assert rests([(100.0, 1), (100.0001, 1), (100.0002, 1)], in_vain=False) == [0, 0, 0]


def test_turns_without_packets_change_nothing() -> None:
    assert rests([(100.0, 1), (100.0005, 0), (100.001, 1)]) == [0, 0, REST_SECONDS]
