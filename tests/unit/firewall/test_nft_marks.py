"""One bit of a mark through a rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwknopd.firewall.nft_marks import Effect, asks_for, effect_on_mark, wanted_bit

BIT = 0x40000000
NUMBERS = st.integers(0, (1 << 32) - 1)
OPERATORS = {"&": int.__and__, "|": int.__or__, "^": int.__xor__}
STEPS = st.lists(st.tuples(st.sampled_from(sorted(OPERATORS)), NUMBERS), max_size=4)


@given(NUMBERS, STEPS)
def test_what_is_worked_out_is_what_the_kernel_does(
    mark: int, steps: list[tuple[str, int]]
) -> None:
    expression = "meta mark" + "".join(f" {name} {number:#010x}" for name, number in steps)
    result = mark
    for name, number in steps:
        result = OPERATORS[name](result, number)
    effect = effect_on_mark(f"meta mark set {expression}", BIT)
    expected = {
        Effect.SET: bool(result & BIT),
        Effect.CLEARED: not result & BIT,
        Effect.KEPT: result & BIT == mark & BIT,
        # Only a bit that is turned over is not known.
        Effect.UNKNOWN: any(name == "^" and number & BIT for name, number in steps),
    }
    assert effect is not None
    assert expected[effect]


@pytest.mark.parametrize(
    ("rule", "effect"),
    [
        ("meta mark set 0x40000000", Effect.SET),
        ("meta mark set 1073741824", Effect.SET),
        ("meta mark set 0x00000001", Effect.CLEARED),
        ("meta mark set 0x40000000 & meta mark", Effect.KEPT),
        ("meta mark set ct mark", Effect.UNKNOWN),
        ("meta mark set ct mark & 0x0000ff00", Effect.CLEARED),
        ("meta mark set (meta mark & 0xffff00ff) ^ 0x00000100", Effect.KEPT),
        ("meta mark set ip saddr map { 10.0.0.1 : 0x40000000 }", Effect.UNKNOWN),
        ("ct mark set meta mark", None),
        ("tcp dport 22 accept", None),
    ],
)
def test_what_becomes_of_the_bit(rule: str, effect: Effect | None) -> None:
    assert effect_on_mark(rule, BIT) is effect


def test_what_iptables_restores_is_limited_to_its_mask() -> None:
    rule = "counter packets 0 bytes 0 meta mark set ct mark and 0x3f00"
    assert effect_on_mark(rule, BIT, by_iptables=True) is Effect.KEPT
    assert effect_on_mark(rule, 0x100, by_iptables=True) is Effect.UNKNOWN
    assert effect_on_mark(rule, BIT) is Effect.CLEARED


def test_setting_is_not_asking() -> None:
    assert not asks_for("meta mark set 0x40000000", BIT)
    assert not asks_for("ct mark set meta mark | 0x40000000", BIT)
    assert asks_for("meta mark 0x40000001 meta mark set 0x1", BIT)


@pytest.mark.parametrize(
    ("rule", "bit"),
    [
        ("meta mark & 0x40000000 != 0 accept", BIT),
        ("meta mark & 0x40000000 == 0x40000000 accept", BIT),
        ("meta mark & 0x40000000 == 0 accept", 0),
        ("meta mark & 0xc0000000 != 0 accept", 0),
        ("meta mark 0x40000000 accept", 0),
        ("ct mark & 0x40000000 != 0 accept", 0),
        ("tcp dport 22 accept", 0),
    ],
)
def test_which_bit_is_tested(rule: str, bit: int) -> None:
    assert wanted_bit(rule) == bit
