"""Guessing passwords gets slow, and the person who knows it isn't shut out by others."""

from __future__ import annotations

from fwknop_webui.lockout import (
    FAILURES_OF_ALL,
    FAILURES_PER_ADDRESS,
    LOCK_SECONDS,
    MAX_ADDRESSES,
    PAUSE_OF_ALL,
    Lockout,
    minutes_and_seconds,
)
from tests.web.clock import HandClock

ATTACKER = "192.0.2.66"
OWNER = "192.168.1.5"


def fail(lockout: Lockout, address: str, times: int) -> list[bool]:
    return [lockout.failed(address) for _ in range(times)]


def test_fifth_failure_locks_and_is_the_one_to_log() -> None:
    lockout = Lockout(HandClock().monotonic)
    assert fail(lockout, ATTACKER, FAILURES_PER_ADDRESS) == [False] * 4 + [True]
    assert lockout.wait(ATTACKER) == LOCK_SECONDS
    assert lockout.wait(OWNER) == 0


def test_lock_ends_and_counting_starts_anew() -> None:
    clock = HandClock()
    lockout = Lockout(clock.monotonic)
    fail(lockout, ATTACKER, FAILURES_PER_ADDRESS)
    clock.forward(LOCK_SECONDS - 1)
    assert lockout.wait(ATTACKER) == 1
    clock.forward(1)
    assert lockout.wait(ATTACKER) == 0
    assert fail(lockout, ATTACKER, 1) == [False]


def test_slow_typist_is_never_locked() -> None:
    clock = HandClock()
    lockout = Lockout(clock.monotonic)
    for _ in range(3 * FAILURES_PER_ADDRESS):
        assert not lockout.failed(OWNER)
        clock.forward(LOCK_SECONDS)
    assert lockout.wait(OWNER) == 0


def test_right_password_forgets_the_failures() -> None:
    lockout = Lockout(HandClock().monotonic)
    fail(lockout, OWNER, FAILURES_PER_ADDRESS - 1)
    lockout.succeeded(OWNER)
    assert fail(lockout, OWNER, FAILURES_PER_ADDRESS - 1) == [False] * 4


def test_hosts_of_one_ipv6_network_share_their_failures() -> None:
    lockout = Lockout(HandClock().monotonic)
    for number in range(FAILURES_PER_ADDRESS):
        lockout.failed(f"2001:db8::{number:x}")
    assert lockout.wait("2001:db8::ffff") > 0
    assert lockout.wait("2001:db8:0:1::1") == 0


def test_ipv4_address_counts_the_same_through_an_ipv6_socket() -> None:
    lockout = Lockout(HandClock().monotonic)
    fail(lockout, f"::ffff:{ATTACKER}", FAILURES_PER_ADDRESS)
    assert lockout.wait(ATTACKER) > 0


def test_many_addresses_together_are_slowed_down_but_not_who_was_in_before() -> None:
    clock = HandClock()
    lockout = Lockout(clock.monotonic)
    lockout.succeeded(OWNER)
    for number in range(FAILURES_OF_ALL):
        lockout.failed(f"10.0.{number}.1")
    assert lockout.wait("10.9.9.9") == PAUSE_OF_ALL
    assert lockout.wait(OWNER) == 0
    clock.forward(PAUSE_OF_ALL)
    assert lockout.wait("10.9.9.9") == 0


def test_books_stay_bounded_under_a_flood_of_addresses() -> None:
    lockout = Lockout(HandClock().monotonic)
    for number in range(3 * MAX_ADDRESSES):
        lockout.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(lockout._records) <= MAX_ADDRESSES


def test_tries_sent_at_once_get_no_more_than_the_places_left() -> None:
    lockout = Lockout(HandClock().monotonic)
    fail(lockout, ATTACKER, FAILURES_PER_ADDRESS - 1)
    assert [lockout.begin(ATTACKER) for _ in range(3)] == [0, 1, 1]
    assert lockout.begin(OWNER) == 0
    assert lockout.failed(ATTACKER)
    assert lockout.begin(ATTACKER) == LOCK_SECONDS


def test_tries_of_many_addresses_at_once_are_counted_before_they_fail() -> None:
    lockout = Lockout(HandClock().monotonic)
    lockout.succeeded(OWNER)
    waits = [lockout.begin(f"10.0.{number}.1") for number in range(FAILURES_OF_ALL + 5)]
    assert waits == [0] * FAILURES_OF_ALL + [1] * 5
    assert lockout.begin(OWNER) == 0


def test_try_that_could_not_be_checked_gives_its_place_back() -> None:
    lockout = Lockout(HandClock().monotonic)
    for _ in range(3 * FAILURES_OF_ALL):
        assert lockout.begin(OWNER) == 0
        lockout.abandoned(OWNER)


def test_right_password_beside_a_wrong_one_does_not_hide_it() -> None:
    lockout = Lockout(HandClock().monotonic)
    assert [lockout.begin(OWNER) for _ in range(2)] == [0, 0]
    lockout.succeeded(OWNER)
    lockout.failed(OWNER)
    assert fail(lockout, OWNER, FAILURES_PER_ADDRESS - 1)[-1]


def test_time_is_told_as_minutes_and_seconds() -> None:
    assert minutes_and_seconds(899) == "14:59"
