"""Samples, what is said of them, and the daemons beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

REFERENCE = "c"
"""The daemon all others are compared with."""


@dataclass(frozen=True, slots=True, order=True)
class Figure:
    """What is measured, the same for every daemon: ``case`` is the load, such as "10 doors"."""

    scenario: str
    case: str
    metric: str
    unit: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A figure of one daemon over all rounds."""

    count: int
    p5: float
    p50: float
    p95: float

    @property
    def median(self) -> float:
        """The figure to quote."""
        return self.p50


def percentile(samples: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the samples lie, between the two nearest."""
    if not samples:
        return math.nan
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    if ordered[low] == ordered[high]:  # also where both are infinite
        return ordered[low]
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def summary(samples: Sequence[float]) -> Summary:
    """Median and spread of the samples; NaN without any."""
    p5, p50, p95 = (percentile(samples, share) for share in (0.05, 0.5, 0.95))
    return Summary(len(samples), p5, p50, p95)


@dataclass(slots=True)
class Results:
    """All samples of a run, by figure and daemon, in the order they were first measured."""

    samples: dict[Figure, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, figure: Figure, daemon: str, samples: Iterable[float]) -> None:
        """Take in what one round measured."""
        self.samples.setdefault(figure, {}).setdefault(daemon, []).extend(samples)

    def of(self, scenario: str, case: str, metric: str, daemon: str) -> Summary:
        """One figure; count 0 and NaN if it was not measured."""
        for figure, by_daemon in self.samples.items():
            if (figure.scenario, figure.case, figure.metric) == (scenario, case, metric):
                return summary(by_daemon.get(daemon, ()))
        return summary(())

    def ratio(self, scenario: str, case: str, metric: str, daemon: str) -> float:
        """The medians' ratio to the reference of the same run; NaN without one."""
        reference = self.of(scenario, case, metric, REFERENCE).p50
        return divided(self.of(scenario, case, metric, daemon).p50, reference)

    def scenarios(self) -> Iterator[tuple[str, list[Figure]]]:
        """The figures, scenario by scenario."""
        grouped: dict[str, list[Figure]] = {}
        for figure in self.samples:
            grouped.setdefault(figure.scenario, []).append(figure)
        yield from grouped.items()


def divided(value: float, by: float) -> float:
    """The quotient, NaN where there is none worth the name."""
    return value / by if by and math.isfinite(by) else math.nan
