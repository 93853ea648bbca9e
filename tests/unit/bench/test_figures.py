"""What is said of samples."""

from __future__ import annotations

import math

import pytest

from tests.bench.figures import Figure, Results, percentile, summary
from tests.bench.report import amount, number, ratio_text

FIGURE = Figure("knock to open", "", "time", "ms")


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.25, 2.0), (0.95, 4.8), (1.0, 5.0)]
)
def test_percentile_lies_between_the_two_nearest_samples(share: float, expected: float) -> None:
    assert percentile([5.0, 1.0, 3.0, 2.0, 4.0], share) == pytest.approx(expected)


def test_doors_that_never_close_count_as_the_worst() -> None:
    told = summary([0.1, 0.2, math.inf, math.inf, math.inf])
    assert told.p50 == math.inf
    assert told.p5 == pytest.approx(0.12)


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(summary([]).median)


def test_rounds_are_taken_together() -> None:
    results = Results()
    results.add(FIGURE, "nft", [1.0])
    results.add(FIGURE, "nft", [3.0])
    results.add(FIGURE, "c", [100.0])
    assert results.of("knock to open", "", "time", "nft").count == 2
    assert results.ratio("knock to open", "", "time", "nft") == pytest.approx(0.02)


def test_without_the_yardstick_there_is_no_ratio() -> None:
    results = Results()
    results.add(FIGURE, "nft", [1.0])
    assert math.isnan(results.ratio("knock to open", "", "time", "nft"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.234, "1.23"), (12.34, "12.3"), (1234.5, "1,234"), (math.inf, "never")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_amounts_and_ratios_read_as_people_write_them() -> None:
    assert amount(20.0, "us") == "20.0 µs"
    assert amount(math.inf, "s") == "never"
    assert ratio_text(0.0125) == "1/80.0"
    assert ratio_text(6.5) == "6.50 times"
