"""OpenMetrics text as the official parser reads it."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.openmetrics import parser


def families(text: str) -> dict[str, Metric]:
    """The families of a whole text by name. Raises ValueError for what is none."""
    read = parser.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return {family.name: family for family in read}


def samples(text: str, name: str) -> dict[str, float]:
    """A family's numbers by the values of their labels, those that are 0 left out."""
    found = families(text)[name].samples
    return {",".join(s.labels.values()): s.value for s in found if s.value}
