"""Counting work: the same every time, and more when there is more."""

from __future__ import annotations

import hashlib
from functools import partial

from tests.bench.work import memory_kept, work_of


def hashed(times: int) -> None:
    """Some work, in Python and in C."""
    for number in range(times):
        hashlib.sha256(number.to_bytes(4, "big")).digest()


def test_the_same_work_counts_the_same() -> None:
    assert work_of(partial(hashed, 10)) == work_of(partial(hashed, 10))


def test_twice_the_work_counts_twice() -> None:
    one, two, three = (work_of(partial(hashed, times)) for times in (10, 20, 30))
    assert one.instructions > 10
    assert three.instructions - two.instructions == two.instructions - one.instructions
    assert (two.calls - one.calls) == {"openssl_sha256": 10, "to_bytes": 10, "digest": 10}
    assert two.c_calls - one.c_calls == 30


def test_what_stays_in_memory_is_found_and_what_goes_is_not() -> None:
    kept: list[bytes] = []
    assert memory_kept(lambda: kept.append(bytes(10_000))) > 10_000
    assert memory_kept(lambda: bytes(10_000)) < 1000
