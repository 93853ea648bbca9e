"""What a soak allows its memory, which takes half an hour to be told otherwise."""

from __future__ import annotations

import os

import pytest

from tests.netns.soak.gauges import GROWTH_KIB, SHORT_GROWTH_KIB, Gauges, growth_limit


@pytest.mark.parametrize(
    ("minutes", "limit"),
    [(0, SHORT_GROWTH_KIB), (1, SHORT_GROWTH_KIB), (30, GROWTH_KIB), (120, GROWTH_KIB)],
)
def test_short_soak_is_not_measured_by_the_limit_of_a_long_one(minutes: int, limit: int) -> None:
    assert growth_limit(minutes * 60) == limit


def test_growth_is_told_from_what_levels_off() -> None:
    gauges = Gauges(os.getpid())
    gauges.times = [float(n) for n in range(80)]
    gauges.memory = [20_000 + min(n, 20) * 100 for n in range(80)]
    assert gauges.quarters()[3] == gauges.quarters()[1]
    assert gauges.growth_per_hour() == 0
    gauges.memory = [20_000 + n for n in range(80)]
    assert gauges.quarters()[3] - gauges.quarters()[1] == 40
    assert gauges.growth_per_hour() == pytest.approx(3600)
