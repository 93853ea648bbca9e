"""Used packets: found under both names, kept as long as needed, bounded."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.replay import ReplayCache, ReplayCacheFull, ReplayEntry

NOW = 1_800_000_000


def entry(number: int, *, timestamp: int | None = NOW, seen: int = NOW) -> ReplayEntry:
    return ReplayEntry(
        digest=f"digest{number}",
        key=number.to_bytes(32, "big"),
        seen=seen,
        timestamp=timestamp,
        protocol=17,
        source=ip_address("198.51.100.7"),
        source_port=1024,
        destination=ip_address("192.0.2.1"),
        destination_port=62201,
        client="phone",
    )


def filled(count: int, **options: int) -> ReplayCache:
    cache = ReplayCache(120, **options)
    for number in range(count):
        cache.add(entry(number), NOW)
    return cache


def from_c_daemon(number: int, seen: int = NOW) -> ReplayEntry:
    known = entry(number, timestamp=None, seen=seen)
    return ReplayEntry(
        known.digest, None, seen, None, 17, known.source, 1, known.destination, 62201
    )


def test_found_under_both_names_and_no_other() -> None:
    cache = filled(2)
    assert cache.seen("digest1") == entry(1)
    assert cache.seen((1).to_bytes(32, "big")) == entry(1)
    assert cache.seen("digest2") is None
    assert cache.seen(b"digest1") is None
    assert cache.entries() == [entry(0), entry(1)]


def test_an_entry_of_the_c_daemon_has_one_name() -> None:
    cache = ReplayCache()
    cache.load([from_c_daemon(1)], NOW)
    assert cache.seen("digest1") is not None
    assert cache.seen((1).to_bytes(32, "big")) is None


@pytest.mark.parametrize(
    ("timestamp", "kept"), [(NOW - 120, True), (NOW - 121, False), (NOW + 120, True)]
)
def test_kept_while_its_own_timestamp_could_be_accepted(timestamp: int, kept: bool) -> None:
    cache = ReplayCache(max_age=120, keep=0)
    cache.add(entry(1, timestamp=timestamp, seen=NOW - 200), NOW - 200)
    cache.prune(NOW)
    assert (cache.seen("digest1") is not None) is kept
    assert (cache.seen((1).to_bytes(32, "big")) is not None) is kept


def test_an_entry_without_timestamp_is_kept_twice_as_long() -> None:
    # The C daemon took it at NOW, so its packet may be stamped as late as NOW + 120.
    cache = ReplayCache(max_age=120, keep=0)
    cache.load([from_c_daemon(1)], NOW)
    cache.prune(NOW + 240)
    assert cache.seen("digest1") is not None
    cache.prune(NOW + 241)
    assert cache.seen("digest1") is None


def test_a_wider_age_window_keeps_entries_longer() -> None:
    cache = filled(1, keep=0)
    cache.prune(NOW + 120)
    cache.max_age = 600
    assert cache.prune(NOW + 600) == 0
    cache.max_age = 120
    assert cache.prune(NOW + 600) == 1


def test_newest_are_kept_although_expired_so_a_clock_jump_frees_none() -> None:
    cache = filled(30, keep=10)
    assert cache.prune(NOW + 365 * 86400) == 20
    assert cache.entries() == [entry(number) for number in range(20, 30)]


def test_an_old_entry_that_still_counts_survives_newer_ones_that_do_not() -> None:
    cache = ReplayCache(max_age=120, keep=1)
    cache.add(entry(1, timestamp=NOW + 100), NOW)
    for number in range(2, 5):
        cache.add(entry(number, timestamp=NOW - 100), NOW)
    cache.prune(NOW + 50)
    assert cache.seen("digest1") is not None
    assert cache.seen("digest2") is None


def test_nothing_is_forgotten_when_packets_do_not_age() -> None:
    cache = ReplayCache(None, limit=5, keep=0)
    for number in range(5):
        cache.add(entry(number, timestamp=0), NOW)
    assert cache.prune(NOW * 2) == 0
    assert cache.full


def test_full_fails_closed_and_keeps_what_it_has() -> None:
    cache = filled(5, limit=5, keep=0)
    with pytest.raises(ReplayCacheFull):
        cache.add(entry(9), NOW)
    assert cache.seen("digest9") is None
    assert len(cache) == 5


def test_full_takes_packets_again_once_old_ones_expired() -> None:
    cache = filled(5, limit=5, keep=0)
    cache.add(entry(9, timestamp=NOW + 121), NOW + 121)
    assert cache.entries() == [entry(9, timestamp=NOW + 121)]


def test_a_long_life_of_steady_knocks_stays_small() -> None:
    cache = ReplayCache(max_age=120, limit=1000, keep=10)
    for second in range(5000):
        cache.add(entry(second, timestamp=NOW + second), NOW + second)
        assert len(cache) <= 500
    # All that could still be replayed are there.
    for second in range(5000 - 121, 5000):
        assert cache.seen(f"digest{second}") is not None


def test_loading_too_much_keeps_the_newest() -> None:
    cache = ReplayCache(None, limit=5, keep=0)
    cache.load([entry(number) for number in range(9)], NOW)
    assert cache.entries() == [entry(number) for number in range(4, 9)]
    assert cache.full


def test_loading_drops_what_expired() -> None:
    cache = ReplayCache(max_age=120, keep=0)
    cache.load([entry(1, timestamp=NOW - 500), entry(2)], NOW)
    assert cache.entries() == [entry(2)]


@pytest.mark.parametrize(("max_age", "kept"), [(None, True), (600, True), (120, False)])
def test_loading_before_the_settings_are_known_loses_nothing(
    max_age: int | None, kept: bool
) -> None:
    cache = ReplayCache(keep=0)
    cache.load([entry(1, timestamp=NOW - 500)], NOW)
    cache.max_age = max_age
    cache.add(entry(3), NOW)
    assert (cache.seen("digest1") is not None) is kept


def test_loading_the_same_line_twice_is_one_entry() -> None:
    cache = ReplayCache()
    cache.load([entry(1), entry(1)], NOW)
    assert len(cache) == 1


@pytest.mark.parametrize(
    ("timestamp", "acceptable"), [(NOW - 121, False), (NOW - 120, True), (NOW + 9999, True)]
)
def test_still_acceptable(timestamp: int, acceptable: bool) -> None:
    assert ReplayCache(120).still_acceptable(timestamp, NOW) is acceptable
    assert ReplayCache(None).still_acceptable(timestamp, NOW)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), max_size=30), st.data())
def test_room_is_foretold_and_asking_changes_nothing(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    age = data.draw(st.sampled_from([None, 60]))
    cache = ReplayCache(age, limit=4, keep=1)
    for number, (now, timestamp) in enumerate(steps):
        foretold, before = cache.has_room(now), cache.entries()
        assert cache.entries() == before
        try:
            cache.add(entry(number, timestamp=timestamp), now)
        except ReplayCacheFull:
            assert not foretold
        else:
            assert foretold


def test_entries_of_a_clock_that_ran_ahead_keep_no_place_of_others() -> None:
    cache = ReplayCache(max_age=120, limit=10, keep=0)
    year = 365 * 86_400
    for number in range(5):
        cache.add(entry(number, timestamp=NOW + year), NOW + year)
    cache.prune(NOW + year + 1)
    # The clock is back, and old packets have to make way for new ones as ever.
    for number in range(10, 200):
        later = NOW + 60 * number
        cache.add(entry(number, timestamp=later), later)
    assert cache.seen("digest199") is not None
    assert cache.seen("digest0") is not None
