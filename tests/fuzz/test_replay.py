"""What `make fuzz` has found stays found: its inputs are tried again on every Python.

No atheris is needed for that. README.md tells what the targets promise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.corpora import CORPORA, CRASHERS, corpus, crashers, escaped, unescaped
from tests.fuzz.limits import bounded, cpu_seconds, memory_peak
from tests.fuzz.mutators import blind
from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target

EVERY = list(TARGETS.values())
LONG = [target for target in EVERY if target.grown]
CRASHED = [(target, path) for target in EVERY for path in crashers(target.name)]

MUTATIONS = 150
"""Changed inputs for each target; `make fuzz` tries a thousand times as many."""

TIMES = 8
"""How many times as long a grown input is made."""

SLOWER = 4 * TIMES
"""How many times as slow that may be: less than the square of it, and more than a busy
machine's noise."""

NOISE = 0.15
"""Seconds of CPU time that prove nothing."""

TRIES = 4
"""Measurements before a pair is called slow. Some kernels charge whole ticks to whoever runs,
which adds to a reading now and then; an input that is really slow is so each time."""

PER_BYTE, AT_LEAST = 400, 12 << 20
"""Memory for an input."""


def by_name(target: Target) -> str:
    return target.name


@pytest.mark.parametrize("target", EVERY, ids=by_name)
def test_seeds_and_corpus_give_a_value_or_the_declared_error(target: Target) -> None:
    for data in (*target.seeds(), *corpus(target.name)):
        with bounded():
            target.check(data[: target.longest])


@pytest.mark.parametrize(
    ("target", "path"), CRASHED, ids=[f"{target.name}-{path.name}" for target, path in CRASHED]
)
def test_what_broke_once_breaks_no_more(target: Target, path: Path) -> None:
    with bounded():
        target.check(path.read_bytes())


@pytest.mark.parametrize("target", EVERY, ids=by_name)
def test_hostile_changes_give_a_value_or_the_declared_error(target: Target) -> None:
    """The same changes each time, so that a failure comes again."""
    random = Random(hashlib.sha256(target.name.encode()).digest())
    inputs = [data[: target.longest] for data in (*target.seeds(), *corpus(target.name))]
    for _ in range(MUTATIONS):
        data = random.choice(inputs)
        for _ in range(random.choice((1, 1, 2, 4))):
            data = random.choice((target.mutate, target.mutate, blind))(data, random)
        with bounded():
            target.check(data[: target.longest])


@pytest.mark.parametrize("target", LONG, ids=by_name)
def test_time_and_memory_grow_with_the_input_and_no_faster(target: Target) -> None:
    for short, long in pairs(target):
        assert grows_in_step(target.check, short, long), f"too slow: {short[:80]!r}, made longer"
    peak = memory_peak(partial(tried, target.check, long))
    assert peak <= AT_LEAST + PER_BYTE * len(long)


def test_what_takes_the_square_of_its_input_is_found() -> None:
    def square(data: bytes) -> None:
        for end in range(len(data)):
            data.count(b"-", 0, end)

    def step(data: bytes) -> None:
        for _ in range(20):
            data.count(b"-")

    short, long = (bytes(length) for length in (10_000, 10_000 * TIMES))
    assert not grows_in_step(square, short, long)
    assert grows_in_step(step, short, long)


def grows_in_step(check: Callable[[bytes], None], short: bytes, long: bytes) -> bool:
    """Whether a long input is slower than a short one by what its length explains."""
    for _ in range(TRIES):
        before = cpu_seconds(partial(tried, check, short))
        after = cpu_seconds(partial(tried, check, long))
        if after <= NOISE + SLOWER * before:
            return True
    return False


def tried(check: Callable[[bytes], None], data: bytes) -> None:
    """Check an input whose end was not picked with care; how long it takes is all that counts."""
    with bounded(30.0):
        check(data)


def pairs(target: Target) -> Iterator[tuple[bytes, bytes]]:
    """The same part again and again: up to an eighth of the length, and to all of it."""
    random = Random(7)
    first = min(target.seeds(), key=len)
    lines = [line + b"\n" for seed in target.seeds() for line in seed.split(b"\n")[:40] if line]
    parts = [*random.sample(lines, min(5, len(lines))), first[1:9] or b"x", b" ", b"[", b"{"]
    words = [word + end for word in target.words[:2] for end in (b"", b"\n")]
    for part in (*words, *parts, *target.seeds()[:2]):
        count = max(1, target.grown // TIMES // len(part))
        yield first + part * count, first + part * (count * TIMES)


# The keeping of inputs itself


def test_an_input_survives_being_written_as_text() -> None:
    data = bytes(range(256)) * 2 + rb"\x41\\"
    line = escaped(data)
    assert unescaped(line) == data
    assert line.isascii()
    assert line.isprintable()


def test_every_kept_file_belongs_to_a_target_and_all_are_small() -> None:
    files = [path for folder in (CORPORA, CRASHERS) for path in folder.rglob("*") if path.is_file()]
    names = {path.stem if path.parent == CORPORA else path.parent.name for path in files}
    assert names <= set(TARGETS)
    assert sum(path.stat().st_size for path in files) < 1 << 20


def test_a_target_names_what_it_proves() -> None:
    for name, target in TARGETS.items():
        assert target.name == name
        assert target.proves.endswith(".")
        assert target.seeds()
